"""Whatever happens to a run, both stores say the same, and what they list is what the history says."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.errors import Failure, MplpError
from mplp_cli.protocols import Control, Journal, Store
from mplp_cli.store.memory import MemoryStore
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.fold.history import (
    RUN_ENDS,
    Event,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunPaused,
    RunPausing,
    RunResumed,
    RunStopping,
    RunWaiting,
    StepCancelled,
    StepCompleted,
    StepDecided,
    StepFailed,
    StepSkipped,
    StepStarted,
    StepWaiting,
)
from tests.store.sample import START, FixedClock, asks, new_run, run_id, started

BROKEN = Failure(type="ShellExitError", message="exit code 1")
STEPS = ("review", "budget")

steps = st.sampled_from(STEPS)
moments = st.integers(START, START + 5)
attempts = st.integers(1, 3)


def facts_of_steps() -> st.SearchStrategy[Event]:
    return st.one_of(
        st.builds(StepStarted, at=moments, step=steps, attempt=attempts),
        st.builds(StepCompleted, at=moments, step=steps, attempt=attempts, result=st.integers()),
        st.builds(StepWaiting, at=moments, step=steps, attempt=attempts, until=moments),
        st.builds(asks, name=steps, attempt=attempts, at=moments),
        st.builds(asks, name=steps, attempt=attempts, at=moments),
        st.builds(StepDecided, at=moments, step=steps, decision=st.sampled_from(["approved", "rejected"])),
        st.builds(StepCancelled, at=moments, step=steps, attempt=attempts, reason=st.just("")),
        st.builds(StepFailed, at=moments, step=steps, attempt=attempts, error=st.just(BROKEN)),
        st.builds(StepSkipped, at=moments, step=steps, reason=st.just("")),
    )


def facts_of_the_run() -> st.SearchStrategy[Event]:
    return st.one_of(
        st.builds(RunResumed, at=moments, by=st.just("ann")),
        st.builds(RunWaiting, at=moments),
        st.builds(RunPausing, at=moments),
        st.builds(RunPaused, at=moments),
        st.builds(RunStopping, at=moments, cause=st.sampled_from(["cancel", "kill"])),
        st.builds(RunCompleted, at=moments),
        st.builds(RunFailed, at=moments, error=st.just(BROKEN)),
        st.builds(RunCancelled, at=moments),
    )


# Ends are rare, or every history would be short.
facts = st.one_of(facts_of_steps(), facts_of_steps(), facts_of_steps(), facts_of_the_run())
appends = st.tuples(st.just("append"), st.lists(facts, min_size=1, max_size=4))
moves = st.one_of(
    appends,
    appends,
    st.tuples(st.just("decide"), steps),
    st.tuples(st.just("request"), st.sampled_from(["cancel", "kill", "pause", "resume"])),
    st.tuples(st.just("park"), st.sampled_from([RunWaiting(START), RunPaused(START)])),
    st.tuples(st.just("controls"), st.none()),
    st.tuples(st.just("resume"), st.none()),
)


class Play:
    """One run in one store, moved by a script."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.journal: Journal = store.create_run(new_run(), [started()])
        self.answered = 0

    def move(self, verb: str, what: Any) -> Any:
        """What the move gave, or the name of the error it was refused with."""
        try:
            return getattr(self, verb)(what)
        except MplpError as error:
            return type(error).__name__, error.message

    def append(self, batch: list[Event]) -> None:
        self.journal.append(batch)

    def decide(self, step: str) -> Any:
        record = self.store.decide(run_id(1), step, "approved", "bob", "fine", START + 6)
        self.answered += 1
        return record

    def park(self, fact: Event) -> bool:
        return self.journal.park([fact])

    def request(self, verb: str) -> None:
        self.store.request(run_id(1), Control(seq=0, verb=verb, by="bob"))

    def controls(self, _: None) -> list[tuple[str, str]]:
        return [(control.verb, control.step) for control in self.journal.controls()]

    def resume(self, _: None) -> None:
        self.journal.close()
        self.journal = self.store.own_run(run_id(1), "bob")

    def view(self) -> list[Any]:
        store = self.store
        return [store.runs(), store.approvals(state=None), list(store.history(run_id(1))), store.approvals()]


def both(check: Callable[[Play, Play], None]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        durable = SqliteStore(Path(directory), FixedClock())
        try:
            check(Play(MemoryStore(FixedClock())), Play(durable))
        finally:
            durable.close()


@given(st.lists(moves, max_size=12))
def test_both_stores_say_the_same(script: list[tuple[str, Any]]) -> None:
    def check(memory: Play, durable: Play) -> None:
        for verb, what in script:
            assert memory.move(verb, what) == durable.move(verb, what), (verb, what)
        assert memory.view() == durable.view()

    both(check)


@given(st.lists(appends, max_size=10))
def test_the_lists_are_what_the_history_says(script: list[tuple[str, Any]]) -> None:
    def check(memory: Play, durable: Play) -> None:
        for play in (memory, durable):
            for verb, what in script:
                play.move(verb, what)
            history = [fact for _, fact in play.store.history(run_id(1))]
            assert play.store.runs()[0].status == status_of(history)
            assert {(a.step, a.attempt) for a in play.store.approvals()} == open_questions(history)

    both(check)


def status_of(history: list[Event]) -> str:
    """The status that the last fact about the run tells."""
    names: dict[type, str] = {
        RunResumed: "running",
        RunWaiting: "waiting",
        RunPaused: "paused",
        RunCompleted: "completed",
        RunFailed: "failed",
        RunCancelled: "cancelled",
    }
    told = [names[type(fact)] for fact in history if type(fact) in names]
    return told[-1] if told else "running"


def open_questions(history: list[Event]) -> set[tuple[str, int]]:
    """Steps and attempts that asked, and about which nothing was said after that."""
    found = set()
    for seq, fact in enumerate(history):
        if isinstance(fact, StepWaiting) and fact.approval is not None:
            later = history[seq + 1 :]
            if not any(closes(after, fact.step) for after in later):
                found.add((fact.step, fact.attempt))
    return found


def closes(fact: Event, step: str) -> bool:
    if isinstance(fact, (RunStopping, *RUN_ENDS)):
        return True
    if isinstance(fact, StepWaiting):
        return fact.step == step and fact.approval is not None
    return isinstance(fact, StepDecided | StepCancelled | StepFailed | StepSkipped) and fact.step == step
