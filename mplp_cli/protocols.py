"""The seams of mplp: what the engine asks of the world. A backend can be written from this file alone.

Everything that could differ between two runs of the same history (time, ids, randomness, storage,
processes) is behind one of these and is handed in by `runtime`. Tests hand in fakes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct

from mplp_cli.workflow.agents import KeptAgents
from mplp_cli.workflow.fold.answers import NOTHING, Given, question_digest
from mplp_cli.workflow.fold.history import Approval, Event, RunRedefined, Turn
from mplp_cli.workflow.fold.replies import Reply
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import Json, RunId, StepId

if TYPE_CHECKING:
    import httpx2


class Clock(Protocol):
    """Wall time for records, monotonic time for waits."""

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class Ids(Protocol):
    """Where identifiers and chance come from."""

    def uuid(self) -> str:
        """A new UUID version 4, lower case."""
        ...

    def fraction(self) -> float:
        """A random number in [0, 1), for jitter."""
        ...


# ---- the store ---------------------------------------------------------------------------------


class ProtocolObject(Struct, frozen=True):
    """One version of an MPLP object. `body` is valid against the kind's schema; `version` counts from 1.

    The version with an empty body is the last one: the object is deleted.
    """

    kind: str
    id: str
    version: int
    body: dict[str, Any]


def is_made_by(versions: Iterable[ProtocolObject], run_id: str) -> bool:
    """Whether these are versions of an object that the run made."""
    return any(f"run:{run_id}" in item.body.get("meta", {}).get("tags", ()) for item in versions)


class Relation(Struct, frozen=True, kw_only=True):
    """What a run was made for: the run that it repeats (`rerun`), or the step of another (`child`)."""

    kind: Literal["rerun", "child"]
    run: RunId
    step: StepId = ""


class NewRun(Struct, frozen=True, kw_only=True):
    """What is stored once, when a run is created. `plan` is JSON bytes (a digest of what was planned)."""

    id: RunId
    workflow_id: str
    name: str
    source: bytes
    source_name: str
    #: Directory that `file:` paths are relative to, and the directory the run was started in.
    source_dir: str
    cwd: str
    plan: bytes
    created_at: int
    #: The files that the workflow includes, by absolute path.
    included: dict[str, bytes] = {}
    #: The place it needs before it begins.
    turn: Turn | None = None
    relation: Relation | None = None


class RunRecord(Struct, frozen=True, kw_only=True):
    """One row of the list of runs. `status` is the last one committed; `interrupted` is derived by readers:
    still `running`, but `owned` is false."""

    id: RunId
    workflow_id: str
    name: str
    status: str
    epoch: int
    owner: str
    created_at: int
    ended_at: int | None
    owned: bool
    relation: Relation | None = None
    #: The number of the last request that has not been acted upon, 0 if there is none.
    last_request: int = 0

    @property
    def parent(self) -> Relation | None:
        """The run and the step that this one is the sub-workflow of."""
        return self.relation if self.relation is not None and self.relation.kind == "child" else None


class Definition(Struct, frozen=True, kw_only=True):
    """The definition stored with a run."""

    source: bytes
    source_name: str
    source_dir: str
    cwd: str
    plan: bytes
    included: dict[str, bytes] = {}


class Control(Struct, frozen=True, kw_only=True):
    """A request by another process. `verb`: cancel | kill | pause | resume (takes a pause back) | approve | reject.
    `seq` orders requests.

    `data` is JSON; with an answer: `{digest, inputs, at}`: the question it is bound to, the filled-in form,
    and when it was given.
    """

    seq: int
    verb: str
    step: StepId = ""
    by: str = ""
    reason: str = ""
    data: dict[str, Any] = {}


class ApprovalRecord(Struct, frozen=True, kw_only=True):
    """One question to a person. `state`: pending | approved | rejected | withdrawn.

    `form` is what the answer takes (name -> JSON Schema), `inputs` what it gave. `digest` is what an answer is
    bound to: another question, also the same one asked anew, has another.
    """

    id: str
    run: RunId
    workflow_id: str
    step: StepId
    attempt: int
    message: str
    approvers: list[str]
    asked_at: int
    state: str
    by: str = ""
    reason: str = ""
    decided_at: int = 0
    form: dict[str, Any] = {}
    inputs: dict[str, Any] = {}

    @property
    def digest(self) -> str:
        return question_digest(
            self.run,
            self.step,
            self.attempt,
            self.id,
            message=self.message,
            approvers=self.approvers,
            form=self.form,
        )


class Holding(Struct, frozen=True):
    """A run that has a place, since when (ms since the epoch), and its status."""

    run: RunId
    since: int
    status: str


class Standing(Struct, frozen=True, kw_only=True):
    """Where a run stands under its concurrency key. `position`: 0 it has a place, 1 it is the next to get one."""

    key: str
    position: int
    holders: list[Holding] = []
    #: Runs whose process is gone and whose place this run has got.
    freed: list[RunId] = []
    #: Runs that keep a place, were asked to end, and that nobody drives: whoever waits may end them.
    ending: list[RunId] = []


class Turns(Protocol):
    """Places that runs of one workflow share under a key, `max` of them, first come first served.

    A run enters when it is created (`Store.create_run`) and leaves in the commit that records its end. A
    place is its run's, not a process's: a run that is parked keeps it; one that should be driven and is not
    loses it to the first that asks, and takes its turn again when it is taken up.
    """

    def take(self, run_id: RunId, turn: Turn) -> Standing:
        """Give the run, which this process owns, its place if there is one for it; else its place in the queue.

        ConcurrencyLimitError if it is not in the queue, there is no place and the turn says `fail`.
        """
        ...

    def standings(self, run_id: RunId | None = None) -> dict[RunId, Standing]:
        """How that run stands, or every run that has or waits for a place. Changes nothing."""
        ...


class CachedResult(Struct, frozen=True, kw_only=True):
    """A result that the cache keeps. Times are ms since the epoch; `until` 0 is for ever."""

    key: str
    step: StepId
    run: RunId
    at: int
    until: int
    result: Json


# ---- what the hub keeps ------------------------------------------------------------------------


class ModuleState(Struct, frozen=True):
    """The state that somebody (`by`) has put a module into. `status`: created | initialized | running | stopped |
    error."""

    status: str
    at: int
    by: str = ""


class Subscription(Struct, frozen=True):
    """`subscriber` is told when `publisher` sends something of that type, or one of its objects has such an event."""

    subscriber: str
    publisher: str
    type: str


class Switched(Struct, frozen=True):
    """When (ms since the epoch) somebody (`by`) has switched something on."""

    at: int
    by: str = ""


class Wiring(Struct, frozen=True):
    """States by module, of those that were ever put into one, who is told what, and the reserved interfaces that
    agents have taken over: `plan.optimizePlanWithAI`."""

    states: dict[str, ModuleState] = {}
    subscriptions: list[Subscription] = []
    active: dict[str, Switched] = {}


class Communication(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One line of the hub's log.

    A `call` is one of an operation (`type`) by a step, a command or another module (`source`); its parameters
    are not kept. A `message` is from module to module; a `notice` one that a subscriber got without asking.
    """

    kind: Literal["call", "message", "notice"]
    correlation_id: str
    timestamp: int
    source: str
    target: str
    type: str
    run: RunId = ""
    data: Json = None
    #: What the target answered to a message.
    response: Json = None
    #: `Type: message` of the error, if it was refused.
    error: str = ""


