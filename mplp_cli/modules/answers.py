"""What an agent is to answer for each reserved interface, as JSON Schema.

The descriptions are written for whoever answers: a model is shown them.
"""

from __future__ import annotations

from typing import Any, Final

_TEXT: Final = {"type": "string", "minLength": 1}
_MAP: Final = {"type": "object"}


def _having(**properties: Any) -> dict[str, Any]:
    """A map that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _several(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _reasoned(name: str) -> dict[str, Any]:
    """Several of something, each with the reason for it."""
    return _several(_having(**{name: _TEXT}, reason={"type": "string"}))


def _described(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, **schema}


_STEP: Final = _having(description=_TEXT)
_PARTICIPANT: Final = {"type": ["string", "null"], "description": "one of `participants`; null if nobody"}

#: By the full name of the interface.
ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "context.enhanceContextWithAI": _described(
        "What would make the context more useful",
        _having(enhancement={"type": ["object", "array", "string"]}),
    ),
    "context.suggestContextActions": _described(
        "Actions that the context calls for, the most important first", _reasoned("action")
    ),
    "plan.optimizePlanWithAI": _described(
        "The steps of a better plan, in order, within the constraints", _having(steps=_several(_STEP))
    ),
    "plan.generatePlanSuggestions": _described(
        "Plans that reach the goal, the best first", _several(_having(title=_TEXT, steps=_several(_STEP)))
    ),
    "role.recommendRoles": _described("Names of roles that suit the agent, the best first", _several(_TEXT)),
    "role.assessAgentCapabilities": _described(
        "How well the agent suits the task, and the capabilities that it lacks",
        _having(score={"type": "number", "minimum": 0, "maximum": 1}, missing=_several(_TEXT)),
    ),
    "confirm.facilitateConsensus": _described(
        "What the participants can agree on, and how each of them votes",
        _having(outcome=_TEXT, votes=_several(_having(participant=_TEXT, choice=_TEXT))),
    ),
    "confirm.recommendApprovers": _described("Roles that should approve the request", _reasoned("role")),
    "trace.detectAnomalies": _described(
        "Segments of the trace that are not as they should be", _several(_having(segment=_TEXT, kind=_TEXT))
    ),
    "trace.suggestOptimizations": _described("What would make it faster or cheaper", _reasoned("suggestion")),
    "extension.recommendExtensions": _described(
        "Extensions that meet the requirements", _reasoned("extension")
    ),
    "extension.configureExtension": _described(
        "The configuration of the extension for the environment", _having(config=_MAP)
    ),
    "dialog.facilitateConversation": _described(
        "Who speaks next, why, and whether the conversation is over",
        _having(nextSpeaker=_PARTICIPANT, reason={"type": "string"}, done={"type": "boolean"}),
    ),
    "dialog.processNaturalLanguage": _described(
        "What the message wants, and what it names", _having(intent=_TEXT, entities=_MAP)
    ),
    "collab.formOptimalTeam": _described(
        "Ids of the agents that should do the task together", _having(team=_several(_TEXT))
    ),
    "collab.optimizeCollaboration": _described(
        "What would let the team work better", _having(suggestions=_reasoned("suggestion"))
    ),
    "network.optimizeNetworkTopology": _described("A better topology", _having(topology=_MAP)),
    "network.predictNetworkLoad": _described(
        "The load that is to be expected, in order of time",
        _having(load=_several({"type": ["number", "object"]})),
    ),
    "core.optimizeSystemPerformance": _described(
        "What would improve the metrics within the constraints", _having(actions=_reasoned("action"))
    ),
    "core.predictSystemBehavior": _described(
        "What is to be expected in the scenario",
        _having(forecast={"type": ["object", "array", "string", "number"]}),
    ),
}
