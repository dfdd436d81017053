"""What steps that act outside hand to their runners: HTTP requests and calls of functions, as templates."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import UNSET

from mplp_cli.errors import Path
from mplp_cli.workflow import model
from mplp_cli.workflow.templates import Template, Tree, is_template


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


def workflow_body(step: model.WorkflowStep, path: Path, make: Values) -> Template:
    """`{file, inputs}`."""
    return tree({"file": step.file, "inputs": make.values(step.inputs, (*path, "inputs"))})


def status_range(stated: int | str) -> list[int]:
    """The first and the last status of `200`, `2xx` or `200-204`."""
    first, _, last = str(stated).partition("-")
    if first.endswith("xx"):
        return [int(first[0]) * 100, int(first[0]) * 100 + 99]
    return [int(first), int(last or first)]


def tree(body: dict[str, Any]) -> Template:
    """A mapping whose values are compiled already."""
    moving = tuple((key, value) for key, value in body.items() if is_template(value))
    return Tree(body, moving) if moving else body
