"""Rules about correlation rules: how many events, how long a window, and what follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.events import Around, check_emitted, check_match, check_template, check_workflow
from mplp_cli.loading.later import EVENT_WORDS
from mplp_cli.workflow.values import duration_ms

#: Events are kept in memory as long as a window: milliseconds of the longest.
LONGEST: Final = 7 * 86_400_000
#: Rule -> how many matches it takes, the fewest and the most, and how that is said.
_MATCHES: Final = {
    "frequency": (1, 1, "one match: which events are counted"),
    "absence": (2, 2, "two matches: the event that begins it, and the one that is to follow"),
    "sequence": (2, 100, "at least two matches, in the order in which the events come"),
    "join": (2, 100, "at least two matches"),
}


def check_rules(rule: dict[str, Any], path: Path, around: Around) -> Iterator[Problem]:
    """Findings about one correlation rule."""
    events = rule.get("events")
    placed = [((*path, "events", n), one) for n, one in enumerate(events if isinstance(events, list) else ())]
    for at, match in [*placed, ((*path, "match"), rule.get("match"))]:
        yield from check_match(match, at)
    yield from _counts(rule, path)
    yield from _times(rule, path)
    key = rule.get("key")
    if isinstance(key, str) and key:
        yield from check_template(key, ("event",), (*path, "key"))
        if "${" not in key and "$<" not in key:
            yield Problem(
                code="event-reference",
                path=(*path, "key"),
                message=f"`{key[:40]}` is the same for every event",
                hint=f"write ${{event.data.{key[:40]}}}"
                if key.isidentifier()
                else "write ${event.data.name}",
            )
    actions = rule.get("actions")
    for n, action in enumerate(actions if isinstance(actions, list) else ()):
        if isinstance(action, dict):
            at = (*path, "actions", n)
            yield from check_emitted(action.get("emit"), ("correlation",), (*at, "emit"))
            yield from check_workflow(action, ("correlation",), at, around)


def _counts(rule: dict[str, Any], path: Path) -> Iterator[Problem]:
    kind = rule.get("type")
    if not isinstance(kind, str) or kind not in _MATCHES:
        return
    fewest, most, said = _MATCHES[kind]
    events = rule.get("events")
    key = "events" if "events" in rule else "match"
    count = len(events) if isinstance(events, list) else 1
    if (
        key in rule
        and not ("events" in rule and not isinstance(events, list))
        and not fewest <= count <= most
    ):
        yield Problem(
            code="event-matches",
            path=(*path, key),
            on="key",
            message=f"the rule `{kind}` takes {said}",
            hint="write `match: {type: ...}`"
            if kind == "frequency"
            else "write `events: [{type: ...}, ...]`",
        )
    if (
        kind == "frequency"
        and "minimum-events" not in rule
        and "minimum-events" not in map(EVENT_WORDS.get, rule)  # the schema has asked whether that is meant
    ):
        yield Problem(
            code="schema-missing-key",
            path=path,
            message="the rule `frequency` needs the key `minimum-events`",
            hint="say how many events within the window it takes, from 2",
        )
    elif kind != "frequency" and "minimum-events" in rule:
        yield Problem(
            code="schema-conflict",
            path=(*path, "minimum-events"),
            on="key",
            message=f"`minimum-events` means nothing for the rule `{kind}`",
            hint="remove it; it counts the events of a `frequency`",
        )


def _times(rule: dict[str, Any], path: Path) -> Iterator[Problem]:
    window, lateness = _ms(rule.get("window")), _ms(rule.get("lateness", 0))
    if window is not None and window > LONGEST:
        yield Problem(
            code="event-window",
            path=(*path, "window"),
            message="the window is longer than 7 days",
            hint="events are kept in memory as long as a window; narrow it",
        )
    if window is not None and lateness is not None and lateness > window:
        yield Problem(
            code="event-window",
            path=(*path, "lateness"),
            message="events may come later than the whole window is long",
            hint="make `lateness` shorter than `window`: nothing is told before it has passed",
        )


def _ms(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return duration_ms(value)
    except ValueError:
        return None
