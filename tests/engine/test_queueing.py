"""A run that waits for its turn: nothing begins before, and whatever happens to it meanwhile ends well."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.errors import ConcurrencyLimitError
from mplp_cli.protocols import Control, Holding, Standing
from mplp_cli.workflow.fold.history import (
    Event,
    RunAdmitted,
    RunCancelled,
    RunCompleted,
    RunResumed,
    RunStarted,
    StepStarted,
    Turn,
)
from tests.bench_of_runs import RUN, Bench, die, facts, moment, planned, shell, statuses
from tests.virtual import facts_of

TURN = Turn("prod")
BEFORE = "00000000-0000-4000-8000-00000000000b"


class Queue:
    """There is a place from a moment on (seconds of virtual time)."""

    def __init__(self, bench: Bench, free: float) -> None:
        self.bench = bench
        self.free = free
        self.asked = 0

    async def __call__(self) -> Standing:
        self.asked += 1
        if self.bench.clock.monotonic() >= self.free:
            return Standing(key="prod", position=0)
        return Standing(key="prod", position=1, holders=[Holding(BEFORE, 0, "running")])


def queued(free: float, *steps: Any, **more: Any) -> Bench:
    """A bench whose run has its place after `free` seconds."""
    bench = Bench(planned(list(steps) or [shell("a"), shell("b", dependencies=["a"])], **more))
    bench.turn = TURN
    bench.world |= {"turn": Queue(bench, free), "poll": 0.1}
    return bench


def kinds(bench: Bench) -> list[type[Event]]:
    return [type(fact) for fact in bench.history()]


def at(moment: float, verb: str) -> list[Any]:
    """What a person does to the drive at a moment."""
    return [(moment, lambda drive: getattr(drive, verb)("ann"))]


def test_a_run_begins_when_it_has_its_place_and_not_before() -> None:
    bench = queued(5)
    state = bench.start()
    [admitted] = facts(bench, RunAdmitted)
    assert kinds(bench)[:2] == [RunStarted, RunAdmitted]
    assert moment(bench, admitted) == pytest.approx(5_000, abs=110)
    assert (admitted.behind, admitted.waited) == ([BEFORE], moment(bench, admitted))
    assert all(f.at >= admitted.at for f in facts(bench, StepStarted))
    assert state.status == "completed"
    assert state.started == admitted.at
    assert facts_of(bench.replayed()) == facts_of(state)


def test_a_run_that_finds_a_place_begins_at_once() -> None:
    bench = queued(0)
    assert bench.start().status == "completed"
    [admitted] = facts(bench, RunAdmitted)
    assert (moment(bench, admitted), admitted.waited, admitted.behind) == (0, 0, [])
    assert bench.world["turn"].asked == 1


def test_the_timeout_of_a_run_counts_from_its_turn() -> None:
    bench = queued(60, shell("a", "sleep 2"), timeout="5s")
    assert bench.start().status == "completed"
    bench = queued(60, shell("a", "sleep 20"), timeout="5s")
    assert bench.start().status == "failed"
    assert moment(bench, bench.history()[-1]) == pytest.approx(65_000, abs=200)


@pytest.mark.parametrize("verb", ["cancel", "kill"])
def test_a_run_that_is_stopped_before_its_turn_is_cancelled_and_does_nothing_at_all(verb: str) -> None:
    bench = queued(60, shell("a"), finally_=[shell("bye")])
    state = bench.start(during=at(3, verb))
    assert state.status == "cancelled"
    assert statuses(state) == {"a": "cancelled", "bye": "cancelled"}
    assert bench.work.executed == []
    assert moment(bench, bench.history()[-1]) == pytest.approx(3_000, abs=110)
    assert facts_of(bench.replayed()) == facts_of(state)


def test_a_run_whose_process_dies_while_it_waits_takes_its_turn_again_when_it_is_taken_up() -> None:
    bench = queued(60)
    die(bench, (1, True), during=[(3, lambda drive: drive.cancel("ann"))])
    assert bench.replayed().status == "cancelled"  # a stop and an end that were one commit

    bench = queued(60)
    die(bench, (1, False), during=[(3, lambda drive: drive.cancel("ann"))])
    assert bench.replayed().status == "pending"
    state = bench.resume()
    assert state.status == "completed"
    assert kinds(bench)[:3] == [RunStarted, RunResumed, RunAdmitted]
    assert moment(bench, facts(bench, RunAdmitted)[0]) == pytest.approx(60_000, abs=110)
    assert facts_of(bench.replayed()) == facts_of(state)


def test_a_run_that_was_interrupted_goes_on_only_when_it_has_its_place_again() -> None:
    bench = queued(0)
    die(bench, (2, True))
    told = len(bench.history())
    bench.world["turn"] = Queue(bench, bench.clock.monotonic() + 30)
    begins = bench.clock.now()
    state = bench.resume()
    assert state.status == "completed"
    resumed = bench.history()[told]
    assert isinstance(resumed, RunResumed)
    assert resumed.at - begins == pytest.approx(30_000, abs=110)
    assert facts_of(bench.replayed()) == facts_of(state)


def test_an_interrupted_run_that_is_cancelled_needs_no_place_to_clean_up() -> None:
    bench = queued(0, shell("a"), finally_=[shell("bye")])
    die(bench, (1, True))
    bench.world["turn"] = Queue(bench, 1e9)
    state = bench.resume(before=lambda drive: drive.cancel("ann"))
    assert state.status == "cancelled"
    assert bench.work.executed[-1] == "bye"
    assert bench.world["turn"].asked == 0


def test_a_run_ends_the_same_whenever_its_process_dies() -> None:
    undisturbed = queued(5)
    undisturbed.start()
    for commit in range(1, len(undisturbed.commits)):
        for after in (False, True):
            bench = queued(5)
            die(bench, (commit, after))
            ends = bench.history()[-1]
            state = bench.replayed() if isinstance(ends, RunCompleted) else bench.resume()
            assert state.status == "completed"
            assert facts_of(bench.replayed()) == facts_of(state)
            assert not bench.work.breaches
            assert len(facts(bench, RunAdmitted)) == 1


def test_a_refusal_leaves_the_run_as_it_was() -> None:
    bench = queued(0)
    die(bench, (2, True))
    before = bench.history()

    async def refuse() -> Standing:
        raise ConcurrencyLimitError("no")

    bench.world["turn"] = refuse
    with pytest.raises(ConcurrencyLimitError):
        bench.resume()
    assert bench.history() == before


def test_a_request_of_another_process_reaches_a_run_that_waits() -> None:
    bench = queued(60)

    def ask(_: Drive) -> None:
        bench.store.request(RUN, Control(seq=0, verb="cancel", by="bob", reason="too late"))

    state = bench.start(during=[(3, ask)])
    assert state.status == "cancelled"
    end = bench.history()[-1]
    assert isinstance(end, RunCancelled)
    assert (end.by, end.message) == ("bob", "too late")
    assert moment(bench, end) == pytest.approx(3_000, abs=210)
