"""What is declared of events, in `mplp.yaml` and in workflows: judged, and made into the types of `workflow/events`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.event_shapes import TARGETS, misshapen_events
from mplp_cli.loading.rules import OWN_HEADERS
from mplp_cli.loading.wording import quoted
from mplp_cli.workflow.events import routes as r
from mplp_cli.workflow.events import rules as c
from mplp_cli.workflow.events.judging import DeclarationError, compiled, judge
from mplp_cli.workflow.model import RetryPolicy
from mplp_cli.workflow.published import check_type, check_wanted
from mplp_cli.workflow.retry import effective
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import duration_ms

_OF_ROUTES = RetryPolicy(max_retries=r.RETRIES, jitter="full")


@dataclass(frozen=True)
class Around:
    """Where declarations stand, and what is there that they may name."""

    #: Absolute; what relative paths start from.
    directory: str = ""
    #: The ids of agents; None: nobody knows.
    agents: Callable[[], Iterable[str] | None] = lambda: None
    #: The secrets that the file declares; None: they come from the environment.
    secrets: Sequence[str] | None = None
    #: Whether a variable is set.
    is_set: Callable[[str], bool] = lambda name: True
    #: (program, working directory) -> whether the program can be found.
    is_program: Callable[[str, str], bool] = lambda program, cwd: True
    #: Whether a file is there, by its absolute path.
    is_file: Callable[[str], bool] = lambda path: True


def judge_routing(value: Any, path: Path, around: Around) -> tuple[r.Routing | None, list[Problem]]:
    """The `events` of a workflow, in the format's spelling; None if anything is wrong with them."""
    return _judged(value, "workflow-events", path, around, make_routing)


def judge_project(
    value: Any, path: Path, around: Around
) -> tuple[tuple[r.Routing, tuple[c.CorrelationRule, ...]] | None, list[Problem]]:
    """The `events` of `mplp.yaml`: the routing and the correlation rules."""
    return _judged(value, "settings-events", path, around, _make_project)


def _judged(value: Any, schema: str, path: Path, around: Around, make: Any) -> tuple[Any, list[Problem]]:
    problems = misshapen_events(value, schema, path)
    if isinstance(value, dict):
        problems += _rules(value, path, around)
    failed = any(one.severity == "error" for one in problems)
    return None if failed else make(value, around.directory), problems


# ---- into types ----------------------------------------------------------------------------------


def make_routing(value: dict[str, Any], directory: str) -> r.Routing:
    """Valid declarations as types."""
    return r.Routing(
        filters=tuple(_filter(one) for one in value.get("filters", ())),
        transformers=tuple(
            r.Transformer(id=one["id"], match=make_match(one.get("match")), set=one["set"])
            for one in value.get("transformers", ())
        ),
        routes=tuple(_route(one, directory) for one in value.get("routes", ())),
    )


def make_match(value: dict[str, str] | None) -> r.Match:
    """A match as its type; left out it means every event."""
    return r.Match(**(value or {}))


def absolute(directory: str, path: str) -> str:
    """A path of a file that stands in that directory."""
    return os.path.normpath(os.path.join(directory, os.path.expanduser(path)))  # noqa: PTH111, PTH118


def _filter(value: dict[str, Any]) -> r.Filter:
    if "drop" in value:
        return r.Filter(id=value["id"], rule="drop", match=make_match(value["drop"]))
    return r.Filter(id=value["id"], rule="keep", match=make_match(value["keep"]))


def _route(value: dict[str, Any], directory: str) -> r.Route:
    own = value.get("retry-policy")
    policy = None if own is None else msgspec.convert(own, RetryPolicy, strict=False)
    return r.Route(
        id=value["id"],
        match=make_match(value.get("match")),
        target=_target(value["target"], directory),
        retry=effective(policy, _OF_ROUTES),
        timeout=duration_ms(value.get("timeout", r.TIMEOUT)),
        ordered=value.get("ordered", False),
        at_once=int(value.get("at-once", 4)),
        silenced=value.get("silenced", False),
    )


def _target(value: dict[str, Any], directory: str) -> r.Target:
    kind = next(key for key in TARGETS if key in value)
    match kind:
        case "file":
            return r.FileTarget(path=absolute(directory, value["file"]))
        case "command":
            return r.CommandTarget(command=value["command"], cwd=directory, env=value.get("env", {}))
        case "webhook":
            return r.WebhookTarget(
                url=value["webhook"],
                secret=value.get("secret", ""),
                headers=value.get("headers", {}),
                secret_headers=value.get("secret-headers", {}),
            )
        case "workflow":
            return r.WorkflowTarget(
                file=absolute(directory, value["workflow"]), inputs=value.get("inputs", {})
            )
        case "agent":
            return r.AgentTarget(agent=value["agent"], input=value.get("input"))
        case _:
            return r.HandlerTarget(handler=value["handler"], options=value.get("options", {}))


