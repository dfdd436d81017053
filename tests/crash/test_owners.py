"""One run, two processes that want it: races of two resumes, and an owner that is stopped, taken over and goes on."""

from __future__ import annotations

import json
import random  # noqa: TID251 - seeded, and only here: which moments are tried
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.bundled import bundled
from mplp_cli.render.machine import event_object
from mplp_cli.workflow.fold.history import RunResumed
from tests.crash.victim import PATIENCE, Stored, Victim, until

#: Waits in its second step until there is a file beside the lines.
GATE = """
workflow:
  id: gate
  name: A step that waits
  version: 1.0.0
  inputs:
    file: {type: string}
  steps:
    - {id: first, type: shell, run: 'echo first >> "${inputs.file}"'}
    - id: gate
      type: shell
      dependencies: [first]
      run: |
        echo gate >> "${inputs.file}"
        until [ -e "${inputs.file}.go" ]; do sleep 0.02; done
    - {id: last, type: shell, dependencies: [gate], run: 'echo last >> "${inputs.file}"'}
"""

#: Starts the command with a journal that writes wherever the history ends, whoever owns the run.
UNFENCED = """
import sys
from mplp_cli.store.journal import SqliteJournal
def at_the_end(self, db):
    (self._seq,) = db.execute(
        "SELECT coalesce(max(seq), -1) + 1 FROM event WHERE run = ?", (self._key,)
    ).fetchall()[0]
SqliteJournal._fence = at_the_end
SqliteJournal._check_epoch = lambda self: None
del sys.argv[1:4]  # the interpreter, and how it starts the command
from mplp_cli.__main__ import main
main()
"""


@dataclass
class Owner:
    """A command that drives the run, or tries to. What it prints goes to files of its own."""

    victim: Victim
    name: str
    arguments: Sequence[str]
    under: Sequence[str] = ()

    def __post_init__(self) -> None:
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*self.under, sys.executable, "-m", "mplp_cli", *self.arguments, "--output", "jsonl"],
                cwd=self.victim.directory,
                env=self.victim.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @property
    def _out(self) -> Path:
        return self.victim.directory / f"{self.name}.jsonl"

    @property
    def _err(self) -> Path:
        return self.victim.directory / f"{self.name}.errors"

    @property
    def told(self) -> list[dict[str, Any]]:
        """The facts that it has told so far."""
        return [json.loads(line) for line in self._out.read_bytes().split(b"\n")[:-1]]

    @property
    def errors(self) -> str:
        return self._err.read_text("utf-8")

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """For the end of a test."""
        self.process.kill()
        self.process.wait()


def history(stored: Stored) -> list[dict[str, Any]]:
    """The facts as they are told."""
    assert stored.record is not None
    return [event_object(seq, stored.record.id, fact) for seq, fact in enumerate(stored.facts)]


def check_completed(stored: Stored) -> None:
    assert stored.record is not None
    assert stored.record.status == "completed"
    assert set(stored.completed.values()) == {1}, "no step was completed twice"


# ---- two resumes of one run


def race(directory: Path) -> None:
    """Two processes resume an interrupted run at once: one drives it, the other is told who does."""
    directory.mkdir()
    workflow = directory / "gate.yaml"
    workflow.write_text(GATE, "utf-8")
    victim = Victim(directory, workflow)
    assert victim.kill_when(lambda: victim.effects()["gate"] == 1, *victim.first)
    before = len(victim.stored().facts)
    racers = [Owner(victim, f"racer {number}", ("resume", "gate")) for number in range(2)]
    try:
        until(lambda: any(racer.ended for racer in racers), "the end of one of them")
        [loser] = [racer for racer in racers if racer.ended]
        [winner] = [racer for racer in racers if racer is not loser]
        assert loser.wait() == 75, loser.errors
        assert f"process {winner.process.pid} on " in loser.errors
        assert " since " in loser.errors
        assert loser.told == []
        Path(f"{victim.file}.go").touch()
        assert winner.wait() == 0, winner.errors
    finally:
        for racer in racers:
            racer.kill()
    victim.settle()
    stored = victim.stored()
    check_completed(stored)
    assert winner.told == history(stored)[before:]
    assert sum(isinstance(fact, RunResumed) for fact in stored.facts) == 1
    assert victim.effects() == {"first": 1, "gate": 2, "last": 1}


@pytest.mark.parametrize("number", range(2))
def test_of_two_that_resume_a_run_one_drives_it(tmp_path: Path, number: int) -> None:
    race(tmp_path / str(number))


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", range(100))
def test_of_two_that_resume_a_run_one_drives_it_every_time(tmp_path: Path, number: int) -> None:
    race(tmp_path / str(number))


# ---- stopped, taken over, gone on


def stop_and_take_over(directory: Path, lines: int, under: Sequence[str] = ()) -> bool:
    """Stop the owner after so many effects, take the run over, let the owner go on. False if it had ended before.

    `under` starts the owner. AssertionError if both wrote, or if the owner ended otherwise than it should.
    """
    victim = Victim(directory, bundled("workflows") / "appends.yaml")
    stale = Owner(victim, "stale", victim.first, under)
    owners = [stale]
    try:
        until(lambda: stale.ended or victim.effects().total() >= lines, "the moment to stop it")
        stale.process.send_signal(signal.SIGSTOP)
        if stale.ended or "run.completed" in {event["type"] for event in stale.told}:
            return False
        fresh = Owner(victim, "fresh", ("resume", "appends", "--take-over"))
        owners.append(fresh)
        until(lambda: fresh.ended or fresh.told != [], "the new owner at work")
        stale.process.send_signal(signal.SIGCONT)
        codes = stale.wait(), fresh.wait()
    finally:
        for owner in owners:
            owner.kill()
    victim.settle()
    stored = victim.stored()
    if codes == (0, 74) and f"written to by process {stale.process.pid}" in fresh.errors:
        # It was stopped inside a commit: that holds the store up, and is said.
        assert stale.told == history(stored)
    else:
        assert codes == (75, 0), (stale.errors, fresh.errors)
        assert f"process {fresh.process.pid}@" in stale.errors
        check_histories(stale.told, fresh.told, history(stored))
    check_completed(stored)
    assert len(set(victim.effects())) == 30
    return True


def check_histories(stale: list[Any], fresh: list[Any], whole: list[Any]) -> None:
    """From the new owner's first fact on, there are only facts of the new owner."""
    first = fresh[0]["seq"]
    assert fresh == whole[first:]
    assert stale == whole[: len(stale)]
    assert len(stale) <= first


def stop_often(folder: Path, rounds: int, seed: int, under: Sequence[str] = ()) -> None:
    chance = random.Random(seed)
    done = tried = 0
    while done < rounds:
        tried += 1
        assert tried <= 3 * rounds, "too many runs ended before they could be stopped"
        done += stop_and_take_over(folder / str(tried), chance.randint(1, 20), under)


def test_an_owner_that_was_stopped_and_taken_over_writes_nothing_more(tmp_path: Path) -> None:
    stop_often(tmp_path, 2, seed=1)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(2, 12))
def test_owners_that_were_stopped_and_taken_over_write_nothing_more(tmp_path: Path, seed: int) -> None:
    stop_often(tmp_path, 5, seed)


def test_an_owner_without_a_fence_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"== \(75, 0\)"):
        stop_often(tmp_path, 5, 1, (sys.executable, "-c", UNFENCED))  # one may be stopped inside a commit
