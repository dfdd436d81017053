"""The run of thirty names, killed at random moments and resumed until it is done."""

from __future__ import annotations

import random  # noqa: TID251 - seeded, and only here: which moments are tried
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mplp_cli.bundled import bundled
from mplp_cli.workflow.fold.history import StepCompleted
from tests.crash.victim import Ledger, Victim

NAMES = {f"{group}-{number:02}" for group in ("wide", "chain", "child") for number in range(1, 11)}

Moment = Callable[[], bool]


def moments(victim: Victim, chance: random.Random) -> Moment:
    """A moment ahead: by what is in the file, what was told, how the journal has grown, or how far the start is."""
    kind = chance.choice(["effects", "effects", "told", "told", "journal", "journal", "start"])
    log = victim.state / "state.db-wal"

    if kind == "effects":
        wanted = size(victim.file) + chance.randint(1, 8) * len("wide-01\n")
        return lambda: size(victim.file) >= wanted
    if kind == "told":
        told = chance.randint(1, 4_000)
        return lambda: victim.told_bytes() >= told
    if kind == "journal":
        # Just opened it is as long as it was left; a page and its header are 4,120 bytes.
        grown = size(log) + chance.randint(1, 60) * 4_120
        return lambda: size(log) >= grown
    began = changed(victim.state)
    return lambda: changed(victim.state) != began


def size(path: Path) -> int:
    """Bytes, 0 if there is no such file (any more)."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def changed(path: Path) -> int:
    """When names came or went in a directory; 0 if it is not there."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def check_status(victim: Victim, *wanted: str) -> None:
    """`mplp status` says what the journal says."""
    stored = victim.stored()
    assert stored.record is not None
    with victim.copy() as state:
        ended = victim.mplp("status", stored.record.id, "--state-dir", state, "--output", "json")
    assert ended.code == 0, ended.err
    assert ended.document["status"] in wanted
    shown = {step for step, one in ended.document["steps"].items() if one["status"] == "completed"}
    assert shown == set(stored.completed)


def kill_until_done(directory: Path, chance: random.Random, most: int) -> Iterator[int]:
    """One run, killed at most so often; yields after every death."""
    victim, ledger = Victim(directory, bundled("workflows") / "appends.yaml"), Ledger()
    record = None
    while victim.deaths < most:
        arguments = victim.first if record is None else ("resume", record.id)
        if not victim.kill_when(moments(victim, chance), *arguments):
            break
        record = ledger.after_death(victim).record
        if record is not None and record.status == "completed":
            break
        if record is not None and victim.deaths == 2:
            check_status(victim, "interrupted")
        yield victim.deaths
    record = victim.stored().record
    if record is None or record.status != "completed":
        ended = victim.finish(*(victim.first if record is None else ("resume", record.id)))
        assert ended.code == 0, ended.err
    check_end(victim, ledger)


def check_end(victim: Victim, ledger: Ledger) -> None:
    stored = ledger.at_end(victim)
    effects = victim.effects()
    assert set(effects) == NAMES
    untouched = NAMES - set(ledger.interrupted)
    assert Counter({name: effects[name] for name in untouched}) == Counter(untouched)
    assert len([f for f in stored.facts if isinstance(f, StepCompleted)]) == len(NAMES) + 1
    check_status(victim, "completed")


def kill_often(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    done = runs = 0
    while done < kills:
        runs += 1
        assert runs <= kills, "too many runs ended before they could be killed"
        for _ in kill_until_done(folder / str(runs), chance, min(kills - done, 6)):
            done += 1


def test_a_run_killed_at_a_dozen_moments_does_everything_once(tmp_path: Path) -> None:
    kill_often(tmp_path, 12, seed=1)


SLOW = """
workflow:
  id: slow
  name: A step that takes its time
  version: 1.0.0
  inputs:
    file: {type: string}
  steps:
    - id: work
      type: shell
      run: |
        trap '' TERM
        echo "begin $MPLP_ATTEMPT_NUMBER" >> "${inputs.file}"
        (setsid sh -c 'sleep 0.5; echo "late $MPLP_ATTEMPT_NUMBER" >> "$1"' sh "${inputs.file}")
        echo "end $MPLP_ATTEMPT_NUMBER" >> "${inputs.file}"
"""


def test_what_a_lost_attempt_has_left_running_does_not_act_beside_the_next(tmp_path: Path) -> None:
    workflow = tmp_path / "slow.yaml"
    workflow.write_text(SLOW, "utf-8")
    victim = Victim(tmp_path, workflow)
    assert victim.kill_when(lambda: size(victim.file) > 0, *victim.first)
    ended = victim.finish("resume", "slow")
    assert ended.code == 0, ended.err
    victim.settle()
    assert victim.file.read_text("utf-8").splitlines() == ["begin 1", "begin 2", "late 2", "end 2"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(2, 12))
def test_runs_killed_at_many_moments_do_everything_once(tmp_path: Path, seed: int) -> None:
    kill_often(tmp_path, 100, seed)