def _make_project(value: dict[str, Any], directory: str) -> tuple[r.Routing, tuple[c.CorrelationRule, ...]]:
    return make_routing(value, directory), tuple(
        _rule(one, directory) for one in value.get("correlation-rules", ())
    )


def _rule(value: dict[str, Any], directory: str) -> c.CorrelationRule:
    events = [value["match"]] if "match" in value else value["events"]
    return c.CorrelationRule(
        id=value["id"],
        type=value["type"],
        events=tuple(map(make_match, events)),
        window=duration_ms(value["window"]),
        minimum_events=int(value.get("minimum-events", len(events))),
        key=value.get("key", ""),
        lateness=duration_ms(value.get("lateness", 0)),
        actions=tuple(_action(one, directory) for one in value.get("actions", ())),
    )


def _action(value: dict[str, Any], directory: str) -> c.Action:
    if "emit" in value:
        return c.EmitAction(type=value["emit"]["type"], data=value["emit"].get("data"))
    return c.StartAction(file=absolute(directory, value["workflow"]), inputs=value.get("inputs", {}))


# ---- rules ---------------------------------------------------------------------------------------


def _rules(value: dict[str, Any], path: Path, around: Around) -> Iterator[Problem]:
    """What the schema cannot say; they look at plain data, valid or not."""
    for key, noun in (("filters", "filters"), ("transformers", "transformers"), ("routes", "routes")):
        yield from duplicates(value.get(key), (*path, key), noun)
    for at, one in mappings(value.get("filters"), (*path, "filters")):
        for rule in ("drop", "keep"):
            yield from check_match(one.get(rule), (*at, rule))
    for at, one in mappings(value.get("transformers"), (*path, "transformers")):
        yield from check_match(one.get("match"), (*at, "match"))
        yield from check_template(one.get("set"), ("event",), (*at, "set"))
        yield from _type_of(one.get("set"), (*at, "set"))
    for at, one in mappings(value.get("routes"), (*path, "routes")):
        yield from check_match(one.get("match"), (*at, "match"))
        target = one.get("target")
        if isinstance(target, dict):
            yield from _check_target(target, (*at, "target"), around)
    if "correlation-rules" in value:
        from mplp_cli.loading.event_rules import check_rules

        yield from duplicates(value["correlation-rules"], (*path, "correlation-rules"), "correlation rules")
        for at, one in mappings(value["correlation-rules"], (*path, "correlation-rules")):
            yield from check_rules(one, at, around)


