"""A run that is killed: the command in its own process, what it has told, what is stored, what was done."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from mplp_cli.clock import SystemClock
from mplp_cli.engine.announcing import ALWAYS
from mplp_cli.engine.survivors import find_marked
from mplp_cli.protocols import ProtocolObject, RunRecord
from mplp_cli.render.machine import event_object
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.fold.answers import Given
from mplp_cli.workflow.fold.history import (
    Event,
    RunResumed,
    StepCompleted,
    StepEmitted,
    StepFailed,
    StepRetrying,
    StepsClaimed,
    StepStarted,
    StepWaiting,
)
from mplp_cli.workflow.published import Published
from tests.conftest import Ended, Mplp, forker_for
from tests.forked import Forker

#: Seconds after which something that was to happen is not going to.
PATIENCE = 30.0


def until(happened: Callable[[], bool], what: str) -> None:
    """Spin until it has happened; AssertionError after a while."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, f"waited {PATIENCE:.0f} s for {what}"


@dataclass(frozen=True)
class Stored:
    """What a store says about the run that it was made for, and about the runs that this one has started."""

    record: RunRecord | None
    facts: list[Event]
    objects: list[ProtocolObject]
    children: list[RunRecord] = field(default_factory=list)
    #: The facts of each child.
    inner: list[list[Event]] = field(default_factory=list)
    #: What the runs have published.
    events: list[Published] = field(default_factory=list)

    @property
    def everything(self) -> list[Event]:
        """The facts of all runs, run by run. No two steps have one id."""
        return [fact for facts in (self.facts, *self.inner) for fact in facts]

    @property
    def begun(self) -> Counter[str]:
        """How often each step was started, or may have been: claimed by a process that was lost."""
        return sum(map(_begun, (self.facts, *self.inner)), Counter[str]())

    @property
    def completed(self) -> Counter[str]:
        """How often each step was recorded as completed."""
        return Counter(f.step for f in self.everything if isinstance(f, StepCompleted))

    @property
    def in_flight(self) -> set[str]:
        """Steps that the last process left at work."""
        return set().union(*map(_in_flight, (self.facts, *self.inner)))


def _begun(facts: list[Event]) -> Counter[str]:
    begun: Counter[str] = Counter()
    claimed: set[str] = set()
    for fact in facts:
        if isinstance(fact, StepsClaimed):
            claimed.update(fact.steps)
        elif isinstance(fact, StepStarted):
            begun[fact.step] += 1
            claimed.discard(fact.step)
        elif isinstance(fact, RunResumed):
            begun.update(claimed)
            claimed.clear()
    begun.update(claimed)
    return begun


def _in_flight(facts: list[Event]) -> set[str]:
    open_: set[str] = set()
    for fact in facts:
        if isinstance(fact, RunResumed):
            open_.clear()
        elif isinstance(fact, StepStarted):
            open_.add(fact.step)
        elif isinstance(fact, StepsClaimed):
            open_.update(fact.steps)
        elif (step := getattr(fact, "step", None)) is not None:
            open_.discard(step)
    return open_


