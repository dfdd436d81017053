"""Where two questions differ, and which of the recorded ones is nearest to a question."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from msgspec import Struct

from mplp_cli.agents.recording.entries import Entry
from mplp_cli.workflow.values import Json

#: Characters of a value that are shown, and of what comes before the place where two texts part.
_SHOWN, _BEFORE = 60, 20
_NOTHING = "nothing"


class Difference(Struct, frozen=True, kw_only=True):
    """One path (`.input.items[2]`) at which two questions differ; the values as they are shown."""

    path: str
    recorded: str
    now: str

    def __str__(self) -> str:
        return f"{self.path}: recorded {self.recorded}, now {self.now}"


def differences(recorded: Json, now: Json) -> list[Difference]:
    """Every path at which they differ, in the order of the paths."""
    return [
        Difference(path=path, recorded=one, now=other) for path, one, other in _differing(recorded, now, "")
    ]


def nearest(entries: Iterable[Entry], request: dict[str, Json], step: str) -> Entry | None:
    """The entry that differs least from a question: in the fewest paths, of the same step, the first."""
    return min(
        entries,
        key=lambda entry: (
            sum(1 for _ in _differing(entry.request, request, "")),
            entry.step != step,
            entry.n,
        ),
        default=None,
    )


def _differing(one: Json, other: Json, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            at = f"{path}.{key}"
            if key not in one:
                yield at, _NOTHING, _shown(other[key])
            elif key not in other:
                yield at, _shown(one[key]), _NOTHING
            else:
                yield from _differing(one[key], other[key], at)
    elif isinstance(one, list) and isinstance(other, list):
        for index in range(max(len(one), len(other))):
            at = f"{path}[{index}]"
            if index >= len(one):
                yield at, _NOTHING, _shown(other[index])
            elif index >= len(other):
                yield at, _shown(one[index]), _NOTHING
            else:
                yield from _differing(one[index], other[index], at)
    elif isinstance(one, str) and isinstance(other, str):
        if one != other:
            start = max(0, _parting(one, other) - _BEFORE)
            yield path, _excerpt(one, start), _excerpt(other, start)
    elif type(one) is not type(other) or one != other:
        yield path, _shown(one), _shown(other)


def _parting(one: str, other: str) -> int:
    """Where two texts part."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def _excerpt(text: str, start: int) -> str:
    """A text as a Python literal, from a little before the place that matters."""
    start = 0 if len(text) <= _SHOWN else start
    piece = text[start : start + _SHOWN]
    return f"{'...' if start else ''}{piece!r}{'...' if start + len(piece) < len(text) else ''}"


def _shown(value: Json) -> str:
    if isinstance(value, str):
        return _excerpt(value, 0)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