def mappings(items: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The mappings among the items of a list, with their paths."""
    for n, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield (*path, n), item


def duplicates(items: Any, path: Path, noun: str) -> Iterator[Problem]:
    """Ids that stand twice in a list."""
    first: dict[str, Path] = {}
    for at, one in mappings(items, path):
        name = one.get("id")
        if isinstance(name, str) and first.setdefault(name, at) != at:
            yield Problem(
                code="event-duplicate-id",
                message=f"two {noun} have the id {quoted(name)}",
                hint="give one of them another id: what is known of it is kept under its id",
                path=(*at, "id"),
                related=(*first[name], "id"),
            )


def check_match(match: Any, path: Path) -> Iterator[Problem]:
    """A type that no event can have, and a `where` that cannot be compiled."""
    if not isinstance(match, dict):
        return
    if isinstance(wanted := match.get("type"), str) and wanted:
        yield from _fits(check_wanted, wanted, (*path, "type"))
    where = match.get("where")
    if isinstance(where, str) and where:
        try:
            judge(r.Match(where=where))
        except DeclarationError as error:
            yield _declared(error, (*path, "where"))


def check_template(value: Any, roots: tuple[str, ...], path: Path) -> Iterator[Problem]:
    """References that cannot be filled in from these roots."""
    for fault in compiled(value, roots, path)[1]:
        yield _declared(fault, fault.path)


def _declared(error: DeclarationError, path: Path) -> Problem:
    return Problem(code=error.code, message=error.message, hint=error.hint or None, path=path)


def _type_of(holder: Any, path: Path) -> Iterator[Problem]:
    """The type of an event to publish, as far as it is written out."""
    named = holder.get("type") if isinstance(holder, dict) else None
    if isinstance(named, str) and named and "${" not in named and "$<" not in named:
        yield from _fits(check_type, named, (*path, "type"))


def check_emitted(event: Any, roots: tuple[str, ...], path: Path) -> Iterator[Problem]:
    """An event that is to be published."""
    if isinstance(event, dict):
        if isinstance(named := event.get("type"), str) and named:
            yield from _fits(check_type, named, (*path, "type"))
        yield from check_template(event.get("data"), roots, (*path, "data"))


def _fits(check: Callable[[str], Any], value: str, path: Path) -> Iterator[Problem]:
    try:
        check(value)
    except ValueError as error:
        _, _, hint = str(error).partition("; ")
        said = f"{quoted(value)} is not a type of events"
        yield Problem(code="rule-event-type", path=path, message=said, hint=hint or None)


# ---- targets -------------------------------------------------------------------------------------


def _check_target(target: dict[str, Any], path: Path, around: Around) -> Iterator[Problem]:
    for key in ("file", "workflow", "webhook"):
        held = target.get(key)
        if isinstance(held, str) and "${" in held:
            yield Problem(
                code="event-reference",
                path=(*path, key),
                message=f"`{key}` of a target is written out: it takes no references",
                hint="write one route for each, and let its `where` choose",
            )
            return
    yield from check_workflow(target, ("event",), path, around)
    yield from _check_webhook(target, path, around)
    if "input" in target:
        yield from check_template(target["input"], ("event",), (*path, "input"))
    name = target.get("agent")
    if isinstance(name, str) and (known := around.agents()) is not None and name not in (there := [*known]):
        listing = f"the agents are {', '.join(there[:20])}" if there else "define it under `agents`"
        yield Problem(
            code="event-agent",
            path=(*path, "agent"),
            message=f"there is no agent {quoted(name)}",
            hint=did_you_mean(name, there) or listing,
        )
    command = target.get("command")
    program = command[0] if isinstance(command, list) and command else None
    if isinstance(program, str) and not around.is_program(program, around.directory):
        yield Problem(
            code="event-command",
            severity="warning",
            path=(*path, "command", 0),
            message=f"the program {quoted(program)} is not found on this machine",
            hint="install it, or correct the first item of `command`; nothing is delivered without it",
        )


def check_workflow(
    holder: dict[str, Any], roots: tuple[str, ...], path: Path, around: Around
) -> Iterator[Problem]:
    """The file and the inputs of a workflow to start."""
    file = holder.get("workflow")
    if isinstance(file, str) and file and not around.is_file(place := absolute(around.directory, file)):
        yield Problem(
            code="event-file",
            path=(*path, "workflow"),
            message=f"there is no file {quoted(file)}",
            hint=_similar(place) or "it is looked for in the directory of this file",
        )
    if "inputs" in holder:
        yield from check_template(holder["inputs"], roots, (*path, "inputs"))


def _similar(place: str) -> str | None:
    try:
        names = os.listdir(os.path.dirname(place) or ".")  # noqa: PTH120, PTH208
    except OSError:
        return None
    return did_you_mean(os.path.basename(place), names)  # noqa: PTH119


def _check_webhook(target: dict[str, Any], path: Path, around: Around) -> Iterator[Problem]:
    url = target.get("webhook")
    if isinstance(url, str) and url:
        if not url.lower().startswith(("http://", "https://")):
            said, hint = f"no request can be sent to {quoted(url)}", "begin with https:// or http://"
            yield Problem(code="rule-url", path=(*path, "webhook"), message=said, hint=hint)
        elif "@" in url.partition("//")[2].replace("?", "/").partition("/")[0]:
            said = "the address holds credentials"
            hint = "name a secret in `secret-headers`: {Authorization: NAME}"
            yield Problem(code="rule-url", path=(*path, "webhook"), message=said, hint=hint)
    for key in ("headers", "secret-headers"):
        held = target.get(key)
        for name, value in held.items() if isinstance(held, dict) else ():
            at = (*path, key, name)
            if isinstance(name, str) and name.lower() in OWN_HEADERS:
                said = f"the header {quoted(name)} is set by the connection itself"
                yield Problem(code="rule-header", path=at, on="key", message=said, hint="remove it")
            elif key == "headers" and isinstance(value, str) and "${" in value:
                said = "headers of a target are written out: they take no references"
                hint = f"a secret stands in `secret-headers`: {{{name}: NAME}}"
                yield Problem(code="event-reference", path=at, message=said, hint=hint)
            elif key == "secret-headers":
                yield from check_secret(value, at, around)
    if "secret" in target:
        yield from check_secret(target["secret"], (*path, "secret"), around)


def check_secret(name: Any, path: Path, around: Around) -> Iterator[Problem]:
    """A secret that is not declared where it must be, or has no value in the environment."""
    if not isinstance(name, str):
        return
    if around.secrets is not None and name not in around.secrets:
        yield Problem(
            code="event-secret",
            path=path,
            message=f"{quoted(name)} is not declared under the workflow's `secrets`",
            hint=did_you_mean(name, around.secrets) or f"add `{name}` to `secrets`",
        )
    elif around.secrets is None and not around.is_set(name):
        yield Problem(
            code="event-variable",
            severity="warning",
            path=path,
            message=f"the variable {quoted(name)} is not set",
            hint=f"export {name}=...; nothing is delivered without it",
        )
