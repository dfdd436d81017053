"""`confirm/wait-for-approval`: a step that waits for the answer to a question which the workflow has asked."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.workflow.fold import history as h
from tests.bench_of_runs import Bench, error_of, facts, planned, result_of, statuses


def operation(name: str, call: str, needs: list[str] | None = None, **parameters: Any) -> dict[str, Any]:
    module, called = call.split("/")
    return {
        "id": name, "type": "module-operation", "module": module, "operation": called,
        "dependencies": needs or [], "parameters": parameters,
    }  # fmt: skip


def asking(timeout: int = 0, **asked: Any) -> Bench:
    """A run that has asked and waits."""
    confirm = "${ask.result.confirmId}"
    bench = Bench(
        planned([
            operation("ask", "confirm/request-approval", reason="Ship it?", **asked),
            operation("wait", "confirm/wait-for-approval", ["ask"], confirmId=confirm, timeout=timeout),
            {"id": "tell", "type": "set", "dependencies": ["wait"],
             "values": {"said": "${wait.result.status}"}},
        ])
    )  # fmt: skip
    assert statuses(bench.start()) == {"ask": "completed", "wait": "waiting", "tell": "pending"}
    return bench


def decide(verb: str, by: str) -> Any:
    def act(drive: Drive) -> None:
        drive.decide("wait", verb, by, "because")  # type: ignore[arg-type]  # one of the two verbs

    return act


def newest_confirm(bench: Bench) -> dict[str, Any]:
    return next(iter(bench.store.objects("confirm"))).body


@pytest.mark.parametrize(("verb", "said"), [("approve", "approved"), ("reject", "rejected")])
def test_the_answer_is_the_result_a_no_as_well(verb: str, said: str) -> None:
    bench = asking()
    [question] = facts(bench, h.StepWaiting)
    assert question.approval is not None
    assert question.approval.message == "Ship it?"
    state = bench.resume(before=decide(verb, "ann"))
    assert state.status == "completed"
    assert result_of(state, "tell") == {"said": said}
    body = newest_confirm(bench)
    assert (body["status"], body["decisions"][0]["decided_by_role"]) == (said, "ann")


def test_it_waits_until_all_have_answered_who_must() -> None:
    bench = asking(approvers=["ann", "bob"], mode="unanimous")
    state = bench.resume(before=decide("approve", "ann"))
    assert statuses(state)["wait"] == "waiting"
    questions = [q.approval.approvers for q in facts(bench, h.StepWaiting) if q.approval is not None]
    assert questions == [["ann", "bob"], ["bob"]]
    state = bench.resume(before=decide("approve", "bob"))
    assert result_of(state, "tell") == {"said": "approved"}


def test_one_no_of_many_does_not_end_a_question_that_the_majority_decides() -> None:
    bench = asking(approvers=["ann", "bob", "cy"], mode="majority_vote")
    assert statuses(bench.resume(before=decide("reject", "ann")))["wait"] == "waiting"
    assert statuses(bench.resume(before=decide("approve", "bob")))["wait"] == "waiting"
    assert result_of(bench.resume(before=decide("approve", "cy")), "tell") == {"said": "approved"}


def test_nobody_answers_in_time() -> None:
    bench = asking(timeout=5_000)
    bench.clock.elapsed += 6
    state = bench.resume()
    assert statuses(state)["wait"] == "failed"
    assert error_of(state, "wait").type == "StepTimeoutError"
    assert "nobody answered within 5.0s" in error_of(state, "wait").message


def test_a_question_that_is_answered_already_is_not_waited_for() -> None:
    confirm = "${ask.result.confirmId}"
    bench = Bench(
        planned([
            operation("ask", "confirm/request-approval", reason="Ship it?"),
            operation("yes", "confirm/approve", ["ask"], confirmId=confirm, decidedByRole="ann"),
            operation("wait", "confirm/wait-for-approval", ["yes"], confirmId=confirm),
        ])
    )  # fmt: skip
    state = bench.start()
    assert result_of(state, "wait")["status"] == "approved"
    assert facts(bench, h.StepWaiting) == []
