"""Every error of mplp, and the exit code each one ends a command with.

    MplpError
    |-- UsageError                  2   wrong usage, no such file
    |   |-- UnknownRunError         2   "WorkflowNotFoundError" in machine output
    |   |-- InputError              2   unknown, missing or ill-typed run input, missing secret
    |   `-- RunStateError           2   the verb does not fit the run's state
    |       `-- RunExistsError      2   a run with that id is there already
    |-- WorkflowValidationError     1   (`validate`), 2 (`run`); carries every problem found
    |-- StepError                   1   the work of one step failed; recorded as a `Failure`
    |   |-- StepTimeoutError            an attempt ran longer than its timeout
    |   |-- ShellExitError              a shell step ended with a non-zero code or by a signal
    |   |-- InsufficientResourcesError  more of a resource is asked for than there is, or is used than was declared
    |   |-- OutputLimitError            an output or a value is larger than can be kept or passed
    |   |-- ResultSchemaError           a result does not fit the step's `result-schema`
    |   |-- OutputFormatError           an output is not what the step says it is (JSON, name=value)
    |   |-- HttpRequestError            a request cannot be sent as it stands, or may not be
    |   |   `-- NetworkPolicyError      the policy of this machine denies the address
    |   |-- HttpConnectionError         no answer came, or not the whole of it
    |   |-- HttpStatusError             the status of an answer is not an expected one
    |   |-- PythonCallError             a function is not there, or not to be called like that
    |   |-- PythonExitError             the process of a function ended before the function did
    |   |-- (the exception's class)     a function raised it
    |   |-- UnresolvedReferenceError    a reference names something that is not there
    |   |-- ExpressionError             an expression failed or gave the wrong kind of value
    |   |-- ArtifactError               files that a step leaves cannot be kept
    |   |-- UnknownOutcomeError         an attempt was lost, and may have had its effect
    |   |-- ParallelExecutionError      children of a parallel step failed
    |   |-- AgentError                  an agent gave no answer, or none that can be used
    |   |   `-- UnknownAgentError       "AgentNotFoundError" in machine output
    |   |-- OperationError              a module operation refused its parameters or its object
    |   |   |-- InvalidTransitionError  an object may not go from this status to that one
    |   |   |-- DuplicateObjectError    the id that an object was to have is taken
    |   |   |-- LockedObjectError       the object's governance says that it is not to be changed
    |   |   |-- ModuleStoppedError      the module does not run, or one that it needs does not
    |   |   |-- AllocationNotFoundError no such allocation, or it was released before
    |   |   |-- UndecidedError          an approval that is waited for has no answer yet
    |   |   |-- UnknownObjectError      no object of that kind and id
    |   |   |-- UnknownModuleError      "ModuleNotFoundError" in machine output
    |   |   `-- UnknownOperationError   "OperationNotFoundError" in machine output
    |   |-- UnsupportedStepTypeError    no runner for that step type
    |   |-- UnsupportedConditionTypeError
    |   |-- SubworkflowError            the run of a sub-workflow failed
    |   |-- SubworkflowCancelledError   the run of a sub-workflow was cancelled
    |   |-- RejectedError               a person said no
    |   |-- DeliveryError               an event cannot be brought to the target of a route
    |   `-- RunTimeoutError             the run's own timeout
    |-- StoreError                 74   the state store cannot be used; `mplp doctor` explains
    |-- RunBusyError               75   another process holds this run
    |   `-- LostOwnershipError     75   another process took this run over; nothing more was written
    |-- ConcurrencyLimitError      75   other runs have all places under the concurrency key
    `-- ServerRunningError         75   another process serves this state

Fields come first and the message is derived from them, so that tests and machine readers need not
parse text. `Failure` is an error as a fact of the history; `Problem` is a finding about a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, ClassVar, Literal

from msgspec import Struct


class Exit(IntEnum):
    """Exit codes of the command line (stable)."""

    OK = 0
    NO = 1
    USAGE = 2
    WAITING = 3
    CANCELLED = 4
    BUG = 70
    STORE = 74
    BUSY = 75
    INTERRUPTED = 130
    TERMINATED = 143


class MplpError(Exception):
    """Anything that mplp says no to. `details` is JSON for machine readers."""

    #: What a command ends with.
    exit_code: Exit = Exit.NO
    #: The name in machine output, where it differs from the class name.
    machine_name: ClassVar[str | None] = None

    def __init__(
        self, message: str, *, hint: str | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})

    @property
    def type_name(self) -> str:
        """The stable name of this kind of error."""
        return self.machine_name or type(self).__name__


class UsageError(MplpError):
    """The command cannot start: wrong usage, or a file that is not there."""

    exit_code = Exit.USAGE


class UnknownRunError(UsageError):
    """No run, or more than one run, answers to that name."""

    machine_name = "WorkflowNotFoundError"


class InputError(UsageError):
    """A run input or a secret is unknown, missing or of the wrong type."""


class RunStateError(UsageError):
    """The verb does not fit the state that the run is in."""


class RunExistsError(RunStateError):
    """A new run was to have an id that a run has already."""


# ---- findings about a file ---------------------------------------------------------------------

Severity = Literal["error", "warning"]
Path = tuple[str | int, ...]


class Problem(Struct, frozen=True, kw_only=True):
    """One finding about a workflow file.

    `path` leads to the node (keys and indexes from the document's root, canonical spelling);
    `on` tells whether the key or the value at that path is meant. Lines and columns count from 1
    (columns in characters); 0 means not located yet.
    """

    code: str
    message: str
    path: Path = ()
    severity: Severity = "error"
    hint: str | None = None
    on: Literal["key", "value"] = "value"
    file: str = ""
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    #: The second place of findings that have two (the first use of a duplicate); 0 or empty without one.
    related: Path = ()
    related_line: int = 0
    related_column: int = 0
    related_end_column: int = 0
    #: What a step asks for and never gets: (kind, asked, all that there is).
    lacking: tuple[tuple[str, str, str], ...] = ()

    @property
    def group(self) -> Literal["structure", "dependency", "resource"]:
        """What it is about: the file itself, what steps need of each other, or what they hold."""
        groups: dict[str, Literal["dependency", "resource"]] = {
            "dep": "dependency", "ref": "dependency", "resource": "resource",
        }  # fmt: skip
        return groups.get(self.code.partition("-")[0], "structure")


class WorkflowValidationError(MplpError):
    """A workflow file is not valid. `problems` has every finding, errors and warnings."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        errors = [p for p in problems if p.severity == "error"]
        first = errors[0].message if errors else "no errors"
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first}{more}")
        self.problems = list(problems)


