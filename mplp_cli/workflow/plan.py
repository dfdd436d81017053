"""The plan: what may happen in a run, worked out once from the workflow before anything starts.

Every step of the file has a number (file order, containers before their children). Values are
compiled to templates, references have become dependencies, and the start order is settled. The fold
(`state`) and the driver read nothing but the plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from mplp_cli.workflow.agents import AgentFile
from mplp_cli.workflow.graph import longest_chain, waves
from mplp_cli.workflow.keys import CacheRule
from mplp_cli.workflow.language.templates import Formula, Template, is_template
from mplp_cli.workflow.model import Join, Workflow
from mplp_cli.workflow.resources import Demand, written
from mplp_cli.workflow.retry import NO_RETRY, Fallback, Retry
from mplp_cli.workflow.shapes.algebra import UNKNOWN, Shape
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mplp_cli.workflow.events.routes import Routing
    from mplp_cli.workflow.events.triggers import Trigger

#: Default timeouts of one attempt, in milliseconds; 0 is none.
DEFAULT_TIMEOUT = {
    "module-operation": 30_000,
    "shell": 600_000,
    "http": 600_000,
    "python": 600_000,
    "agent": 600_000,
}
CONTAINERS = frozenset({"parallel", "conditional", "foreach", "loop", "item"})
#: Containers whose steps run many times: what stands inside is a blueprint, and each item gets its own steps.
REPEATING = frozenset({"foreach", "loop"})
#: How many later steps may start before one that waits for room, unless a better number is known for the plan.
PATIENCE = 64
#: Ranks of a plan that may grow are this far apart, so that the steps of items fit in between.
SPREAD = 1 << 40


class StepResult(Struct, frozen=True):
    """A `step-result` condition: `path` into the result of step `number`, compared with `value`."""

    number: int
    path: tuple[str | int, ...]
    operator: str
    value: Template


class Custom(Struct, frozen=True):
    """A condition that a registered handler judges."""

    handler: str
    arguments: Template


Judgement: TypeAlias = Formula | StepResult | Custom | bool


class Repeat(Struct, frozen=True, kw_only=True):
    """What a foreach (`items`) or a loop repeats. Its blueprints are the `size` steps that follow it."""

    size: int
    #: The blueprints that stand directly in it.
    members: tuple[int, ...]
    items: Template = None
    #: The name of an item in references.
    name: str = ""
    #: Items that may fail, and hundredths of them that may (whichever is stated).
    tolerated: int = 0
    tolerated_share: float = 0
    until: Formula | bool | None = None
    while_: Formula | bool | None = None
    most: int = 0
    delay: Template = 0


class PlanStep(Struct, frozen=True, kw_only=True):
    """One step, ready to run. Numbers are places in `Plan.steps`; -1 is none."""

    number: int
    id: str
    kind: str
    name: str = ""
    parent: int = -1
    #: Where in its container it stands: "" (top level, parallel), `then`, `else`, `each`, `finally`, `fallback`.
    branch: str = ""
    #: Whether an attempt has effects outside the journal; such attempts take a slot.
    effect: bool = False
    #: (module, operation) of a module operation.
    target: tuple[str, str] | None = None
    body: Template = None
    when: Formula | bool | None = None
    condition: Judgement | None = None
    join: Join = "all-completed"
    #: Direct dependencies, all in the same container.
    needs: tuple[int, ...] = ()
    children: tuple[int, ...] = ()
    #: The step before it in a block that runs in order.
    after: int = -1
    #: Its failure omits what comes later in its block.
    breaks: bool = False
    fail_on: str = "any"
    #: For a parallel step: children at once; 0 is no limit.
    lanes: int = 0
    timeout: int = 0
    retry: Retry = NO_RETRY
    fallbacks: tuple[Fallback, ...] = ()
    #: A parallel step that the first completed child decides.
    race: bool = False
    #: JSON Schema of the result, as JSON.
    result_schema: bytes | None = None
    #: The result if the step is skipped or omitted.
    default: Json | UnsetType = UNSET
    cache: CacheRule | None = None
    #: An attempt whose outcome is unknown is not made again without asking.
    once: bool = False
    #: Patterns of the files that are kept: a list as a template.
    artifacts: Template = None
    #: What an attempt holds while it runs; None: nothing.
    demand: Demand | None = None
    #: What the file says of its place in the start order: a higher one goes first, whatever else is known.
    priority: int = 0
    #: Place in the start order; smaller first.
    rank: int = 0
    #: Whether it stands in `finally`, at any depth.
    final: bool = False
    #: The innermost foreach or loop that it is a blueprint of; such a step never runs itself.
    loop: int = -1
    #: The step of kind `item` in which it stands: one item of a foreach, one iteration of a loop.
    item: int = -1
    #: What a foreach or a loop repeats; None of any other step.
    repeat: Repeat | None = None

    @property
    def asks_agents(self) -> bool:
        """Whether it asks agents: an agent step, or a module operation that consults them."""
        return self.kind == "agent" or (self.effect and self.target is not None)

    @property
    def max_attempts(self) -> int:
        """Attempts in all, the first included."""
        return self.retry.max_retries + 1


class Plan(Struct, frozen=True, kw_only=True):
    """Everything that the fold and the driver need to know about a workflow."""

    workflow: Workflow
    steps: list[PlanStep]
    number: dict[str, int]
    #: For each step, those that need it directly.
    dependants: list[tuple[int, ...]]
    #: For each step of an ordered block, the one after it (sparse).
    next_in_block: dict[int, int]
    #: Step numbers by rank.
    by_rank: list[int] | dict[int, int]
    #: How many later steps may start before the first that waits for room keeps what it needs.
    patience: int = PATIENCE
    #: Steps of the top level, those of `finally` apart.
    top: tuple[int, ...]
    final: tuple[int, ...]
    timeout: int = 0
    grace: int = 10_000
    outputs: Template = None
    #: Templates of the workflow's `env`; those in `secret_env` hold secrets and are never recorded.
    env: dict[str, Template] = {}
    secret_env: frozenset[str] = frozenset()
    #: The concurrency key; None without one.
    turn_key: Template = None
    #: The workflows of `workflow` steps, by their `file`.
    included: dict[str, Included] = {}
    #: The shape of its outputs, for those whose steps run it.
    gives: Shape = UNKNOWN
    #: The agents that the file defines, itself or through a file that it names.
    agents: AgentFile = AgentFile()
    #: The files that the definitions of agents were read from, by path.
    beside: dict[str, bytes] = {}
    #: What starts runs of it, and where the events of its runs go (None: nowhere of their own).
    triggers: tuple[Trigger, ...] = ()
    routing: Routing | None = None

    def every_included(self) -> Iterator[Included]:
        """The workflows that a run may lead to, at any depth, each once."""
        known: set[str] = set()
        waiting = list(self.included.values())
        while waiting:
            found = waiting.pop()
            if found.path not in known:
                known.add(found.path)
                yield found
                waiting.extend(found.plan.included.values())

    @property
    def secrets(self) -> list[str]:
        """The secrets that a run needs, those of its sub-workflows included."""
        declared = [self.workflow.secrets, *(found.plan.workflow.secrets for found in self.every_included())]
        return list(dict.fromkeys(name for names in declared for name in names))

    def included_texts(self) -> dict[str, bytes]:
        """The files that must be stored with a run, by path, so that it never asks the disk for them again."""
        included = list(self.every_included())
        beside = [self.beside, *(found.plan.beside for found in included)]
        return {found.path: found.text for found in included} | {
            path: text for texts in beside for path, text in texts.items()
        }

    @property
    def grows(self) -> bool:
        """Whether steps come to be while a run goes on."""
        return isinstance(self.by_rank, dict)

    def growing(self) -> Plan:
        """The same plan, with lists of its own to which a run may add."""
        assert isinstance(self.by_rank, dict)
        return structs.replace(
            self,
            steps=[*self.steps],
            number={**self.number},
            dependants=[*self.dependants],
            next_in_block={**self.next_in_block},
            by_rank={**self.by_rank},
        )

    def before(self, i: int) -> tuple[int, ...]:
        """What must have ended before step `i` may start."""
        step = self.steps[i]
        return step.needs if step.after < 0 else (*step.needs, step.after)

    def waves(self) -> list[list[int]]:
        """Top-level steps by the earliest moment they can start: each wave needs only earlier ones."""
        return waves(self.top, self.before)

    def critical_path(self) -> list[int]:
        """The longest chain of top-level steps."""
        return longest_chain(self.top, self.before)

    def stored(self) -> bytes:
        """The shape of the plan as JSON, for the record and to notice a plan that came out differently."""
        rows = [
            [s.id, s.kind, s.parent, s.branch, s.needs, s.after, s.timeout, s.max_attempts]
            for s in self.steps
        ]
        body = msgspec.json.encode(rows)
        digest = hashlib.sha256(body).hexdigest()
        return b'{"digest":"' + digest.encode() + b'","steps":' + body + b"}"


class Included(Struct, frozen=True, kw_only=True):
    """A workflow that is run by a step of another. `path` is absolute; `name` is what messages call it."""

    path: str
    name: str
    text: bytes
    plan: Plan


def included_file(step: PlanStep) -> str:
    """The `file` of a `workflow` step."""
    body = step.body.fixed if is_template(step.body) else step.body
    return str(body["file"])


def digest_of(stored: bytes) -> str:
    """The digest in what `Plan.stored` gave."""
    return str(msgspec.json.decode(stored, type=_Stored).digest)


class _Stored(Struct):
    digest: str
    steps: list[list[Any]] = []


def plan_from_stored(stored: bytes, workflow_id: str, name: str) -> Plan:
    """A plan for looking at a run whose definition cannot be planned as it was: shape, timeouts and attempts."""
    steps = [
        PlanStep(
            number=number,
            id=row[0],
            kind=row[1],
            parent=row[2],
            branch=row[3],
            needs=tuple(row[4]),
            after=row[5],
            timeout=row[6],
            retry=Retry(max_retries=row[7] - 1),
            rank=number,
        )
        for number, row in enumerate(msgspec.json.decode(stored, type=_Stored).steps)
    ]
    children: list[list[int]] = [[] for _ in steps]
    dependants: list[list[int]] = [[] for _ in steps]
    for n, step in enumerate(steps):
        for d in step.needs:
            dependants[d].append(n)
        if step.parent >= 0:
            outer = steps[step.parent]  # it stands before what stands in it
            steps[n] = structs.replace(
                step, final=outer.final, loop=step.parent if step.branch == "each" else outer.loop
            )
            if outer.kind not in REPEATING:
                children[step.parent].append(n)
        elif step.branch == "finally":
            steps[n] = structs.replace(step, final=True)
    top = [s.number for s in steps if s.parent < 0]
    return Plan(
        workflow=Workflow(id=workflow_id, name=name, version="", steps=[]),
        steps=[structs.replace(s, children=tuple(children[s.number])) for s in steps],
        number={s.id: s.number for s in steps},
        dependants=[tuple(d) for d in dependants],
        next_in_block={s.after: s.number for s in steps if s.after >= 0},
        by_rank=list(range(len(steps))),
        top=tuple(i for i in top if steps[i].branch != "finally"),
        final=tuple(i for i in top if steps[i].branch == "finally"),
    )


def plan_summary(plan: Plan) -> dict[str, Any]:
    """The plan for machine readers, as `mplp plan --output json` prints it."""
    steps, limit = plan.steps, plan.workflow.concurrency
    shared = (
        {"key": limit.key or plan.workflow.id, "max": limit.max, "onLimit": limit.on_limit} if limit else None
    )
    return {
        "workflowId": plan.workflow.id,
        **({"concurrency": shared} if shared else {}),
        "waves": [[steps[i].id for i in wave] for wave in plan.waves()],
        "criticalPath": [steps[i].id for i in plan.critical_path()],
        "steps": {
            s.id: {
                "type": s.kind,
                "dependencies": [steps[d].id for d in s.needs],
                "timeout": s.timeout or None,
                "maxAttempts": s.max_attempts,
                **({"resources": written(s.demand)} if s.demand else {}),
                **({"file": included_file(s)} if s.kind == "workflow" else {}),
                **({"in": steps[s.parent].id} if s.parent >= 0 else {}),
                **({"branch": s.branch} if s.branch else {}),
            }
            for s in steps
        },
    }
