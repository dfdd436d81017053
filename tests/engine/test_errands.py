"""Attempts that go on by themselves, without a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.errors import StoreError
from mplp_cli.protocols import Attempt, Errand
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.resources import Usage
from tests.bench_of_runs import Bench, ask, error_of, planned, reason_of, retries, shell, statuses
from tests.virtual import facts_of


class Apart:
    """Does its work without a task. The script of an attempt says

    ok              it comes back after 10 ms
    sleep SECONDS   it comes back after that long; it takes no time to stop
    leave SECONDS   it comes back after a second, and what it has left takes so long to end
    linger SECONDS  it would take 100 s; it takes so long to stop
    fail            it comes back after a second, and has failed
    not             it cannot begin
    """

    def __init__(self) -> None:
        self.made: list[Piece] = []
        self.tasks = 0

    async def __call__(self, attempt: Attempt) -> Any:
        self.tasks += 1
        return {}

    def begin_errand(self, attempt: Attempt, back: Callable[[Errand], None]) -> Errand:
        word, *rest = attempt.body["script"].split()
        if word == "not":
            raise OSError("it cannot begin")
        piece = Piece(attempt, back, word, float(rest[0]) if rest else 0.01)
        self.made.append(piece)
        return piece


class Piece:
    """One errand, and what was done about it."""

    def __init__(self, attempt: Attempt, back: Callable[[Errand], None], word: str, seconds: float) -> None:
        self.attempt = attempt
        self.ends: list[str] = []
        self.asked = 0
        self._word, self._seconds, self._back = word, seconds, back
        self._left = word == "leave"
        self._over: float | None = None
        takes = {"leave": 1.0, "fail": 1.0, "linger": 100.0}.get(word, seconds)
        self.timer = asyncio.get_running_loop().call_later(takes, self._come_back)

    def _come_back(self) -> None:
        self._back(self)

    def is_survived(self) -> bool:
        return self._left

    async def end(self, *, stop: bool) -> None:
        self.ends.append("stop" if stop else "tidy")
        self.timer.cancel()
        loop = asyncio.get_running_loop()
        if self._over is None:  # the second time there is nothing new to be done
            self._over = loop.time() + (self._seconds if self._word in ("leave", "linger") else 0)
        is_cancelled = False
        while (left := self._over - loop.time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                is_cancelled = True
        self._left = False
        if is_cancelled:
            raise asyncio.CancelledError

    def result(self) -> Any:
        self.asked += 1
        self.attempt.measured(Usage(cpu_ms=7))
        if self._word == "fail":
            raise OSError("scripted failure")
        return {"output": self.attempt.step}


class Runs:
    """One run whose shell steps are errands."""

    def __init__(self, *steps: dict[str, Any], **more: Any) -> None:
        self.work = Apart()
        self.bench = Bench(planned(list(steps), **more), runners={"shell": self.work})

    def start(self, *during: tuple[float, Callable[[Drive], None]]) -> RunState:
        state = self.bench.start(during=during)
        assert facts_of(self.bench.replayed()) == facts_of(state)
        self.check()
        return state

    def check(self) -> None:
        """Each was asked for its result once: it has ended, and its files are closed."""
        assert [piece.asked for piece in self.work.made] == [1] * len(self.work.made)


def cancel(drive: Drive) -> None:
    drive.cancel("ann", "wrong branch")


def test_an_error_of_ours_about_its_end_ends_the_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StoreError("the store cannot be read")

    runs = Runs(shell("a", "fail"), shell("b", "linger 2"))
    monkeypatch.setattr(Drive, "fail", fail)
    with pytest.raises(StoreError, match="cannot be read"):
        runs.bench.start()
    runs.check()
    assert runs.work.made[1].ends == ["stop"]
    assert runs.bench.clock.elapsed == 3


def test_what_comes_back_when_the_drive_has_failed_is_judged_by_nobody() -> None:
    runs = Runs(shell("a", "linger 3", fallback_actions=ask()), shell("b", "fail", fallback_actions=ask()))

    def both(drive: Drive) -> None:
        lose(drive)
        asyncio.get_running_loop().call_later(1, runs.work.made[0]._come_back)

    with pytest.raises(StoreError, match="the disk is full"):
        runs.bench.start(during=[(0.5, both)])
    runs.check()
    assert runs.bench.unstored() == []


def test_it_gives_its_result_and_what_it_has_used() -> None:
    runs = Runs(shell("a"), shell("b", dependencies=["a"]))
    state = runs.start()
    assert statuses(state) == {"a": "completed", "b": "completed"}
    assert [f.usage for f in runs.bench.history() if isinstance(f, h.StepCompleted)] == [Usage(cpu_ms=7)] * 2
    assert [piece.ends for piece in runs.work.made] == [[], []]
    assert runs.work.tasks == 0


def test_work_that_needs_more_than_a_process_is_a_task() -> None:
    runs = Runs(shell("a", artifacts=["*.txt"]), shell("b"))
    runs.start()
    assert (runs.work.tasks, len(runs.work.made)) == (1, 1)


@pytest.mark.parametrize(("script", "made"), [("fail", 3), ("not", 0)])
def test_it_fails_and_is_tried_again(script: str, made: int) -> None:
    runs = Runs(shell("a", script, retry_policy=retries(2)))
    state = runs.start()
    assert statuses(state) == {"a": "failed"}
    assert error_of(state, "a").message in ("scripted failure", "it cannot begin")
    assert len([f for f in runs.bench.history() if isinstance(f, h.StepRetrying)]) == 2
    assert len(runs.work.made) == made


def test_a_step_has_not_ended_while_something_of_it_is_left() -> None:
    runs = Runs(shell("a", "leave 3"))
    assert statuses(runs.start()) == {"a": "completed"}
    assert runs.bench.clock.elapsed == 4
    assert runs.work.made[0].ends == ["tidy"]


@pytest.mark.parametrize(("script", "elapsed"), [("sleep 9", 2), ("linger 3", 5)])
def test_it_is_stopped_when_its_time_is_over(script: str, elapsed: int) -> None:
    runs = Runs(shell("a", script, timeout="2s"))
    state = runs.start()
    assert error_of(state, "a").type == "StepTimeoutError"
    assert runs.work.made[0].ends == ["stop"]
    assert runs.bench.clock.elapsed == elapsed


@pytest.mark.parametrize(
    ("script", "ends", "elapsed"),
    [("sleep 9", ["stop"], 2), ("linger 3", ["stop"], 5), ("leave 4", ["tidy", "stop"], 5)],
    ids=["it runs", "it takes its time", "something of it is left"],
)
def test_a_cancel_stops_it(script: str, ends: list[str], elapsed: int) -> None:
    runs = Runs(shell("a", script))
    state = runs.start((2, cancel), (2.5, cancel))
    assert statuses(state) == {"a": "cancelled"}
    assert reason_of(state, "a") == "wrong branch"
    assert runs.work.made[0].ends == ends
    assert runs.bench.clock.elapsed == elapsed


def test_what_comes_back_while_it_is_stopped_is_thrown_away() -> None:
    runs = Runs(shell("a", "linger 3"))

    def both(drive: Drive) -> None:
        cancel(drive)
        asyncio.get_running_loop().call_later(1, runs.work.made[0]._come_back)

    assert statuses(runs.start((2, both))) == {"a": "cancelled"}
    assert runs.bench.clock.elapsed == 5


def lose(drive: Drive) -> None:
    def append(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    drive.world.journal.append = append  # type: ignore[method-assign]
    drive.post(h.RunStopping(drive.world.clock.now(), "cancel", "ann", "because"))


@pytest.mark.parametrize("script", ["sleep 100", "linger 3", "leave 100"])
def test_a_drive_that_ends_with_an_error_stops_what_runs_first(script: str) -> None:
    runs = Runs(shell("a", script), shell("b", "linger 4"))
    with pytest.raises(StoreError, match="the disk is full"):
        runs.bench.start(during=[(5, lose)])
    runs.check()
    assert all(piece.ends[-1] == "stop" for piece in runs.work.made)
    assert runs.bench.clock.elapsed == (101 if script == "leave 100" else 9)
    assert not any(isinstance(f, h.StepCancelled) for f in runs.bench.history())


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("script", ["sleep 100", "linger 3", "leave 9"])
def test_a_drive_that_is_cancelled_stops_what_runs_first(script: str, times: int) -> None:
    runs = Runs(shell("a", script), shell("b", "linger 4"))

    async def cut(work: Callable[[], Coroutine[Any, Any, RunState]]) -> RunState:
        driven = asyncio.get_running_loop().create_task(work())
        await asyncio.sleep(5)
        for _ in range(times):
            driven.cancel()
            await asyncio.sleep(1)
        with pytest.raises(asyncio.CancelledError):
            await driven
        return RunState(runs.bench.plan)

    runs.bench.drives = lambda work: runs.bench.clock.run(lambda: cut(work))
    runs.bench.start()
    runs.check()
    assert all(piece.ends[-1] == "stop" for piece in runs.work.made)
    assert runs.bench.clock.elapsed == (10 if script == "leave 9" else 9)
