"""What steps of one type need besides what all have, as templates: requests, calls, waits, events, questions."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import UNSET

from mplp_cli.errors import Path
from mplp_cli.workflow import model
from mplp_cli.workflow.language.templates import Items, Template, Tree, is_template


class Values(Protocol):
    """The compiler of values, as it is needed here."""

    def values(self, value: Any, path: Path) -> Template:
        """A value, its references filled in later."""
        ...

    def text(self, text: str, path: Path) -> Template:
        """A value that is always text."""
        ...

    def secret_values(self, value: Any, path: Path) -> Template:
        """A value in which secrets may stand."""
        ...

    def where(self, source: str, path: Path) -> Template:
        """A condition on an event."""
        ...


def http_body(step: model.HttpStep, path: Path, make: Values) -> Template:
    """`{url, method?, headers?, query?, json?, body?, expect?, follow?}`."""
    body: dict[str, Any] = {"url": make.text(step.url, (*path, "url")), "method": step.method}
    if step.headers:
        body["headers"] = make.secret_values(step.headers, (*path, "headers"))
    if step.query:
        body["query"] = make.values(step.query, (*path, "query"))
    if step.json is not UNSET:
        body["json"] = make.values(step.json, (*path, "json"))
    if step.body is not None:
        body["body"] = make.text(step.body, (*path, "body"))
    if step.expect_status is not None:
        stated = step.expect_status if isinstance(step.expect_status, list) else [step.expect_status]
        body["expect"] = [status_range(one) for one in stated]
    if step.follow_redirects is not None:
        body["follow"] = step.follow_redirects
    return tree(body)


def python_body(step: model.PythonStep, path: Path, make: Values) -> Template:
    """`{call, arguments?, env?, isolation}`."""
    body: dict[str, Any] = {"call": step.call, "isolation": step.isolation}
    if step.arguments:
        body["arguments"] = make.values(step.arguments, (*path, "arguments"))
    if step.env:
        body["env"] = make.secret_values(step.env, (*path, "env"))
    return tree(body)


def agent_body(step: model.AgentStep, path: Path, make: Values) -> Template:
    """`{agent | capability, input?, prompt?, schema?}`; `capability` is a list."""
    body: dict[str, Any] = (
        {"agent": step.agent} if step.agent is not None else {"capability": wanted_of(step)}
    )
    if step.input is not UNSET:
        body["input"] = make.values(step.input, (*path, "input"))
    if step.prompt is not None:
        body["prompt"] = make.text(step.prompt, (*path, "prompt"))
    if step.result_schema is not None:
        body["schema"] = step.result_schema
    return tree(body)


def wanted_of(step: model.AgentStep) -> list[str]:
    """What the agent of a step must offer, if the step names none."""
    if step.capability is None:
        return []
    return step.capability if isinstance(step.capability, list) else [step.capability]


def workflow_body(step: model.WorkflowStep, path: Path, make: Values) -> Template:
    """`{file, inputs}`."""
    return tree({"file": step.file, "inputs": make.values(step.inputs, (*path, "inputs"))})


def wait_body(step: model.WaitStep, path: Path, make: Values) -> Template:
    """`{for}`, `{until}`, or `{type, where?}` of an event; `where` is a condition, and not filled in with the rest."""
    if step.for_ is not None:
        return tree({"for": make.values(step.for_, (*path, "for"))})
    if step.until is not None:
        return tree({"until": make.values(step.until, (*path, "until"))})
    assert step.event is not None
    return tree({"type": make.text(step.event.type, (*path, "event", "type"))})


def wait_condition(step: model.WaitStep, path: Path, make: Values) -> Any:
    """The `where` of an awaited event: a compiled condition, true or false, or None."""
    where = None if step.event is None else step.event.where
    return make.where(where, (*path, "event", "where")) if isinstance(where, str) else where


def emit_body(step: model.EmitStep, path: Path, make: Values) -> Template:
    """`{type, data}`."""
    inside = (*path, "event")
    return tree(
        {
            "type": make.text(step.event.type, (*inside, "type")),
            "data": make.values(step.event.data, (*inside, "data")),
        }
    )


def approval_body(step: model.ApprovalStep, path: Path, make: Values) -> Template:
    """`{message, approvers, form}`."""
    approvers = [make.text(one, (*path, "approvers", n)) for n, one in enumerate(step.approvers)]
    return tree(
        {
            "message": make.text(step.message, (*path, "message")),
            "approvers": Items(tuple(approvers)) if any(map(is_template, approvers)) else approvers,
            "form": step.inputs,
        }
    )


def status_range(stated: int | str) -> list[int]:
    """The first and the last status of `200`, `2xx` or `200-204`."""
    first, _, last = str(stated).partition("-")
    if first.endswith("xx"):
        return [int(first[0]) * 100, int(first[0]) * 100 + 99]
    return [int(first), int(last or first)]


def texts(values: list[Any], path: Path, make: Values) -> Template:
    """A list of values that are always text."""
    made = [make.text(text, (*path, n)) for n, text in enumerate(values)]
    return Items(tuple(made)) if any(map(is_template, made)) else made


def tree(body: dict[str, Any]) -> Template:
    """A mapping whose values are compiled already."""
    moving = tuple((key, value) for key, value in body.items() if is_template(value))
    return Tree(body, moving) if moving else body
