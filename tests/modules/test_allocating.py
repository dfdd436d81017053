"""What operations hold of the pool: once for a call, however often it is made, and until the end of its run."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from mplp_cli.errors import AllocationNotFoundError, InsufficientResourcesError, OperationError
from mplp_cli.protocols import Caller
from mplp_cli.resources.holding import HeldByRuns
from mplp_cli.store.memory import MemoryStore
from mplp_cli.workflow.fold.history import RunCompleted
from mplp_cli.workflow.resources import Demand, Kind, Pool, Share, Unit
from tests.modules.conftest import World
from tests.store.sample import START, FixedClock, new_run, run_id, started

POOL = Pool(
    {
        "cpu": Kind(name="cpu", units=(Unit("one", 4_000),)),
        "calls": Kind(name="calls", units=(Unit("calls", 4_000),), per=1_000),
    }
)
TWO: dict[str, Any] = {"requirements": {"cpu": 2}}


class Bench:
    """A hub with a pool, called by run 1."""

    def __init__(self) -> None:
        self.store = MemoryStore(FixedClock())
        self.journal = self.store.create_run(new_run(1), [started(1)])
        self.world = World()
        self.hub = self.world.hub
        self.ended: list[str] = []
        self.hub.holdings = HeldByRuns(
            lambda: POOL,
            self.store.shares,
            FixedClock(),
            is_run=lambda run: run == run_id(1),
            end=self.ended.append,
        )

    def __call__(self, operation: str, /, step: str = "held", run: str = run_id(1), **parameters: Any) -> Any:
        caller = Caller(run=run, workflow="release", step=step)
        return self.hub.call("core", operation, parameters, caller).result

    def held(self) -> list[str]:
        return [made.id for made in self.store.shares.allocations()]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_call_that_is_made_again_holds_nothing_twice_and_releases_what_it_has_released(
    bench: Bench,
) -> None:
    first = bench("allocate-resources", strategy="balanced", **TWO)
    assert first["allocation"] == {
        "id": first["allocationId"],
        "strategy": "balanced",
        "resources": [{"kind": "cpu", "unit": "one", "amount": "2"}],
    }
    assert bench("allocate-resources", strategy="balanced", **TWO) == first
    assert bench("allocate-resources", step="other", **TWO)["allocationId"] != first["allocationId"]
    for _ in range(2):
        assert bench("release-resources", step="free", allocationId=first["allocationId"]) == first
    with pytest.raises(AllocationNotFoundError):
        bench("release-resources", step="late", allocationId=first["allocationId"])


def test_what_is_allocated_goes_with_the_run_and_without_a_run_stays(bench: Bench) -> None:
    bench("allocate-resources", **TWO)
    outside = bench("allocate-resources", run="nobody", **TWO)["allocationId"]
    bench.journal.append([RunCompleted(START)])
    assert bench.held() == [outside]
    bench("release-resources", run="nobody", allocationId=outside)
    assert bench.held() == []


def test_what_is_short_is_refused_and_the_lost_are_freed_first(bench: Bench) -> None:
    with pytest.raises(InsufficientResourcesError) as refused:
        bench("allocate-resources", requirements={"cpu": 5, "custom": {"gpu": 1}})
    assert refused.value.details["availability"] == {"cpu": "4", "gpu": "0"}
    lost = bench.store.create_run(new_run(2), [started(2)])
    assert bench.store.shares.take(POOL, Share(run=run_id(2), held={"cpu": {"one": 4_000}})) is None
    lost.close()
    assert bench("allocate-resources", **TWO)["allocationId"] in bench.held()
    assert bench.ended == [run_id(2)]


@pytest.mark.parametrize(
    ("requirements", "says"),
    [
        ({}, "nothing is asked for"),
        ({"memory": "much"}, "`memory`: 'much' is not an amount such as 256MiB or 2GB"),
        ({"custom": {"calls": 1}}, "`calls` is a rate"),
    ],
)
def test_what_cannot_be_held_is_refused(bench: Bench, requirements: dict[str, Any], says: str) -> None:
    with pytest.raises(OperationError, match=says):
        bench("allocate-resources", requirements=requirements)
    assert bench.held() == []


def test_calls_inside_a_call_hold_together_or_not_at_all(bench: Bench) -> None:
    parameters: dict[str, Any] = {
        "modules": ["core", "core"],
        "operation": "allocate-resources",
        "parameters": TWO,
    }
    done = bench("coordinate-modules", **parameters)
    assert done["status"] == "success"
    assert len(bench.held()) == 2
    again = bench("coordinate-modules", step="more", **parameters)
    assert [answer["error"]["type"] for answer in again["results"]] == ["InsufficientResourcesError"] * 2

    def refuse(given: Any, session: Any) -> None:
        session.reservations.allocate(Demand(amounts=(("cpu", 1_000),)))
        raise OperationError("no")

    for name in bench.held():
        bench.store.shares.release(name)
    module = bench.hub._modules["core"]
    operation = replace(module.operations["allocate-resources"], handler=refuse)
    bench.hub._modules = {"core": replace(module, operations={"allocate-resources": operation})}
    with pytest.raises(OperationError, match="no"):
        bench("allocate-resources", **TWO)
    assert bench.held() == []


def test_without_a_pool_nothing_can_be_held(world: World) -> None:
    with pytest.raises(OperationError, match="no pool of resources"):
        world("core/allocate-resources", requirements={"cpu": 1})
