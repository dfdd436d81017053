"""What agents need of the engine and of the machine, handed in by `assembly`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mplp_cli.agents.contract import AgentRequest
from mplp_cli.agents.ladder import Levels
from mplp_cli.protocols import Attempt, Clock, Connect, KeepProcess, Output, Runner, RunProgram
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mplp_cli.agents.plugged import Kinds


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """How processes are run and requests sent, and what is found around them."""

    run_program: RunProgram
    #: Looks after programs that are talked to while the run lasts.
    keep_process: KeepProcess
    #: Takes secrets of the run out of a text.
    mask: Callable[[str], str] = lambda text: text
    #: The kinds that packages bring along.
    kinds: Kinds
    #: Runs the body of a python step.
    call_function: Runner
    #: Where variables are looked up that a definition names, secrets included.
    environ: Mapping[str, str] = field(default_factory=dict)
    #: The environment of functions, without secrets.
    open_environ: Mapping[str, str] = field(default_factory=dict)
    #: Where the run was started, and where the file is that defines the agents.
    cwd: str
    directory: str
    workflow: str = ""
    clock: Clock
    #: The client for requests.
    connect: Connect
    #: How far down the ladder each model is.
    levels: Levels = field(default_factory=dict)
    output: Output = lambda step, stream, text: None

    def attempt(self, request: AgentRequest, body: Json, *, env: Mapping[str, str], cwd: str) -> Attempt:
        """The work of a process for a request, as the engine does work."""
        told = {"MPLP_REPAIR": request.repair} if request.repair else {}
        name = "TRACEPARENT"
        if request.trace is not None and env.get(name) in (None, self.environ.get(name)):
            told |= request.trace.environ()
        made = Attempt(
            run=request.run,
            workflow=self.workflow,
            step=request.step,
            number=request.attempt,
            timeout=int(request.timeout * 1000),
            cwd=cwd,
            env={**env, "MPLP_CWD": self.cwd, **told},
            body=body,
            idempotency_key=request.idempotency_key,
            output=self.output,
        )
        if (within := request.within) is None:
            return made
        return replace(made, demand=within.demand, parts=within.parts, measured=within.measured)
