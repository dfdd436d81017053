"""What a run has spent on agents, and what people have allowed beyond its budgets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import structs

from mplp_cli.errors import Failure
from mplp_cli.workflow.fold.answers import refusal
from mplp_cli.workflow.fold.history import AgentAsked, StepDecided, Used

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState

NOTHING = Used()
EXCEEDED = "budget.exceeded"
_UNITS = {"max-calls": "calls", "max-tokens": "tokens", "max-usd": "dollars", "max-time": "milliseconds"}


@dataclass
class Spending:
    """Sums by step, and by whom it asked."""

    #: Step id -> (agent, model, budget) -> what its calls have used.
    by_step: dict[str, dict[tuple[str, str, str], Used]] = field(default_factory=dict)
    #: Steps that ask agents whose attempt was lost with its process, while it may have asked; how often.
    lost: dict[str, int] = field(default_factory=dict)
    #: (budget, limit) -> how much was allowed beyond it, in its own unit (dollars, ms).
    raised: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, fact: AgentAsked) -> None:
        """Count a call."""
        used = self.by_step.setdefault(fact.step, {})
        key = fact.agent, fact.model, fact.budget
        used[key] = used[key] + fact.used if key in used else fact.used

    def lose(self, step: str) -> None:
        """An attempt of a step that asks agents was lost: what it has asked, nobody knows."""
        self.lost[step] = self.lost.get(step, 0) + 1

    def each(self) -> Iterator[tuple[str, str, str, Used]]:
        """(agent, model, budget, what they have used)."""
        for used in self.by_step.values():
            for (agent, model, budget), one in used.items():
                yield agent, model, budget, one

    def total(self) -> Used:
        """Of the run."""
        return sum((one for _, _, _, one in self.each()), NOTHING)

    def unpriced_models(self) -> list[str]:
        """Models whose calls have no price."""
        return list(dict.fromkeys(model for _, model, _, one in self.each() if one.unpriced and model))


# ---- a budget that pauses


def asks_for_more(failure: Failure) -> bool:
    """Whether a call was refused by a budget that pauses: a person is asked whether more may be spent."""
    details = failure.details or {}
    return details.get("code") == EXCEEDED and "more" in details


def form_for(failure: Failure) -> dict[str, dict[str, Any]]:
    """What the answer takes: by how much the limit is raised, the same again unless it is said."""
    details = failure.details or {}
    what = _UNITS[details["limit"]]
    kind = {"type": "number", "exclusiveMinimum": 0}
    whole = {"type": "integer", "minimum": 1}
    said = {"default": details["more"], "description": f"how many {what} more"}
    return {"by": {**(kind if details["limit"] == "max-usd" else whole), **said}}


def raise_limit(state: RunState, i: int, fact: StepDecided) -> None:
    """A person has said yes to step `i`: if a budget stood against it, its limit is raised."""
    failure, raised = state.errors.get(i), state.spending.raised
    if failure is not None and asks_for_more(failure):
        details = failure.details or {}
        key = details["budget"], details["limit"]
        raised[key] = raised.get(key, 0) + fact.inputs.get("by", details["more"])


def refusal_of(state: RunState, i: int, fact: StepDecided) -> Failure:
    """A person has said no to step `i`: a call that a budget stood against stays refused."""
    failure, said = state.errors.get(i), refusal(fact)
    if failure is None or not asks_for_more(failure):
        return said
    return structs.replace(failure, message=f"{failure.message}; {said.message}")


def agent_asked(state: RunState, fact: AgentAsked) -> None:
    """Fold `agent.asked`."""
    state.spending.add(fact)
