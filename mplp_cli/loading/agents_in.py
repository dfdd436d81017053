"""The agents that a workflow file defines."""

from __future__ import annotations

from typing import Any

import msgspec

from mplp_cli.errors import Path, Problem
from mplp_cli.workflow.agents import AgentDefinition, AgentFile


def agents_in(document: Any) -> tuple[AgentFile, list[Problem]]:
    """The definitions of a document, and what is wrong with them."""
    problems: list[Problem] = []
    found: list[AgentDefinition] = []
    stated = document.get("agents") or [] if isinstance(document, dict) else []
    for n, one in enumerate(stated):
        try:
            agent = msgspec.convert(one, AgentDefinition)
        except msgspec.ValidationError as error:
            said, _, place = str(error).rpartition(" - at ")
            problems.append(_problem(said or str(error), ("agents", n, *_inside(place))))
            continue
        if any(agent.id == other.id for other in found):
            problems.append(_problem(f"two agents are called `{agent.id}`", ("agents", n, "id")))
        found.append(agent)
    return AgentFile(agents=found), problems


def _inside(place: str) -> Path:
    names = place.strip("`").removeprefix("$").lstrip(".").split(".")
    return (names[0].partition("[")[0],) if names[0] else ()


def _problem(message: str, path: Path) -> Problem:
    return Problem(code="agent-definition", message=message, path=path)
