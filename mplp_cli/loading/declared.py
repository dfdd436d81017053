"""What a workflow declares of events, `triggers` and `events`, taken out of its document and judged."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from mplp_cli.errors import Problem
from mplp_cli.loading.events import Around, judge_routing
from mplp_cli.workflow.events.routes import Routing
from mplp_cli.workflow.events.triggers import Trigger

if TYPE_CHECKING:
    from mplp_cli.loading.agents import Beside


class Declared(Struct, frozen=True, kw_only=True):
    """What became of the declarations; where a problem is an error, nothing did."""

    triggers: tuple[Trigger, ...] = ()
    routing: Routing | None = None
    problems: list[Problem] = []


def judge_workflow(
    said: dict[str, Any], workflow: dict[str, Any], directory: str, beside: Beside | None, agents: list[str]
) -> Declared:
    """`said` is what a workflow has under `triggers` and `events`, `workflow` the rest of it. `agents` are those that
    the file defines; `beside` knows those of the project, None if nobody asks what is there."""
    there = around(directory, beside, agents, _secrets(workflow.get("secrets")))
    triggers: tuple[Trigger, ...] | None = ()
    routing: Routing | None = None
    problems: list[Problem] = []
    if "triggers" in said:
        from mplp_cli.loading.triggers import judge_triggers

        inputs = workflow.get("inputs", {})
        known = inputs if isinstance(inputs, dict) else None
        triggers, problems = judge_triggers(said["triggers"], ("workflow", "triggers"), known, there)
    if "events" in said:
        routing, found = judge_routing(said["events"], ("workflow", "events"), there)
        problems += found
    return Declared(triggers=triggers or (), routing=routing, problems=problems)


def around(directory: str, beside: Beside | None, agents: list[str], secrets: list[str] | None) -> Around:
    """What declarations in a file of that directory may name. What is stored was judged when it was not."""
    if beside is None or beside.stored:
        return Around(directory=directory, secrets=secrets)
    return Around(
        directory=directory,
        agents=lambda: [*agents, *sorted(beside.known().agents)],
        secrets=secrets,
        is_set=beside.is_set,
        is_program=beside.is_program,
        is_file=os.path.isfile,
    )


def _secrets(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
