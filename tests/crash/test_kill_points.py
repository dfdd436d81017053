"""A small run with a bit of everything, killed at a call that changes a file: before it, half-way, after it."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.crash.points import Points, ways
from tests.crash.victim import Ledger, Victim

#: Steps with effects that the small workflow runs to their end; `flaky` needs two attempts, `broken` never succeeds.
EFFECTS = {"first", "left", "right", "flaky", "broken", "instead", "last"}
POINTS_TRIED = 20


def calls_of(points: Points, folder: Path, small: Path) -> list[str]:
    """The calls of an undisturbed run."""
    victim, log = Victim(folder, small), folder / "calls"
    ended = victim.finish(*victim.first, env=points.listing(victim.state, log))
    assert ended.code == 0, ended.err
    return log.read_text("ascii").split()


def run_with_deaths(points: Points, folder: Path, small: Path, deaths: Sequence[tuple[int, str]]) -> int:
    """Run the workflow, dying at these points one after the other, then to its end; how many deaths there were."""
    victim, ledger = Victim(folder, small), Ledger()
    record, ended = None, None
    for at in (*deaths, None):
        arguments = victim.first if record is None else ("resume", record.id)
        ended = victim.finish(*arguments, env=None if at is None else points.at(victim.state, *at))
        if ended.code == 0:
            break
        assert ended.code == -signal.SIGKILL, ended.err
        victim.deaths += 1
        record = ledger.after_death(victim).record
        if record is not None and record.status == "completed":
            break
    check_small(victim, ledger)
    return victim.deaths


def check_small(victim: Victim, ledger: Ledger) -> None:
    """What must hold at the end, however it was reached."""
    stored = ledger.at_end(victim)
    effects = victim.effects()
    assert set(effects) == EFFECTS
    once = EFFECTS - {"flaky"} - set(ledger.interrupted)
    assert {step: effects[step] for step in once} == dict.fromkeys(once, 1)
    assert effects["flaky"] >= 2
    ends = {
        "words",
        "first",
        "context",
        "both",
        "left",
        "right",
        "choice",
        "flaky",
        "broken",
        "instead",
        "last",
        "news",
        "heard",
    }
    assert set(stored.completed) == ends
    assert [(o.kind, o.version) for o in stored.objects] == [("context", 1)]


def spread(all_points: list[tuple[int, str]], count: int) -> list[tuple[int, str]]:
    """So many of them, evenly over the run, the first and the last included."""
    last = len(all_points) - 1
    return [all_points[round(i * last / (count - 1))] for i in range(count)]


def test_a_run_killed_at_any_of_a_stride_of_calls_does_everything_once(
    points: Points, tmp_path: Path, small: Path
) -> None:
    calls = calls_of(points, tmp_path / "calls", small)
    assert {"pwrite", "fdatasync", "fsync", "unlink", "rename", "ftruncate"} <= set(calls)
    every = ways(calls)
    assert len(every) > 200
    killed = sum(
        run_with_deaths(points, tmp_path / str(number), small, [at])
        for number, at in enumerate(spread(every, POINTS_TRIED))
    )
    # How many calls a run makes depends on what happens to come into one commit; the last points may lie beyond.
    assert killed > POINTS_TRIED * 3 // 4


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(20))
def test_a_run_killed_at_any_call_does_everything_once(
    points: Points, tmp_path: Path, small: Path, part: int
) -> None:
    every = ways(calls_of(points, tmp_path / "calls", small))
    for number, at in enumerate(every[part::20]):
        run_with_deaths(points, tmp_path / str(number), small, [at])


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(10))
def test_a_run_whose_resume_is_killed_too_does_everything_once(
    points: Points, tmp_path: Path, small: Path, part: int
) -> None:
    """500 double kills: every point comes first once, another one second."""
    every = ways(calls_of(points, tmp_path / "calls", small))
    pairs = [(every[i * 7 % len(every)], every[i * 31 % len(every)]) for i in range(500)]
    for number, deaths in enumerate(pairs[part::10]):
        run_with_deaths(points, tmp_path / str(number), small, deaths)
