"""From what a command is told to the tape of its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mplp_cli import __version__
from mplp_cli.clock import rfc3339
from mplp_cli.errors import UsageError
from mplp_cli.protocols import Clock

if TYPE_CHECKING:
    from mplp_cli.agents.recording.tape import Tape


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Files of cassettes: at most one of them is named."""

    record: str | None = None
    replay: str | None = None
    record_missing: str | None = None
    strict: bool = False

    def __bool__(self) -> bool:
        return self.record is not None or self.replay is not None or self.record_missing is not None


def open_tape(
    wanted: Wanted, workflow: str, clock: Clock, environ: Mapping[str, str], *, goes_on: bool = False
) -> Tape | None:
    """The tape of a run of that workflow, None if nothing is wanted; `goes_on`: of a run that is taken up.

    UsageError, CassetteError, RunBusyError.
    """
    check(wanted, environ)
    if not wanted:
        return None
    from mplp_cli.agents.recording.cassette import read_cassette
    from mplp_cli.agents.recording.entries import VERSION, Header
    from mplp_cli.agents.recording.tape import Recording, Replay

    if wanted.replay is not None:
        return Replay(read_cassette(wanted.replay), strict=wanted.strict)
    path = wanted.record if wanted.record is not None else wanted.record_missing
    assert path is not None
    header = Header(
        mplp_cassette=VERSION, mplp=__version__, workflow=workflow, recorded_at=rfc3339(clock.now())
    )
    return Recording(path, header, clock, goes_on=goes_on, missing=wanted.record_missing is not None)


def check(wanted: Wanted, environ: Mapping[str, str]) -> None:
    """UsageError if that does not go together, or not here."""
    named = [wanted.record, wanted.replay, wanted.record_missing]
    if sum(one is not None for one in named) > 1:
        raise UsageError("a run is recorded, or replayed, or the missing is recorded: name one cassette")
    if any(one is not None and not one.strip() for one in named):
        raise UsageError("the cassette has no name")
    if wanted.strict and wanted.replay is None:
        raise UsageError("--strict is about a replay", hint="add --replay CASSETTE")
    if wanted.record_missing is not None and environ.get("CI", "").lower() not in ("", "0", "false"):
        raise UsageError(
            "nothing is recorded in CI: what a cassette has not would be asked for unnoticed",
            hint="record where you develop, keep the cassette with the code, and use --replay here",
        )
