"""Whatever happens in a run, every step of it can be explained, and runs can be compared."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_cli.observe.comparison import compare
from mplp_cli.observe.explanation import explain
from mplp_cli.observe.reasons import came_to_start, why_so
from mplp_cli.render.compared import compared_document, compared_screen
from mplp_cli.render.explained import explained_document, explained_screen
from mplp_cli.render.machine import write_document
from mplp_cli.render.theme import PLAIN
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import ENDED
from tests.bench_of_runs import Bench, Died
from tests.virtual import facts_of
from tests.workflow.test_fold_properties import ACTS, plan_of, wild_documents


class Paper:
    """A stream that only has to take text."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def lived(document: dict[str, Any], data: st.DataObject) -> tuple[Bench, RunState]:
    """A run that may be cancelled, answered, killed, and that may die and be resumed."""
    bench = Bench(plan_of(document))
    moments = st.dictionaries(st.integers(1, 12), st.sampled_from(sorted(ACTS)), max_size=2)
    state = None
    for acts in data.draw(st.lists(moments, min_size=1, max_size=3)):
        bench.acts = {len(bench.told) + after: ACTS[act] for after, act in acts.items()}
        with contextlib.suppress(Died):
            state = bench.start() if state is None else bench.resume(None)
        state = bench.replayed()
        if state.status in ("completed", "cancelled"):
            break
    assert state is not None
    return bench, state


@settings(max_examples=25)
@given(wild_documents(), st.data())
def test_every_step_can_be_explained_at_any_moment(document: dict[str, Any], data: st.DataObject) -> None:
    bench, state = lived(document, data)
    history = list(bench.history())
    cut = data.draw(st.integers(1, len(history)))
    for facts in (history, history[:cut]):
        for step in bench.plan.steps:
            told = explain(bench.plan, facts, step.id)
            assert why_so(told)
            came_to_start(told)
            screen = explained_screen(told, told.state.status, 1 << 42, PLAIN, 60)
            assert all(line.width <= 60 for line in screen)
            write_document(explained_document(told, told.state.status, 1 << 42), Paper())  # type: ignore[arg-type]  # a stream in all that counts
            if told.status in ENDED:
                assert all(one.outcome != "running" for one in told.tries)
            if facts is history:
                assert facts_of(told.state) == facts_of(state)
                begun = [one.attempt for one in told.tries if one.outcome != "unknown"]
                assert max(begun, default=0) <= state.attempts[step.number]


@settings(max_examples=25)
@given(wild_documents())
def test_a_run_is_the_same_as_itself_and_differs_from_its_beginning(document: dict[str, Any]) -> None:
    bench = Bench(plan_of(document))
    state = bench.start()
    whole = compare(state, state)
    assert whole.same
    begun = RunState(bench.plan)
    begun.handle(next(iter(bench.history())))
    told = compare(state, begun)
    assert told.same == (state.status == begun.status and not any(p.differs for p in told.steps))
    for one in (whole, told):
        statuses = (one.runs[0].status, one.runs[1].status)
        screen = compared_screen(one, PLAIN, 60, everything=True, statuses=statuses)
        assert all(line.width <= 60 for line in screen)
        write_document(compared_document(one, statuses), Paper())  # type: ignore[arg-type]  # the same
