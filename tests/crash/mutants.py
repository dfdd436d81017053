"""Engines that break one promise each, and the search for what shows it: a death at every commit of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.engine.world import World
from mplp_cli.errors import MplpError
from mplp_cli.protocols import Journal, ProtocolObject
from mplp_cli.workflow.fold import course
from mplp_cli.workflow.fold.history import RUN_ENDS, Event, RunResumed, StepCompleted, StepStarted
from mplp_cli.workflow.fold.resume import take_up
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import COMPLETED, PENDING
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.resources import Share
from tests.bench_of_runs import Bench, Died, planned, statuses
from tests.virtual import StuckError

#: A run of these steps makes far fewer.
MOST_COMMITS = 100
#: A wide run, a chain, objects, a retry and a container.
STEPS: list[dict[str, Any]] = [
    {"id": "a", "type": "shell", "run": "ok"},
    {"id": "b", "type": "shell", "run": "fail 1", "retry-policy": {"max-retries": 1}},
    {"id": "c", "type": "set", "values": {"n": 1}},
    {
        "id": "d",
        "type": "module-operation",
        "module": "context",
        "operation": "create-context",
        "parameters": {"name": "one"},
        "dependencies": ["a", "c"],
    },
    {
        "id": "e",
        "type": "parallel",
        "dependencies": ["a"],
        "steps": [
            {"id": "e1", "type": "shell", "run": "ok"},
            {"id": "e2", "type": "shell", "run": "sleep 1"},
        ],
    },
    {"id": "f", "type": "shell", "run": "ok", "dependencies": ["b", "d", "e"]},
    {"id": "g", "type": "shell", "run": "ok", "dependencies": ["f"]},
]


# ---- the search ----------------------------------------------------------------------------------


def small_plan() -> Plan:
    """The plan of the run that is tried."""
    return planned(STEPS)


def undisturbed(plan: Plan) -> dict[str, str]:
    """How the steps end when nothing happens."""
    return statuses(Bench(plan).start())


def breaches(plan: Plan, wanted: dict[str, str]) -> set[str]:
    """Every promise that a death at some commit shows to be broken. `wanted` is how the steps have to end."""
    found: set[str] = set()
    for batch in (1, 256):
        for after in (False, True):
            number = 1
            while _dies(plan, batch, (number, after), wanted, found):
                number += 1
                assert number < MOST_COMMITS
    return found


def _dies(plan: Plan, batch: int, dies: tuple[int, bool], wanted: dict[str, str], found: set[str]) -> bool:
    """One run that dies at that commit, if it has so many, and is taken up again. Whether it died."""
    bench = Bench(plan, batch=batch)
    try:
        _survives(lambda: bench.start(dies=dies), found)
        died = False
    except Died:
        died = True
        _look(bench, found)
        acknowledged, acted = _completed(bench.told), Counter(bench.work.executed)
        if bench.replayed().status != COMPLETED:
            _survives(bench.resume, found)
        again = Counter(bench.work.executed) - acted
        found |= {"done twice: it had been told as completed" for step in acknowledged if again[step]}
    _look(bench, found)
    if statuses(bench.replayed()) != wanted:
        found.add("ended otherwise")
    return died


def _survives(go: Callable[[], RunState], found: set[str]) -> None:
    try:
        go()
    except (StuckError, MplpError) as error:
        found.add(f"fell over: {type(error).__name__}")


def _look(bench: Bench, found: set[str]) -> None:
    """What holds at any moment."""
    history = bench.history()
    found |= {breach.partition(" ")[2] for breach in bench.work.breaches}
    # What a death came in before telling is missing in between.
    stored = iter(history)
    if not all(fact in stored for fact in bench.told):
        found.add("told before it was stored")
    completed = _completed(history)
    if len(completed) != len(set(completed)):
        found.add("recorded as completed twice")
    if len(list(bench.store.objects())) != completed.count("d"):
        found.add("an object without its fact, or a fact without its object")


def _completed(facts: Sequence[Event]) -> list[str]:
    return [fact.step for fact in facts if isinstance(fact, StepCompleted)]


# ---- mutants -------------------------------------------------------------------------------------


class _Journal:
    """A journal that passes everything on."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def append(
        self, events: Sequence[Event], objects: Sequence[ProtocolObject] = (), *more: Any, **named: Any
    ) -> None:
        self.journal.append(events, objects, *more, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)


