"""The disk fills up, or breaks, while a run goes on: it stops and says so, and goes on when the disk is well again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mplp_cli.bundled import bundled
from tests.conftest import Ended
from tests.crash.points import Points
from tests.crash.test_kill import check_end
from tests.crash.test_kill_points import calls_of, check_small
from tests.crash.victim import Ledger, Victim

FAULTS_TRIED = 3


def check_refusal(ended: Ended) -> None:
    """The command could not use its store, and says so in one plain message."""
    assert ended.code == 74, ended.err
    error = json.loads(ended.err)["error"]
    assert (error["type"], error["code"]) == ("StoreError", 74)
    assert "Traceback" not in ended.err
    assert error["details"]["cause"] in {"full", "io", "cannot-open"}
    assert error["details"]["hint"]


def run_with_fault(points: Points, folder: Path, small: Path, number: int, how: str) -> bool:
    """Run with a disk that fails from that call on, then with a sound one; whether the fault was noticed."""
    victim, ledger = Victim(folder, small), Ledger()
    ended = victim.finish(*victim.first, env=points.at(victim.state, number, how))
    noticed = ended.code != 0
    if noticed:
        check_refusal(ended)
        record = ledger.after_death(victim).record
        if record is None or record.status != "completed":
            arguments = victim.first if record is None else ("resume", record.id)
            ended = victim.finish(*arguments)
            assert ended.code == 0, ended.err
    check_small(victim, ledger)
    return noticed


@pytest.mark.parametrize("how", ["full", "broken"])
def test_a_run_stops_when_the_disk_fails_and_goes_on_when_it_is_well(
    points: Points, tmp_path: Path, small: Path, how: str
) -> None:
    calls = len(calls_of(points, tmp_path / "calls", small))
    numbers = [1 + calls * i // FAULTS_TRIED for i in range(FAULTS_TRIED)]
    noticed = [run_with_fault(points, tmp_path / str(n), small, n, how) for n in numbers]
    assert sum(noticed) >= FAULTS_TRIED - 1


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("how", ["full", "broken"])
def test_a_run_survives_a_disk_that_fails_at_any_call(
    points: Points, tmp_path: Path, small: Path, how: str, part: int
) -> None:
    calls = len(calls_of(points, tmp_path / "calls", small))
    for number in range(1 + part, calls + 1, 10):
        run_with_fault(points, tmp_path / str(number), small, number, how)


def test_a_file_that_may_grow_no_more_stops_the_run_until_it_may(tmp_path: Path) -> None:
    """A limit of the system instead of a full disk: nothing but a shell is needed to try it."""
    victim, ledger = Victim(tmp_path, bundled("workflows") / "appends.yaml"), Ledger()
    ended = victim.finish(*victim.first, under=("/bin/sh", "-c", 'ulimit -f 180; exec "$@"', "sh"))
    check_refusal(ended)
    stored = ledger.after_death(victim)
    assert stored.record is not None
    assert 0 < len(stored.completed) < 30, "the limit is no longer in the middle of the run"
    ended = victim.finish("resume", stored.record.id)
    assert ended.code == 0, ended.err
    check_end(victim, ledger)


def test_a_full_disk_is_told_to_people_without_a_traceback(
    points: Points, tmp_path: Path, small: Path
) -> None:
    half = len(calls_of(points, tmp_path / "calls", small)) // 2
    victim = Victim(tmp_path, small)
    ended = victim.mplp(*victim.first, env=points.at(victim.state, half, "full"))
    assert ended.code == 74
    message, hint = ended.err.rstrip("\n").split("\n")[-2:]
    assert message.startswith("mplp: the state store ")
    assert "the disk is full" in message
    assert hint.startswith("help: ")
    assert "space" in hint
