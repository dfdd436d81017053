"""History events: the facts a run is folded from, in the order in which they were committed.

Past tense, frozen, JSON. `at` is milliseconds since the Unix epoch from the clock handed in; order
is by sequence number, never by time. `attempt` counts from 1. On disk and in `--output jsonl` a fact
is `{"type": "step.started", "at": ..., "step": ..., ...}` with camelCase keys. A type or a key that is not known
is refused: it is a newer version's, and to leave it out would be to read another history. So what once was
written stays readable: fields are added with a default, and none is ever taken away.

A fact that ends an attempt has its `usage`, if it had processes of its own.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from mplp_cli.errors import Failure
from mplp_cli.workflow.published import Cause, Published
from mplp_cli.workflow.resources import Usage

#: Why a run stops before all its steps have ended.
StopCause = Literal["cancel", "kill", "timeout", "abort", "fail-fast"]


class _Fact(
    Struct,
    frozen=True,
    tag_field="type",
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,
):
    at: int


class Turn(Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """What a run needs before it begins: one of `max` places that runs of its workflow share under `key`."""

    key: str
    max: int = 1
    on_limit: Literal["queue", "cancel", "fail"] = "queue"


# ---- the run -----------------------------------------------------------------------------------


class Rerun(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a run repeats. Unless `mode` is `all`, facts follow that say what it keeps of run `of`."""

    of: str
    mode: Literal["all", "from", "failed", "only"] = "all"
    #: For `from` and `only`: the step that was named.
    step: str = ""


