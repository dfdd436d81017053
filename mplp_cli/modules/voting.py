"""How several people decide together: the modes of an approval, and votes by weight. Pure.

Weights are added as decimals, so that 0.1 and 0.2 tie with 0.3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

Mode = Literal[
    "single_approver", "sequential", "parallel", "consensus", "majority_vote", "unanimous", "weighted_vote",
    "escalation",
]  # fmt: skip
Ruling = Literal["pending", "approved", "rejected"]
Weight = Annotated[float, Meta(ge=0, le=1, description="from 0 to 1")]


class Panel(Struct, frozen=True, kw_only=True):
    """Who decides a question, and how. Without `approvers` anybody may; who has no weight has 1."""

    mode: Mode = "single_approver"
    approvers: tuple[str, ...] = ()
    weights: Mapping[str, float] = {}

    def waits_for(self, voted: Collection[str]) -> tuple[str, ...]:
        """Who may decide now; () while there are no approvers: anybody."""
        left = tuple(name for name in dict.fromkeys(self.approvers) if name not in voted)
        return left[:1] if self.mode in {"sequential", "escalation"} else left

    def ruling(self, votes: Mapping[str, bool]) -> Ruling:
        """What the votes (approver -> yes or no) come to: decided as soon as the missing ones cannot matter."""
        match self.mode:
            case "single_approver" | "escalation":
                last = list(votes.values())[-1:]
                return "pending" if not last else "approved" if last[0] else "rejected"
            case "sequential" | "parallel" | "consensus" | "unanimous":
                if not all(votes.values()):
                    return "rejected"
                return "approved" if set(self.approvers) <= votes.keys() else "pending"
            case "majority_vote":
                return self._by_weight(votes, {})
            case "weighted_vote":
                return self._by_weight(votes, self.weights)
            case never:
                assert_never(never)

    def handed(self, giver: str, taker: str) -> Panel:
        """The panel in which `taker` sits in the place of `giver`, with the same weight."""
        weights = {taker if name == giver else name: weight for name, weight in self.weights.items()}
        approvers = tuple(taker if name == giver else name for name in self.approvers)
        return replace(self, approvers=approvers, weights=weights)

    def passed_on(self, taker: str | None) -> Panel:
        """The panel of an escalation one place on, or at `taker`; without approvers if nobody is left."""
        rest = self.approvers[1:]
        if taker is None:
            return replace(self, approvers=rest)
        return replace(self, approvers=rest[rest.index(taker) :] if taker in rest else (taker, *rest))

    def data(self) -> dict[str, Any]:
        """The panel as it stands in an event."""
        data: dict[str, Any] = {"mode": self.mode, "approvers": list(self.approvers)}
        return data | {"weights": dict(self.weights)} if self.weights else data

    def _by_weight(self, votes: Mapping[str, bool], weights: Mapping[str, float]) -> Ruling:
        each = {name: _exact(weights.get(name, 1)) for name in self.approvers}
        half = sum(each.values(), Decimal()) / 2
        yes = sum((each.get(name, Decimal()) for name, vote in votes.items() if vote), Decimal())
        no = sum((each.get(name, Decimal()) for name, vote in votes.items() if not vote), Decimal())
        return "approved" if yes > half else "rejected" if no >= half else "pending"


class Count(Struct, frozen=True):
    """What a vote between options came to. `tally`: the weight that each option got."""

    choice: str | None
    reason: Literal["majority", "no-majority", "quorum"]
    tally: dict[str, float]
    votes: int


def count_votes(options: Sequence[str], votes: Iterable[tuple[str, float]], quorum: int | None) -> Count:
    """The option with more than half of the weight that was cast, if `quorum` votes were. A tie has none."""
    cast = list(votes)
    tally = {option: sum((_exact(w) for o, w in cast if o == option), Decimal()) for option in options}
    half = sum(tally.values(), Decimal()) / 2
    choice = next((option for option, weight in tally.items() if weight > half), None)
    reason: Literal["majority", "no-majority", "quorum"] = "majority" if choice else "no-majority"
    if quorum is not None and len(cast) < quorum:
        choice, reason = None, "quorum"
    return Count(choice, reason, {option: float(weight) for option, weight in tally.items()}, len(cast))


def _exact(weight: float) -> Decimal:
    return Decimal(str(weight))