# ---- errors of the work ------------------------------------------------------------------------


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An error as a fact: what the history, the screens and `${step.error}` carry.

    `type` is one of the names of this module (or the class name of an error of a plug-in);
    `retryable` tells whether a retry policy may try again.
    """

    type: str
    message: str
    details: dict[str, Any] | None = None
    retryable: bool = True


class StepError(MplpError):
    """The work of a step failed."""

    retryable: ClassVar[bool] = True

    def failure(self) -> Failure:
        """This error as a fact."""
        return Failure(
            type=self.type_name,
            message=self.message,
            details=self.details or None,
            retryable=self.retryable,
        )


class StepTimeoutError(StepError):
    """An attempt ran longer than its timeout (milliseconds)."""

    def __init__(self, step_id: str, timeout: int) -> None:
        super().__init__(
            f"`{step_id}` took longer than its timeout of {timeout} ms",
            details={"stepId": step_id, "timeout": timeout},
        )


class ShellExitError(StepError):
    """A shell step ended with a code other than 0 (128 + signal number when killed by a signal)."""

    def __init__(self, exit_code: int, stderr_tail: str = "") -> None:
        last = stderr_tail.strip().splitlines()[-1:] or [""]
        said = f": {last[0]}" if last[0] else ""
        super().__init__(f"exit code {exit_code}{said}", details={"exitCode": exit_code})
        self.code = exit_code


class InsufficientResourcesError(StepError):
    """More of a resource is asked for than is there (`requirements`, `availability`: kind -> amount as people write
    it), or an attempt uses more than it declared."""

    retryable = False

    def __init__(
        self,
        message: str,
        *,
        requirements: Mapping[str, Any],
        availability: Mapping[str, Any],
        hint: str | None = None,
    ) -> None:
        details = {"requirements": dict(requirements), "availability": dict(availability)}
        super().__init__(message, hint=hint, details=details)


class OutputLimitError(StepError):
    """An output or a value is larger than can be kept, parsed or passed on."""

    retryable = False


class OutputFormatError(StepError):
    """An output is not in the format that the step says it is in; the message names line and column."""


class HttpRequestError(StepError):
    """A request cannot be sent as it stands (its URL, a header), or leads where it may not go."""

    retryable = False


class NetworkPolicyError(HttpRequestError):
    """The policy of this machine denies every address of a host."""

    def __init__(self, host: str, addresses: Sequence[str]) -> None:
        listed = ", ".join(addresses)
        super().__init__(
            f"`{host}` is {listed}, which is not a public address: the policy of this machine denies it",
            details={"host": host, "addresses": list(addresses)},
        )


class HttpConnectionError(StepError):
    """No answer came, or not the whole of it."""


class HttpStatusError(StepError):
    """An answer has a status that is not expected. Retried: 408, 425, 429 and those from 500 on.

    `details`: status, url, headers, the beginning of the body, and `retryAfter` (milliseconds) if the server
    has named a time.
    """

    def __init__(self, message: str, status: int, details: Mapping[str, Any]) -> None:
        super().__init__(message, details={"status": status, **details})
        self.status = status

    def failure(self) -> Failure:
        again = self.status in (408, 425, 429) or self.status >= 500
        return Failure(type=self.type_name, message=self.message, details=self.details, retryable=again)


class DeliveryError(StepError):
    """An event cannot be brought to the target of a route. `again`: whether a later try may succeed."""

    def __init__(self, message: str, *, again: bool = True, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, details=details)
        self._again = again

    def failure(self) -> Failure:
        return Failure(
            type=self.type_name, message=self.message, details=self.details or None, retryable=self._again
        )


class PythonCallError(StepError):
    """A function is not there, cannot be imported, or does not take these arguments."""

    retryable = False


class PythonExitError(StepError):
    """The process of a function ended before the function did (128 + signal number when ended by a signal)."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(
            f"the process of the function ended with exit code {exit_code} before the function did",
            details={"exitCode": exit_code},
        )


