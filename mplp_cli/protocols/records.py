"""What a store keeps, as values: runs, requests, questions, objects, and what the hub remembers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from mplp_cli.workflow.fold.answers import question_digest
from mplp_cli.workflow.fold.history import Turn
from mplp_cli.workflow.published import Cause, Published
from mplp_cli.workflow.values import Json, RunId, StepId


class ProtocolObject(Struct, frozen=True):
    """One version of an MPLP object. `body` is valid against the kind's schema; `version` counts from 1.

    The version with an empty body is the last one: the object is deleted.
    """

    kind: str
    id: str
    version: int
    body: dict[str, Any]


def is_made_by(versions: Iterable[ProtocolObject], run_id: str) -> bool:
    """Whether these are versions of an object that the run made."""
    return any(f"run:{run_id}" in item.body.get("meta", {}).get("tags", ()) for item in versions)


class Relation(Struct, frozen=True, kw_only=True):
    """What a run was made for: the run that it repeats (`rerun`), or the step of another (`child`)."""

    kind: Literal["rerun", "child"]
    run: RunId
    step: StepId = ""


class NewRun(Struct, frozen=True, kw_only=True):
    """What is stored once, when a run is created. `plan` is JSON bytes (a digest of what was planned)."""

    id: RunId
    workflow_id: str
    name: str
    source: bytes
    source_name: str
    #: Directory that `file:` paths are relative to, and the directory the run was started in.
    source_dir: str
    cwd: str
    plan: bytes
    created_at: int
    #: The files that the workflow includes, by absolute path.
    included: dict[str, bytes] = {}
    #: The place it needs before it begins.
    turn: Turn | None = None
    relation: Relation | None = None
    #: What started it, if nobody did by hand.
    cause: Cause | None = None
    #: Published with its first facts.
    told: list[Published] = []


class RunRecord(Struct, frozen=True, kw_only=True):
    """One row of the list of runs. `status` is the last one committed; `interrupted` is derived by readers:
    still `running`, but `owned` is false."""

    id: RunId
    workflow_id: str
    name: str
    status: str
    epoch: int
    owner: str
    created_at: int
    ended_at: int | None
    owned: bool
    relation: Relation | None = None
    #: The number of the last request that has not been acted upon, 0 if there is none.
    last_request: int = 0
    cause: Cause | None = None

    @property
    def parent(self) -> Relation | None:
        """The run and the step that this one is the sub-workflow of."""
        return self.relation if self.relation is not None and self.relation.kind == "child" else None


#: A place in the list of runs, the newest first: when the run there was created, and its id.
Place: TypeAlias = tuple[int, RunId]


class Definition(Struct, frozen=True, kw_only=True):
    """The definition stored with a run."""

    source: bytes
    source_name: str
    source_dir: str
    cwd: str
    plan: bytes
    included: dict[str, bytes] = {}


class Control(Struct, frozen=True, kw_only=True):
    """A request by another process. `verb`: cancel | kill | pause | resume (takes a pause back) | approve | reject.
    `seq` orders requests.

    `data` is JSON; with an answer: `{digest, inputs, at}`: the question it is bound to, the filled-in form,
    and when it was given.
    """

    seq: int
    verb: str
    step: StepId = ""
    by: str = ""
    reason: str = ""
    data: dict[str, Any] = {}


class ApprovalRecord(Struct, frozen=True, kw_only=True):
    """One question to a person. `state`: pending | approved | rejected | withdrawn.

    `form` is what the answer takes (name -> JSON Schema), `inputs` what it gave. `digest` is what an answer is
    bound to: another question, also the same one asked anew, has another.
    """

    id: str
    run: RunId
    workflow_id: str
    step: StepId
    attempt: int
    message: str
    approvers: list[str]
    asked_at: int
    state: str
    by: str = ""
    reason: str = ""
    decided_at: int = 0
    form: dict[str, Any] = {}
    inputs: dict[str, Any] = {}

    @property
    def digest(self) -> str:
        return question_digest(
            self.run,
            self.step,
            self.attempt,
            self.id,
            message=self.message,
            approvers=self.approvers,
            form=self.form,
        )


class Holding(Struct, frozen=True):
    """A run that has a place, since when (ms since the epoch), and its status."""

    run: RunId
    since: int
    status: str


class Standing(Struct, frozen=True, kw_only=True):
    """Where a run stands under its concurrency key. `position`: 0 it has a place, 1 it is the next to get one."""

    key: str
    position: int
    holders: list[Holding] = []
    #: Runs whose process is gone and whose place this run has got.
    freed: list[RunId] = []
    #: Runs that keep a place, were asked to end, and that nobody drives: whoever waits may end them.
    ending: list[RunId] = []


class CachedResult(Struct, frozen=True, kw_only=True):
    """A result that the cache keeps. Times are ms since the epoch; `until` 0 is for ever."""

    key: str
    step: StepId
    run: RunId
    at: int
    until: int
    result: Json


class Delivery(Struct, frozen=True, kw_only=True):
    """What became of one event on one route. `event` is its number on the board, `at` the time of the last try and
    `due` that of the next one (ms since the epoch), `took` how long the last try took (ms).

    `state`: delivered | retrying | dead (all tries have failed; it lies in the dead letters) | dropped (somebody took
    it out of them).
    """

    route: str
    event: int
    state: Literal["delivered", "retrying", "dead", "dropped"]
    tries: int
    at: int
    due: int = 0
    took: int = 0
    #: `Type: message` of the last failure.
    error: str = ""


# ---- what the hub keeps ------------------------------------------------------------------------


class ModuleState(Struct, frozen=True):
    """The state that somebody (`by`) has put a module into. `status`: created | initialized | running | stopped |
    error."""

    status: str
    at: int
    by: str = ""


class Subscription(Struct, frozen=True):
    """`subscriber` is told when `publisher` sends something of that type, or one of its objects has such an event."""

    subscriber: str
    publisher: str
    type: str


class Switched(Struct, frozen=True):
    """When (ms since the epoch) somebody (`by`) has switched something on."""

    at: int
    by: str = ""


class Wiring(Struct, frozen=True):
    """States by module, of those that were ever put into one, who is told what, and the reserved interfaces that
    agents have taken over: `plan.optimizePlanWithAI`."""

    states: dict[str, ModuleState] = {}
    subscriptions: list[Subscription] = []
    active: dict[str, Switched] = {}


class Communication(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One line of the hub's log.

    A `call` is one of an operation (`type`) by a step, a command or another module (`source`); its parameters
    are not kept. A `message` is from module to module; a `notice` one that a subscriber got without asking.
    """

    kind: Literal["call", "message", "notice"]
    correlation_id: str
    timestamp: int
    source: str
    target: str
    type: str
    run: RunId = ""
    data: Json = None
    #: What the target answered to a message.
    response: Json = None
    #: `Type: message` of the error, if it was refused.
    error: str = ""