class Switchboard(Protocol):
    """What the hub of every process on this state shares: the states of modules, subscriptions, and the log."""

    def wiring(self) -> Wiring:
        """As it is now, also when another process changed it. Microseconds when nobody did."""
        ...

    def set_state(self, module: str, state: ModuleState) -> None:
        """Durable when it returns."""
        ...

    def subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Each is kept once."""
        ...

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Those that are there go."""
        ...

    def activate(self, interfaces: Sequence[str], switched: Switched) -> None:
        """Durable when it returns; one that is active already stays as it is."""
        ...

    def deactivate(self, interfaces: Sequence[str]) -> None:
        """Durable when it returns."""
        ...

    def log(self, limit: int, module: str | None = None) -> list[Communication]:
        """The last `limit` lines, oldest of them first; only those from or to a module."""
        ...


class Journal(Protocol):
    """The append-only history of one run, held by its one owner.

    `append` is all or nothing and durable when it returns. Any exception from it means that the
    outcome is unknown: the caller throws its RunState away and reads again. It raises
    LostOwnershipError if another process took the run over, StoreError if the store cannot be used.
    """

    def append(
        self,
        events: Sequence[Event],
        objects: Sequence[ProtocolObject] = (),
        said: Sequence[Communication] = (),
    ) -> None: ...

    def redefine(self, fact: RunRedefined, definition: Definition) -> None:
        """As `append`; the definition replaces the one that is stored with the run, in the same transaction."""
        ...

    def park(
        self,
        events: Sequence[Event],
        objects: Sequence[ProtocolObject] = (),
        said: Sequence[Communication] = (),
    ) -> bool:
        """As `append`, of facts after which nobody drives the run: unless a request is there that `controls` has
        not returned. Then nothing is written, and it is False."""
        ...

    def read(self) -> Iterator[Event]:
        """The history so far, in order."""
        ...

    def controls(self) -> list[Control]:
        """Requests of other processes that no earlier call of this owner has returned. Cheap when there are none.

        LostOwnershipError if another process took the run over.
        """
        ...

    def close(self) -> None:
        """Give the run up; another process may take it."""
        ...


