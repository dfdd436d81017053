"""`mplp health`: the document that machines get, `{overall, components, timestamp}`, as a screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mplp_cli.render.grid import wrapped
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.theme import STATUS_STYLE, Theme

_OVERALL: Final = {
    "healthy": "ok-strong",
    "warning": "warn",
    "degraded": "bad-strong",
    "critical": "bad-strong",
}
#: What is broken stands first.
_ORDER: Final = ("error", "unhealthy", "healthy")
_GAP: Final = 2
#: The column of names is not wider.
_NAMES: Final = 28
#: With less room than this what is said stands below its component.
_LEAST: Final = 36


def health_screen(report: Mapping[str, Any], theme: Theme, width: int) -> Screen:
    """The verdict, then the components: what is wrong with each and what to do about it, or a line of facts."""
    components = sorted(report["components"], key=lambda one: _ORDER.index(one["status"]))
    names = min(max((len(one["component"]) for one in components), default=0), _NAMES, max(width - 14, 8))
    lines = [_verdict(report), Line()]
    told: list[tuple[str, Any]] = []
    for one in components:
        problems = _problems(one)
        # What holds up many is said once.
        first = next((name for name, said in told if said == problems), "")
        told.append((one["component"], problems))
        same = [{"message": f"the same as {first}", "hint": ""}] if problems and first else problems
        lines += _component(one, same, names, theme, width)
    return Screen(line.fit(width, theme.glyph("more")) for line in lines)


def health_frame(report: Mapping[str, Any], every: float, theme: Theme, width: int, height: int) -> Screen:
    """The same on a terminal of that height, looked at `every` so many seconds."""
    lines = list(health_screen(report, theme, width))
    at = str(report["timestamp"])[11:19]
    lines[0].add(f"  {theme.glyph('dot')} {at} UTC, every {every:g} s, Ctrl-C ends", "dim")
    if len(lines) > height:
        gone = len(lines) - height + 1
        lines = [*lines[: height - 1], Line(f"{theme.glyph('more')} {gone} more lines", "dim")]
    return Screen(line.fit(width, theme.glyph("more")) for line in lines)


def _verdict(report: Mapping[str, Any]) -> Line:
    overall = str(report["overall"])
    counts = Counter(str(one["status"]) for one in report["components"])
    total = len(report["components"])
    said = [
        f"{counts[status]} {word}"
        for status, word in (("error", "in error"), ("unhealthy", "unhealthy"))
        if counts[status]
    ]
    of = f"{' and '.join(said)} of {total}" if said else f"{total} component{'' if total == 1 else 's'}"
    return Line("overall: ").add(overall, _OVERALL[overall]).add(f"  {of}", "dim")


def _component(
    one: Mapping[str, Any], problems: Sequence[Mapping[str, Any]], names: int, theme: Theme, width: int
) -> Iterator[Line]:
    status = str(one["status"])
    head = Line(f"{theme.glyph(status)} ", STATUS_STYLE[status])
    name = Line(str(one["component"]), "strong" if problems else "")
    head.extend(name.fit(names, theme.glyph("more")))
    head.pad(names + _GAP + 2).add(status, STATUS_STYLE[status])
    begin = names + _GAP + 2 + max(map(len, _ORDER)) + _GAP
    if not problems:
        # One line of facts is enough of what is well; the document has them all.
        yield head.pad(begin).add(facts_text(one["details"]), "dim")
        return
    if width - begin < _LEAST:
        yield head
        head, begin = Line(), 4
    for said in _said(problems, theme, width - begin):
        yield head.add(" " * (begin - head.width)).extend(said)
        head = Line()


def _problems(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with a component, `{message, hint}` each."""
    if "error" in one:
        message, _, hint = str(one["error"]).partition("\n")
        return [{"message": message, "hint": hint}]
    if one["status"] == "healthy":
        return []
    return one["details"].get("problems") or [{"message": facts_text(one["details"]), "hint": ""}]


def _said(problems: Sequence[Mapping[str, Any]], theme: Theme, width: int) -> Iterator[Line]:
    """What is wrong, and what to do."""
    arrow = f"{theme.glyph('arrow')} "
    for problem in problems:
        yield from wrapped(Line(str(problem["message"])), width)
        if problem["hint"]:
            for number, part in enumerate(wrapped(Line(str(problem["hint"]), "key"), width - len(arrow))):
                yield Line(arrow if not number else " " * len(arrow), "dim").extend(part)


def facts_text(details: Mapping[str, Any]) -> str:
    """Facts in a line: `runs 3, kinds (cpu 2, memory 1GiB)`."""
    return ", ".join(f"{key} {_value(value)}" for key, value in details.items())


def _value(value: Any) -> str:
    match value:
        case None:
            return "none"
        case {}:
            return f"({facts_text(value)})" if value else "none"
        case list():
            return f"({', '.join(map(_value, value))})" if value else "none"
        case _:
            return str(value)
