"""`mplp doctor`: a diagnosis as a screen and as a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mplp_cli.render.grid import wrapped
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.theme import Theme
from mplp_cli.store.diagnosis import Diagnosis, meaning
from mplp_cli.store.inspection import Finding

_LOOKS: Final = {
    "problem": ("unhealthy", "bad"),
    "warning": ("degraded", "warn"),
    "notice": ("interrupted", "warn"),
}


#: What is counted, where it is more than a word.
_WORDS = {"deadLetters": "dead letters"}


def diagnosed_screen(found: Diagnosis, theme: Theme, width: int) -> Screen:
    """What was found, each with what to do, and the verdict."""
    return Screen(_screen(found, theme, width))


def _screen(found: Diagnosis, theme: Theme, width: int) -> Iterator[Line]:
    if found.error is not None:
        yield from _unusable(found, theme, width)
        return
    if not found.state_dir:
        yield Line("Nothing is stored here yet.")
        if not found.findings:
            return
    else:
        counts = ", ".join(f"{count:,} {_WORDS.get(name, name)}" for name, count in found.counts.items())
        yield from _block(Line(f"{theme.glyph('healthy')} ", "ok"), f"{found.state_dir}: {counts}", width)
    for finding in found.findings:
        yield from _finding(finding, theme, width)
    if found.backup:
        yield from _block(Line("  "), f"The store as it was before: {found.backup}", width, "dim")
    yield Line()
    yield from wrapped(_verdict(found), width)


def _unusable(found: Diagnosis, theme: Theme, width: int) -> Iterator[Line]:
    assert found.error is not None
    means, steps = meaning(found.error)
    yield from _block(Line(f"{theme.glyph('unhealthy')} ", "bad"), found.error.message, width, "bad")
    yield Line()
    yield from wrapped(Line(means), width)
    yield Line()
    for number, step in enumerate(steps, 1):
        yield from _block(Line(f"{number}. ", "strong"), step, width)


def _finding(finding: Finding, theme: Theme, width: int) -> Iterator[Line]:
    glyph, style = ("healthy", "ok") if finding.mended else _LOOKS[finding.severity]
    yield from _block(Line(f"{theme.glyph(glyph)} ", style), finding.message, width)
    if finding.mended:
        yield Line("  mended", "ok")
    elif finding.mend:
        yield from _block(Line("  "), f"`mplp doctor --repair` {finding.mend}", width, "dim")
    if finding.hint and not finding.mended:
        yield from _block(Line("  "), finding.hint, width, "dim")


def _block(first: Line, text: str, width: int, style: str = "") -> Iterator[Line]:
    """Text behind a mark, over as many lines as it needs."""
    indent = first.width
    for number, part in enumerate(wrapped(Line(text, style), max(width - indent, 1))):
        yield (first if not number else Line(" " * indent)).extend(part)


def _verdict(found: Diagnosis) -> Line:
    left = found.problems
    if not left:
        mended = sum(finding.mended for finding in found.findings)
        return Line(f"healthy{f', {mended} mended' if mended else ''}", "ok-strong")
    can = sum(bool(finding.mend) for finding in left)
    count = f"{len(left)} problem{'' if len(left) == 1 else 's'}"
    return Line(f"{count}, {can} of which `mplp doctor --repair` can mend", "bad-strong")


def diagnosed_document(found: Diagnosis) -> dict[str, Any]:
    """The same for machines; the shape is in `mplp help output`."""
    document: dict[str, Any] = {
        "stateDir": found.state_dir or None,
        "usable": found.error is None,
        "healthy": found.healthy,
        "counts": found.counts,
        "findings": [
            {
                "code": one.code,
                "severity": one.severity,
                "message": one.message,
                "hint": one.hint or None,
                "runId": one.run or None,
                "repair": one.mend or None,
                "mended": one.mended,
            }
            for one in found.findings
        ],
        "backup": found.backup or None,
    }
    if found.error is not None:
        means, steps = meaning(found.error)
        cause = found.error.details.get("cause")
        document["error"] = {
            "cause": cause,
            "message": found.error.message,
            "meaning": means,
            "steps": list(steps),
        }
    return document
