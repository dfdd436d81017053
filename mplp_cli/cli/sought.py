"""Which published events somebody wants to see, for the commands that show them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

if TYPE_CHECKING:
    from mplp_cli.protocols import Board
    from mplp_cli.workflow.published import Published

OfType = Annotated[
    str | None,
    typer.Option(
        "--type",
        "-t",
        metavar="TYPE",
        help="Only events of this type; `*` stands for any text.",
        show_default=False,
    ),
]
OfSource = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="SOURCE",
        help="Only events of this source; `*` stands for any text.",
        show_default=False,
    ),
]


class Sought(Struct, frozen=True, kw_only=True):
    """What events have to be like. `since` is ms since the epoch, `run` the id of a run; empty is any."""

    kind: str = ""
    source: str = ""
    id: str = ""
    run: str = ""
    since: int = 0

    def fits(self, event: Published) -> bool:
        """Whether it is one of those."""
        from mplp_cli.workflow.published import matches

        return (
            (not self.kind or matches(self.kind, event.type))
            and (not self.source or matches(self.source, event.source))
            and (not self.id or self.id == event.id)
            and event.at >= self.since
            and (not self.run or _is_of_run(event, self.run))
        )


def _is_of_run(event: Published, run: str) -> bool:
    """Whether a step of the run has published it, or it tells of the run."""
    told = event.data.get("runId") if isinstance(event.data, dict) else None
    return told == run or run in event.source.split("/")


def wanted_type(kind: str | None) -> str:
    """The value of `--type`, empty if there is none. UsageError if it is no type."""
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.published import check_wanted

    try:
        return "" if kind is None else check_wanted(kind)
    except ValueError as error:
        said, _, hint = str(error).partition("; ")
        raise UsageError(said, hint=hint) from None


def those(board: Board, sought: Sought, after: int = 0) -> Iterator[tuple[int, Published]]:
    """All of them with a number greater than `after`, in order."""
    if sought.id and not after:
        yield from (pair for pair in board.find(sought.id) if sought.fits(pair[1]))
        return
    while found := board.following(after):
        yield from (pair for pair in found if sought.fits(pair[1]))
        after = found[-1][0]


def last_of(board: Board, sought: Sought, limit: int) -> list[tuple[int, Published]]:
    """The last `limit` of them, in order."""
    return board.newest(limit) if sought == Sought() else list(deque(those(board, sought), limit))
