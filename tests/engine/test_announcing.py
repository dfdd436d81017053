"""What everybody is told of a run: with its facts, once, and only what somebody listens for."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.engine.announcing import ALWAYS, LARGEST, listened
from tests.bench_of_runs import RUN, Bench, Died, given, planned, retries, shell, step


def told(bench: Bench) -> list[tuple[str, Any]]:
    return [(event.type, event.more.get("subject")) for _, event in bench.store.board.newest(9_999)]


def data_of(bench: Bench, kind: str) -> dict[str, Any]:
    data: dict[str, Any]
    [data] = [event.data for _, event in bench.store.board.newest(9_999) if event.type == kind]
    return data


def test_every_run_tells_of_its_end_and_of_the_failures_in_it() -> None:
    bench = Bench(planned([shell("a", "ok"), shell("b", "fail")]), listened=listened([]))
    bench.start()
    assert told(bench) == [("step.failed", "b"), ("run.failed", None)]
    assert data_of(bench, "run.failed")["error"]["type"]
    ended = bench.history()[-1].at
    assert data_of(bench, "run.failed")["duration"] == ended - bench.history()[0].at


def test_steps_are_told_of_if_somebody_may_want_them() -> None:
    bench = Bench(planned([shell("a", "fail 1", retry_policy=retries(1))]), listened=listened(["step.*"]))
    bench.start()
    assert [kind for kind, _ in told(bench)] == [
        "step.started", "step.retrying", "step.started", "step.completed", "run.completed",
    ]  # fmt: skip
    retrying = data_of(bench, "step.retrying")
    assert (retrying["runId"], retrying["workflowId"], retrying["step"]) == (RUN, "w", "a")
    assert (retrying["attempts"], retrying["delay"]) == (1, 1_000)
    assert [e.source for _, e in bench.store.board.newest(1)] == [f"mplp/w/{RUN}"]


def test_nothing_is_told_of_what_nobody_listens_for() -> None:
    bench = Bench(planned([given("a", {"x": 1})]), listened=lambda kind: False)
    bench.start()
    assert told(bench) == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("commit", range(1, 6))
def test_what_is_told_stands_in_the_commit_of_its_facts(commit: int, after: bool) -> None:
    bench = Bench(planned([shell("a", "ok"), shell("b", "ok", dependencies=["a"])]), listened=listened(["*"]))
    try:
        bench.start(dies=(commit, after))
    except Died:
        if not bench.replayed().ended:
            bench.resume()
    happened = [fact.__struct_config__.tag for fact in bench.history()]
    told_of = [kind for kind, _ in told(bench)]
    assert told_of == [tag for tag in happened[1:] if tag in {*told_of, *ALWAYS}]
    assert told_of.count("step.completed") == 2


def test_a_large_result_is_left_out_and_a_small_one_is_not() -> None:
    large = "x" * (LARGEST + 1)
    bench = Bench(
        planned([given("a", {"x": large}), given("b", {"x": 1})]), listened=listened(["step.completed"])
    )
    bench.start()
    a, b = [e.data for _, e in bench.store.board.newest(9) if e.type == "step.completed"]
    assert (a["result"], a["resultOmitted"]) == (None, True)
    assert (b["result"], "resultOmitted" in b) == ({"x": 1}, False)


def test_what_modules_say_is_told_to_those_who_listen() -> None:
    about = {"title": "T", "root": {"domain": "d", "environment": "e"}}
    made = step("module-operation", "a", module="context", operation="create-context", parameters=about)
    bench = Bench(planned([made]), listened=listened(["module.*"]))
    bench.start()
    call = data_of(bench, "module.call")
    assert (call["target"], call["type"]) == ("context", "create-context")
