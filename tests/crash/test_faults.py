"""The disk fills up, or breaks, while a run goes on: it stops and says so, and goes on when the disk is well again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mplp_cli.bundled import bundled
from tests.conftest import Ended
from tests.crash import test_kill
from tests.crash.points import Point, Points, spread
from tests.crash.victim import Ledger, Stored, Victim
from tests.crash.whole import DONE, NO_STORE, WAITS, Everything, Undisturbed, check_end, go_on

FAULTS_TRIED = 5


def check_refusal(ended: Ended, *causes: str) -> None:
    """The command could not use its store, and says so in one plain message."""
    assert ended.code == NO_STORE, ended.err
    error = json.loads(ended.err)["error"]
    assert (error["type"], error["code"]) == ("StoreError", NO_STORE)
    assert "Traceback" not in ended.err
    assert error["details"]["cause"] in causes, ended.err
    assert error["details"]["hint"]


def run_with_fault(
    points: Points, folder: Path, everything: Everything, wanted: Undisturbed, number: int, how: str
) -> bool:
    """Run with a disk that fails from that call on, then with a sound one; whether the fault was noticed."""
    victim, ledger = everything.victim(folder), Ledger()
    ended = go_on(victim, points.at(victim.state, Point(0, number, how)))
    noticed = ended.code not in (DONE, WAITS)
    if noticed:
        check_refusal(ended, *(["full"] if how == "full" else ["io", "cannot-open"]))
        ledger.after_death(victim)
    while ended.code != DONE:
        ended = go_on(victim)
        assert ended.code in (DONE, WAITS), ended.err
    check_end(victim, ledger, wanted)
    return noticed


@pytest.mark.parametrize("how", ["full", "broken"])
def test_a_run_stops_when_the_disk_fails_and_goes_on_when_it_is_well(
    points: Points, tmp_path: Path, everything: Everything, undisturbed: Undisturbed, how: str
) -> None:
    numbers = spread(range(1, len(undisturbed.lives[0]) + 1), FAULTS_TRIED + 1)[:-1]
    noticed = [run_with_fault(points, tmp_path / str(n), everything, undisturbed, n, how) for n in numbers]
    assert sum(noticed) >= FAULTS_TRIED - 1


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(20))
@pytest.mark.parametrize("how", ["full", "broken"])
def test_a_run_survives_a_disk_that_fails_at_any_call(
    points: Points, tmp_path: Path, everything: Everything, undisturbed: Undisturbed, how: str, part: int
) -> None:
    for number in range(1 + part, len(undisturbed.lives[0]) + 1, 20):
        run_with_fault(points, tmp_path / str(number), everything, undisturbed, number, how)


def test_a_disk_that_is_full_when_the_shared_index_grows_is_told_as_full(
    points: Points, tmp_path: Path, everything: Everything, undisturbed: Undisturbed
) -> None:
    """SQLite itself calls that a failure of reading or writing."""
    calls = undisturbed.lives[0]
    number = next(n for n, call in enumerate(calls, 1) if call.file == "state.db-shm")
    assert calls[number - 1].name in {"write", "pwrite", "ftruncate"}
    assert run_with_fault(points, tmp_path, everything, undisturbed, number, "full")


def run_with_limit(folder: Path, blocks: int) -> tuple[Victim, Ledger, Stored]:
    """The run of thirty names as far as it comes while no file may grow beyond so many blocks."""
    victim, ledger = Victim(folder, bundled("workflows") / "appends.yaml"), Ledger()
    # A new store is larger than what the run adds to its log.
    assert victim.mplp("modules", "restart", "network").code == 0
    ended = victim.finish(*victim.first, under=("/bin/sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh"))
    check_refusal(ended, "full", "io")
    return victim, ledger, ledger.after_death(victim)


def test_a_file_that_may_grow_no_more_stops_the_run_until_it_may(tmp_path: Path) -> None:
    """A limit of the system instead of a full disk: nothing but a shell is needed to try it."""
    tried = (run_with_limit(tmp_path / str(blocks), blocks) for blocks in range(20, 400, 20))
    victim, ledger, stored = next(found for found in tried if found[2].completed)
    assert len(stored.completed) < 30, "no limit was in the middle of the run"
    ended = victim.finish("resume", "appends")
    assert ended.code == 0, ended.err
    test_kill.check_end(victim, ledger)


def test_a_full_disk_is_told_to_people_without_a_traceback(
    points: Points, tmp_path: Path, everything: Everything, undisturbed: Undisturbed
) -> None:
    victim = everything.victim(tmp_path)
    half = Point(0, len(undisturbed.lives[0]) // 2, "full")
    ended = victim.mplp(*victim.first, env=points.at(victim.state, half))
    assert ended.code == 74
    message, hint = ended.err.rstrip("\n").split("\n")[-2:]
    assert message.startswith("mplp: the state store ")
    assert "the disk is full" in message
    assert hint.startswith("help: ")
    assert "space" in hint
