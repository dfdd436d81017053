"""The work of leaf steps: one attempt, what runs it, and what it may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from msgspec import Struct

from mplp_cli.workflow.fold.history import Approval, Event
from mplp_cli.workflow.fold.replies import Reply
from mplp_cli.workflow.resources import Demand, Parts, Usage
from mplp_cli.workflow.values import Json, RunId, StepId

if TYPE_CHECKING:
    import httpx2

    from mplp_cli.workflow.tracing import Trace


class Output(Protocol):
    """Where the output of a running step goes. Text is masked already."""

    def __call__(self, step: StepId, stream: str, text: str) -> None: ...


def _not_noted(_usage: Usage) -> None:
    """Nobody wants to know."""


class Attempt(Struct, frozen=True, kw_only=True):
    """One attempt of one leaf step, with everything resolved."""

    run: RunId
    workflow: str
    step: StepId
    number: int
    timeout: int
    cwd: str
    #: The process environment the step gets, secrets that it names included.
    env: Mapping[str, str]
    #: What the step type's compiled body resolved to.
    body: Json
    #: The same for every attempt of a step: effects keyed by it happen once.
    idempotency_key: str
    output: Output
    #: For a `workflow` step: the id of its run, and whether it goes on if that has failed.
    child: RunId = ""
    again: bool = False
    #: Patterns of the files that are to be kept.
    artifacts: list[str] = []
    #: For an `agent` step: what a person has answered to the agent, which goes on with it.
    reply: Reply | None = None
    #: What it may use, and on which units of the pool it was put.
    demand: Demand | None = None
    parts: Parts = ()
    #: The span that it hands on to what it starts and calls; None: nobody asks for it.
    trace: Trace | None = None
    #: Told what each of its processes has used, when that has ended.
    measured: Callable[[Usage], None] = _not_noted


class Parked(Exception):  # noqa: N818 - no error: it ends an attempt for now
    """Raised by a runner: only a person can take the attempt on, by answering `question`."""

    def __init__(self, question: Approval) -> None:
        super().__init__(question.message)
        self.question = question


class Subruns(Protocol):
    """The runs of the sub-workflows of one run, as its driver sees them. All are driven in this process."""

    def woken(self) -> list[StepId]:
        """Steps that wait for what their sub-workflow asks, where it can go on by now. Each is named once."""
        ...

    def left(self, is_over: Callable[[StepId], bool]) -> list[RunId]:
        """Runs that have not ended though their step is over."""
        ...

    def resting(self) -> list[StepId]:
        """Steps whose sub-workflow was paused and is driven by nobody now. Each is named once."""
        ...

    def each(self, act: Callable[[Any], None]) -> None:
        """Do something to the driver of every run that is driven now."""
        ...

    async def end(self, run_id: RunId, *, kill: bool) -> None:
        """Bring such a run to its end: cancel it (`kill`: without its `finally`)."""
        ...

    def abandon(self) -> None:
        """This process cannot drive on: what runs now is dropped as it is, for another process to take up."""
        ...


#: Does the work of one attempt; cancelled when it must stop. Its result is JSON; StepError says what failed.
Runner = Callable[[Attempt], Awaitable[Json]]


class Errand(Protocol):
    """The work of one attempt that goes on by itself, as a process does: no task waits for it."""

    def is_survived(self) -> bool:
        """Whether it has come back, and has left something behind that `end` is to end."""
        ...

    async def end(self, *, stop: bool) -> None:
        """End what it has left behind; or (`stop`) the work too, however far it is. Cancelled, it stops everything."""
        ...

    def result(self) -> Json:
        """What a runner gives, or raises what it raises; asked once, when nothing is left of it."""
        ...


@runtime_checkable
class Starter(Protocol):
    """A runner that can do without a task, which costs as much as all else about a short process."""

    def begin_errand(self, attempt: Attempt, back: Callable[[Errand], None]) -> Errand:
        """Begin the work of an attempt. `back` is called once it has come back, in a later turn of the event loop.

        Raises what a runner raises if it cannot begin.
        """
        ...


class Ended(Struct, frozen=True):
    """What a program left: its exit code (128 + the signal's number if one ended it) and what it printed."""

    code: int
    stdout: str
    stderr: str


class RunProgram(Protocol):
    """Runs `{argv, stdin}` of an attempt's body as a process that belongs to the attempt."""

    async def __call__(self, attempt: Attempt, hear: Callable[[str], None]) -> Ended:
        """Its end. `hear` is told its standard output as it comes; what goes to standard error is output of the
        attempt. OSError or ValueError if it cannot be started. Cancelled, it ends the process with all it started.
        """
        ...


class KeepProcess(Protocol):
    """Looks after a process that somebody else starts, and talks to, while a run lasts."""

    def __call__(self, name: str) -> AbstractContextManager[dict[str, str]]:
        """The variables that it must carry in its environment; `name` is whose it is.

        At the end of the context what is left of it, and of what it has started, is killed; so it is when this process
        is lost.
        """
        ...


class AgentKinds(Protocol):
    """Kinds of agents that installed packages bring along."""

    def names(self) -> Collection[str]:
        """What definitions call them. Nothing is imported for it."""
        ...

    def package_of(self, kind: str) -> str:
        """The package that brings a kind along, with its version."""
        ...

    def misfits(self, kind: str, options: Json) -> Sequence[tuple[tuple[str | int, ...], str]]:
        """Where the options of a definition are not what the kind takes, and what is wrong there; with an empty
        place: why the package cannot be used at all."""
        ...


class Answered(Struct, frozen=True):
    """The answer of an agent to a step, and a remark for the step's log: who answered, what it has used."""

    output: Json
    remark: str
    agent: str = ""


#: Asks an agent for an `agent` step; the second argument is told the answer's text as it comes.
AskAgent = Callable[[Attempt, Callable[[str], None]], Awaitable[Answered]]
#: The same for a module operation; the question is the attempt's body.
Advise = Callable[[Attempt], Awaitable[Answered]]
#: Told every committed batch of facts.
Subscriber = Callable[[Sequence[Event]], None]
#: The one client for requests of a run, which is opened with the first of them; who gives it closes it.
Connect = Callable[[], Awaitable["httpx2.AsyncClient"]]
