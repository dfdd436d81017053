"""Runs that belong together: a run, the runs of its sub-workflows, and the one it is a sub-workflow of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord, Store


class Family(Struct, frozen=True):
    """A run, those of its sub-workflows, and the one that it belongs to in the end (or itself)."""

    run: RunRecord
    children: list[RunRecord]
    root: RunRecord


def family_of(store: Store, run: RunRecord) -> Family:
    """What the store knows about the relations of a run."""
    from mplp_cli.running import root_of

    return Family(run, store.runs(child_of=run.id)[::-1], root_of(store, run))
