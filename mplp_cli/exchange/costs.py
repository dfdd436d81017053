"""The events of the family `cost_budget`: a budget that is nearly used up, or used up. Each is told once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mplp_cli.workflow.fold import history as h

#: The codes of calls that were refused by a budget.
_REFUSED = "budget.exceeded"


class Costs:
    """Reads the facts of a run in order and remembers what it has told."""

    def __init__(self, workflow: str) -> None:
        self._workflow = workflow
        self._told: set[tuple[str, str, str, float]] = set()

    def of(self, fact: object) -> Iterator[dict[str, Any]]:
        """The events that a fact gives: those of a call that has used much, or of one that was refused."""
        if isinstance(fact, h.AgentAsked):
            for share in fact.warned:
                named = "budget_exceeded" if share.percent >= 100 else "budget_warning"
                yield from self._once(named, fact.step, share.budget, share.limit, share.allowed)
        elif isinstance(fact, h.StepFailed | h.StepRetrying | h.StepWaiting | h.StepSkipped | h.StepFellBack):
            details = (fact.error.details if fact.error is not None else None) or {}
            if details.get("code") == _REFUSED:
                about = details["budget"], details["limit"], details["allowed"]
                yield from self._once("budget_exceeded", fact.step, *about)

    def _once(
        self, named: str, step: str, budget: str, limit: str, allowed: float
    ) -> Iterator[dict[str, Any]]:
        key = named, budget, limit, allowed
        if key in self._told:
            return
        self._told.add(key)
        payload = {
            "workflow": self._workflow,
            "step": step,
            "budget": budget,
            "limit": limit,
            "allowed": allowed,
        }
        yield {"event_type": named, "event_family": "cost_budget", "payload": payload}
