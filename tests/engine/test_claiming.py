"""How long a commit waits for the facts of claimed steps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mplp_cli.engine.claiming import patience
from mplp_cli.protocols import Attempt
from mplp_cli.workflow.fold.history import StepCompleted
from tests.bench_of_runs import Bench, planned, shell
from tests.virtual import VirtualLoop


@pytest.mark.parametrize(("took", "waits"), [(0, 0.005), (0.0001, 0.005), (0.001, 0.019), (3, 0.05)])
def test_a_commit_waits_longer_where_commits_take_long_but_never_for_long(took: float, waits: float) -> None:
    assert patience(0.005, took) == waits


def test_a_commit_whose_time_has_come_waits_for_nothing_else() -> None:
    async def work(attempt: Attempt) -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        done = loop.create_future()

        def end() -> None:
            loop.now += 0.006  # so much is done that the commit is due before the end of the step is heard of
            done.set_result(None)

        loop.call_later(0.003, end)
        await done
        return {}

    bench = Bench(planned([shell(f"s{i}") for i in range(20)]), slots=1, runners={"shell": work})
    bench.start()
    ends = [[fact for fact in facts if isinstance(fact, StepCompleted)] for facts in bench.commits]
    assert sum(map(len, ends)) == 20
    assert max(map(len, ends)) == 2
