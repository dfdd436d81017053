"""The triggers of a workflow: judged, and made into the types of `workflow/events`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.event_shapes import misshapen_triggers
from mplp_cli.loading.events import (
    Around,
    absolute,
    check_match,
    check_template,
    duplicates,
    make_match,
    mappings,
)
from mplp_cli.loading.including import moves
from mplp_cli.loading.values import Fragment, unfit
from mplp_cli.loading.wording import quoted
from mplp_cli.workflow.events import triggers as t
from mplp_cli.workflow.events.schedules import fields_of
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import duration_ms

#: The inputs that a workflow declares: name -> JSON Schema; None: they cannot be told.
Inputs = dict[str, Any] | None


def judge_triggers(
    value: Any, path: Path, inputs: Inputs, around: Around
) -> tuple[tuple[t.Trigger, ...] | None, list[Problem]]:
    """The `triggers` of a workflow, in the format's spelling; None if anything is wrong with them."""
    problems = misshapen_triggers(value, path)
    problems += duplicates(value, path, "triggers")
    hooks: dict[str, Path] = {}
    for at, trigger in mappings(value, path):
        problems += _rules(trigger, at, inputs)
        hook = trigger.get("path")
        if trigger.get("on") == "webhook" and isinstance(hook, str) and hooks.setdefault(hook, at) != at:
            problems.append(
                Problem(
                    code="event-duplicate-id",
                    message=f"two webhooks have the path {quoted(hook)}",
                    hint="give one of them another: a request goes to one trigger",
                    path=(*at, "path"),
                    related=(*hooks[hook], "path"),
                )
            )
    if any(one.severity == "error" for one in problems):
        return None, problems
    return tuple(_trigger(one, around.directory) for one in value), problems


def _trigger(value: dict[str, Any], directory: str) -> t.Trigger:
    common: dict[str, Any] = {key: value[key] for key in ("id", "inputs", "overlap") if key in value}
    match value["on"]:
        case "event":
            return t.EventTrigger(**common, where=make_match(value["where"]))
        case "cron":
            named = {"time-zone": "time_zone", "catch-up": "catch_up"}
            common |= {name: value[key] for key, name in named.items() if key in value}
            return t.CronTrigger(**common, schedule=fields_of(value["schedule"]))
        case "file":
            paths = [value["paths"]] if isinstance(value["paths"], str) else value["paths"]
            if "changes" in value:
                common["changes"] = tuple(value["changes"])
            return t.FileTrigger(
                **common,
                paths=tuple(absolute(directory, path) for path in paths),
                settle=duration_ms(value.get("settle", 500)),
            )
        case "webhook":
            tolerance = duration_ms(value.get("tolerance", 300_000))
            return t.WebhookTrigger(**common, name=value["path"], secret=value["secret"], tolerance=tolerance)
        case _:
            return t.StartupTrigger(**common)


# ---- rules ---------------------------------------------------------------------------------------


def _rules(trigger: dict[str, Any], path: Path, inputs: Inputs) -> Iterator[Problem]:
    on = trigger.get("on")
    if on == "event":
        yield from check_match(trigger.get("where"), (*path, "where"))
    elif on == "cron":
        yield from _schedule(trigger, path)
    elif on == "file":
        yield from _paths(trigger.get("paths"), (*path, "paths"))
    given = trigger.get("inputs", {})
    if isinstance(given, dict):
        yield from check_template(given, ("event",), (*path, "inputs"))
        if inputs is not None:
            yield from _inputs(given, inputs, path)


def _schedule(trigger: dict[str, Any], path: Path) -> Iterator[Problem]:
    if isinstance(schedule := trigger.get("schedule"), str) and schedule:
        try:
            fields_of(schedule)
        except ValueError as error:
            said, _, hint = str(error).partition("; ")
            yield Problem(code="event-schedule", path=(*path, "schedule"), message=said, hint=hint)
    zone = trigger.get("time-zone")
    if isinstance(zone, str) and zone:
        from zoneinfo import ZoneInfo, available_timezones

        try:
            ZoneInfo(zone)
        except (ValueError, OSError, LookupError):
            known = available_timezones()
            same = next((name for name in sorted(known) if name.lower() == zone.lower()), None)
            city = next((name for name in sorted(known) if name.lower().endswith(f"/{zone.lower()}")), None)
            near = same or city
            meant = f"did you mean `{near}`?" if near else did_you_mean(zone, sorted(known))
            yield Problem(
                code="event-time-zone",
                path=(*path, "time-zone"),
                message=f"there is no time zone {quoted(zone)}",
                hint=meant or "write its IANA name, such as Europe/Berlin or UTC",
            )


def _paths(paths: Any, path: Path) -> Iterator[Problem]:
    listed = [(path, paths)] if isinstance(paths, str) else [
        ((*path, n), one) for n, one in enumerate(paths if isinstance(paths, list) else ())
    ]  # fmt: skip
    for at, pattern in listed:
        if isinstance(pattern, str) and "${" in pattern:
            said = "file patterns are written out: they take no references"
            hint = "`*` stands for any text in a name, `**` for any directories"
            yield Problem(code="event-reference", path=at, message=said, hint=hint)


def _inputs(given: dict[str, Any], inputs: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Inputs that the workflow does not have, that do not fit, or that are missing."""
    for name, value in given.items():
        schema = inputs.get(name)
        at = (*path, "inputs", name)
        if schema is None:
            declared = f"its inputs: {', '.join(map(str, inputs))}" if inputs else "it declares none"
            hint = did_you_mean(str(name), map(str, inputs)) or declared
            said = f"the workflow has no input {quoted(name)}"
            yield Problem(code="event-input", path=at, on="key", message=said, hint=hint)
        elif isinstance(schema, dict) and not moves(value):
            for place, why in unfit(Fragment(schema), value):
                said = f"the input {quoted(name)}: {why}"
                yield Problem(code="event-input", path=(*at, *place), message=said)
    missing = [
        name
        for name, schema in inputs.items()
        if isinstance(schema, dict) and "default" not in schema and name not in given
    ]
    if missing:
        names = ", ".join(quoted(name) for name in missing)
        yield Problem(
            code="event-input",
            path=(*path, "inputs") if given else path,
            on="key" if given else "value",
            message=f"a run needs the input{'s' if len(missing) > 1 else ''} {names}",
            hint="give it under `inputs` of the trigger, or give it a `default`",
        )