class AgentRecords(Protocol):
    """What is kept of agents from one command to the next."""

    def read(self) -> KeptAgents:
        """What is kept now; the same object as long as nothing has changed."""
        ...

    def change(self, act: Callable[[KeptAgents], KeptAgents]) -> KeptAgents:
        """Keep what `act` makes of what is kept; durable when it returns. Nobody else changes it meanwhile."""
        ...


class Board(Protocol):
    """What anybody has published, in order. The first event has number 1, and numbers only grow."""

    def publish(self, event: Published) -> None:
        """Publish an event, durably; once for each id."""
        ...

    def following(self, after: int) -> list[tuple[int, Published]]:
        """(number, event) pairs of those with a number greater than `after`: the first 1,000. Cheap if there are
        none."""
        ...

    def newest(self, limit: int) -> list[tuple[int, Published]]:
        """(number, event) pairs of the last `limit`, in order."""
        ...

    def last(self) -> int:
        """The number of the last event, 0 if there is none."""
        ...


class Store(Protocol):
    """Runs, their histories, protocol objects, approvals and requests. Append and query, no rules."""

    #: Published events; an `emit` step's come with the facts that a journal appends.
    board: Board

    @property
    def switchboard(self) -> Switchboard:
        """What the hub keeps."""
        ...

    @property
    def turns(self) -> Turns:
        """Places under concurrency keys."""
        ...

    def create_run(self, run: NewRun, events: Sequence[Event]) -> Journal:
        """Store a new run with its first facts, durably, and own it.

        ConcurrencyLimitError, and no run, if its turn says `fail` and there is no place.
        """
        ...

    def own_run(self, run_id: RunId, by: str, *, take_over: bool = False) -> Journal:
        """Own an existing run (epoch + 1). RunBusyError names the present owner and since when.

        Requests to pause, or to take a pause back, were left for an owner before this one, and are dropped.
        With `take_over` it is owned even so: the earlier owner writes nothing more, and learns that it was taken
        over when it appends or looks for requests.
        """
        ...

    def find_runs(self, name: str) -> list[RunRecord]:
        """Runs whose id is or begins with `name`, else all runs of that workflow id; newest first."""
        ...

    def runs(
        self,
        *,
        workflow_id: str | None = None,
        status: str | None = None,
        limit: int = 100,
        children: bool = True,
        child_of: RunId | None = None,
    ) -> list[RunRecord]:
        """Newest first. Without `children` those of sub-workflows are left out; `child_of`: all those of one run,
        and no others."""
        ...

    def definition(self, run_id: RunId) -> Definition: ...

    def history(self, run_id: RunId, after: int = -1) -> Iterator[tuple[int, Event]]:
        """(seq, fact) pairs in order, those with a seq greater than `after`."""
        ...

    def request(self, run_id: RunId, control: Control) -> None:
        """Leave a request for the run's owner, durably. `seq` is given by the store."""
        ...

    def approvals(
        self, *, run_id: RunId | None = None, state: str | None = "pending"
    ) -> list[ApprovalRecord]: ...

    def decide(
        self,
        run_id: RunId,
        step: StepId,
        decision: str,
        by: str,
        reason: str,
        at: int,
        given: Given = NOTHING,
    ) -> ApprovalRecord:
        """Answer the pending approval of that step: the first answer commits, in one compare-and-set, together
        with the request to the owner. RunStateError shows the earlier answer, that nothing is asked, or that
        what is asked is not the question that the answer was given to."""
        ...

    def objects(self, kind: str | None = None) -> Iterator[ProtocolObject]:
        """The newest version of each protocol object."""
        ...

    def newer(self, kind: str, identifier: str, version: int) -> ProtocolObject | None:
        """The last version of an object if it is later than `version`. Microseconds."""
        ...

    def object_versions(self, kind: str, identifier: str) -> list[ProtocolObject]:
        """The versions of one object that are kept, oldest first; none if there is no such object."""
        ...

    def versions(self, run_id: RunId) -> Iterator[ProtocolObject]:
        """Every version of each object that the run made (one of them is tagged `run:ID`), by kind, id and version."""
        ...

    def record(self, objects: Sequence[ProtocolObject], said: Sequence[Communication] = ()) -> None:
        """Store objects that no run writes, with the lines for the hub's log: all or nothing, durable.

        StoreError with the cause `conflict` if somebody has written one of these versions meanwhile.
        """
        ...

    def cached(self, begins: str) -> list[CachedResult]:
        """The kept results whose key begins so; also those that are not good any more. An unreadable one is
        left out: it is as good as none."""
        ...

    def check(self) -> dict[str, Any]:
        """Facts for `mplp health`; StoreError if the store cannot be used."""
        ...

    def close(self) -> None: ...


