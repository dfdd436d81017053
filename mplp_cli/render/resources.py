"""The pool of resources on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.tables import ago
from mplp_cli.render.theme import Theme
from mplp_cli.render.view import short_id
from mplp_cli.workflow.amounts import amount_text
from mplp_cli.workflow.resources import Allocation, Amounts, Pool, Share, in_use
from mplp_cli.workflow.values import duration_text


def utilization_table(pool: Pool, used: Amounts, theme: Theme, width: int) -> Screen:
    """`mplp resources utilization`: a line a kind."""
    rows = []
    for name, kind in pool.kinds.items():
        taken = sum(used.get(name, {}).values())
        rows.append(_row(name, kind.capacity, taken, Line(_per(kind.per), "dim")))
    return grid(
        ("KIND", "TOTAL", "ALLOCATED", "FREE", "USED", ""), rows, theme=theme, width=width, right=(1, 2, 3, 4)
    )


def pool_screen(
    pool: Pool,
    shares: Sequence[Share],
    allocations: Sequence[Allocation],
    workflows: Mapping[str, str],
    now: int,
    *,
    theme: Theme,
    width: int,
) -> Screen:
    """`mplp resources`: the units, who holds what of them, and who waits for what."""
    used = in_use(shares, allocations, now)
    rows = [
        (
            *_row(name, unit.capacity, used.get(name, {}).get(unit.id, 0))[:5],
            Line(_per(kind.per), "dim") if kind.per else Line("" if unit.id == name else unit.id),
        )
        for name, kind in pool.kinds.items()
        for unit in kind.units
    ]
    titles = ("KIND", "TOTAL", "HELD", "FREE", "USED", "UNIT")
    screen = Screen(grid(titles, rows, theme=theme, width=width, right=(1, 2, 3, 4)).lines)
    holders = [row for share in shares for row in _run_rows(share, workflows, now)]
    holders += [
        (
            Line(_holder(made)),
            Line(short_id(made.id), "dim"),
            Line(ago(now - made.at), "dim"),
            Line(parts_text(made)),
        )
        for made in allocations
    ]
    if holders:
        screen.lines.append(Line())
        screen.lines += grid(("WHO", "ID", "", "HOLDS"), holders, theme=theme, width=width).lines
    return screen


def _row(name: str, capacity: int, taken: int, last: Line | None = None) -> tuple[Line, ...]:
    free = max(capacity - taken, 0)
    part = min(taken / capacity, 1)
    style = "warn" if taken > capacity else ""
    return (
        Line(name, "strong"),
        Line(amount_text(name, capacity)),
        Line(amount_text(name, taken) if taken else "0", style),
        Line(amount_text(name, free) if free else "0"),
        Line(f"{part:.0%}", style),
        last or Line(),
    )


def _per(ms: int) -> str:
    return f"in {duration_text(ms)}" if ms else ""


def _run_rows(share: Share, workflows: Mapping[str, str], now: int) -> list[tuple[Line, ...]]:
    who = (Line(workflows.get(share.run, "")), Line(short_id(share.run), "dim"))
    held = in_use([share], (), now)
    rows: list[tuple[Line, ...]] = []
    if text := _amounts(held):
        more = f"priority {share.priority}" if share.priority else ""
        rows.append((*who, Line(more, "dim"), Line(text)))
    if text := _amounts(share.wanted):
        rows.append((*who, Line(), Line("waits for ", "warn").add(text)))
    return rows


def _holder(made: Allocation) -> str:
    run = made.by.removeprefix("run:")
    return made.by if run == made.by else f"run {short_id(run)}"


def parts_text(made: Allocation) -> str:
    """What is held, as `cpu 2 (node-a), memory 1GiB`."""
    held: dict[str, dict[str, int]] = {}
    for kind, unit, amount in made.parts:
        held.setdefault(kind, {})[unit] = amount
    return _amounts(held)


def _amounts(amounts: Amounts) -> str:
    """`cpu 2 (node-a), memory 1GiB`."""
    return ", ".join(
        f"{kind} {amount_text(kind, amount)}" + ("" if unit == kind else f" ({unit})")
        for kind, units in sorted(amounts.items())
        for unit, amount in units.items()
        if amount
    )
