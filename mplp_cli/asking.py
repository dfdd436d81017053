"""The agents of the project, asked by no run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mplp_cli.agents.boundary import Agents
    from mplp_cli.protocols import Output
    from mplp_cli.runtime import Runtime


@asynccontextmanager
async def project_agents(runtime: Runtime, run: str, say: Output) -> AsyncIterator[tuple[Agents, Path]]:
    """The agents, and the directory of the files that their processes leave; what they have started ends with them.

    `run` is what their calls belong to, in place of a run; `say` is told what their programs say beside the answer.
    """
    from tempfile import TemporaryDirectory

    from mplp_cli.engine.guardian import Guardian
    from mplp_cli.engine.workplace import Workplace, attempt_mark
    from mplp_cli.staffing import Oversight, make_agents
    from mplp_cli.workflow.masking import Masker

    guardian = Guardian(attempt_mark(run, "call"))
    with TemporaryDirectory(prefix="mplp-") as folder:
        try:
            agents = make_agents(
                {one.id: (one.agent, one.directory) for one in runtime.registry.entries()},
                Workplace(log_dir=Path(folder), grace=5, owner="call", guardian=guardian),
                Masker({}),
                run=run,
                deny_private=runtime.settings.deny_private,
                oversight=Oversight(discovered=runtime.registry.discovered),
                clock=runtime.clock,
                environ=runtime.environ,
                open_environ=runtime.environ,
                cwd=str(runtime.cwd),
                output=say,
            )
            try:
                yield agents, Path(folder)
            finally:
                await agents.aclose()
        finally:
            guardian.close()