class DefinitionChange(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One change of a workflow's meaning; `step` is empty for the workflow itself.

    `conflict` says why the change comes too late for a run, empty if it does not.
    """

    step: str
    change: Literal["added", "removed", "changed"]
    keys: tuple[str, ...] = ()
    conflict: str = ""


class RunStarted(_Fact, tag="run.started", gc=True):
    """The run exists. Everything a pure step may read besides results is recorded here.

    With a `turn` it is pending until `run.admitted`; else it has begun.
    """

    run: str
    workflow: str
    inputs: dict[str, Any]
    env: dict[str, str]
    cwd: str
    #: Leaf attempts with effects at once (`max-parallel`, or what the machine offered).
    slots: int
    turn: Turn | None = None
    rerun: Rerun | None = None
    #: Where runs share the pool: a higher one goes first.
    priority: int = 0
    #: Why it was started, if nobody did by hand.
    cause: Cause | None = None
    #: The span that it was started under: a traceparent, and after a blank a tracestate. Empty: none.
    trace: str = ""


class RunAdmitted(_Fact, tag="run.admitted", gc=True):
    """The run has its place under the concurrency key, and begins.

    `waited` is how long it took (ms), `behind` the runs that had the places when it first asked.
    """

    waited: int = 0
    behind: list[str] = []


class RunResumed(_Fact, tag="run.resumed"):
    """A process took the run up again. Attempts that were in flight are lost and start again; a pause is over.

    `retry` names the step of a failed run that is to be tried once more, with what waits on it; empty is all.
    """

    by: str
    retry: str = ""


class RunRedefined(_Fact, tag="run.redefined", gc=True):
    """The run goes on with another definition. What came before holds as far as its steps are still there."""

    by: str
    changes: list[DefinitionChange]
    #: Resolved anew: inputs that were added have their default.
    inputs: dict[str, Any]
    slots: int
    #: Steps that are there no longer.
    removed: list[str] = []


class RunStopping(_Fact, tag="run.stopping"):
    """The run stops early. Everything not running is cancelled by this very fact (`kill`: `finally` too)."""

    cause: StopCause
    by: str = ""
    message: str = ""


class RunWaiting(_Fact, tag="run.waiting"):
    """Nothing can go on without a person; the process that drove the run may leave."""


class RunPausing(_Fact, tag="run.pausing"):
    """Somebody pauses the run: attempts that run finish, nothing new starts."""

    by: str = ""
    message: str = ""


class RunContinued(_Fact, tag="run.continued"):
    """The pause was taken back before the run had come to its rest."""

    by: str = ""


class RunPaused(_Fact, tag="run.paused"):
    """Nothing runs any more; the process that drove the run may leave."""


class RunFinalizing(_Fact, tag="run.finalizing", gc=True):
    """All steps but those of `finally` have ended; `status` is how. Outputs are settled."""

    status: str
    outputs: dict[str, Any] | None = None
    error: Failure | None = None


class RunCompleted(_Fact, tag="run.completed", gc=True):
    """The run ended well. `warnings` name failures that were tolerated or mended."""

    outputs: dict[str, Any] | None = None
    warnings: list[str] = []


class RunFailed(_Fact, tag="run.failed", gc=True):
    """The run ended with a failure that nothing mended."""

    error: Failure
    outputs: dict[str, Any] | None = None
    warnings: list[str] = []


class RunCancelled(_Fact, tag="run.cancelled", gc=True):
    """Somebody cancelled the run."""

    by: str = ""
    message: str = ""
    outputs: dict[str, Any] | None = None


# ---- the steps ---------------------------------------------------------------------------------


class StepKept(_Fact, tag="step.kept", gc=True):
    """A rerun takes over how this step stood in run `origin`, or leaves it out (`skipped`, with the reason).

    `status` is an end state, or `running` for a container that goes on with what was completed in it.
    """

    step: str
    status: str
    origin: str
    attempt: int = 0
    result: Any = None
    reason: str = ""
    because: str = ""
    error: Failure | None = None
    mended: Failure | None = None
    #: The branch that was taken, or the step that it fell back to.
    branch: str = ""
    #: The items of a foreach that goes on.
    items: list[Any] | None = None


class StepQueued(_Fact, tag="step.queued"):
    """The step's condition was true; it waits for a slot."""

    step: str


class StepsClaimed(_Fact, tag="steps.claimed", gc=True):
    """These steps are next: each may begin as soon as a slot is free, before the commit of its own start.

    What a start needs to be safe is that the journal knows of it before it acts; a claim says so ahead of
    time, so that a free slot does not wait for the disk. After a crash a claimed step may have begun.
    """

    steps: list[str]


class StepStarted(_Fact, tag="step.started"):
    """An attempt begins. Committed before any effect of it, unless the step was claimed before.

    `branch` is set on a conditional: `then`, `else`; on what repeats: `each`. `items` are those of a foreach.
    `missed` says why the cache had no result, if it was asked.
    """

    step: str
    attempt: int
    branch: str = ""
    items: list[Any] | None = None
    missed: Literal["", "none", "expired", "changed", "off"] = ""


class StepAdvised(_Fact, tag="step.advised", gc=True):
    """An agent has answered one of the questions of a module operation. Until the step ends, it is not asked again.

    `key` names the question within the step; `digest` tells whether it is still the same question.
    """

    step: str
    key: str
    digest: str
    agent: str
    output: Any = None


class StepRepeated(_Fact, tag="step.repeated"):
    """Iteration `index` (from 0) of a loop begins, at `due` (ms since the epoch) if that is later."""

    step: str
    index: int
    due: int = 0


class StepCompleted(_Fact, tag="step.completed", gc=True):
    """A step ended well. `mended` is the failure that a fallback action made good.

    `hit`: the result comes from the cache, and no attempt was made. `keep`: the cache keeps it from now on.
    """

    step: str
    attempt: int
    result: Any
    mended: Failure | None = None
    hit: Hit | None = None
    keep: Keep | None = None
    usage: Usage | None = None


class StepFailed(_Fact, tag="step.failed", gc=True):
    """A step ended badly: retries and fallback actions are used up. A parallel step keeps its settled list."""

    step: str
    attempt: int
    error: Failure
    result: Any = None
    usage: Usage | None = None


class StepRetrying(_Fact, tag="step.retrying", gc=True):
    """An attempt failed and the next one is due at `due` (ms since the epoch), `delay` ms later."""

    step: str
    attempt: int
    error: Failure
    delay: int
    due: int
    usage: Usage | None = None


class StepRetryDue(_Fact, tag="step.retry-due"):
    """The wait before a retry is over; the step is ready again."""

    step: str


class StepSkipped(_Fact, tag="step.skipped", gc=True):
    """The step's own condition was false, its branch was not taken, or a fallback action skips it."""

    step: str
    reason: str
    error: Failure | None = None
    usage: Usage | None = None


class StepOmitted(_Fact, tag="step.omitted"):
    """The step's join rule can no longer be met; `because` is the step that decided it."""

    step: str
    reason: str
    because: str


class StepCancelled(_Fact, tag="step.cancelled"):
    """A running attempt was stopped because the run stops."""

    step: str
    attempt: int
    reason: str
    usage: Usage | None = None


class StepWaiting(_Fact, tag="step.waiting", gc=True):
    """The step waits: for the person that `approval` asks, for `event`, or for a time.

    It waits until `until` (ms since the epoch) at most, 0 without end.
    """

    step: str
    attempt: int
    until: int = 0
    approval: Approval | None = None
    error: Failure | None = None
    event: Awaited | None = None
    usage: Usage | None = None


class StepDecided(_Fact, tag="step.decided", gc=True):
    """A person answered, or (expired) nobody did who was asked by an `approval` step.

    To a question of the step's own (`Approval.own`) the answer is its result: approved, it completes with
    `inputs`; otherwise its attempt has failed. To any other: approved, it is tried again; rejected, it fails,
    unless the question is `Approval.open`.
    """

    step: str
    decision: Literal["approved", "rejected", "expired"]
    by: str = ""
    reason: str = ""
    inputs: dict[str, Any] = {}
    #: When it was given (ms since the epoch), if the run took it up later.
    given_at: int = 0


class StepEmitted(_Fact, tag="step.emitted", gc=True):
    """An `emit` step has published an event, and is completed by that."""

    step: str
    attempt: int
    event: Published


class StepWoken(_Fact, tag="step.woken"):
    """The sub-workflow that the step waits for can go on; the step is ready to take it up again."""

    step: str


class StepFellBack(_Fact, tag="step.fell-back", gc=True):
    """A `run-step` fallback begins: step `instead` runs and its result replaces the failed one."""

    step: str
    attempt: int
    error: Failure
    instead: str
    usage: Usage | None = None


class Called(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """What a call of an agent was. `number` counts those of an attempt, from 1; `kind` is the agent's.

    `wanted` is the model that was asked for, if another has answered; `finish` is why the answer ended; `tool` what the
    agent has called.
    """

    number: int = 0
    kind: str = ""
    wanted: str = ""
    finish: str = ""
    tool: str = ""


class AgentAsked(_Fact, tag="agent.asked", gc=True):
    """An agent was called for a step; the call is over, and has used this. Each repair is a call of its own.

    `code` is the error's, empty if it answered, `stopped` if nobody knows. `warned` are the limits of its budget
    that it came close to, or went over.
    """

    step: str
    attempt: int
    agent: str
    used: Used
    model: str = ""
    budget: str = ""
    code: str = ""
    warned: list[Share] = []
    call: Called | None = None


class Used(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """What calls of agents have used. `time` is in ms, `nano_usd` in billionths of a dollar.

    `assumed` are tokens that count because a call did not say how many it used: there were `unmetered` of those.
    `unpriced` calls were of a model without a price.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read: int = 0
    cache_write: int = 0
    assumed: int = 0
    nano_usd: int = 0
    time: int = 0
    unpriced: int = 0
    unmetered: int = 0

    @property
    def tokens(self) -> int:
        """Of every kind."""
        return self.input_tokens + self.output_tokens + self.cache_read + self.cache_write + self.assumed

    @property
    def usd(self) -> float:
        """Dollars."""
        return self.nano_usd / 1_000_000_000

    def __add__(self, other: Used) -> Used:
        return Used(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class Share(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """`percent` of a limit of a budget (`max-calls`...) is spent; `allowed` is the limit, in its unit."""

    budget: str
    limit: str
    percent: int
    allowed: float


class Approval(Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """What a person is asked. `id` is the Confirm object's id; `deadline` is ms since the epoch, 0 none.

    `run` and `step` are set where the question is one of a sub-workflow: the run and the step that ask.
    """

    id: str
    message: str
    approvers: list[str] = []
    deadline: int = 0
    run: str = ""
    step: str = ""
    #: An `approval` step asks for itself. Otherwise a failed step asks whether to try again.
    own: bool = False
    #: The workflow has asked by an operation: whatever the answer is, the step looks at it again.
    open: bool = False
    #: What the answer takes: name -> JSON Schema, as the inputs of a workflow.
    form: dict[str, dict[str, Any]] = {}


class Awaited(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Which event is waited for: its type, where `*` stands for any text.

    It was published later than number `after`, and is none of the first `own` events of the run itself: those
    were published before, but may have got their number later.
    """

    type: str
    after: int
    own: int = 0


class Hit(Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a result of the cache comes from: the run, when it was stored, until when it is good (0: for ever)."""

    run: str
    stored: int
    until: int = 0


class Keep(Struct, frozen=True, omit_defaults=True, gc=False):
    """Under which key the cache keeps a result, and until when it is good (ms since the epoch, 0: for ever)."""

    key: str
    until: int = 0


Event: TypeAlias = (
    RunStarted
    | RunAdmitted
    | RunResumed
    | RunRedefined
    | RunStopping
    | RunWaiting
    | RunPausing
    | RunContinued
    | RunPaused
    | RunFinalizing
    | RunCompleted
    | RunFailed
    | RunCancelled
    | StepKept
    | StepQueued
    | StepsClaimed
    | StepStarted
    | StepAdvised
    | StepRepeated
    | StepCompleted
    | StepFailed
    | StepRetrying
    | StepRetryDue
    | StepSkipped
    | StepOmitted
    | StepCancelled
    | StepWaiting
    | StepDecided
    | StepWoken
    | StepEmitted
    | StepFellBack
    | AgentAsked
)

#: The run-level facts that end a run for good or for now.
RUN_ENDS = (RunCompleted, RunFailed, RunCancelled)
