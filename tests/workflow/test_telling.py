"""A history taken at its word says the same as one that is folded."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.facts import FOLD
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.revision.telling import TOLD, as_told, replay
from tests.bench_of_runs import Bench, Died
from tests.virtual import facts_of
from tests.workflow.test_fold_properties import documents, plan_of, wild_documents


def test_every_fact_can_be_taken_at_its_word() -> None:
    assert FOLD.keys() == TOLD


def test_a_loop_that_ends_before_its_first_iteration_has_its_result_either_way() -> None:
    """A race is won in the turn in which the loop has opened, and nothing of it has begun."""
    loop = {
        "id": "l",
        "type": "loop",
        "max-iterations": 2,
        "steps": [{"id": "x", "type": "set", "values": {}}],
    }
    race = {
        "id": "r",
        "type": "parallel",
        "race": True,
        "steps": [loop, {"id": "s", "type": "set", "values": {}}],
    }
    plan = plan_of({"steps": [race, {"id": "f", "type": "shell", "run": "fail"}]})
    bench = Bench(plan)
    assert bench.start().status == "failed"
    facts = bench.history()
    folded, told = replay(RunState(plan), facts), as_told(RunState(plan), facts)
    number = plan.number["l"]
    assert folded.step_status[number] == told.step_status[number] == "cancelled"
    assert folded.results[number] == told.results[number] == {"iterations": 0, "last": None}


@given(documents() | wild_documents(), st.data())
def test_a_history_that_is_taken_at_its_word_goes_on_like_one_that_is_folded(
    document: dict[str, Any], data: st.DataObject
) -> None:
    plan = plan_of(document)
    bench = Bench(plan, batch=data.draw(st.sampled_from([1, 2, 256])))
    dies = data.draw(st.integers(1, 8)), True
    with suppress(Died):
        bench.start(dies=dies)
    for _ in range(3):
        facts = bench.history()
        folded, told = replay(RunState(plan), facts), as_told(RunState(plan), facts)
        assert told.status == folded.status
        if told.status in ("completed", "cancelled"):
            return
        goes_on = h.RunResumed(bench.clock.now(), "mplp")
        folded.handle(goes_on)
        told.handle(goes_on)
        told.measures.waited = folded.measures.waited  # how long steps have queued is not told
        assert facts_of(told) == facts_of(folded)
        with suppress(Died):
            bench.resume(dies=dies)