# ---- module operations -------------------------------------------------------------------------


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls an operation: the run, its workflow and the step."""

    run: RunId
    workflow: str
    step: StepId
    #: The workflow's description; the objective of a plan that states none.
    description: str = ""
    #: It brings a question to its end that was asked before, which no stopped module keeps it from.
    settles: bool = False


class Outcome(Struct, frozen=True):
    """What a call gave: its result (JSON, nearly always a map) and the objects to be stored with it."""

    result: Any
    writes: list[ProtocolObject]


class Question(Struct, frozen=True, kw_only=True):
    """What a module operation asks an agent. `key` names it among the questions of one call, and stays the same
    when the call is made again: what was answered is not asked twice.

    `agent` is an id; empty: any that offers `capability`. `schema` is the JSON Schema that the answer is to fit.
    """

    key: str
    agent: str = ""
    capability: str = ""
    input: Json = None
    prompt: str | None = None
    schema: dict[str, Any] | None = None


class Advice(Struct, frozen=True):
    """What an agent has said: who, the answer as JSON (text for one that answers in prose), and when (ms since the
    epoch, 0 if nobody has looked)."""

    agent: str
    output: Json
    at: int = 0


class Candidate(Struct, frozen=True, kw_only=True):
    """An agent that may be asked. `status`: active, degraded, unreachable; empty if nobody knows."""

    id: str
    capabilities: Sequence[str] = ()
    tags: Sequence[str] = ()
    status: str = ""


class Advisers(Protocol):
    """The agents that a call of an operation may ask."""

    def candidates(self) -> Sequence[Candidate]:
        """Those that are known, in the order of their definition."""
        ...

    def has_asked(self, key: str) -> bool:
        """Whether a question of that key was answered when the same call was made before."""
        ...

    async def ask(self, question: Question) -> Advice:
        """The answer, which fits the schema. AgentError."""
        ...


class Operations(Protocol):
    """The hub, as the engine sees it. Local operations have no effect but their writes: the engine calls them
    inside its turn, applies the writes, and stores them in the commit that records the result."""

    def call(self, module: str, operation: str, parameters: Mapping[str, Any], caller: Caller) -> Outcome:
        """OperationError, or a kind of it, when the operation refuses."""
        ...

    async def consult(
        self, module: str, operation: str, parameters: Mapping[str, Any], caller: Caller, advisers: Advisers
    ) -> Mapping[str, Any]:
        """The parameters of an operation that asks agents, with what they have said filled in. It writes nothing."""
        ...

    def apply(self, writes: Sequence[ProtocolObject]) -> None:
        """Make the writes of a call visible to the calls that follow."""
        ...

    def said(self) -> list[Communication]:
        """What is new in the hub's log since the last look, to be stored with the next commit."""
        ...


# ---- the work of leaf steps --------------------------------------------------------------------


class Output(Protocol):
    """Where the output of a running step goes. Text is masked already."""

    def __call__(self, step: StepId, stream: str, text: str) -> None: ...


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
