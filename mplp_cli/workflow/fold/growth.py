"""Steps that come to be while a run goes on: one item of a foreach, one iteration of a loop.

What stands inside a foreach or a loop is a blueprint: its steps have numbers and never run. For each item a
step of kind `item` is added, called `outer[3]`, and behind it a copy of every blueprint, called
`outer[3].inner`, each as far from the item's step as its blueprint is from the foreach. So a reference that
was compiled to a blueprint's number finds the copy by one addition (`Item.shift`). Blueprints of a foreach
inside are copied too and stay blueprints, until that one begins. The same facts add the same steps again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET, Struct, structs

from mplp_cli.workflow.fold.commands import Arm
from mplp_cli.workflow.fold.joins import gates
from mplp_cli.workflow.fold.statuses import ENDED, PENDING, WAITING
from mplp_cli.workflow.plan import SPREAD, PlanStep, Repeat
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.history import StepRepeated
    from mplp_cli.workflow.fold.state import RunState

#: The branch in which items and what they hold stand.
EACH = "each"


class Item(Struct, frozen=True):
    """One item of the foreach (or one iteration of the loop) number `owner`; `index` counts from 0."""

    owner: int
    index: int
    value: Json
    #: Numbers of the blueprints, and what to add to them.
    first: int
    last: int
    shift: int
    #: The item around it, -1 if none.
    outer: int


def id_in_file(step: str) -> str:
    """`inner` of `outer[3].inner`, `outer` of `outer[3]`."""
    return step.rpartition(".")[2].partition("[")[0]


def add_items(state: RunState, i: int, items: Sequence[Json]) -> None:
    """The items of foreach `i`, all at once."""
    forget_items(state, i)
    added = tuple(_add(state, i, index, value) for index, value in enumerate(items))
    state.plan.steps[i] = structs.replace(state.plan.steps[i], children=added)


def repeat(state: RunState, i: int, fact: StepRepeated) -> None:
    """The next iteration of loop `i` begins, or will when its pause is over."""
    if not fact.index:
        forget_items(state, i)
    owner = state.plan.steps[i]
    number = _add(state, i, fact.index, None)
    state.plan.steps[i] = structs.replace(owner, children=(*owner.children, number))
    state.open[i] = 1
    state.moving -= 1
    state.results[i] = so_far(state, i)
    if fact.due <= fact.at:
        state.met(number)
        return
    state.step_status[number] = WAITING
    state.moving += 1
    state.due[number] = fact.due
    state.ask(Arm(number, fact.due))


def so_far(state: RunState, i: int) -> Json:
    """The result of a loop: how many iterations have ended, and the last one's result."""
    children = state.plan.steps[i].children
    ended = [c for c in children if state.step_status[c] in ENDED]
    last = state.results[ended[-1]] if ended else None
    return {"iterations": len(ended), "last": None if last is UNSET else last}


def forget_items(state: RunState, i: int) -> None:
    """What an earlier start of step `i` had added does not count any more."""
    steps = state.plan.steps
    gone = list(steps[i].children)
    if not gone:
        return
    steps[i] = structs.replace(steps[i], children=())
    while gone:
        c = gone.pop()
        gone += steps[c].children
        if (
            steps[c].loop < 0
            and state.step_status[c] not in ENDED
            and steps[c].final == bool(state.finalizing)
        ):
            state.left -= 1
        steps[c] = structs.replace(steps[c], loop=i)


def _add(state: RunState, i: int, index: int, value: Json) -> int:
    """Add one item with copies of the blueprints of step `i`; its number."""
    plan, steps = state.plan, state.plan.steps
    owner = steps[i]
    assert owner.repeat is not None
    number = len(steps)
    shift = number - i
    size = owner.repeat.size
    state.grown += 1
    name = f"{owner.id}[{index}]"
    item = PlanStep(
        number=number,
        id=name,
        kind="item",
        parent=i,
        branch=EACH,
        children=tuple([c + shift for c in owner.repeat.members]),
        rank=_rank(state, owner),
        final=owner.final,
        item=owner.item,
    )
    _append(state, item, (), live=True)
    state.items[number] = Item(
        owner=i, index=index, value=value, first=i + 1, last=i + size, shift=shift, outer=owner.item
    )
    for n in range(i + 1, i + 1 + size):
        blueprint = steps[n]
        live = blueprint.loop == i
        copy = structs.replace(
            blueprint,
            number=n + shift,
            id=f"{name}.{blueprint.id}" if live else blueprint.id,
            parent=blueprint.parent + shift,
            needs=tuple([d + shift for d in blueprint.needs]),
            children=tuple([c + shift for c in blueprint.children]),
            after=blueprint.after + shift if blueprint.after >= 0 else -1,
            rank=_rank(state, blueprint),
            loop=-1 if live else blueprint.loop + shift,
            item=number,
            repeat=_moved(blueprint.repeat, shift),
        )
        _append(state, copy, tuple([d + shift for d in plan.dependants[n]]), live=live)
        if n in plan.next_in_block:
            plan.next_in_block[n + shift] = plan.next_in_block[n] + shift
    return number


def _moved(repeat: Repeat | None, shift: int) -> Repeat | None:
    return repeat and structs.replace(repeat, members=tuple([m + shift for m in repeat.members]))


def _rank(state: RunState, blueprint: PlanStep) -> int:
    """Behind the blueprint's own, in the order in which items come to be."""
    return blueprint.rank // SPREAD * SPREAD + state.grown


def _append(state: RunState, step: PlanStep, dependants: tuple[int, ...], *, live: bool) -> None:
    """One more step of the plan, and of everything that is known by number."""
    plan = state.plan
    plan.steps.append(step)
    plan.dependants.append(dependants)
    state.step_status.append(PENDING)
    state.attempts.append(0)
    state.results.append(UNSET)
    state.started_at.append(0)
    state.ended_at.append(0)
    state.unmet.append(gates(step))
    if live:
        plan.number[step.id] = step.number
        plan.by_rank[step.rank] = step.number
        state.left += 1
        if step.lanes:
            state.lanes[step.number] = step.lanes
