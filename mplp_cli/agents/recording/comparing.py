"""What two recordings of a workflow differ in."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from msgspec import Struct, to_builtins

from mplp_cli.agents.recording.cassette import Cassette
from mplp_cli.agents.recording.differences import Difference, differences, nearest
from mplp_cli.agents.recording.entries import Entry


class Change(Struct, frozen=True, kw_only=True, rename="camel"):
    """One call that is only in the new recording (`new`), only in the old one (`gone`), asked differently
    (`changed`), or asked the same and answered differently (`answered`). `old` and `new` are numbers of entries."""

    change: Literal["new", "gone", "changed", "answered"]
    agent: str
    step: str
    old: int | None = None
    new: int | None = None
    differences: list[Difference] = []


def compare(old: Cassette, new: Cassette) -> list[Change]:
    """Every change, those of the new recording in its order, then what is gone."""
    before: dict[str, list[Entry]] = {}
    for entry in old.entries:
        before.setdefault(entry.key, []).append(entry)
    met: Counter[str] = Counter()
    found: list[Change] = []
    unknown: list[Entry] = []
    for entry in new.entries:
        there = before.get(entry.key, [])
        if met[entry.key] >= len(there):
            unknown.append(entry)
            continue
        one = there[met[entry.key]]
        met[entry.key] += 1
        if said := differences(_answer(one), _answer(entry)):
            found.append(_change("answered", one, entry, said))
    left = [entry for key, entries in before.items() for entry in entries[met[key] :]]
    for entry in unknown:
        same = [one for one in left if one.agent == entry.agent and one.step == entry.step]
        like = nearest(same, entry.request, entry.step)
        if like is None or not (said := differences(like.request, entry.request)):
            found.append(_change("new", None, entry))
            continue
        left.remove(like)
        found.append(_change("changed", like, entry, said))
    found.sort(key=lambda change: change.new or 0)
    return found + [_change("gone", one, None) for one in sorted(left, key=lambda entry: entry.n)]


def _answer(entry: Entry) -> dict[str, object]:
    if entry.error is not None:
        return {"error": to_builtins(entry.error)}
    return {"response": to_builtins(entry.response)}


def _change(
    change: Literal["new", "gone", "changed", "answered"],
    old: Entry | None,
    new: Entry | None,
    said: list[Difference] | None = None,
) -> Change:
    entry = new or old
    assert entry is not None
    return Change(
        change=change,
        agent=entry.agent,
        step=entry.step,
        old=None if old is None else old.n,
        new=None if new is None else new.n,
        differences=said or [],
    )
