"""Which steps of a run are shown when there is room for so many lines only."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

from msgspec import Struct

from mplp_cli.render.tails import Tails
from mplp_cli.render.theme import STATUS_ORDER
from mplp_cli.render.tracker import Tracker
from mplp_cli.render.view import counts_text, unused

#: How many of the steps that ended last, and that come next, fill what room is left.
_RECENT = 5
_NEXT = 5
#: Lines of a running step's output.
_TAIL_FIRST = 2
_TAIL_MOST = 4


class StepRow(Struct, frozen=True):
    """A step, `depth` containers deep; `tail` lines of its output follow."""

    number: int
    depth: int
    tail: int = 0


class MoreRow(Struct, frozen=True):
    """What is not shown of a container: `3 completed, 20 pending`."""

    text: str
    depth: int


Row: TypeAlias = StepRow | MoreRow


def choose(tracker: Tracker, tails: Tails, room: int) -> list[Row]:
    """Rows for at most `room` lines, output counted: all steps if they fit, else what matters now."""
    if room <= 0:
        return []
    shown = _everything(tracker, room)
    if shown is None:
        shown, spare = _what_matters(tracker, tails, room)
    else:
        spare = room - len(shown)
    tail = _share(tracker, tails, shown, spare)
    return list(_laid_out(tracker, shown, tail))


def _everything(tracker: Tracker, room: int) -> set[int] | None:
    plan, state = tracker.plan, tracker.state
    if len(plan.steps) > 4 * room + 16:
        return None
    shown = {i for i in range(len(plan.steps)) if not unused(plan, state, i)}
    return shown if len(shown) <= room else None


def _what_matters(tracker: Tracker, tails: Tails, room: int) -> tuple[set[int], int]:
    """The steps to show, each with the containers around it, and the lines left over for output."""
    steps = tracker.plan.steps
    shown: set[int] = set()
    # Each container that has a child on show (-1: the run) also needs a line for the children that have none.
    opened: set[int] = set()
    used = 0
    kept = 0
    for i, urgent in _by_weight(tracker, room):
        if not urgent and not kept:
            # Output of what runs comes before what is over and what comes next.
            writing = sum(
                tails.writing(steps[n].id) for n in shown if tracker.state.step_status[n] == "running"
            )
            kept = min(_TAIL_FIRST * writing, room - used)
        chain = [i]
        while steps[chain[-1]].parent >= 0:
            chain.append(steps[chain[-1]].parent)
        fresh = [n for n in chain if n not in shown]
        opens = {steps[n].parent for n in chain} - opened
        cost = len(fresh) + len(opens)
        if used + cost <= room - kept:
            shown.update(fresh)
            opened |= opens
            used += cost
    return shown, room - used


def _by_weight(tracker: Tracker, room: int) -> Iterator[tuple[int, bool]]:
    """Steps, the most interesting first, and whether that is because they fail, wait, run or retry.

    After those come the steps that have just ended, then those that are next.
    """
    state = tracker.state
    yield from ((i, True) for i in islice(reversed(tracker.failed), max(room // 3, 1)))
    active = list(islice(reversed(tracker.active), 4 * room))
    for status in ("waiting", "running", "retrying"):
        yield from ((i, True) for i in active if state.step_status[i] == status)
    yield from ((i, False) for i in islice(reversed(tracker.recent), _RECENT))
    yield from ((i, False) for i in _next(tracker))


def _next(tracker: Tracker) -> Iterator[int]:
    """The first steps in file order, after the newest that has begun, that have not begun."""
    state, plan = tracker.state, tracker.plan
    newest = max([*tracker.active, *tracker.recent], default=-1) if len(tracker.active) < 1_000 else -1
    found = 0
    for i in range(newest + 1, min(newest + 1 + 8 * _NEXT, len(plan.steps))):
        if state.step_status[i] in {"pending", "queued"} and not unused(plan, state, i):
            yield i
            found += 1
            if found == _NEXT:
                return


def _share(tracker: Tracker, tails: Tails, shown: set[int], spare: int) -> dict[int, int]:
    """How many output lines each running step gets: two each in the order they began, then up to four."""
    steps, status = tracker.plan.steps, tracker.state.step_status
    writing = [i for i in sorted(shown) if status[i] == "running" and tails.writing(steps[i].id)]
    tail: dict[int, int] = dict.fromkeys(writing, 0)
    for most in (_TAIL_FIRST, _TAIL_MOST):
        for i in writing:
            count = min(most - tail[i], len(tails.last(steps[i].id, most)) - tail[i], spare)
            tail[i] += max(count, 0)
            spare -= max(count, 0)
    return tail


def _laid_out(tracker: Tracker, shown: set[int], tail: dict[int, int]) -> Iterator[Row]:
    """Rows in file order, children under their container, then what is hidden of it."""
    steps, status = tracker.plan.steps, tracker.state.step_status
    inside: dict[int, list[int]] = {-1: []}
    for i in sorted(shown):
        inside.setdefault(steps[i].parent, []).append(i)

    def walk(parent: int, depth: int) -> Iterator[Row]:
        children = inside.get(parent, [])
        for i in children:
            yield StepRow(i, depth, tail.get(i, 0))
            if i in inside:
                yield from walk(i, depth + 1)
        hidden = dict(tracker.children[parent])
        for i in children:
            hidden[status[i]] = hidden.get(status[i], 0) - 1
        text = counts_text({s: n for s, n in hidden.items() if n > 0}, STATUS_ORDER)
        if text:
            yield MoreRow(text, depth)

    yield from walk(-1, 0)
