"""An owner whose run was taken over: it notices, ends what it runs at once, and records nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.errors import LostOwnershipError, StoreError
from mplp_cli.protocols import Attempt
from mplp_cli.workflow.fold import history as h
from tests.bench_of_runs import RUN, Bench, ask, pause, planned, shell


def taken_over(steps: list[dict[str, Any]], **world: Any) -> Bench:
    """A run that another process takes over after five seconds."""
    bench = Bench(planned(steps), poll=0.1, **world)

    def take(_: Drive) -> None:
        bench.store.own_run(RUN, by="another", take_over=True)

    with pytest.raises(LostOwnershipError, match="another process took run"):
        bench.start(during=[(5, take)])
    return bench


@pytest.mark.parametrize(
    "step",
    [shell("a", "sleep 1000"), pause("a", "1h"), shell("a", "fail", fallback_actions=ask())],
    ids=["running", "waiting for a time", "asking"],
)
def test_it_notices_though_it_has_nothing_to_write(step: dict[str, Any]) -> None:
    other = shell("b", "sleep 500")  # else one that only asks would end before
    bench = taken_over([step, other])
    assert bench.clock.monotonic() < 5.5
    assert not any(isinstance(fact, h.StepCancelled | h.RunStopping) for fact in bench.history())


def test_it_kills_what_runs_without_grace() -> None:
    said: list[str] = []

    async def work(attempt: Attempt) -> Any:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            said.append(f"{attempt.step} is stopped")
            raise

    taken_over([shell("a")], runners={"shell": work}, kill=lambda: said.append("killed"))
    assert said == ["killed", "a is stopped"]


def test_another_error_leaves_what_runs_its_grace() -> None:
    killed: list[str] = []
    bench = Bench(planned([shell("a", "sleep 100")]), kill=lambda: killed.append("killed"))

    def lose(drive: Drive) -> None:
        def append(*_: object, **__: object) -> None:
            raise StoreError("the disk is full")

        drive.world.journal.append = append  # type: ignore[method-assign]
        drive.cancel("ann")

    with pytest.raises(StoreError):
        bench.start(during=[(5, lose)])
    assert killed == []


def test_the_new_owner_goes_on_from_what_was_recorded() -> None:
    bench = taken_over([shell("a"), shell("b", "sleep 100", dependencies=["a"])])
    bench.store.own_run(RUN, by="test", take_over=True).close()
    assert bench.resume().status == "completed"
    assert bench.work.executed == ["a", "b", "b"]
