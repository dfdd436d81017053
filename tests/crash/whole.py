"""Runs of the workflow with everything: undisturbed, and with deaths or faults at their calls."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import Ended
from tests.crash.points import Call, Point, Points, calls_in
from tests.crash.victim import Ledger, Stored, Victim

#: Exit codes of a run that has completed, that waits for a person, and whose store cannot be used.
DONE, WAITS, NO_STORE = 0, 3, 74


@dataclass(frozen=True)
class Everything:
    """The workflow's file and the inputs that all its runs share."""

    file: Path
    inputs: tuple[str, ...]

    def victim(self, directory: Path) -> Victim:
        """A run of it that has not begun."""
        return Victim(directory, self.file, self.inputs)


@dataclass(frozen=True)
class Undisturbed:
    """What happens when nothing happens: the calls of each process, what acted how often, how it ended."""

    lives: list[list[Call]]
    effects: Counter[str]
    completed: set[str]
    objects: list[tuple[str, int]]


def _objects(stored: Stored) -> list[tuple[str, int]]:
    """Kind and version of what operations have made; questions come and go with attempts."""
    return sorted((o.kind, o.version) for o in stored.objects if o.kind != "confirm")


def go_on(victim: Victim, env: dict[str, str] | None = None) -> Ended:
    """The next process of the run, to its end."""
    record = victim.stored().record
    arguments = victim.first if record is None else ("resume", record.id)
    ended = victim.finish(*arguments, env=env)
    if ended.code == WAITS:
        assert victim.approve()
    return ended


def watch(points: Points, victim: Victim) -> Undisturbed:
    """Run the workflow, looking at its calls."""
    lives: list[list[Call]] = []
    code = WAITS
    while code == WAITS:
        log = victim.directory / f"calls-{len(lives)}"
        ended = go_on(victim, points.listing(victim.state, log))
        lives.append(calls_in(log))
        code = ended.code
        assert code in (DONE, WAITS), ended.err
    stored = victim.stored()
    return Undisturbed(lives, victim.effects(), set(stored.completed), _objects(stored))


def run_with_deaths(
    points: Points, folder: Path, everything: Everything, wanted: Undisturbed, deaths: Sequence[Point]
) -> int:
    """Run the workflow, dying at the first point, after that at the next ones, then to its end; how often it died."""
    victim, ledger = everything.victim(folder), Ledger()
    left, life = list(deaths), 0
    code = WAITS
    while code != DONE:
        dies = left.pop(0) if left and (victim.deaths or left[0].life == life) else None
        ended = go_on(victim, None if dies is None else points.at(victim.state, dies))
        code, life = ended.code, life + 1
        if code == -signal.SIGKILL:
            victim.deaths += 1
            ledger.after_death(victim)
        else:
            assert code in (DONE, WAITS), ended.err
    check_end(victim, ledger, wanted)
    return victim.deaths


def check_end(victim: Victim, ledger: Ledger, wanted: Undisturbed) -> None:
    """What must hold at the end, however it was reached."""
    stored = ledger.at_end(victim)
    effects = victim.effects()
    assert set(effects) == set(wanted.effects)
    untouched = set(wanted.effects) - set(ledger.interrupted)
    assert {step: effects[step] for step in untouched} == {step: wanted.effects[step] for step in untouched}
    assert all(effects[step] >= wanted.effects[step] for step in effects)
    assert set(stored.completed) == wanted.completed
    assert _objects(stored) == wanted.objects