@dataclass
class Victim:
    """One directory with one run, killed and taken up again as often as a test likes."""

    directory: Path
    workflow: Path
    #: More arguments of the command that begins the run.
    inputs: tuple[str, ...] = ()
    deaths: int = 0

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.mplp = Mplp(self.directory)
        # What is killed, or may not write, cannot say which lines it ran: it would only complain.
        self.mplp.env = {k: v for k, v in self.mplp.env.items() if not k.startswith("COVERAGE")}
        self.env = self.mplp.env
        self.state = Path(self.env["MPLP_STATE_DIR"])
        self.file = self.directory / "lines"
        self._told: list[Path] = []

    # ---- the command

    @property
    def first(self) -> tuple[str, ...]:
        """The arguments that begin the run."""
        return ("run", str(self.workflow), "-i", f"file={self.file}", *self.inputs)

    def start(
        self, *args: str, env: dict[str, str] | None = None, under: tuple[str, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start the command; events go to a file of its own. `under` is a program that starts it."""
        with self._files() as (out, err):
            return subprocess.Popen(
                [*under, sys.executable, "-m", "mplp_cli", *args, "--output", "jsonl"],
                cwd=self.directory,
                env=self.env | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @contextmanager
    def _files(self) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        """What the next command writes to."""
        self._told.append(self.directory / f"told-{len(self._told)}.jsonl")
        with self._told[-1].open("wb") as out, self._errors.open("wb") as err:
            yield out, err

    def finish(self, *args: str, env: dict[str, str] | None = None, under: tuple[str, ...] = ()) -> Ended:
        """Run the command to its end, whatever that is."""
        forker = None if under else forker_for(self.env | (env or {}))
        if forker is None:
            with self.start(*args, env=env, under=under) as process:
                code = process.wait(PATIENCE)
        else:
            code = self._fork(forker, args, env or {})
        return Ended(code, self._told[-1].read_text("utf-8"), self._errors.read_text("utf-8"))

    def _fork(self, forker: Forker, args: tuple[str, ...], env: dict[str, str]) -> int:
        first = "tests.crash.points:begin" if env else ""
        with self._files() as (out, err), Path(os.devnull).open() as nothing:
            begun = forker.start(
                (*args, "--output", "jsonl"),
                cwd=self.directory,
                env=self.env | env,
                streams=[one.fileno() for one in (nothing, out, err)],
                first=first,
            )
        try:
            return begun.wait(PATIENCE)
        finally:
            begun.close()

    def kill_when(self, happened: Callable[[], bool], *args: str) -> bool:
        """Start the command and SIGKILL it once something has happened; False if it ended before."""
        with self.start(*args) as process:
            until(lambda: happened() or process.poll() is not None, "the moment to kill")
            process.send_signal(signal.SIGKILL)
            killed = process.wait(PATIENCE) == -signal.SIGKILL
        self.deaths += killed
        return killed

    @property
    def _errors(self) -> Path:
        return self.directory / "errors"

    @property
    def errors(self) -> str:
        """What the last command wrote to stderr."""
        return self._errors.read_text("utf-8")

    # ---- what there is afterwards

    def told(self) -> list[dict[str, Any]]:
        """Every event that any process of the run has printed. A last line that was cut off was not told."""
        lines = [line for path in self._told for line in path.read_bytes().split(b"\n")[:-1]]
        return [json.loads(line) for line in lines]

    def told_bytes(self) -> int:
        """The size of what the last command has printed so far."""
        return self._told[-1].stat().st_size

    def effects(self) -> Counter[str]:
        """How often each step has had its effect."""
        return Counter(self.file.read_text("utf-8").splitlines()) if self.file.exists() else Counter()

    def stored(self) -> Stored:
        """What the journal holds. A copy is read: looking must not repair what the next process finds."""
        with self.copy() as state:
            if not (state / "state.db").exists():
                return Stored(None, [], [])
            store = SqliteStore(state, SystemClock())
            try:
                assert store.check()["integrity"] == "ok"
                if not (records := store.runs()):
                    return Stored(None, [], [])
                (record,) = (one for one in records if one.parent is None)
                children = [one for one in records if one is not record]
                facts = {one.id: [fact for _, fact in store.history(one.id)] for one in records}
                events = [event for _, event in store.board.following(0)]
                inner = [facts[one.id] for one in children]
                return Stored(record, facts[record.id], list(store.objects()), children, inner, events)
            finally:
                store.close()

    def approve(self) -> int:
        """Say yes to everything that is asked, and `gently` to what is to be filled in; how much that was."""
        store = SqliteStore(self.state, SystemClock())
        try:
            asked = store.approvals()
            for one in asked:
                given = Given(inputs=dict.fromkeys(one.form, "gently"))
                store.decide(one.run, one.step, "approved", "ann", "", one.asked_at, given)
            return len(asked)
        finally:
            store.close()

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """The state directory as it stands, elsewhere for a while."""
        copy = self.directory / "copy"
        if self.state.exists():
            shutil.copytree(self.state, copy)
        else:
            copy.mkdir()
        try:
            yield copy
        finally:
            shutil.rmtree(copy)

    def settle(self) -> None:
        """Wait until no process that the run has started is left, so that effects can be counted."""
        stored = self.stored()
        marks = [f"{record.id}/" for record in (stored.record, *stored.children) if record is not None]
        until(lambda: not any(map(find_marked, marks)), "the last processes of the run")


@dataclass
class Ledger:
    """What each step may have done by now: once, and once more for each death while it was at work."""

    interrupted: Counter[str] = field(default_factory=Counter)
    done: set[str] = field(default_factory=set)

    def after_death(self, victim: Victim) -> Stored:
        """Check what a death has left, and remember which steps were at work."""
        stored = victim.stored()
        check_told(victim, stored)
        self._check(victim, stored)
        self.interrupted.update(stored.in_flight)
        return stored

    def at_end(self, victim: Victim) -> Stored:
        """Check the run that was taken up until it was done."""
        victim.settle()
        stored = victim.stored()
        assert stored.record is not None
        assert stored.record.status == "completed"
        check_told(victim, stored)
        self._check(victim, stored)
        for step, count in victim.effects().items():
            most = 1 + self.interrupted[step] + self._failures(stored)[step]
            assert count <= most, (
                f"{step} had its effect {count} times, interrupted {self.interrupted[step]} times"
            )
        return stored

    def _check(self, victim: Victim, stored: Stored) -> None:
        completed, begun, effects = stored.completed, stored.begun, victim.effects()
        assert all(count == 1 for count in completed.values()), "a step was recorded as completed twice"
        assert self.done <= set(completed), "a completed step is no longer completed"
        for step in effects:
            assert effects[step] <= begun[step], f"{step} acted before its start was recorded"
        for step, count in begun.items():
            most = 1 + self.interrupted[step] + self._failures(stored)[step]
            assert count <= most, (
                f"{step} was started {count} times, interrupted {self.interrupted[step]} times"
            )
        emitted = [fact.event for fact in stored.everything if isinstance(fact, StepEmitted)]
        published = [event for event in stored.events if event.type not in ALWAYS]
        assert published == emitted, "an event is published with its record, once"
        of_runs = Counter((event.type, event.at) for event in stored.events if event.type in ALWAYS)
        happened = Counter((fact.__struct_config__.tag, fact.at) for fact in stored.everything)
        told = Counter({fact: count for fact, count in happened.items() if fact[0] in ALWAYS})
        assert of_runs == told, "what runs tell stands with their facts, once"
        self.done = set(completed)

    def _failures(self, stored: Stored) -> Counter[str]:
        """Attempts that failed by themselves, or ended because their sub-workflow asks somebody."""
        failed = StepRetrying | StepFailed
        return Counter(
            f.step
            for f in stored.everything
            if isinstance(f, failed)
            or (isinstance(f, StepWaiting) and (f.error is not None or (f.approval and f.approval.run)))
        )


def check_told(victim: Victim, stored: Stored) -> None:
    """Everything that was acknowledged is stored, as it was told."""
    known = None if stored.record is None else stored.record.id
    for event in victim.told():
        assert event["runId"] == known
        assert event["seq"] < len(stored.facts), f"{event['type']} was told and is lost"
        assert event == event_object(event["seq"], event["runId"], stored.facts[event["seq"]])
