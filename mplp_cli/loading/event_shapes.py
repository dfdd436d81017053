"""Why the schema refuses what is declared of events: each filter, route, target, rule and trigger is judged alone, so
that no sentence speaks of kinds that its author never meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mplp_cli.errors import Path, Problem
from mplp_cli.loading import later
from mplp_cli.loading.explain import reasons
from mplp_cli.loading.schema import definition, verdict
from mplp_cli.loading.wording import either, kind_of, quoted
from mplp_cli.workflow.suggest import nearest

#: The kinds of targets, each called like its key.
TARGETS: Final = ("file", "command", "webhook", "workflow", "agent", "handler")
_ITEMS: Final = {
    "filters": "event-filter",
    "transformers": "event-transformer",
    "routes": "event-route",
    "correlation-rules": "settings-rule",
}


def misshapen_events(value: Any, name: str, path: Path) -> list[Problem]:
    """What the schema `name` (`workflow-events`, `settings-events`) has against a mapping of declarations."""
    if verdict(name).is_valid(value):
        return []
    if not isinstance(value, dict):
        return reasons(name, value, path)
    lists = {key: held for key, held in value.items() if key in _ITEMS and isinstance(held, list)}
    found = reasons(name, {**value, **{key: [] for key in lists}}, path)
    if name == "workflow-events":
        found = [_of_the_project(one) if one.path == (*path, "correlation-rules") else one for one in found]
        lists.pop("correlation-rules", None)
    for key, items in lists.items():
        for n, item in enumerate(items):
            found += _item(_ITEMS[key], item, (*path, key, n))
    return found or _unexplained(name, value, path)


def _of_the_project(problem: Problem) -> Problem:
    return Problem(
        code="schema-misplaced-key",
        path=problem.path,
        on="key",
        message="correlation rules belong to the project, not to one workflow",
        hint="put them under `events` in mplp.yaml",
    )


def _item(name: str, item: Any, path: Path) -> Iterator[Problem]:
    if verdict(name).is_valid(item):
        return
    bare = item
    if name == "event-route" and isinstance(item, dict) and isinstance(item.get("target"), dict):
        bare = {**item, "target": {"file": "x"}}
        yield from _target(item["target"], (*path, "target"))
    yield from reasons(name, bare, path)


def _target(target: dict[Any, Any], path: Path) -> Iterator[Problem]:
    kinds = [key for key in target if key in TARGETS]
    if not kinds:
        unknown = next((key for key in target if isinstance(key, str)), None)
        near = None if unknown is None else later.EVENT_WORDS.get(unknown) or nearest(unknown, TARGETS)
        meant = f"did you mean `{near}`? " if near in TARGETS else ""
        yield Problem(
            code="schema-unknown-key" if unknown else "schema-missing-key",
            path=path if unknown is None else (*path, unknown),
            on="value" if unknown is None else "key",
            message=f"there is no target {quoted(unknown)}" if unknown else "a target says where events go",
            hint=f"{meant}a target is one of: {', '.join(TARGETS)}",
        )
    elif len(kinds) > 1:
        yield Problem(
            code="schema-conflict",
            path=(*path, kinds[1]),
            on="key",
            message=f"a target is one of {either([f'`{kind}`' for kind in TARGETS])}, not several",
            hint="write one route for each target",
        )
    elif not verdict(f"{kinds[0]}-target").is_valid(target):
        yield from reasons(f"{kinds[0]}-target", target, path)


def misshapen_triggers(value: Any, path: Path) -> list[Problem]:
    """What the schema has against a list of triggers."""
    if verdict("triggers").is_valid(value):
        return []
    if not isinstance(value, list):
        return reasons("triggers", value, path)
    found: list[Problem] = []
    for n, trigger in enumerate(value):
        found += _trigger(trigger, (*path, n))
    return found or _unexplained("triggers", value, path)


def _trigger(trigger: Any, path: Path) -> list[Problem]:
    if verdict("trigger").is_valid(trigger):
        return []
    on = trigger.get("on") if isinstance(trigger, dict) else None
    known = definition("trigger")["properties"]["on"]["enum"]
    if on in known:
        return reasons(f"{on}-trigger", trigger, path)
    if on is None:
        return reasons("trigger", trigger, path)
    listed = f"a trigger is on one of: {', '.join(known)}"
    if not isinstance(on, str):
        said, code, near = f"`on` takes text, not {kind_of(on)}", "schema-type", None
    else:
        said, code = f"there is no trigger on {quoted(on)}", "event-trigger"
        near = later.TRIGGER_WORDS.get(on) or nearest(on, known)
        listed = later.BY_HAND if on in later.NO_TRIGGERS else listed
    hint = f"did you mean `{near}`? {listed}" if near else listed
    return [Problem(code=code, message=said, path=(*path, "on"), hint=hint)]


def _unexplained(name: str, value: Any, path: Path) -> list[Problem]:
    """The fast validator refuses what the other accepts: say what it says rather than nothing."""
    return [
        Problem(
            code="schema-other",
            message=f"the schema refuses this value (keyword `{error.kind.name}`)",
            path=(*path, *error.instance_path),
        )
        for error in verdict(name).iter_errors(value)
    ][:1]
