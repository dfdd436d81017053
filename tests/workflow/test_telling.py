from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_cli.engine.drive import replay
from mplp_cli.workflow import history as h
from mplp_cli.workflow.state import RunState
from mplp_cli.workflow.telling import as_told
from tests.bench_of_runs import Bench, Died
from tests.virtual import facts_of
from tests.workflow.test_fold_properties import documents, plan_of, wild_documents


@settings(max_examples=300)
@given(documents() | wild_documents(), st.data())
def test_told(document, data):
    plan = plan_of(document)
    bench = Bench(plan, batch=data.draw(st.sampled_from([1, 2, 256])))
    n = data.draw(st.integers(1, 8))
    try:
        bench.start(dies=(n, True))
    except Died:
        pass
    for _ in range(2):
        facts = bench.history()
        one, two = replay(RunState(plan), facts), as_told(RunState(plan), facts)
        if one.status in ("completed", "cancelled"):
            return
        r = h.RunResumed(bench.clock.now(), "x")
        one.handle(r)
        two.handle(r)
        assert facts_of(one) == facts_of(two)
        try:
            bench.resume(dies=(n, True))
        except Died:
            pass
