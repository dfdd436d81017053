"""`cache`: a result that was kept is used again, and why it was or was not is a recorded fact."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.observe.explanation import explain
from mplp_cli.observe.reasons import why_missed, why_so
from mplp_cli.render.explained import explained_document
from mplp_cli.render.machine import event_object, run_document
from mplp_cli.workflow.fold import history as h
from tests.bench_of_runs import (
    Bench,
    Died,
    ask,
    facts,
    fallback,
    given,
    parallel,
    planned,
    result_of,
    retries,
    shell,
    statuses,
    step,
)
from tests.virtual import facts_of

KEYED = {"key": "v1"}
HOUR = 3_600_000


def cached(name: str = "a", run: str = "ok", **keys: Any) -> dict[str, Any]:
    return shell(name, run, **{"cache": KEYED, **keys})


def runs(*steps: list[dict[str, Any]], apart: float = 0, **world: Any) -> list[Bench]:
    """One run after the other over one store, `apart` seconds between them."""
    done: list[Bench] = []
    for number, these in enumerate(steps):
        bench = Bench(planned(these), after=done[-1] if done else None, **(world if number else {}))
        if done and apart:
            bench.clock.elapsed += apart
        bench.start()
        done.append(bench)
    return done


def missed(bench: Bench, name: str = "a") -> list[str]:
    return [fact.missed for fact in facts(bench, h.StepStarted, name)]


def test_the_second_run_takes_the_result_of_the_first_and_does_nothing() -> None:
    first, second = runs(
        [cached(), shell("b", dependencies=["a"])], [cached(), shell("b", dependencies=["a"])]
    )
    assert missed(first) == ["none"]
    assert second.work.executed == ["b"]
    state = second.replayed()
    assert state.status == "completed"
    assert result_of(state, "a") == {"output": "a", "attempt": 1}
    [end] = facts(second, h.StepCompleted, "a")
    assert (end.attempt, end.hit.run, end.keep) == (0, first.run, None)
    assert end.hit.stored == facts(first, h.StepCompleted, "a")[0].at
    assert facts_of(state) == facts_of(second.drive.state)  # type: ignore[union-attr]  # it has run


def test_a_step_without_cache_never_takes_one() -> None:
    _, second = runs([cached()], [shell("a")])
    assert second.work.executed == ["a"]
    assert missed(second) == [""]


def test_a_key_is_a_value_with_references() -> None:
    def keyed(n: int) -> list[dict[str, Any]]:
        return [
            given("x", {"n": n, "o": {"p": 1, "q": 2}}),
            cached(cache={"key": ["${x.result.n}", "${x.result.o}"]}),
        ]

    _, other, again = runs(keyed(1), keyed(2), keyed(1))
    assert (other.work.executed, missed(other)) == (["a"], ["none"])
    assert again.work.executed == []


def test_a_reference_in_a_key_is_a_dependency_also_in_the_first_step_of_a_file() -> None:
    plan = planned(
        [cached(cache={"key": "${x.result.n}"}), given("x")],
        error_handling={"fallback-actions": fallback("skip")},
    )
    assert plan.steps[0].needs == (1,)


def test_a_key_that_cannot_be_resolved_fails_the_step_before_it_begins() -> None:
    bench = Bench(planned([given("x"), cached(cache={"key": "${x.result.nope}"}, retry_policy=retries(2))]))
    assert statuses(bench.start()) == {"x": "completed", "a": "failed"}
    assert bench.work.executed == []


def test_what_has_expired_is_no_hit() -> None:
    lasting = [cached(cache={"key": "v1", "ttl": "1h"})]
    assert [b.work.executed for b in runs(lasting, lasting, apart=3_500)] == [["a"], []]
    first, late, _ = runs(lasting, lasting, lasting, apart=3_600)
    assert (late.work.executed, missed(late)) == (["a"], ["expired"])
    [end] = facts(first, h.StepCompleted)
    assert end.keep.until == end.at + HOUR


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (cached(run="sleep 1"), "changed"),
        (cached(result_schema={"required": ["output"]}), "changed"),
        (cached(env={"A": "1"}), "changed"),
        (cached(cache={"key": "v2"}), "none"),
        (cached(timeout="5s", name="A", retry_policy=retries(1), priority=2), None),
        (cached(cache={"key": "v1", "ttl": "1h"}), None),
    ],
)
def test_a_step_that_does_something_else_misses_and_says_so(changed: dict[str, Any], why: str | None) -> None:
    _, second = runs([cached()], [changed])
    assert missed(second) == ([] if why is None else [why])


def test_what_stands_before_a_step_does_not_change_it() -> None:
    _, second = runs(
        [cached(env={"N": "${z.result.n}"}), given("z")],
        [given("y"), given("z"), cached(env={"N": "${z.result.n}"})],
    )
    assert second.work.executed == []


def test_the_same_key_in_another_step_is_another_result() -> None:
    _, second = runs([cached("a")], [cached("b")])
    assert second.work.executed == ["b"]


@pytest.mark.parametrize(
    "leaf",
    [
        cached(run="fail"),
        cached(run="fail", fallback_actions=fallback("use-value", value=1)),
        cached(run="fail", fallback_actions=fallback("run-step", step=given("z"))),
        cached(run="fail", fallback_actions=fallback("skip")),
        cached(run="fail", fallback_actions=ask()),
        cached(result_schema={"required": ["nope"]}),
        cached(when=False, default=1),
    ],
)
def test_only_what_the_work_itself_gave_is_kept(leaf: dict[str, Any]) -> None:
    (bench,) = runs([leaf])
    assert bench.store.cached("") == []


def test_a_result_is_kept_after_a_retry_and_by_the_last_who_made_it() -> None:
    flaky = [cached(run="fail 1", retry_policy=retries(1))]
    first, second = runs(flaky, flaky, cached=None)
    assert missed(first) == ["none", "none"]
    assert missed(second) == ["off", "off"]
    [entry] = second.store.cached("w/a/")
    assert (entry.run, entry.step, entry.result) == (second.run, "a", {"output": "a", "attempt": 2})


def test_a_hit_frees_its_slot_and_its_lane() -> None:
    steps = [parallel("p", *(cached(f"c{n}") for n in range(4)), max_parallel=1), shell("z")]
    _, second = runs(steps, steps)
    state = second.replayed()
    assert second.work.executed == ["z"]
    assert (state.slots, state.lanes) == (4, {0: 1})


def test_an_operation_of_a_module_may_be_kept_too() -> None:
    made = step("module-operation", "a", module="context", operation="create-context",
                parameters={"name": "n"}, cache=KEYED)  # fmt: skip
    first, second = runs([made], [made])
    assert result_of(second.replayed(), "a") == result_of(first.replayed(), "a")
    assert len(list(second.store.objects("context"))) == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_death_at_the_commit_of_a_completion_keeps_both_or_neither(*, after: bool) -> None:
    bench = Bench(planned([cached()]))
    with pytest.raises(Died):
        bench.start(dies=(2, after))
    assert bool(bench.store.cached("")) == bool(facts(bench, h.StepCompleted))
    assert bool(bench.store.cached("")) is after


def test_a_hit_that_is_recorded_is_not_looked_for_again() -> None:
    (first,) = runs([cached()])
    second = Bench(planned([cached(), shell("b", "sleep 5", dependencies=["a"])]), after=first)
    with pytest.raises(Died):
        second.start(dies=(1, True))
    second.world["cached"] = None
    state = second.resume()
    assert state.status == "completed"
    assert second.work.executed.count("a") == 0


def test_explain_tells_hits_and_misses() -> None:
    first, second = runs([cached()], [cached()], apart=60)
    third, *_ = runs([cached(cache={"key": "v1", "ttl": 1})])

    def told(bench: Bench) -> Any:
        return explain(bench.plan, bench.history(), "a")

    assert why_missed(told(first)) == "The cache had no result for it: nothing was stored under its key."
    assert why_missed(told(second)) == ""
    assert why_so(told(second)) == (
        f"Its result was in the cache: run {first.run} had stored it 1m00s before. No attempt was made."
    )
    assert told(second).tries == []
    document = explained_document(told(second), "completed", 0)
    assert (document["cache"]["hit"], document["cache"]["run"]) == (True, first.run)
    assert document["cache"]["until"] is None
    assert explained_document(told(third), "completed", 0)["cache"] == {"hit": False, "why": "none"}


def test_documents_say_where_a_result_is_from() -> None:
    first, second = runs(
        [cached(cache={"key": "v1", "ttl": "1h"})], [cached(cache={"key": "v1", "ttl": "1h"})]
    )
    document = run_document(second.plan, second.replayed())
    assert document["steps"]["a"]["reason"] == f"its result was in the cache, from run {first.run}"
    assert document["steps"]["a"]["attempts"] == 0
    hit = event_object(1, second.run, facts(second, h.StepCompleted)[0])["hit"]
    assert hit["run"] == first.run
    assert hit["stored"].endswith("Z")
    assert hit["until"].endswith("Z")
    kept = event_object(1, first.run, facts(first, h.StepCompleted)[0])["keep"]
    assert kept["key"].startswith("w/a/")


def test_items_of_a_foreach_share_what_is_kept() -> None:
    def over(*items: int) -> list[dict[str, Any]]:
        inner = cached("c", cache={"key": "${item}"})
        return [step("foreach", "f", items=list(items), steps=[inner, given("n", {"i": "${item}"})])]

    first, second = runs(over(1, 2), over(2, 3, 1))
    assert first.work.executed == ["f[0].c", "f[1].c"]
    assert second.work.executed == ["f[1].c"]
    assert {one.key.rsplit("/", 2)[0] for one in second.store.cached("")} == {"w/f[].c"}
