"""Who gets a role: agents that offer what it takes, found among those that are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from mplp_cli.errors import OperationError
from mplp_cli.modules.builtin.role.model import assignments_of
from mplp_cli.modules.consulting import unusable
from mplp_cli.modules.records import open_context
from mplp_cli.protocols import Advisers, Candidate, Question
from mplp_cli.workflow.agents import offers
from mplp_cli.workflow.suggest import did_you_mean

if TYPE_CHECKING:
    from mplp_cli.modules.builtin.role.assigning import AssignRoles
    from mplp_cli.modules.session import Session

#: `select: agent:ID` lets that agent choose.
_CHOOSER = "agent:"


async def choose_agents(given: AssignRoles, session: Session, advisers: Advisers) -> AssignRoles:
    """Find an agent for each role that has none, and say why. OperationError if a role stays empty that must not."""
    open_context(session, given.context_id)
    if not isinstance(given.agents, dict) and given.agents is not None:
        raise OperationError("with `select`, `agents` is a map from role to agent", hint="or leave it out")
    _check_roles(given)
    load = _load(session, given.context_id)
    chosen: dict[str, str] = dict(given.agents or {})
    reasons: dict[str, str] = {}
    turn = 0
    for role in dict.fromkeys(given.roles):
        if role in chosen:
            continue
        wanted = _wanted(given, role)
        able = _able(advisers.candidates(), wanted)
        if not able:
            _miss(given, role, wanted)
            continue
        who = await _choose(given, role, able, load, turn, advisers)
        turn += 1
        load[who.id] += 1
        chosen[role] = who.id
        reasons[role] = f"{who.id} offers {', '.join(wanted)}" + (
            f"; {given.select} of {len(able)}" if len(able) > 1 else ""
        )
    return replace(given, agents=chosen, reasons=reasons)


def _check_roles(given: AssignRoles) -> None:
    for name in given.capabilities:
        if name not in given.roles:
            raise OperationError(
                f"`capabilities` names the role `{name}`, which is not in `roles`",
                hint=did_you_mean(name, given.roles),
            )


def _wanted(given: AssignRoles, role: str) -> list[str]:
    """What an agent in this role has to offer."""
    stated = given.capabilities.get(role, f"role.{role}")
    return [stated] if isinstance(stated, str) else list(stated)


def _able(candidates: Sequence[Candidate], wanted: Sequence[str]) -> list[Candidate]:
    """Those who offer all of it and can be reached; who is in doubt comes last."""
    able = [one for one in candidates if one.status != "unreachable" and offers(one.capabilities, wanted)]
    return sorted(able, key=lambda one: one.status == "degraded")


def _load(session: Session, context_id: str) -> Counter[str]:
    """How many roles of the context each agent has."""
    held: Counter[str] = Counter()
    for body in session.find("role", context=context_id):
        held.update(one.agent_id for one in assignments_of(body, context_id) if one.agent_id)
    return held


def _miss(given: AssignRoles, role: str, wanted: Sequence[str]) -> None:
    if given.on_missing == "fail":
        raise OperationError(
            f"no agent offers {' and '.join(f'`{one}`' for one in wanted)}, which the role `{role}` takes",
            hint="`onMissing: human` or `system` leaves such a role to somebody else",
            details={"role": role, "capabilities": list(wanted)},
        )


async def _choose(
    given: AssignRoles, role: str, able: list[Candidate], load: Counter[str], turn: int, advisers: Advisers
) -> Candidate:
    select = given.select or "first"
    if select == "round-robin":
        return able[turn % len(able)]
    if select == "least-loaded":
        return min(able, key=lambda one: load[one.id])  # of several the first
    if not select.startswith(_CHOOSER) or len(able) == 1:
        return able[0]
    names = [one.id for one in able]
    question = Question(
        key=f"role-{role}",
        agent=select.removeprefix(_CHOOSER),
        input={
            "role": role,
            "candidates": [{"agentId": one.id, "capabilities": list(one.capabilities)} for one in able],
        },
        prompt=f"Who is to take the role `{role}`? Choose one of: {', '.join(names)}",
        schema=_choice(names),
    )
    advice = await advisers.ask(question)
    said = advice.output.get("agentId") if isinstance(advice.output, dict) else None
    if said not in names:
        raise unusable(question, advice, f"`{said}` is none of {', '.join(names)}")
    return able[names.index(said)]


def _choice(names: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["agentId"],
        "properties": {"agentId": {"enum": names}, "reason": {"type": "string"}},
    }
