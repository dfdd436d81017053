"""Counting what happens: a process has one tally, and each of its runs adds to it what it commits. Microseconds a fact.

Everything here happens in memory. What was counted since the last sample is taken out with it (`Tally.take`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from mplp_cli.observe.tally import Tally
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.published import Published


class Counting:
    """Counts what one run commits: a subscriber of its facts."""

    def __init__(self, tally: Tally, state: RunState) -> None:
        self._tally, self._state = tally, state
        self._workflow = ("workflow", state.plan.workflow.id)
        #: Since when steps could begin that have no needs, ms.
        self._begun = 0
        self._acts: dict[type, Callable[[Any], None]] = {
            h.RunStarted: self._run_begins,
            h.RunAdmitted: self._run_goes_on,
            h.RunResumed: self._run_goes_on,
            h.RunContinued: self._run_goes_on,
            h.RunCompleted: self._run_ended,
            h.RunFailed: self._run_ended,
            h.RunCancelled: self._run_ended,
            h.StepStarted: self._step_begins,
            h.StepFailed: self._step_ended,
            h.StepCancelled: self._step_ended,
            h.StepSkipped: self._step_passed,
            h.StepOmitted: self._step_passed,
            h.StepEmitted: self._step_emitted,
            h.StepRetrying: self._step_retries,
            h.AgentAsked: self._agent_asked,
        }

    def __call__(self, facts: Sequence[h.Event]) -> None:
        """Count facts that are durable."""
        acts, state, completed = self._acts, self._state, []
        number, steps, started = state.plan.number, state.plan.steps, state.started_at
        for fact in facts:
            if type(fact) is h.StepCompleted:
                i = number[fact.step]
                completed.append((steps[i].kind, max(fact.at - started[i], 0)))
            elif (act := acts.get(type(fact))) is not None:
                act(fact)
        if completed:
            self._tally.completed.update(completed)

    def committed(self, seconds: float, told: Sequence[Published]) -> None:
        """Count a commit, and what was published with it."""
        self._tally.values("mplp_commit_seconds").add(seconds)
        if told:
            self._tally.published(told)

    # ---- the run

    def _run_begins(self, fact: h.RunStarted) -> None:
        self._begun = fact.at
        self._tally.count("mplp_runs_started_total", (self._workflow,))

    def _run_goes_on(self, fact: h.RunAdmitted | h.RunResumed | h.RunContinued) -> None:
        self._begun = fact.at

    def _run_ended(self, fact: h.RunCompleted | h.RunFailed | h.RunCancelled) -> None:
        status = _ENDS[type(fact)]
        self._tally.count("mplp_runs_total", (("status", status), self._workflow))
        took = max(fact.at - self._state.started, 0) / 1000
        self._tally.values("mplp_run_duration_seconds", (self._workflow,)).add(took)

    # ---- steps

    def _step_begins(self, fact: h.StepStarted) -> None:
        state, tally = self._state, self._tally
        number = state.plan.number[fact.step]
        step = state.plan.steps[number]
        tally.count("mplp_step_attempts_total", (("type", step.kind),))
        if step.effect and fact.attempt == 1:
            tally.values("mplp_slot_wait_seconds").add(state.measures.waited.get(number, 0) / 1000)
            before = (*step.needs, step.after) if step.after >= 0 else step.needs
            ready = max((state.ended_at[other] for other in before), default=0)
            if not ready and step.parent >= 0:
                ready = state.started_at[step.parent]
            tally.values("mplp_step_queue_seconds").add(max(fact.at - max(ready, self._begun), 0) / 1000)

    def _step_ended(self, fact: h.StepFailed | h.StepCancelled) -> None:
        self._count_end(fact.step, fact.at, _ENDS[type(fact)], took=True)

    def _step_passed(self, fact: h.StepSkipped | h.StepOmitted) -> None:
        # One that was skipped by its fallback has worked before.
        self._count_end(fact.step, fact.at, _ENDS[type(fact)], took=False)

    def _step_emitted(self, fact: h.StepEmitted) -> None:
        # Its end is told by the fact that follows, as that of a step with an answer.
        self._tally.published([fact.event])

    def _count_end(self, step_id: str, at: int, status: str, *, took: bool) -> None:
        state, tally = self._state, self._tally
        number = state.plan.number[step_id]
        kind = ("type", state.plan.steps[number].kind)
        tally.count("mplp_steps_total", (("status", status), kind))
        begun = state.started_at[number]
        if took and begun:
            tally.values("mplp_step_duration_seconds", (kind,)).add(max(at - begun, 0) / 1000)

    def _step_retries(self, fact: h.StepRetrying) -> None:
        kind = self._state.plan.steps[self._state.plan.number[fact.step]].kind
        self._tally.count("mplp_step_retries_total", (("type", kind),))

    # ---- agents

    def _agent_asked(self, fact: h.AgentAsked) -> None:
        tally, used, agent = self._tally, fact.used, ("agent", fact.agent)
        tally.count("mplp_agent_calls_total", (agent, ("code", fact.code or "ok")))
        tally.values("mplp_agent_call_seconds", (agent,)).add(used.time / 1000)
        for direction, tokens in (
            ("input", used.input_tokens + used.cache_read + used.cache_write),
            ("output", used.output_tokens),
        ):
            if tokens:
                tally.count("mplp_agent_tokens_total", (agent, ("direction", direction)), tokens)
        if used.nano_usd:
            tally.count("mplp_agent_cost_usd_total", (agent,), used.usd)


_ENDS: Final[dict[type, str]] = {
    h.RunCompleted: "completed",
    h.RunFailed: "failed",
    h.RunCancelled: "cancelled",
    h.StepFailed: "failed",
    h.StepCancelled: "cancelled",
    h.StepSkipped: "skipped",
    h.StepOmitted: "omitted",
}
