"""One step compiled: its condition, what its type needs, its retry and fallback policy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from msgspec import UNSET, structs

from mplp_cli.errors import Path, Problem
from mplp_cli.workflow import model
from mplp_cli.workflow.bodies import (
    agent_body,
    approval_body,
    emit_body,
    http_body,
    python_body,
    texts,
    tree,
    wait_body,
    wait_condition,
    workflow_body,
)
from mplp_cli.workflow.keys import common_keys
from mplp_cli.workflow.language.expressions import ExpressionSyntaxError
from mplp_cli.workflow.language.references import Names, ReferenceSyntaxError
from mplp_cli.workflow.language.shelltext import ShellTextError, hoist
from mplp_cli.workflow.language.templates import Compiler, Ref, Template, Text, is_template
from mplp_cli.workflow.plan import Custom, Included, Judgement, StepResult
from mplp_cli.workflow.planning.asking import CheckOperation, Offered, check_agent, check_call
from mplp_cli.workflow.planning.comparing import step_result
from mplp_cli.workflow.planning.demands import Demands
from mplp_cli.workflow.planning.links import ENV, KEY
from mplp_cli.workflow.planning.repeats import foreach_repeat, loop_repeat
from mplp_cli.workflow.planning.scoping import Scoping
from mplp_cli.workflow.retry import NO_RETRY, Fallback, Retry, effective
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import duration_ms

#: Says what is wrong with a module operation: (module, operation, parameters) -> problems with relative paths.
#: Whether a module's operation, so called, asks agents before it does its work.
AsksAgents = Callable[[str, str, dict[str, Any]], bool]
#: Reads the workflow of a step: what it found, and what is wrong, with relative paths.
Include = Callable[[model.WorkflowStep], tuple[Included | None, list[Problem]]]


class StepCompiler:
    """Compiles what steps and the workflow hold. What is wrong goes into `problems`."""

    def __init__(
        self,
        workflow: model.Workflow,
        scoping: Scoping,
        problems: list[Problem],
        *,
        check_operation: CheckOperation | None,
        conditions: Collection[str],
        asks_agents: AsksAgents,
        include: Include | None,
    ) -> None:
        self._include = include
        #: Whom steps may ask; None: nobody knows.
        self.agents: Offered | None = None
        self.included: dict[str, Included] = {}
        self._workflow = workflow
        self._scoping = scoping
        self._problems = problems
        self._check_operation = check_operation
        self._conditions = conditions
        self._asks_agents = asks_agents
        self._number = scoping.number
        self._names = Names(scoping.number)
        note = None if scoping.uses is None else scoping.note
        self._compiler = Compiler(self._names, scoping.resolve, self._refuse, note)
        self._outer = (workflow.defaults.retry_policy, workflow.error_handling.retry_policy)
        self._shared_retry = effective(*self._outer)
        #: What their attempts hold; given before anything is compiled.
        self.demands: Demands
        self._retries: dict[tuple[Any, ...], Retry] = {}
        self._shared_fallbacks: tuple[Fallback, ...] | None = None

    def problem(self, code: str, message: str, path: Path, hint: str | None = None, **more: Any) -> None:
        self._problems.append(Problem(code=code, message=message, path=path, hint=hint, **more))

    def compile(self, number: int) -> dict[str, Any]:
        """The fields of the step's `PlanStep` that come from its values, and `timeout` where one is stated."""
        where = self._scoping.places[number]
        step, path = where.step, where.path
        self._scoping.enter(number)
        self._names.items = self._scoping.item_names()
        for index, name in enumerate(step.dependencies):
            self._scoping.depend(name, (*path, "dependencies", index))
        made: dict[str, Any] = {"when": self._when(step.when, (*path, "when"))}
        made |= common_keys(step, self._workflow, path, self)
        if isinstance(step, model.ParallelStep):
            made |= {"fail_on": step.fail_on, "lanes": step.max_parallel or 0, "race": step.race}
        elif isinstance(step, model.ForeachStep):
            made |= {"fail_on": step.fail_on, "lanes": step.max_parallel or 0}
            made["repeat"] = foreach_repeat(step, where.children, self._scoping.size(number), path, self)
        elif isinstance(step, model.LoopStep):
            made["repeat"] = loop_repeat(step, where.children, self._scoping.size(number), path, self)
        elif isinstance(step, model.ConditionalStep):
            made["condition"] = self._judgement(step.condition, (*path, "condition"))
        else:
            made |= self._body(step, path)
            made |= self._policy(step, path)
            made["demand"] = self.demands.of(step, path, effect=made.get("effect", False))
        return made

    def _when(self, when: str | bool | None, path: Path) -> Any:
        if isinstance(when, str):
            return self._compiler.condition(when, path)
        return when

    def loop_condition(self, condition: str | bool | None, path: Path) -> Any:
        """A condition of the loop at hand, which may refer to the steps inside."""
        here = self._scoping.enter_end()
        made = self._when(condition, path)
        self._scoping.enter(here)
        return made

    def _judgement(self, condition: model.Condition, path: Path) -> Judgement | None:
        match condition:
            case str():
                return self._compiler.condition(condition, path)
            case model.ExpressionCondition():
                return self._compiler.condition(condition.expression, (*path, "expression"))
            case model.StepResultCondition():
                made = step_result(condition, path, self._number, self._scoping.resolve, self)
                if isinstance(made, StepResult) and made.operator != "exists":
                    self._scoping.note(
                        Ref(made.number, made.path), (*path, "path" if made.path else "step-id")
                    )
                return made
            case model.CustomCondition():
                if condition.handler not in self._conditions:
                    self.problem(
                        "cond-unknown-handler",
                        f"no condition handler is called `{condition.handler}`",
                        (*path, "handler"),
                        did_you_mean(condition.handler, self._conditions)
                        or "handlers come from the entry-point group `mplp.conditions`; see `mplp help conditions`",
                    )
                return Custom(condition.handler, self.values(condition.arguments, (*path, "arguments")))

    def _body(self, step: model.Step, path: Path) -> dict[str, Any]:
        match step:
            case model.SetStep():
                return {"body": self.values(step.values, (*path, "values"))}
            case model.WaitStep():
                return {"body": wait_body(step, path, self), "condition": wait_condition(step, path, self)}
            case model.EmitStep():
                return {"body": emit_body(step, path, self)}
            case model.ApprovalStep():
                return {"body": approval_body(step, path, self)}
            case model.ModuleOperationStep():
                asks = self._asks_agents(step.module, step.operation, step.parameters)
                check, agents = self._check_operation, self.agents if asks else None
                self._found(check_call(step, check, agents), path)
                body = self.values(step.parameters, (*path, "parameters"))
                return {"body": body, "target": (step.module, step.operation), "effect": asks}
            case model.ShellStep():
                return {"body": self._shell(step, path), "effect": True}
            case model.HttpStep():
                return {"body": http_body(step, path, self), "effect": True}
            case model.PythonStep():
                if step.env and step.isolation == "thread":
                    self.problem(
                        "plan-thread-env",
                        "a function inside mplp has no environment of its own",
                        (*path, "env"),
                        "leave out `isolation: thread`, or hand the values over in `arguments`",
                    )
                return {"body": python_body(step, path, self), "effect": True}
            case model.AgentStep():
                self._found(check_agent(step, self.agents), path)
                return {"body": agent_body(step, path, self), "effect": True}
            case model.WorkflowStep():
                included, wrong = (None, []) if self._include is None else self._include(step)
                self._found(wrong, path)
                if included is not None:
                    self.included[step.file] = included
                return {"body": workflow_body(step, path, self), "effect": True}
        raise AssertionError(step)

    def _found(self, problems: list[Problem], path: Path) -> None:
        """Problems that somebody else has found in the step at `path`."""
        self._problems.extend(structs.replace(found, path=(*path, *found.path)) for found in problems)

    def _shell(self, step: model.ShellStep, path: Path) -> Template:
        body: dict[str, Any] = {"shell": step.shell, "parse": step.parse}
        if step.run is not None:
            body |= self._script(step.run, (*path, "run"))
        if step.command is not None:
            body["command"] = texts(step.command, (*path, "command"), self)
        for key in ("cwd", "stdin"):
            text = getattr(step, key)
            if text is not None:
                body[key] = self.text(text, (*path, key))
        if step.env:
            body["env"] = self.secret_values(step.env, (*path, "env"))
        return tree(body)

    def _script(self, script: str, path: Path) -> dict[str, Any]:
        try:
            hoisted = hoist(script, self._scoping.loop_names())
        except ShellTextError as error:
            self.problem(error.code, str(error), path, error.hint)
            return {"script": script}
        made: dict[str, Any] = {"script": hoisted.script}
        if hoisted.bindings:
            bindings = {b.variable: Text((self._compiler.noted(b.source, path),)) for b in hoisted.bindings}
            made["bindings"] = tree(bindings)
        return made

    def _policy(self, step: Any, path: Path) -> dict[str, Any]:
        # What everybody's work may take, and how often it is tried, says nothing about waiting.
        waits = isinstance(step, model.WaitStep | model.ApprovalStep)
        inside = waits or isinstance(step, model.SetStep | model.EmitStep)
        default = None if inside else self._workflow.defaults.timeout
        timeout = next((t for t in (step.timeout, default) if t is not None), None)
        made: dict[str, Any] = {"retry": NO_RETRY if waits else self._shared_retry}
        if timeout is not None:
            made["timeout"] = duration_ms(timeout)
        if step.retry_policy is not None:
            made["retry"] = self._retry(step.retry_policy)
        if step.fallback_actions is not None:
            made["fallbacks"] = self._fallbacks(step.fallback_actions, (*path, "fallback-actions"))
        else:
            made["fallbacks"] = self._inherited_fallbacks()
        return made

    def _retry(self, policy: model.RetryPolicy) -> Retry:
        """The effective policy of a step; equal ones are one object."""
        key = (
            policy.max_retries,
            policy.backoff_strategy,
            policy.initial_delay,
            policy.max_delay,
            policy.jitter,
            None if policy.retry_on is None else tuple(policy.retry_on),
        )
        if key not in self._retries:
            self._retries[key] = effective(policy, *self._outer)
        return self._retries[key]

    def _inherited_fallbacks(self) -> tuple[Fallback, ...]:
        if self._shared_fallbacks is None:
            path = ("workflow", "error-handling", "fallback-actions")
            actions = self._workflow.error_handling.fallback_actions
            self._scoping.enter(ENV)
            self._shared_fallbacks = self._fallbacks(actions, path)
            for index, action in enumerate(actions):
                if action.step is not None:
                    self.problem(
                        "plan-shared-fallback",
                        "one `run-step` fallback cannot serve every step of the workflow",
                        (*path, index, "step"),
                        "put it under the `fallback-actions` of the step that needs it",
                    )
        return self._shared_fallbacks

    def _fallbacks(self, actions: list[model.FallbackAction], path: Path) -> tuple[Fallback, ...]:
        for n, action in enumerate(actions):
            if action.condition == "RejectedError" and action.action == "escalate-to-human":
                self.problem(
                    "plan-asked-again",
                    "a person's no is not asked again",
                    (*path, n, "action"),
                    "take another action, or ask the next person in an `approval` step of its own",
                )
        return tuple(
            Fallback(
                condition=action.condition,
                action=action.action,
                message=self.values(action.message, (*path, n, "message")),
                approvers=tuple(action.approvers),
                timeout=duration_ms(action.timeout) if action.timeout is not None else 0,
                value=UNSET if action.value is UNSET else self.values(action.value, (*path, n, "value")),
                instead=self._number.get(action.step.id, -1) if action.step is not None else -1,
            )
            for n, action in enumerate(actions)
        )

    # ---- values

    def values(self, value: Any, path: Path, within: int | None = None) -> Template:
        """A value as a template; `within` says in which pseudo-place of `scoping` it stands."""
        if within is not None:
            self._scoping.enter(within)
            self._scoping.secrets_allowed = within == ENV
        try:
            return self._compiler.value(value, path)
        finally:
            if within is not None:
                self._scoping.secrets_allowed = False

    def secret_values(self, value: Any, path: Path) -> Template:
        """A value in which secrets may stand."""
        self._scoping.secrets_allowed = True
        made = self.values(value, path)
        self._scoping.secrets_allowed = False
        return made

    def turn_key(self, concurrency: model.Concurrency | None, path: Path) -> Template:
        """The concurrency key: text that is known before any step runs. The workflow's id if none is stated."""
        if concurrency is None:
            return None
        self._scoping.enter(KEY)
        return self._workflow.id if concurrency.key is None else self.text(concurrency.key, path)

    def text(self, text: str, path: Path) -> Template:
        """A template that always gives text, also where it is exactly one reference."""
        made = self.values(text, path)
        return Text((made,)) if is_template(made) and not isinstance(made, Text) else made

    def where(self, source: str, path: Path) -> Template:
        """A condition in which `event` is known."""
        self._scoping.event_allowed = True
        made = self._compiler.condition(source, path)
        self._scoping.event_allowed = False
        return made

    def _refuse(self, error: ReferenceSyntaxError | ExpressionSyntaxError, path: Path) -> None:
        code = error.code if isinstance(error, ExpressionSyntaxError) else "ref-syntax"
        self.problem(code, str(error), path, error.hint)
