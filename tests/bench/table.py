"""The table of a benchmark, as text."""

from __future__ import annotations

from tests.bench.measure import Row

HEADS = ("what", "measured", "", "reference", "ratio", "limit", "ok", "note")


def cells(row: Row) -> tuple[str, ...]:
    """A row as text."""
    limit = "" if row.limit is None else f"{'x ' if row.of_ratio else ''}{figure(row.limit)}"
    return (
        row.name,
        figure(row.value),
        row.unit if row.value is not None else "",
        figure(row.reference),
        "" if row.ratio is None else f"{row.ratio:.2f}",
        limit,
        {True: "yes", False: "NO", None: ""}[row.ok],
        row.note,
    )


def figure(value: float | None) -> str:
    """Three digits are as many as are worth anything."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def lines(rows: list[Row]) -> list[str]:
    """All rows under their heads, numbers to the right."""
    table = [HEADS, *map(cells, rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEADS))]
    right = {1, 3, 4, 5}
    return [
        "  ".join(
            text.rjust(width) if i in right else text.ljust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]
