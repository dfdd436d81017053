"""Agents of the project, asked by a command itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mplp_cli.agents.boundary import Agents
    from mplp_cli.modules.contract import Operation
    from mplp_cli.protocols import Caller
    from mplp_cli.runtime import Runtime

T = TypeVar("T")


def with_agents(runtime: Runtime, work: Callable[[Agents], Awaitable[T]], run: str) -> T:
    """What comes of some work with the agents of the project; what they have started ends with it."""
    import asyncio

    from mplp_cli.asking import project_agents
    from mplp_cli.render.theme import safe

    def say(step: str, stream: str, text: str) -> None:  # noqa: ARG001 - the seam's names
        sys.stderr.write("\n".join(safe(line) for line in text.split("\n")))

    async def go() -> T:
        async with project_agents(runtime, run, say) as (agents, _):
            return await work(agents)

    return asyncio.run(go())


def consulted(
    runtime: Runtime, operation: Operation, given: Mapping[str, Any], caller: Caller
) -> Mapping[str, Any]:
    """The parameters of an operation, with what the agents of the project have said filled in."""
    from functools import partial

    from mplp_cli.agents.asking import Advisory
    from mplp_cli.staffing import candidates_of

    async def consult(agents: Agents) -> Mapping[str, Any]:
        advisers = Advisory(agents, caller.run, partial(candidates_of, agents, runtime.registry))
        filled: Mapping[str, Any] = await runtime.hub.consult(
            operation.module, operation.name, given, caller, advisers
        )
        return filled

    return with_agents(runtime, consult, caller.run)