class RaisedError(StepError):
    """A function raised an exception; it is recorded under the name of the exception's class."""

    def __init__(self, kind: str, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(message, details=details)
        self.kind = kind

    @property
    def type_name(self) -> str:
        return self.kind


class UnresolvedReferenceError(StepError):
    """A reference names something that is not there."""

    retryable = False


class ExpressionError(StepError):
    """An expression failed, or gave a value of the wrong kind."""

    retryable = False


class ParallelExecutionError(StepError):
    """Children of a parallel step failed; `steps` are their ids."""

    retryable = False

    def __init__(self, steps: Sequence[str]) -> None:
        names = ", ".join(f"`{s}`" for s in steps[:8])
        if len(steps) > 8:
            names += f" and {len(steps) - 8} more"
        super().__init__(
            f"{len(steps)} of the parallel steps failed: {names}", details={"steps": list(steps)}
        )


class AgentError(StepError):
    """An agent gave no answer, or none that can be used.

    `code` says what happened: agent.unavailable | agent.timeout | agent.exit | agent.http | agent.rate_limited |
    agent.truncated | agent.input_invalid | agent.output_invalid | agent.tool | agent.input_required |
    agent.remote | agent.cancelled | agent.not_found | budget.exceeded | guard.denied | replay.miss.
    `retry_after` is in seconds, where the agent said so.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        agent: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
        hint: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        said = {"code": code, "agent": agent, **(details or {})}
        if retry_after is not None:
            said["retryAfter"] = round(retry_after * 1000)  # what retry policies read, in milliseconds
        super().__init__(message, hint=hint, details=said)
        self.code = code
        self.retry_after = retry_after
        self._again = retryable

    def failure(self) -> Failure:
        """This error as a fact; whether it may be tried again depends on what happened."""
        from msgspec.structs import replace

        return replace(super().failure(), retryable=self._again)


class UnknownAgentError(AgentError):
    """No agent has that id, or offers that."""

    exit_code = Exit.USAGE
    machine_name = "AgentNotFoundError"

    def __init__(
        self,
        message: str,
        *,
        agent: str = "",
        hint: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__("agent.not_found", message, agent=agent, hint=hint, details=details)


class OperationError(StepError):
    """A module operation refused its parameters or the object it would have written."""

    retryable = False


class InvalidTransitionError(OperationError):
    """An object may not go from this status to that one."""


class DuplicateObjectError(OperationError):
    """The id that an object was to have belongs to another one."""


class LockedObjectError(OperationError):
    """The object's governance says that it is not to be changed."""


class ModuleStoppedError(OperationError):
    """The module does not run, or one that it needs does not; it may by the next attempt."""

    retryable = True


class AllocationNotFoundError(OperationError):
    """Nothing is held under that id, or not any more."""

    def __init__(self, allocation: str) -> None:
        super().__init__(
            f"there is no allocation `{allocation}`, or it was released before",
            hint="`mplp resources show` lists what is held",
            details={"allocationId": allocation},
        )


class UndecidedError(OperationError):
    """An approval that is waited for has no answer yet. A run asks and waits; a call by itself can only say so."""

    def __init__(self, confirm: str, message: str, approvers: Sequence[str], timeout: int) -> None:
        super().__init__(
            f"the approval {confirm} is still pending: {message}",
            hint="`confirm/approve` or `confirm/reject` answers it",
            details={
                "confirmId": confirm, "message": message, "approvers": list(approvers), "timeout": timeout,
            },
        )  # fmt: skip


class UnknownObjectError(OperationError):
    """No object of that kind has that id."""

    machine_name = "ObjectNotFoundError"


class UnknownModuleError(OperationError):
    """No module has that name, or it was not initialised."""

    exit_code = Exit.USAGE
    machine_name = "ModuleNotFoundError"


class UnknownOperationError(OperationError):
    """The module has no operation of that name."""

    exit_code = Exit.USAGE
    machine_name = "OperationNotFoundError"


class UnsupportedStepTypeError(StepError):
    """Nothing runs steps of that type."""

    retryable = False


class UnsupportedConditionTypeError(StepError):
    """Nothing judges conditions of that type."""

    retryable = False


class RejectedError(StepError):
    """A person rejected what the step asked for."""

    retryable = False


class SubworkflowError(StepError):
    """The run of a sub-workflow failed. `details`: runId, workflowId, failedSteps, error."""


class SubworkflowCancelledError(StepError):
    """The run of a sub-workflow was cancelled. `details`: runId, workflowId."""

    retryable = False


class RunTimeoutError(StepError):
    """The run took longer than the workflow's timeout."""

    retryable = False


def failure_of(error: BaseException) -> Failure:
    """`error` as a fact. An exception that is not ours keeps its class name and may be retried."""
    if isinstance(error, StepError):
        return error.failure()
    if isinstance(error, MplpError):
        return Failure(type=error.type_name, message=error.message, retryable=False)
    return Failure(type=type(error).__name__, message=str(error) or type(error).__name__)


# ---- the store and its ownership ---------------------------------------------------------------


class StoreError(MplpError):
    """The state store cannot be used: full, corrupt, newer than this program, read-only."""

    exit_code = Exit.STORE


class RunBusyError(MplpError):
    """Another process holds this run."""

    exit_code = Exit.BUSY


class LostOwnershipError(RunBusyError):
    """Another process took this run over. Nothing was written after that."""


class ConcurrencyLimitError(MplpError):
    """Other runs have every place under the concurrency key, and the workflow says `on-limit: fail`."""

    exit_code = Exit.BUSY


# ---- a server ----------------------------------------------------------------------------------


class UnknownWorkflowError(UsageError):
    """No workflow of that id is served."""


class QueueFullError(MplpError):
    """As many runs wait already as may; the run was not stored."""

    exit_code = Exit.BUSY


class ServerRunningError(MplpError):
    """Another process serves this state already."""

    exit_code = Exit.BUSY
