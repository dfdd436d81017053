"""When attempts held what they held: from the history of a run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from mplp_cli.resources.adjustments import AGENT
from mplp_cli.resources.usage import RUNS, SLOTS, PastRun, Span, merged
from mplp_cli.workflow.fold.growth import id_in_file
from mplp_cli.workflow.fold.history import AgentAsked, Event, RunResumed, StepAdvised, StepStarted
from mplp_cli.workflow.fold.subworkflows import KIND

if TYPE_CHECKING:
    from mplp_cli.workflow.plan import Plan
    from mplp_cli.workflow.resources import Usage
    from mplp_cli.workflow.values import StepId

#: What became of the amounts of a resource that a past run counts with.
HELD: Final = "held"
USED: Final = "used"
#: Over so many ms at least is processor time spread: clocks are too coarse to say more of a shorter attempt.
_SHORTEST: Final = 100


class Attempt(Struct, frozen=True, kw_only=True, gc=False):
    """One attempt of a step (its id in the file), in ms since the epoch. `agents` are those that it has asked."""

    step: StepId
    begun: int
    ended: int
    usage: Usage | None = None
    agents: tuple[str, ...] = ()


def attempts_of(facts: Iterable[Event], plan: Plan, until: int | None) -> list[Attempt]:
    """Every attempt that did work outside. One that goes on does so up to `until`; None: nobody drives the run, and
    it has ended with the last fact."""
    works = {step.id for step in plan.steps if step.effect and step.kind != KIND}
    found: list[Attempt] = []
    running: dict[StepId, int] = {}
    asked: dict[StepId, dict[str, None]] = {}
    last = 0

    def end(step: StepId, at: int, usage: Usage | None = None) -> None:
        begun = running.pop(step)
        who = tuple(asked.pop(step, ()))
        found.append(
            Attempt(step=id_in_file(step), begun=begun, ended=max(at, begun), usage=usage, agents=who)
        )

    for fact in facts:
        step = getattr(fact, "step", "")
        if isinstance(fact, StepStarted):
            if id_in_file(step) in works:
                running[step] = fact.at
        elif isinstance(fact, AgentAsked):
            if step in running:
                asked.setdefault(step, {})[fact.agent] = None
        elif isinstance(fact, RunResumed):
            for lost in list(running):
                end(lost, last)
        elif step in running and not isinstance(fact, StepAdvised):
            end(step, fact.at, getattr(fact, "usage", None))
        last = fact.at
    for left in list(running):
        end(left, last if until is None else until)
    return found


def past_run(
    workflow: str,
    begun: int,
    attempts: Iterable[Attempt],
    plan: Plan,
    rates: Mapping[str, int],
) -> PastRun:
    """What a run has held, and when. `rates` are the kinds that come back so many ms after they were taken.

    A kind that a step declares was held by its attempts; of processor time and memory that it does not declare
    counts what was measured.
    """
    steps = {step.id: step for step in plan.steps}
    own = {agent.id for agent in plan.agents.agents}
    spans: dict[str, list[Span]] = {RUNS: [], SLOTS: []}
    used: dict[str, list[Span]] = {}
    basis: dict[str, dict[str, None]] = {}
    last = begun
    for one in attempts:
        last = max(last, one.ended)
        span = (one.begun, one.ended, 1)
        spans[RUNS].append(span)
        spans[SLOTS].append(span)
        demand = steps[one.step].demand if one.step in steps else None
        amounts = () if demand is None else demand.amounts
        for kind, amount in amounts:
            until = one.begun + rates[kind] if kind in rates else one.ended
            spans.setdefault(kind, []).append((one.begun, until, amount))
            basis.setdefault(kind, {})[HELD] = None
        for kind, amount in measured(one).items():
            used.setdefault(kind, []).append((one.begun, one.ended, amount))
            if kind not in dict(amounts):
                spans.setdefault(kind, []).append((one.begun, one.ended, amount))
                basis.setdefault(kind, {})[USED] = None
        for agent in one.agents:
            if agent not in own:
                spans.setdefault(AGENT + agent, []).append(span)
                basis[AGENT + agent] = {HELD: None}
    spans[RUNS] = merged(spans[RUNS]) or [(begun, begun, 1)]
    return PastRun(
        workflow=workflow,
        begun=begun,
        ended=last,
        spans=spans,
        used=used,
        basis={kind: tuple(of) for kind, of in basis.items()},
    )


def measured(one: Attempt) -> dict[str, int]:
    """What an attempt has used: cores on average, in thousandths, and the most bytes of memory."""
    found = {}
    if one.usage is not None:
        if one.usage.cpu_ms:
            found["cpu"] = round(one.usage.cpu_ms * 1_000 / max(one.ended - one.begun, _SHORTEST))
        if one.usage.peak_memory:
            found["memory"] = one.usage.peak_memory
    return found
