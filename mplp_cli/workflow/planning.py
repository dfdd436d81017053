"""From a workflow to its plan: numbers, compiled values, dependencies, the start order.

Everything that is wrong is collected as a `Problem` with the path of its node; there is a plan only
if nothing is. Which step may refer to which is decided in `scoping`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import UNSET

from mplp_cli.errors import Path, Problem
from mplp_cli.workflow import model
from mplp_cli.workflow.conditions import OPERATORS, pattern_problem
from mplp_cli.workflow.expressions import ExpressionSyntaxError
from mplp_cli.workflow.graph import CycleError, file_order, topological
from mplp_cli.workflow.plan import (
    CONTAINERS,
    DEFAULT_TIMEOUT,
    Custom,
    Judgement,
    Plan,
    PlanStep,
    StepResult,
)
from mplp_cli.workflow.references import Reference, ReferenceSyntaxError, parse_reference
from mplp_cli.workflow.retry import Fallback, Retry, effective
from mplp_cli.workflow.scoping import ENV, FINALLY, OUTPUTS, Scoping, Where
from mplp_cli.workflow.shelltext import ShellTextError, hoist
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.templates import Compiler, Template, Text, is_template
from mplp_cli.workflow.values import duration_ms

#: Says what is wrong with a module operation: (module, operation, parameters) -> problems with relative paths.
CheckOperation = Callable[[str, str, dict[str, Any]], list[Problem]]


def make_plan(
    workflow: model.Workflow,
    *,
    check_operation: CheckOperation | None = None,
    conditions: frozenset[str] = frozenset(),
    effectful: Callable[[str, str], bool] = lambda module, operation: False,
) -> tuple[Plan | None, list[Problem]]:
    """The plan of a workflow, or every reason why there is none.

    `conditions` are the names of registered condition handlers; `effectful` says which module
    operations act outside the journal.
    """
    planner = _Planner(workflow, check_operation, conditions, effectful)
    plan = planner.plan()
    return plan, planner.problems


class _Planner:
    def __init__(
        self,
        workflow: model.Workflow,
        check_operation: CheckOperation | None,
        conditions: frozenset[str],
        effectful: Callable[[str, str], bool],
    ) -> None:
        self.workflow = workflow
        self.problems: list[Problem] = []
        self.conditions = conditions
        self.check_operation = check_operation
        self.effectful = effectful
        self.places: list[Where] = []
        self.number: dict[str, int] = {}
        self.scoping = Scoping(workflow, self.places, self.number, self.problems)
        self.compiler = Compiler(self.number, self.scoping.resolve, self._refuse)
        self._policies: dict[int, Retry] = {}
        handling = workflow.error_handling
        self._outer = (workflow.defaults.retry_policy, handling.retry_policy)
        self._shared_retry = effective(*self._outer)
        self._shared_fallbacks: tuple[Fallback, ...] | None = None

    def problem(self, code: str, message: str, path: Path, hint: str | None = None, **more: Any) -> None:
        self.problems.append(Problem(code=code, message=message, path=path, hint=hint, **more))

    # ---- the passes

    def plan(self) -> Plan | None:
        base: Path = ("workflow",)
        self._enter(self.workflow.steps, (*base, "steps"), -1, "")
        top = tuple(i for i, w in enumerate(self.places) if w.parent < 0)
        self._enter(self.workflow.finally_, (*base, "finally"), -1, "finally")
        final = tuple(i for i, w in enumerate(self.places) if w.parent < 0 and w.branch == "finally")
        compiled = [self._compile(i) for i in range(len(self.places))]
        outputs = self._values(self.workflow.outputs, (*base, "outputs"), OUTPUTS)
        env = self._values(self.workflow.env, (*base, "env"), ENV)
        needs = self.scoping.needs
        after = self._blocks(top, final)
        self._check_cycles(needs, after)
        if any(p.severity == "error" for p in self.problems):
            return None
        return self._assemble(compiled, top, final, after, outputs, env)

    def _enter(self, steps: list[model.Step], path: Path, parent: int, branch: str) -> None:
        """Number `steps` and everything inside them, in file order."""
        for index, step in enumerate(steps):
            self._enter_one(step, (*path, index), parent, branch)

    def _enter_one(self, step: model.Step, path: Path, parent: int, branch: str) -> None:
        number = len(self.places)
        self.places.append(Where(step, parent, branch, path))
        first = self.number.setdefault(step.id, number)
        if first != number:
            self.problem("plan-duplicate-id", f"step id `{step.id}` is used twice", (*path, "id"),
                         "give each step of the file its own id, at any depth", 
                         related=(*self.places[first].path, "id"))
        if parent >= 0:
            self.places[parent].children.append(number)
        if isinstance(step, model.ParallelStep):
            self._enter(step.steps, (*path, "steps"), number, "")
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
        return after

    def _check_cycles(self, needs: dict[int, dict[int, None]], after: dict[int, int]) -> None:
        def before(i: int) -> tuple[int, ...]:
            own = tuple(needs.get(i, ()))
            return (*own, after[i]) if i in after else own

        try:
            topological(range(len(self.places)), before)
        except CycleError as error:
            ids = [self.places[i].step.id for i in error.cycle]
            self.problem("dep-cycle", f"these steps wait for each other: {' -> '.join(ids)}",
                         (*self.places[error.cycle[0]].path, "dependencies"),
                         "remove one of these dependencies or references (a -> b: a waits for b)")

    # ---- one step

    def _compile(self, number: int) -> dict[str, Any]:
        where = self.places[number]
        step, path = where.step, where.path
        self.scoping.enter(number)
        for index, name in enumerate(step.dependencies):
            self.scoping.depend(name, (*path, "dependencies", index))
        made: dict[str, Any] = {"when": self._when(step.when, (*path, "when"))}
        if isinstance(step, model.ParallelStep):
            made |= {"fail_on": step.fail_on, "lanes": step.max_parallel or 0}
        elif isinstance(step, model.ConditionalStep):
            made["condition"] = self._judgement(step.condition, (*path, "condition"))
        else:
            made |= self._body(step, path)
            made |= self._policy(step, path)
        return made

    def _when(self, when: str | bool | None, path: Path) -> Any:
        if isinstance(when, str):
            return self.compiler.condition(when, path)
        return when

    def _judgement(self, condition: model.Condition, path: Path) -> Judgement | None:
        match condition:
            case str():
                return self.compiler.condition(condition, path)
            case model.ExpressionCondition():
                return self.compiler.condition(condition.expression, (*path, "expression"))
            case model.StepResultCondition():
                return self._step_result(condition, path)
            case model.CustomCondition():
                if condition.handler not in self.conditions:
                    self.problem("cond-unknown-handler", f"no condition handler is called `{condition.handler}`",
                                 (*path, "handler"), did_you_mean(condition.handler, self.conditions)
                                 or "handlers come from the entry-point group `mplp.conditions`; see `mplp help conditions`")
                return Custom(condition.handler, self._values(condition.arguments, (*path, "arguments")))

    def _step_result(self, condition: model.StepResultCondition, path: Path) -> Judgement:
        if condition.operator not in OPERATORS:
            self.problem("cond-unknown-operator", f"there is no operator `{condition.operator}`", (*path, "operator"),
                         did_you_mean(condition.operator, OPERATORS) or f"one of: {', '.join(OPERATORS)}")
        source = f"{condition.step_id}.result"
        if condition.path:
            source += condition.path if condition.path.startswith("[") else f".{condition.path}"
        if condition.operator == "matches" and isinstance(condition.value, str) and "$" not in condition.value:
            wrong = pattern_problem(condition.value)
            if wrong is not None:
                self.problem("cond-pattern", wrong, (*path, "value"))
        reference = parse_reference(source, self.number)
        if reference is None:
            self.problem("ref-syntax", f"`{condition.path}` is not a path", (*path, "path"), "write it like `items[0].name`")
            return False
        number = self.scoping.resolve(reference, (*path, "step-id"))
        return StepResult(number, reference.path, condition.operator, self._values(condition.value, (*path, "value")))

    def _body(self, step: model.Step, path: Path) -> dict[str, Any]:
        match step:
            case model.SetStep():
                return {"body": self._values(step.values, (*path, "values"))}
            case model.WaitStep():
                return {"body": self._values(step.for_, (*path, "for"))}
            case model.ModuleOperationStep():
                if self.check_operation is not None:
                    for found in self.check_operation(step.module, step.operation, step.parameters):
                        self.problem(found.code, found.message, (*path, *found.path), found.hint,
                                     on=found.on, severity=found.severity)
                return {
                    "body": self._values(step.parameters, (*path, "parameters")),
                    "target": (step.module, step.operation),
                    "effect": self.effectful(step.module, step.operation),
                }
            case model.ShellStep():
                return {"body": self._shell(step, path), "effect": True}
        raise AssertionError(step)

    def _shell(self, step: model.ShellStep, path: Path) -> Template:
        body: dict[str, Any] = {"shell": step.shell, "parse": step.parse}
        if step.run is not None:
            body |= self._script(step.run, (*path, "run"))
        if step.command is not None:
            body["command"] = self._texts(step.command, (*path, "command"))
        for key in ("cwd", "stdin"):
            text = getattr(step, key)
            if text is not None:
                body[key] = self._text(text, (*path, key))
        self.scoping.secrets_allowed = True
        env = self._values(step.env, (*path, "env"))
        self.scoping.secrets_allowed = False
        if step.env:
            body["env"] = env
        return _tree(body)

    def _script(self, script: str, path: Path) -> dict[str, Any]:
        try:
            hoisted = hoist(script)
        except ShellTextError as error:
            self.problem(error.code, str(error), path, error.hint)
            return {"script": script}
        made: dict[str, Any] = {"script": hoisted.script}
        if hoisted.bindings:
            bindings = {
                b.variable: Text((self.compiler.source(b.source, path),))
                for b in hoisted.bindings
            }
            made["bindings"] = _tree(bindings)
        return made

    def _policy(self, step: Any, path: Path) -> dict[str, Any]:
        timeout = next((t for t in (step.timeout, self.workflow.defaults.timeout) if t is not None), None)
        made: dict[str, Any] = {"retry": self._shared_retry}
        if timeout is not None and not isinstance(step, model.SetStep | model.WaitStep):
            made["timeout"] = duration_ms(timeout)
        if step.retry_policy is not None:
            made["retry"] = effective(step.retry_policy, *self._outer)
        if step.fallback_actions is not None:
            made["fallbacks"] = self._fallbacks(step.fallback_actions, (*path, "fallback-actions"))
        else:
            made["fallbacks"] = self._inherited_fallbacks()
        return made

    def _inherited_fallbacks(self) -> tuple[Fallback, ...]:
        if self._shared_fallbacks is None:
            path = ("workflow", "error-handling", "fallback-actions")
            actions = self.workflow.error_handling.fallback_actions
            self.scoping.enter(ENV)
            self._shared_fallbacks = self._fallbacks(actions, path)
            for index, action in enumerate(actions):
                if action.step is not None:
                    self.problem("plan-shared-fallback", "one `run-step` fallback cannot serve every step of the workflow",
                                 (*path, index, "step"), "put it under the `fallback-actions` of the step that needs it")
        return self._shared_fallbacks

    def _fallbacks(self, actions: list[model.FallbackAction], path: Path) -> tuple[Fallback, ...]:
        return tuple(
            Fallback(
                condition=action.condition,
                action=action.action,
                message=self._values(action.message, (*path, n, "message")),
                approvers=tuple(action.approvers),
                timeout=duration_ms(action.timeout) if action.timeout is not None else 0,
                value=UNSET if action.value is UNSET else self._values(action.value, (*path, n, "value")),
                instead=self.number.get(action.step.id, -1) if action.step is not None else -1,
            )
            for n, action in enumerate(actions)
        )

    # ---- values

    def _values(self, value: Any, path: Path, within: int | None = None) -> Template:
        if within is not None:
            self.scoping.enter(within)
            self.scoping.secrets_allowed = within == ENV
        try:
            return self.compiler.value(value, path)
        finally:
            if within is not None:
                self.scoping.secrets_allowed = False

    def _text(self, text: str, path: Path) -> Template:
        """A template that always gives text, also where it is exactly one reference."""
        made = self._values(text, path)
        return Text((made,)) if is_template(made) and not isinstance(made, Text) else made

    def _texts(self, texts: list[Any], path: Path) -> Template:
        made = [self._text(text, (*path, n)) for n, text in enumerate(texts)]
        return self.compiler.items(made) if any(map(is_template, made)) else made

    def _refuse(self, error: ReferenceSyntaxError | ExpressionSyntaxError, path: Path) -> None:
        code = error.code if isinstance(error, ExpressionSyntaxError) else "ref-syntax"
        self.problem(code, str(error), path, error.hint)

    # ---- the result

    def _assemble(
        self,
        compiled: list[dict[str, Any]],
        top: tuple[int, ...],
        final: tuple[int, ...],
        after: dict[int, int],
        outputs: Template,
        env: Template,
    ) -> Plan:
        from mplp_cli.workflow.ranks import start_order

        needs = {i: tuple(found) for i, found in self.scoping.needs.items()}
        by_rank = start_order(self.places, needs, after, (top, final))
        rank = {number: place for place, number in enumerate(by_rank)}
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
            by_rank=by_rank,
            top=tuple(i for i in top),
            final=final,
            timeout=0 if timeout is None else duration_ms(timeout),
            grace=duration_ms(self.workflow.grace),
            outputs=outputs,
            env={name: moving.get(name, value) for name, value in fixed_env.items()},
            secret_env=frozenset(self.scoping.secret_env),
        )

    def _step(self, number: int, made: dict[str, Any], needs: tuple[int, ...], after: int, rank: int) -> PlanStep:
        where = self.places[number]
        step = where.step
        kind = str(type(step).__struct_config__.tag)
        timeout = made.pop("timeout", None)
        if timeout is None:
            own = step.timeout if kind in CONTAINERS else None
            timeout = duration_ms(own) if own is not None else DEFAULT_TIMEOUT.get(kind, 0)
        breaks = where.branch in ("then", "else") or (
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
            children=tuple(where.children),
            after=after,
            breaks=breaks,
            timeout=timeout,
            rank=rank,
            **made,
        )


def _tree(body: dict[str, Any]) -> Template:
    """A mapping whose values are compiled already."""
    from mplp_cli.workflow.templates import Tree

    moving = tuple((key, value) for key, value in body.items() if is_template(value))
    return Tree(body, moving) if moving else body
