"""What a person's answer means for the step that asked, and what exactly it was an answer to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, structs

from mplp_cli.errors import (
    AgentError,
    Failure,
    RejectedError,
    RunStateError,
    StepTimeoutError,
    UnknownAgentError,
)
from mplp_cli.workflow.fold.commands import Arm, Tell
from mplp_cli.workflow.fold.history import StepDecided
from mplp_cli.workflow.fold.statuses import COMPLETED
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import Json, duration_text, rfc3339

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState

#: Of the failure of a module operation that asks agents: the key of the question that it failed for.
ASKED = "asked"


def answer_of_own(state: RunState, i: int, fact: StepDecided) -> None:
    """The answer to the question of an `approval` step: its result, or the failure of its attempt."""
    if fact.decision == "approved":
        complete(state, i, _result(fact), fact.at)
        return
    state.errors[i] = failure_of(state, i, fact)
    # What follows (its fallback actions) is the driver's to decide, now or when the run is taken up.
    state.moving += 1
    state.due[i] = fact.at
    state.ask(Arm(i, fact.at))


def failure_of(state: RunState, i: int, fact: StepDecided) -> Failure:
    """A no to the question of an `approval` step, or no answer in time."""
    step = state.plan.steps[i]
    return refusal(fact) if fact.decision == "rejected" else _silence(step.id, step.timeout)


def complete(state: RunState, i: int, result: Json, at: int) -> None:
    """Step `i` is completed by a fact that says more than that; the record of its end stands beside it."""
    state.results[i] = result
    state.errors.pop(i, None)
    state.close(i, COMPLETED, at)
    state.ask(Tell(i))


#: Failures that say nothing against what agents have said before.
_NOT_DOUBTED = {AgentError.__name__, UnknownAgentError.machine_name, StepTimeoutError.__name__}


def doubt_advice(state: RunState, i: int, error: Failure) -> None:
    """What agents have said to step `i` is kept if one of them has failed or there was no time for the rest, but for
    the answer that could not be used; else it may be what made the step fail."""
    if i not in state.advice:
        return
    if error.type not in _NOT_DOUBTED:
        state.advice.pop(i, None)
    elif said := state.advice.get(i):
        said.pop((error.details or {}).get(ASKED, ""), None)


def _result(fact: StepDecided) -> dict[str, Json]:
    return {
        "decision": "approved",
        "by": fact.by,
        "reason": fact.reason,
        "at": rfc3339(fact.given_at or fact.at),
        "inputs": fact.inputs,
    }


def refusal(fact: StepDecided) -> Failure:
    """A no, as a failure."""
    return RejectedError(f"rejected by {fact.by or 'somebody'}: {fact.reason or 'no reason given'}").failure()


def _silence(step: str, timeout: int) -> Failure:
    failure = StepTimeoutError(step, timeout).failure()
    return structs.replace(failure, message=f"nobody answered within {duration_text(timeout)}")


# ---- what an answer is bound to ----------------------------------------------------------------


class Given(Struct, frozen=True):
    """An answer, besides yes or no.

    Which question it is bound to (empty: any), the filled-in form, and when it was given (ms since the epoch,
    0 now).
    """

    digest: str = ""
    inputs: dict[str, Any] = {}
    at: int = 0


#: An answer that says no more than yes or no.
NOTHING = Given()


def question_digest(
    run: str,
    step: str,
    attempt: int,
    question: str,
    *,
    message: str,
    approvers: Sequence[str],
    form: Mapping[str, Any],
) -> str:
    """What an answer is bound to: this question of this attempt of this step of this run, and all that it shows."""
    shown = [run, step, attempt, question, message, list(approvers), form]
    return sha256(msgspec.json.encode(shown, order="sorted")).hexdigest()[:32]


def check_answerer(approvers: Sequence[str], by: str) -> None:
    """RunStateError unless `by` is one of those who are asked. It is their word: nobody proves a name."""
    if approvers and by not in approvers:
        listed = ", ".join(approvers)
        near = did_you_mean(by, approvers)
        raise RunStateError(
            f"{by!r} is not among those who are asked: {listed}",
            hint=f"{near} Say who answers with --by NAME" if near else "say who answers with --by NAME",
            details={"by": by, "approvers": list(approvers)},
        )
