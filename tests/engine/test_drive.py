"""The driver: commit before effect, batches, one fact for each end, errors of the world, custom conditions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.errors import StepError, StoreError
from mplp_cli.protocols import Attempt
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.resources import Share
from tests.bench_of_runs import (
    Bench,
    Died,
    choice,
    error_of,
    facts,
    fallback,
    given,
    moment,
    parallel,
    pause,
    planned,
    result_of,
    retries,
    run_steps,
    shell,
    statuses,
    step,
)
from tests.virtual import facts_of

# ---- commits -----------------------------------------------------------------------------------


def test_no_attempt_acts_before_its_start_is_committed() -> None:
    _, bench = run_steps([shell("a"), shell("b", dependencies=["a"]), parallel("p", shell("x"), shell("y"))])
    assert bench.work.breaches == []


@pytest.mark.parametrize("batch", [1, 2, 7, 256])
def test_the_size_of_a_commit_changes_nothing_but_how_many_there_are(batch: int) -> None:
    steps = [
        given("g"),
        *(given(f"g{n}", {"v": "${g.result.n}"}) for n in range(20)),
        shell("a"),
        shell("b", dependencies=["a"]),
    ]
    bench = Bench(planned(steps), batch=batch)
    state = bench.start()
    assert state.status == "completed"
    assert [fact for commit in bench.commits for fact in commit] == bench.history()
    assert facts_of(bench.replayed()) == facts_of(state)
    # A consequence stands in the commit of its cause, so a commit may have a few facts more.
    assert max(len(commit) for commit in bench.commits) <= batch + 4


def test_a_consequence_stands_in_the_commit_of_its_cause() -> None:
    steps = [shell("a", "fail"), shell("b", dependencies=["a"]), shell("c", dependencies=["b"])]
    bench = Bench(planned(steps), batch=1)
    bench.start()
    [commit] = [c for c in bench.commits if any(isinstance(f, h.StepFailed) for f in c)]
    assert [type(f) for f in commit] == [h.StepFailed, h.StepOmitted, h.StepOmitted]


def test_a_commit_that_fails_ends_the_drive_with_the_error_and_nothing_acts() -> None:
    bench = Bench(planned([shell("a"), shell("b", dependencies=["a"])]))

    class Full:
        def append(self, events: Sequence[h.Event], *more: Any, **named: Any) -> None:
            raise StoreError("the disk is full")

        def controls(self) -> list[Any]:
            return []

        def close(self) -> None:
            pass

    bench.store.create_run = lambda run, events: Full()  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(StoreError, match="the disk is full"):
        bench.start()
    assert bench.work.executed == []


def test_a_drive_that_ends_with_an_error_stops_what_runs() -> None:
    stopped: list[str] = []

    async def work(attempt: Attempt) -> Any:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            stopped.append(attempt.step)
            raise

    def lose(drive: Drive) -> None:
        def append(
            events: Sequence[h.Event],
            objects: Sequence[Any] = (),
            said: Sequence[Any] = (),
            share: Share | None = None,
            profile: Any = None,
            told: Sequence[Any] = (),
        ) -> None:
            raise StoreError("the disk is full")

        drive.world.journal.append = append  # type: ignore[method-assign]
        drive.cancel("ann")

    bench = Bench(planned([shell("a")]), runners={"shell": work})
    with pytest.raises(StoreError, match="the disk is full"):
        bench.start(during=[(5, lose)])
    assert stopped == ["a"]
    assert [type(f) for f in bench.history()] == [h.RunStarted, h.StepStarted]


def test_subscribers_hear_every_fact_once_and_only_after_its_commit() -> None:
    bench = Bench(planned([shell("a"), given("b", {"v": "${a.result.output}"})]))
    stored: list[int] = []
    bench.acts = {n: lambda drive: stored.append(len(bench.history())) for n in range(1, 7)}
    bench.start()
    assert bench.told == bench.history()
    assert all(count >= n for n, count in enumerate(stored, 1))


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("fact", range(1, 6))
def test_a_cancel_in_the_moment_of_the_end_is_too_late_and_records_nothing_after_it(
    batch: int, fact: int
) -> None:
    bench = Bench(planned([shell("a")]), batch=batch)
    bench.acts = {fact: lambda drive: drive.cancel("ann")}
    state = bench.start()
    assert state.status in ("completed", "cancelled")
    assert isinstance(bench.history()[-1], h.RunCompleted | h.RunCancelled)
    assert facts_of(bench.replayed()) == facts_of(state)


# ---- attempts ----------------------------------------------------------------------------------


def test_an_attempt_knows_its_run_its_number_its_time_and_a_key_that_stays_the_same() -> None:
    seen: list[Attempt] = []

    async def work(attempt: Attempt) -> Any:
        seen.append(attempt)
        raise OSError("x")

    bench = Bench(
        planned(
            [
                shell(
                    "a", "do ${b.result.n}", timeout="5s", retry_policy=retries(1), env={"K": "${b.result.n}"}
                ),
                given("b"),
            ]
        ),
        runners={"shell": work},
        environ={"HOME": "/h"},
    )
    bench.start()
    assert [(a.step, a.number, a.timeout, a.workflow, a.cwd) for a in seen] == [
        ("a", n, 5000, "w", "/") for n in (1, 2)
    ]
    assert len({a.idempotency_key for a in seen}) == 1
    assert dict(seen[0].env) == {"HOME": "/h", "K": "1"}


def test_whatever_a_runner_raises_is_the_failure_of_its_step() -> None:
    async def work(attempt: Attempt) -> Any:
        raise {
            "a": ZeroDivisionError("by zero"),
            "b": StepError("own words", details={"k": 1}),
            "c": KeyError(),
        }[attempt.step]

    bench = Bench(planned([shell("a"), shell("b"), shell("c")]), runners={"shell": work})
    state = bench.start()
    assert [(error_of(state, n).type, error_of(state, n).message) for n in "abc"] == [
        ("ZeroDivisionError", "by zero"),
        ("StepError", "own words"),
        ("KeyError", "KeyError"),
    ]
    assert error_of(state, "b").details == {"k": 1}


def test_what_a_failure_says_is_masked() -> None:
    async def work(attempt: Attempt) -> Any:
        raise StepError("it was hunter2", details={"seen": "hunter2"})

    def mask(value: Any) -> Any:
        return (
            {key: mask(text) for key, text in value.items()}
            if isinstance(value, dict)
            else value.replace("hunter2", "***")
        )

    bench = Bench(planned([shell("a")]), runners={"shell": work}, mask=mask)
    state = bench.start()
    assert error_of(state, "a").message == "it was ***"
    assert error_of(state, "a").details == {"seen": "***"}


def test_waiting_takes_virtual_time_and_says_how_long_it_was() -> None:
    state, bench = run_steps(
        [pause("w", "2h"), given("g", {"d": "90s"}), pause("x", "${g.result.d}"), pause("y", "500ms")]
    )
    assert result_of(state, "w") == {"by": "time", "waited": 7_200_000}
    assert result_of(state, "x") == {"by": "time", "waited": 90_000}
    assert result_of(state, "y") == {"by": "time", "waited": 500}
    assert bench.clock.elapsed == 7200


# ---- local module operations -------------------------------------------------------------------


def operation(name: str, module: str, verb: str, parameters: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return step("module-operation", name, module=module, operation=verb, parameters=parameters, **keys)


CREATE = {"name": "session", "type": "multi-agent"}


def test_a_result_and_the_objects_it_speaks_of_are_stored_in_one_commit() -> None:
    steps = [
        operation("c", "context", "create-context", CREATE),
        operation("r", "role", "assign-roles", {"contextId": "${c.result.contextId}", "roles": ["a", "b"]}),
    ]
    state, bench = run_steps(steps)
    assert state.status == "completed"
    assert [r["role"] for r in result_of(state, "r")["assignments"]] == ["a", "b"]
    assert {found.kind for found in bench.store.objects()} >= {"context", "role"}


def test_what_an_operation_refuses_is_not_retried() -> None:
    refused = operation(
        "g",
        "context",
        "get-context",
        {"contextId": "11111111-1111-4111-8111-111111111112"},
        retry_policy=retries(3),
    )
    state, bench = run_steps([refused])
    assert error_of(state, "g").type == "ObjectNotFoundError"
    assert facts(bench, h.StepRetrying) == []
    assert len(facts(bench, h.StepStarted, "g")) == 1


def test_an_operation_that_is_lost_with_its_process_leaves_no_object_behind() -> None:
    for commit in range(1, 5):
        bench = Bench(
            planned([shell("a"), operation("c", "context", "create-context", CREATE, dependencies=["a"])])
        )
        try:
            bench.start(dies=(commit, False))
        except Died:
            state = bench.resume()
            assert state.status == "completed"
        assert len(list(bench.store.objects("context"))) == 1


# ---- conditions --------------------------------------------------------------------------------


def taken(condition: Any, *before: dict[str, Any], **how: Any) -> str:
    """The branch that a condition takes, or the type of the error."""
    bench = Bench(planned([*before, choice("c", condition, given("t"), given("e"))]), **how)
    state = bench.start()
    failure = error_of(state, "c")
    if failure is not None:
        return str(failure.type)
    return "then" if statuses(state)["t"] == "completed" else "else"


A = given("a", {"n": 3, "tags": ["x", "y"], "name": "build-7"})


def compare(operator: str, path: str | None, value: Any) -> dict[str, Any]:
    return {"type": "step-result", "step-id": "a", "operator": operator, "value": value} | (
        {"path": path} if path else {}
    )


@pytest.mark.parametrize(
    ("operator", "path", "value", "branch"),
    [
        ("equals", "n", 3, "then"),
        ("not-equals", "n", 3, "else"),
        ("greater-than", "n", 2, "then"),
        ("greater-or-equal", "n", 4, "else"),
        ("less-than", "n", 3, "else"),
        ("less-or-equal", "n", 3, "then"),
        ("contains", "tags", "x", "then"),
        ("not-contains", "tags", "x", "else"),
        ("in", "n", [1, 2, 3], "then"),
        ("exists", "nope", None, "else"),
        ("exists", "n", None, "then"),
        ("matches", "name", "build-[0-9]+", "then"),
        ("equals", "tags[1]", "y", "then"),
        ("equals", "nope", 1, "UnresolvedReferenceError"),
        ("greater-than", "name", 2, "ExpressionError"),
    ],
)
def test_step_result_conditions_compare_what_lies_at_a_path(
    operator: str, path: str, value: Any, branch: str
) -> None:
    assert taken(compare(operator, path, value), A) == branch


def test_the_value_of_a_condition_may_be_a_reference() -> None:
    assert taken(compare("equals", "n", "${b.result.n}"), A, given("b", {"n": 3})) == "then"


def test_whether_a_skipped_step_has_a_result_can_be_asked() -> None:
    bench = Bench(
        planned(
            [
                A | {"when": "false"},
                choice("c", compare("exists", None, None), given("t"), given("e"), join="all-ended"),
            ]
        )
    )
    assert statuses(bench.start()) == {"a": "skipped", "c": "completed", "t": "skipped", "e": "completed"}


@pytest.mark.parametrize(
    ("condition", "branch"),
    [
        ("a.result.n > 2", "then"),
        ("${a.result.n} > 5", "else"),
        ({"type": "expression", "expression": "'x' in a.result.tags"}, "then"),
        ("a.result.n", "ExpressionError"),
        ("a.result.nope == 1", "UnresolvedReferenceError"),
    ],
)
def test_expressions_must_give_true_or_false(condition: Any, branch: str) -> None:
    assert taken(condition, A) == branch


def custom(handler: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "custom", "handler": handler, "arguments": arguments}


def test_custom_conditions_get_their_arguments_and_a_view_of_the_run() -> None:
    assert taken(custom("between", value="${a.result.n}", min=1, max=5), A) == "then"
    bench = Bench(
        planned(
            [
                shell("a", "fail"),
                choice(
                    "c", custom("any-failed"), given("t"), given("e"), dependencies=["a"], join="all-ended"
                ),
            ]
        )
    )
    assert statuses(bench.start())["t"] == "completed"


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (lambda arguments, view: "yes", "ExpressionError"),
        (lambda arguments, view: 1 / 0, "ZeroDivisionError"),
        (lambda arguments, view: view.status("nobody") == "x", "UnresolvedReferenceError"),
    ],
    ids=["no boolean", "raises", "unknown step"],
)
def test_a_handler_that_misbehaves_fails_the_step_and_not_the_run(handler: Any, kind: str) -> None:
    assert taken(custom("always-true"), A, conditions={"always-true": handler}) == kind


def test_a_handler_that_is_gone_when_the_run_is_taken_up_fails_the_step() -> None:
    assert taken(custom("always-true"), A, conditions={}) == "UnsupportedConditionTypeError"


def test_a_view_shows_statuses_results_and_inputs() -> None:
    seen: list[Any] = []

    def handler(arguments: Any, view: Any) -> bool:
        seen.append(
            (view.status("a"), view.result("a"), view.result("t"), view.statuses()["t"], dict(view.inputs))
        )
        return True

    bench = Bench(
        planned([given("a"), choice("c", custom("always-true"), given("t"), dependencies=["a"])]),
        conditions={"always-true": handler},
    )
    bench.start(inputs={"k": 1})
    assert seen == [("completed", {"n": 1}, None, "pending", {"k": 1})]


# ---- many at once ------------------------------------------------------------------------------


def test_a_workflow_of_everything_ends_as_it_should() -> None:
    steps = [
        given("s", {"n": 2}),
        parallel(
            "p",
            shell("x", "fail 1", retry_policy=retries(1)),
            shell("y", "sleep 2", dependencies=["x"]),
            fail_on="none",
        ),
        choice("c", "s.result.n == 2", [shell("t1"), pause("t2", "1s")], shell("e")),
        shell("f", "fail", dependencies=["p"], fallback_actions=fallback("run-step", step=shell("g"))),
        given("last", {"of": "${f.result.output}"}, dependencies=["c"]),
    ]
    state, bench = run_steps(
        steps, outputs={"of": "${last.result.of}"}, finally_=[given("end", {"s": "${run.status}"})]
    )
    assert state.status == "completed"
    assert state.outputs == {"of": "g"}
    assert result_of(state, "end") == {"s": "completed"}
    assert moment(bench, bench.history()[-1]) == 3040
    assert facts_of(bench.replayed()) == facts_of(state)
