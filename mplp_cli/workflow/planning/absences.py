"""Whether the result of a step may not be there when somebody refers to it, and why.

A step under the default join runs only if what it needs has completed. Results may be missing where that rule
does not hold: in outputs, in blocks, in `finally`, under other joins, and of the children of a `parallel`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from msgspec import UNSET, Struct

from mplp_cli.workflow import model
from mplp_cli.workflow.language.templates import Formula, Look, Ref
from mplp_cli.workflow.plan import Custom, StepResult
from mplp_cli.workflow.planning.links import ENV, KEY, OUTPUTS, Links, Where

_BLOCKS: Final = frozenset({"then", "else", "each", "fallback", "finally"})
_FALSE: Final = frozenset({"false", "False"})
_TRUE: Final = frozenset({"true", "True"})


class Absence(Struct, frozen=True):
    """There is no result if what `why` says comes true (behind an "if"); `step` decides it, -1: nobody does."""

    why: str
    step: int = -1
    certain: bool = False


def may_skip(made: Mapping[str, Any]) -> bool:
    """Whether a compiled step may be skipped by what it says itself."""
    when = made.get("when")
    unsure = isinstance(when, Formula) and when.expression.source.strip() not in _TRUE
    return when is False or unsure or any(f.action == "skip" for f in made.get("fallbacks", ()))


class Absences:
    """Knows of each step whether its result may be missing."""

    def __init__(self, places: Sequence[Where], compiled: Sequence[Mapping[str, Any]], links: Links) -> None:
        self._places = places
        self._compiled = compiled
        self._links = links

    @cached_property
    def none(self) -> bool:
        """Whether nothing in the file lets a result be missing."""
        return not (self._skips or any(_lenient(where.step) for where in self._places))

    def of(self, other: int, here: int, loop: int = -1) -> Absence | None:
        """Why `other` may have no result where `here` reads it; `loop`: when the steps of that loop have run."""
        if self.none or here in (ENV, KEY) or self._places[other].step.default is not UNSET:
            return None
        if here == OUTPUTS:
            return self._below(other, -1)
        if loop >= 0 and self._is_in(other, loop):
            return self._below(other, loop, self._links.lifted(loop, other)[1])
        mine, theirs = self._links.lifted(here, other)
        if mine < 0 or theirs < 0:
            return None
        reader = self._places[mine]
        outer = self._places[theirs].parent
        if reader.branch in _BLOCKS:
            return self._below(other, outer, theirs)
        early = _early(reader.step, len(self._links.needs.get(mine, ())))
        if early:
            return Absence(f"`{reader.step.id}` starts before it has completed, as `join: {early}` allows")
        if reader.step.join != "all-completed" or self._places[theirs].step.default is not UNSET:
            return self._below(other, outer, theirs)
        return self._below(other, theirs, theirs)

    def _below(self, other: int, outer: int, last: int = -1) -> Absence | None:
        """Why `other` may have no result, for reasons that lie inside `outer` (-1: anywhere).

        `last` is the outermost container around `other` whose own rules about failing children count.
        """
        found = self._skips.get(other)
        if found is not None and (outer < 0 or (found.step != outer and self._is_in(found.step, outer))):
            return found
        name, i = self._places[other].step.id, self._places[other].parent
        if other == last:
            return None
        while i >= 0:
            box = self._places[i].step
            if isinstance(box, model.ParallelStep) and (box.race or box.fail_on != "any"):
                why = (
                    f"`{name}` is not the first child of `{box.id}` to complete"
                    if box.race
                    else f"`{name}` fails, which `fail-on: {box.fail_on}` of `{box.id}` allows"
                )
                return Absence(why, i)
            if i == last:
                break
            i = self._places[i].parent
        return None

    def _is_in(self, i: int, outer: int) -> bool:
        while i >= 0 and i != outer:
            i = self._places[i].parent
        return i == outer

    @cached_property
    def _skips(self) -> dict[int, Absence]:
        """The steps that may be skipped, or omitted because another is."""
        found = dict(self._own_skips())
        if not found:
            return found
        behind: dict[int, list[int]] = {}
        for d, needs in self._links.needs.items():
            if self._places[d].step.join == "all-completed":
                for need in needs:
                    behind.setdefault(need, []).append(d)
        waiting = deque(found)
        while waiting:
            i = waiting.popleft()
            reached = [*self._places[i].children]
            if self._places[i].step.default is UNSET:
                reached += behind.get(i, ())
            for other in reached:
                if other not in found:
                    found[other] = found[i]
                    waiting.append(other)
        return found

    def _own_skips(self) -> Iterator[tuple[int, Absence]]:
        for i, made in enumerate(self._compiled):
            if may_skip(made):
                when, name = made.get("when"), self._places[i].step.id
                if when is False or (isinstance(when, Formula) and when.expression.source.strip() in _FALSE):
                    yield i, Absence(f"`{name}` is skipped, and its `when` is always false", i, certain=True)
                elif isinstance(when, Formula):
                    yield i, Absence(f"`{name}` is skipped: its `when` may be false", i)
                else:
                    yield i, Absence(f"`{name}` fails and its fallback skips it", i)

    # ---- who has asked before

    def is_asked(self, here: int, steps: set[int], *, in_when: bool) -> bool:
        """Whether `here` runs only after a look at one of these steps, or at what they look at themselves.

        `in_when`: what `here` asks itself does not count.
        """
        if here < 0:
            return False
        wanted: set[Any] = {i for i in steps if i >= 0}
        for i in tuple(wanted):
            wanted |= self._asks(i)
        i = self._places[here].parent if in_when else here
        while i >= 0:
            if not wanted.isdisjoint(self._behind(self._asks(i))):
                return True
            i = self._places[i].parent
        return False

    def _behind(self, asked: set[Any]) -> set[Any]:
        """These, and the steps that must have completed for one of these to run."""
        found, waiting = set(asked), [i for i in asked if isinstance(i, int) and i >= 0]
        while waiting:
            i = waiting.pop()
            if self._places[i].step.join != "all-completed":
                continue
            needs = [need for need in self._links.needs.get(i, ()) if need not in found]
            found.update(needs)
            waiting += needs
        return found

    def _asks(self, i: int) -> set[Any]:
        """What the conditions of step `i` look at: numbers of steps, and other references as text."""
        made = self._compiled[i]
        found: set[Any] = set()
        for condition in (made.get("when"), made.get("condition")):
            match condition:
                case Formula(names=names):
                    for name in names:
                        match name:
                            case Ref(number=number):
                                found.add(number)
                            case Look(number=number, reference=reference):
                                found.add(number if reference.scope == "step" else str(reference))
                case StepResult(number=number):
                    found.add(number)
                case Custom():
                    found |= set(range(len(self._places)))  # it may look at anything
        return found


def _lenient(step: model.Step) -> bool:
    if isinstance(step, model.ParallelStep):
        return step.race or step.fail_on != "any"
    return step.join == "any-completed" or isinstance(step.join, model.CountJoin)


def _early(step: model.Step, needs: int) -> str:
    """The join rule of a step if it may start before all of its dependencies have ended."""
    if isinstance(step.join, model.CountJoin):
        return f"{{count: {step.join.count}}}" if step.join.count < needs else ""
    return "any-completed" if step.join == "any-completed" and needs > 1 else ""
