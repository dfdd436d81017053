"""What a run has spent on agents, and what people have allowed beyond its budgets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mplp_cli.workflow.fold.history import AgentAsked, Used

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState

NOTHING = Used()


@dataclass
class Spending:
    """Sums by step, and by whom it asked."""

    #: Step id -> (agent, model, budget) -> what its calls have used.
    by_step: dict[str, dict[tuple[str, str, str], Used]] = field(default_factory=dict)
    #: Agent steps whose attempt was lost with its process, while it may have asked; how often.
    lost: dict[str, int] = field(default_factory=dict)
    #: (budget, limit) -> how much was allowed beyond it, in its own unit (dollars, ms).
    raised: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, fact: AgentAsked) -> None:
        """Count a call."""
        used = self.by_step.setdefault(fact.step, {})
        key = fact.agent, fact.model, fact.budget
        used[key] = used.get(key, NOTHING) + fact.used

    def lose(self, step: str) -> None:
        """An attempt of an agent step was lost: what it has asked, nobody knows."""
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


def agent_asked(state: RunState, fact: AgentAsked) -> None:
    """Fold `agent.asked`."""
    state.spending.add(fact)
