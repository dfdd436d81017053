"""From a workflow to its plan: numbers, compiled values, dependencies, the start order.

Everything that is wrong is collected as a `Problem` with the path of its node; there is a plan only
if nothing is. Which step may refer to which is decided in `scoping`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from msgspec import structs

from mplp_cli.errors import Path, Problem
from mplp_cli.workflow import model
from mplp_cli.workflow.graph import CycleError, file_order, topological
from mplp_cli.workflow.language.references import WORDS
from mplp_cli.workflow.language.templates import Template, is_template
from mplp_cli.workflow.plan import CONTAINERS, DEFAULT_TIMEOUT, REPEATING, SPREAD, Plan, PlanStep
from mplp_cli.workflow.planning.absences import Absences
from mplp_cli.workflow.planning.asking import CheckOperation, Offered
from mplp_cli.workflow.planning.checking import Checking
from mplp_cli.workflow.planning.compiling import AsksAgents, Include, StepCompiler
from mplp_cli.workflow.planning.demands import Demands, GivePool
from mplp_cli.workflow.planning.links import ENV, OUTPUTS, Where
from mplp_cli.workflow.planning.producing import Producers
from mplp_cli.workflow.planning.ranks import start_order
from mplp_cli.workflow.planning.scoping import Scoping
from mplp_cli.workflow.shapes.algebra import UNKNOWN, Shape, Unknown
from mplp_cli.workflow.shapes.schemas import Signatures
from mplp_cli.workflow.values import duration_ms


def make_plan(  # noqa: PLR0913 - whatever planning may not import is handed in, by name
    workflow: model.Workflow,
    *,
    check_operation: CheckOperation | None = None,
    conditions: Collection[str] = (),
    asks_agents: AsksAgents = lambda module, operation, parameters: False,
    include: Include | None = None,
    signatures: Signatures | None = None,
    agents: Offered | None = None,
    pool: GivePool | None = None,
) -> tuple[Plan | None, list[Problem]]:
    """The plan of a workflow, or every reason why there is none.

    `conditions` are the names of registered condition handlers; `asks_agents` says which module
    operations ask agents first; `include` reads the workflows of `workflow` steps; `signatures`
    knows what operations take and give: without it nobody asks whether values fit where they are used;
    `agents` says whom steps may ask: without it nobody asks whether they are there; `pool` says what they
    can hold: without it nobody asks whether it is enough.
    """
    planner = _Planner(workflow, check_operation, conditions, asks_agents, include, signatures, agents)
    planner.compiler.demands = Demands(workflow.defaults.resources, pool, planner)
    plan = planner.plan()
    return plan, planner.problems


_REPEATING = (model.ForeachStep, model.LoopStep)


class _Planner:
    def __init__(
        self,
        workflow: model.Workflow,
        check_operation: CheckOperation | None,
        conditions: Collection[str],
        asks_agents: AsksAgents,
        include: Include | None,
        signatures: Signatures | None,
        agents: Offered | None,
    ) -> None:
        self.workflow = workflow
        self.signatures = signatures
        self.problems: list[Problem] = []
        self.places: list[Where] = []
        self.number: dict[str, int] = {}
        self.scoping = Scoping(workflow, self.places, self.number, self.problems)
        self.scoping.uses = None if signatures is None else []
        self.compiler = StepCompiler(
            workflow,
            self.scoping,
            self.problems,
            check_operation=check_operation,
            conditions=conditions,
            asks_agents=asks_agents,
            include=include,
        )
        self.compiler.agents = agents

    def problem(self, code: str, message: str, path: Path, hint: str | None = None, **more: Any) -> None:
        self.problems.append(Problem(code=code, message=message, path=path, hint=hint, **more))

    # ---- the passes

    def plan(self) -> Plan | None:
        base: Path = ("workflow",)
        self._enter(self.workflow.steps, (*base, "steps"), -1, "")
        top = tuple(i for i, w in enumerate(self.places) if w.parent < 0)
        self._enter(self.workflow.finally_, (*base, "finally"), -1, "finally")
        final = tuple(i for i, w in enumerate(self.places) if w.parent < 0 and w.branch == "finally")
        self._check_item_names()
        # First of all, because which names hold secrets decides who may refer to them.
        env = self.compiler.values(self.workflow.env, (*base, "env"), ENV)
        compiled = [self.compiler.compile(i) for i in range(len(self.places))]
        outputs = self.compiler.values(self.workflow.outputs, (*base, "outputs"), OUTPUTS)
        key = self.compiler.turn_key(self.workflow.concurrency, (*base, "concurrency", "key"))
        needs = self.scoping.needs
        after = self._blocks(top, final)
        self._check_cycles(needs, after)
        self._check_joins(needs)
        gives = self._check_references(compiled, outputs)
        if any(p.severity == "error" for p in self.problems):
            return None
        plan = self._assemble(compiled, top, final, after, outputs, env, key)
        return plan if isinstance(gives, Unknown) else structs.replace(plan, gives=gives)

    def _check_references(self, compiled: list[dict[str, Any]], outputs: Template) -> Shape:
        """Judge what references bring, and give the shape of the outputs."""
        if self.signatures is None:
            return UNKNOWN
        included = self.compiler.included
        producers = Producers(self.workflow, self.places, compiled, included, self.signatures)
        absences = Absences(self.places, compiled, self.scoping.links)
        checking = Checking(self.places, producers, absences, self.signatures, included, self.problems)
        refused = {problem.path for problem in self.problems}  # one word about a text is enough
        for use in self.scoping.uses or ():
            if use.path not in refused:
                checking.check(use)
        return producers.value(outputs)

    def _enter(self, steps: list[model.Step], path: Path, parent: int, branch: str) -> None:
        """Number `steps` and everything inside them, in file order."""
        for index, step in enumerate(steps):
            self._enter_one(step, (*path, index), parent, branch)

    def _enter_one(self, step: model.Step, path: Path, parent: int, branch: str) -> None:
        number = len(self.places)
        place = Where(step, parent, branch, path, final=branch == "finally")
        if parent >= 0:
            outer = self.places[parent]
            place.final = outer.final
            place.loop = parent if branch == "each" else outer.loop
        self.places.append(place)
        first = self.number.setdefault(step.id, number)
        if first != number:
            self.problem(
                "plan-duplicate-id",
                f"step id `{step.id}` is used twice",
                (*path, "id"),
                "give each step of the file its own id, at any depth",
                related=(*self.places[first].path, "id"),
            )
        if parent >= 0:
            self.places[parent].children.append(number)
        if isinstance(step, model.ParallelStep):
            self._enter(step.steps, (*path, "steps"), number, "")
        elif isinstance(step, model.ForeachStep | model.LoopStep):
            self._enter(step.steps, (*path, "steps"), number, "each")
        elif isinstance(step, model.ConditionalStep):
            for key, inner in (("then", step.then), ("else", step.else_)):
                if isinstance(inner, list):
                    self._enter(inner, (*path, key), number, key)
                elif inner is not None:
                    self._enter_one(inner, (*path, key), number, key)
        else:
            for index, action in enumerate(step.fallback_actions or ()):
                if action.step is not None:
                    inside = (*path, "fallback-actions", index, "step")
                    self._enter_one(action.step, inside, number, "fallback")

    def _check_item_names(self) -> None:
        for where in self.places:
            if isinstance(where.step, model.ForeachStep) and (name := where.step.as_) != "item":
                taken = "a word of the language" if name in WORDS else ""
                if name in self.number:
                    taken = "the id of a step"
                if taken:
                    self.problem(
                        "plan-item-name",
                        f"items cannot be called `{name}`: that is {taken}",
                        (*where.path, "as"),
                        "choose another name",
                    )

    def _blocks(self, top: tuple[int, ...], final: tuple[int, ...]) -> dict[int, int]:
        """What runs after what in the blocks that keep their order: branch lists, `finally`, sequential."""
        after: dict[int, int] = {}

        def chain(members: Iterator[int]) -> None:
            previous = -1
            for i in members:
                if previous >= 0:
                    after[i] = previous
                previous = i

        if self.workflow.execution == "sequential":
            needs = self.scoping.needs
            chain(iter(file_order(top, lambda i: tuple(needs.get(i, ())))))
        chain(iter(final))
        for where in self.places:
            if isinstance(where.step, model.ConditionalStep):
                for branch in ("then", "else"):
                    chain(i for i in where.children if self.places[i].branch == branch)
            elif isinstance(where.step, model.ForeachStep | model.LoopStep):
                chain(iter(where.children))
        return after

    def _check_cycles(self, needs: dict[int, dict[int, None]], after: dict[int, int]) -> None:
        def before(i: int) -> tuple[int, ...]:
            own = tuple(needs.get(i, ()))
            return (*own, after[i]) if i in after else own

        try:
            topological(range(len(self.places)), before)
        except CycleError as error:
            ids = [self.places[i].step.id for i in error.cycle]
            self.problem(
                "dep-cycle",
                f"these steps wait for each other: {' -> '.join(ids)}",
                (*self.places[error.cycle[0]].path, "dependencies"),
                "remove one of these dependencies or references (a -> b: a waits for b)",
            )

    def _check_joins(self, needs: dict[int, dict[int, None]]) -> None:
        for i, where in enumerate(self.places):
            join, there = where.step.join, len(needs.get(i, ()))
            if join != "all-completed" and not there:
                self._vain_join(where)
            elif isinstance(join, model.CountJoin) and there < join.count:
                self.problem(
                    "plan-join-count",
                    f"`{where.step.id}` waits for {join.count} completed dependencies and has only {there}",
                    (*where.path, "join", "count"),
                    "such a step could never run",
                )

    def _vain_join(self, where: Where) -> None:
        step = where.step.id
        if where.branch == "finally":
            message, hint = (
                f"`{step}` runs in `finally`: its `join` changes nothing",
                "the steps of `finally` all run",
            )
        elif where.branch == "fallback":
            message = f"`{step}` runs when another step has failed: its `join` changes nothing"
            hint = "remove it; a fallback waits for nothing"
        elif where.branch:
            message = f"`{step}` runs after the step before it in its block: its `join` changes nothing"
            hint = "a block stops at its first failure; put the steps into a `parallel` step for a join"
        else:
            message = f"`{step}` has no dependencies: its `join` changes nothing"
            hint = "add `dependencies`, or remove `join`"
        self.problem("plan-join-unused", message, (*where.path, "join"), hint, severity="warning")

    # ---- the result

    def _assemble(
        self,
        compiled: list[dict[str, Any]],
        top: tuple[int, ...],
        final: tuple[int, ...],
        after: dict[int, int],
        outputs: Template,
        env: Template,
        key: Template,
    ) -> Plan:
        needs = {i: tuple(found) for i, found in self.scoping.needs.items()}
        by_rank = start_order(self.places, needs, after, (top, final))
        grows = any(type(place.step) in _REPEATING for place in self.places)
        apart = SPREAD if grows else 1
        rank = {number: place * apart for place, number in enumerate(by_rank)}
        steps = [
            self._step(number, made, needs.get(number, ()), after.get(number, -1), rank[number])
            for number, made in enumerate(compiled)
        ]
        dependants: list[list[int]] = [[] for _ in steps]
        for step in steps:
            for d in step.needs:
                dependants[d].append(step.number)
        fixed_env = env.fixed if is_template(env) else env
        moving = dict(env.moving) if is_template(env) else {}
        timeout = self.workflow.timeout
        return Plan(
            workflow=self.workflow,
            steps=steps,
            number=self.number,
            dependants=[tuple(d) for d in dependants],
            next_in_block={before: i for i, before in after.items()},
            by_rank={place: number for number, place in rank.items()} if grows else by_rank,
            top=tuple(i for i in top),
            final=final,
            timeout=0 if timeout is None else duration_ms(timeout),
            grace=duration_ms(self.workflow.grace),
            outputs=outputs,
            env={name: moving.get(name, value) for name, value in fixed_env.items()},
            secret_env=frozenset(self.scoping.secret_env),
            included=self.compiler.included,
            turn_key=key,
        )

    def _step(
        self, number: int, made: dict[str, Any], needs: tuple[int, ...], after: int, rank: int
    ) -> PlanStep:
        where = self.places[number]
        step = where.step
        kind = str(type(step).__struct_config__.tag)
        timeout = made.pop("timeout", None)
        if timeout is None:
            own = step.timeout if kind in CONTAINERS else None
            # An operation that asks agents takes as long as they do.
            acts = "agent" if kind == "module-operation" and made.get("effect") else kind
            timeout = duration_ms(own) if own is not None else DEFAULT_TIMEOUT.get(acts, 0)
        breaks = where.branch in ("then", "else", "each") or (
            where.parent < 0 and where.branch != "finally" and self.workflow.execution == "sequential"
        )
        return PlanStep(
            number=number,
            id=step.id,
            kind=kind,
            name=step.name or "",
            parent=where.parent,
            branch=where.branch,
            join=step.join,
            needs=needs,
            children=() if kind in REPEATING else tuple(where.children),
            after=after,
            breaks=breaks,
            timeout=timeout,
            rank=rank,
            final=where.final,
            loop=where.loop,
            **made,
        )
