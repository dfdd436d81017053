"""The runners of one run, each loaded when the plan has steps of its kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from mplp_cli.engine.workplace import Workplace
from mplp_cli.protocols import Clock, Runner
from mplp_cli.workflow.masking import Masker

if TYPE_CHECKING:
    from mplp_cli.engine.steps.http import Connections
    from mplp_cli.engine.subruns import Subruns
    from mplp_cli.protocols import Advise, AskAgent


class Runners:
    """What runs the steps of `kinds`: `by_kind` for the engine, `aclose` at the end of the run.

    `source_dir` has the workflow file; `deny_private` says whether requests may not go to private addresses;
    `subruns` runs sub-workflows.
    """

    def __init__(
        self,
        kinds: Collection[str],
        workplace: Workplace,
        *,
        masker: Masker,
        clock: Clock,
        source_dir: str,
        deny_private: bool,
        subruns: Subruns | None = None,
    ) -> None:
        self._connections: Connections | None = None
        self._workplace, self._masker = workplace, masker
        self._close_agents: Callable[[], Awaitable[None]] | None = None
        made: dict[str, Runner] = {}
        if "shell" in kinds:
            from mplp_cli.engine.steps.shell import ShellSteps

            made["shell"] = ShellSteps(masker=masker, workplace=workplace)
        if "python" in kinds:
            from mplp_cli.engine.steps.python import run_python

            made["python"] = partial(run_python, masker=masker, source_dir=source_dir, workplace=workplace)
        if "http" in kinds:
            from mplp_cli.engine.steps.http import Connections, run_http

            self._connections = Connections(deny_private=deny_private)
            made["http"] = partial(run_http, masker=masker, connections=self._connections, clock=clock)
        if subruns is not None:
            made["workflow"] = subruns.run
        self.by_kind = made
        #: Asks an agent for a module operation, if there are agents.
        self.advise: Advise | None = None

    def add_agents(self, ask: AskAgent, close: Callable[[], Awaitable[None]]) -> None:
        """Let steps ask agents; `close` is called at the end."""
        from mplp_cli.engine.steps.agent import ask_aloud, run_agent

        self._close_agents = close
        self.by_kind["agent"] = partial(run_agent, ask=ask, masker=self._masker, workplace=self._workplace)
        self.advise = partial(
            ask_aloud, ask=ask, masker=self._masker, workplace=self._workplace, several=True
        )

    async def aclose(self) -> None:
        """Close what the runners have opened."""
        if self._connections is not None:
            await self._connections.aclose()
        if self._close_agents is not None:
            await self._close_agents()