class _TwoTransactions(_Journal):
    """Objects are stored in a commit of their own."""

    def append(
        self, events: Sequence[Event], objects: Sequence[ProtocolObject] = (), *more: Any, **named: Any
    ) -> None:
        self.journal.append(events, (), *more, **named)
        if objects:
            self.journal.append([], objects)


class _LateStarts(_Journal):
    """That an attempt began is stored with what comes after it."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.held: list[Event] = []

    def append(
        self, events: Sequence[Event], objects: Sequence[ProtocolObject] = (), *more: Any, **named: Any
    ) -> None:
        before, self.held = self.held, [e for e in events if isinstance(e, StepStarted)]
        self.journal.append(
            [*before, *(e for e in events if not isinstance(e, StepStarted))],
            objects,
            *more,
            **named,
        )


class _KeptUntilTheEnd(_Journal):
    """Results are kept in memory, and stored when the run ends."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.facts: list[Event] = []
        self.objects: list[ProtocolObject] = []
        self.told: list[Any] = []

    def append(
        self,
        events: Sequence[Event],
        objects: Sequence[ProtocolObject] = (),
        said: Sequence[Any] = (),
        share: Share | None = None,
        profile: Any = None,
        told: Sequence[Any] = (),
    ) -> None:
        self.objects += objects
        self.told += told
        self.facts += [e for e in events if not isinstance(e, StepStarted | RunResumed)]
        self.journal.append([e for e in events if isinstance(e, StepStarted | RunResumed)], share=share)
        if any(isinstance(e, RUN_ENDS) for e in events):
            self.journal.append(self.facts, self.objects, profile=profile, told=self.told)


def _with_journal(kind: type[_Journal]) -> Callable[[pytest.MonkeyPatch], None]:
    def mutate(patch: pytest.MonkeyPatch) -> None:
        begin = Drive.__init__

        def init(self: Drive, state: RunState, world: World, by: str = "mplp") -> None:
            begin(self, state, replace(world, journal=kind(world.journal)), by)

        patch.setattr(Drive, "__init__", init)

    return mutate


def _told_too_early(patch: pytest.MonkeyPatch) -> None:
    fold_facts, tell = Drive._fold, Drive._tell_all

    def told_while_folding(self: Drive) -> None:
        fold_facts(self)
        tell(self, self._batch.facts)

    def told_at_the_start(self: Drive, facts: list[Event]) -> None:
        if self._asked:
            tell(self, facts)

    patch.setattr(Drive, "_fold", told_while_folding)
    patch.setattr(Drive, "_tell_all", told_at_the_start)


def _queued_starts(patch: pytest.MonkeyPatch) -> None:
    begun = Drive.__init__

    def begin(self: Drive, *given: Any, **more: Any) -> None:
        begun(self, *given, **more)
        patch.setattr(self._batch, "record", self._facts.append)

    patch.setattr(Drive, "__init__", begin)


def _everything_again(patch: pytest.MonkeyPatch) -> None:
    def forget(state: RunState, at: int, retry: str = "") -> None:
        for i, status in enumerate(state.step_status):
            if status is COMPLETED and state.plan.steps[i].effect:
                state.step_status[i] = PENDING
        take_up(state, at, retry)

    patch.setattr(course, "take_up", forget)


@dataclass(frozen=True)
class Mutant:
    """A broken engine, and the breach that gives it away."""

    mutate: Callable[[pytest.MonkeyPatch], None]
    shows: str


MUTANTS = {
    "the console is told before the commit": Mutant(_told_too_early, "told before it was stored"),
    "a start is stored after its attempt began": Mutant(
        _with_journal(_LateStarts), "acted before its start was committed"
    ),
    "a start is queued behind other facts": Mutant(_queued_starts, "fell over: StuckError"),
    "facts and objects are stored in two transactions": Mutant(
        _with_journal(_TwoTransactions), "an object without its fact, or a fact without its object"
    ),
    "results are kept until the end": Mutant(
        _with_journal(_KeptUntilTheEnd), "done twice: it had been told as completed"
    ),
    "a resume starts completed steps again": Mutant(
        _everything_again, "done twice: it had been told as completed"
    ),
}
