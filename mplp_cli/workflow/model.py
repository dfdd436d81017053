"""The workflow file as typed data, after spelling is normalised and the schema has said yes.

One struct per step type, told apart by `type`; keys are kebab-case in the file and snake_case here.
Values that may hold references (`parameters`, `values`, `env`, ...) stay as written: `plan` compiles
them. Durations stay as written too (`values.duration_ms` reads them).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType, field

from mplp_cli.workflow.resources import Enforce, Strategy
from mplp_cli.workflow.values import Duration, StepId


class _Node(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    pass


class RetryPolicy(_Node, kw_only=True):
    """`max_retries` extra attempts. None: the outer policy's value, in the end the default."""

    max_retries: int | None = None
    backoff_strategy: Literal["exponential", "linear", "fixed"] | None = None
    initial_delay: Duration | None = None
    max_delay: Duration | None = None
    jitter: Literal["none", "full"] | None = None
    #: Conditions as in a fallback action; none: whatever may be retried.
    retry_on: list[str] | None = None


class FallbackAction(_Node, kw_only=True):
    """What to do when retries are used up; the first whose `condition` matches is taken."""

    condition: str
    action: Literal["escalate-to-human", "skip", "use-value", "run-step", "abort"]
    message: str | None = None
    approvers: list[str] = []
    timeout: Duration | None = None
    value: Any | UnsetType = UNSET
    step: Step | None = None


class ErrorHandling(_Node, kw_only=True):
    retry_policy: RetryPolicy | None = None
    fallback_actions: list[FallbackAction] = []


class ExpressionCondition(_Node, kw_only=True, tag_field="type", tag="expression"):
    expression: str


class StepResultCondition(_Node, kw_only=True, tag_field="type", tag="step-result"):
    step_id: StepId
    operator: str
    path: str | None = None
    value: Any = None


class CustomCondition(_Node, kw_only=True, tag_field="type", tag="custom"):
    """A handler of the entry-point group `mplp.conditions`, called with the resolved `arguments`."""

    handler: str
    arguments: dict[str, Any] = {}


Condition: TypeAlias = str | ExpressionCondition | StepResultCondition | CustomCondition


class CountJoin(_Node, kw_only=True):
    count: int


Join: TypeAlias = Literal["all-completed", "all-ended", "any-completed", "none-failed"] | CountJoin


class _Step(_Node, kw_only=True, tag_field="type"):
    id: StepId
    name: str | None = None
    description: str | None = None
    tags: list[str] = []
    dependencies: list[StepId] = []
    when: str | bool | None = None
    join: Join = "all-completed"
    priority: int = 0
    #: One attempt. None: the workflow's default, else the type's.
    timeout: Duration | None = None
    #: JSON Schema that the result must fit.
    result_schema: dict[str, Any] | None = None
    #: The result to use when the step was skipped or omitted; literal JSON.
    default: Any | UnsetType = UNSET


class Cache(_Node, kw_only=True):
    """`key` is a value with references; results under an equal one are used again. `ttl`: for how long."""

    key: Any
    ttl: Duration | None = None


class _LeafStep(_Step, kw_only=True):
    retry_policy: RetryPolicy | None = None
    fallback_actions: list[FallbackAction] | None = None


class Resources(_Node, kw_only=True):
    """What an attempt holds while it runs, as written (`resources.amount_of` reads the amounts)."""

    cpu: int | float | None = None
    memory: int | str | None = None
    network: int | str | None = None
    storage: int | str | None = None
    #: Kinds that the project defines -> how much.
    custom: dict[str, int | float] = {}
    strategy: Strategy = "first-fit"
    enforce: Enforce = "watch"


class _WorkStep(_LeafStep, kw_only=True):
    #: None: the workflow's default.
    resources: Resources | None = None
    cache: Cache | None = None
    once: bool = False


class ModuleOperationStep(_WorkStep, kw_only=True, tag="module-operation"):
    module: str
    operation: str
    parameters: dict[str, Any] = {}


class ShellStep(_WorkStep, kw_only=True, tag="shell"):
    """`run` (a script) or `command` (an argument list), never both."""

    run: str | None = None
    command: list[str] | None = None
    shell: str | None = None
    cwd: str | None = None
    env: dict[str, Any] = {}
    stdin: str | None = None
    parse: Literal["text", "json", "lines"] = "text"
    artifacts: list[str] = []


class HttpStep(_WorkStep, kw_only=True, tag="http"):
    """`json` or `body`, never both."""

    url: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] | None = None
    headers: dict[str, Any] = {}
    query: dict[str, Any] = {}
    json: Any | UnsetType = UNSET
    body: str | None = None
    #: Codes, and ranges such as `2xx` and `200-204`. None: 200-299.
    expect_status: int | str | list[int | str] | None = None
    #: None: GET and HEAD do.
    follow_redirects: bool | None = None


class PythonStep(_WorkStep, kw_only=True, tag="python"):
    """`call` is `package.module:function`, never a reference."""

    call: str
    arguments: dict[str, Any] = {}
    env: dict[str, Any] = {}
    isolation: Literal["process", "thread"] = "process"
    artifacts: list[str] = []


class AgentStep(_WorkStep, kw_only=True, tag="agent"):
    """Asks `agent` (an id) or one that offers `capability` (all of them); `input`, `prompt`, or both."""

    agent: str | None = None
    capability: str | list[str] | None = None
    input: Any | UnsetType = UNSET
    prompt: str | None = None


class WorkflowStep(_LeafStep, kw_only=True, tag="workflow"):
    """`file` is relative to the workflow file, never a reference."""

    file: str
    inputs: dict[str, Any] = {}


class SetStep(_LeafStep, kw_only=True, tag="set"):
    values: dict[str, Any]


class WaitStep(_LeafStep, kw_only=True, tag="wait"):
    """One of the three."""

    #: The file's `for`: how long to wait; may be a reference to text.
    for_: Duration | None = field(default=None, name="for")
    #: A time with its offset (RFC 3339), or a reference to one.
    until: str | None = None
    event: AwaitedEvent | None = None


class AwaitedEvent(_Node, kw_only=True):
    type: str
    #: An expression over `event`; none: any event of the type.
    where: str | bool | None = None


class EmittedEvent(_Node, kw_only=True):
    type: str
    data: Any = None


class EmitStep(_LeafStep, kw_only=True, tag="emit"):
    event: EmittedEvent


class ApprovalStep(_LeafStep, kw_only=True, tag="approval"):
    message: str
    approvers: list[str] = []
    #: The form: name -> JSON Schema fragment; `default` in it makes the input optional.
    inputs: dict[str, dict[str, Any]] = {}


class ParallelStep(_Step, kw_only=True, tag="parallel"):
    steps: list[Step]
    fail_on: Literal["any", "all", "none"] = "any"
    max_parallel: int | None = None
    #: The first child that completes decides; the others are stopped.
    race: bool = False


class ForeachStep(_Step, kw_only=True, tag="foreach"):
    #: A list, or a reference to one.
    items: Any
    steps: list[Step]
    as_: str = field(default="item", name="as")
    fail_on: Literal["any", "all", "none"] = "any"
    #: Items that may fail: how many, or a share of them such as `10%`.
    tolerated_failures: int | str = 0
    max_parallel: int | None = None


class LoopStep(_Step, kw_only=True, tag="loop"):
    """`while` is judged before each iteration, `until` after it; `delay` stands between two of them."""

    steps: list[Step]
    max_iterations: int
    until: str | bool | None = None
    while_: str | bool | None = field(default=None, name="while")
    delay: Duration = 0


class ConditionalStep(_Step, kw_only=True, tag="conditional"):
    condition: Condition
    then: Step | list[Step]
    else_: Step | list[Step] | None = field(default=None, name="else")


Step: TypeAlias = (
    ModuleOperationStep
    | ShellStep
    | HttpStep
    | PythonStep
    | AgentStep
    | WorkflowStep
    | SetStep
    | WaitStep
    | EmitStep
    | ApprovalStep
    | ParallelStep
    | ConditionalStep
    | ForeachStep
    | LoopStep
)


class Concurrency(_Node, kw_only=True):
    """How many runs of the workflow may go on at once under one key, and what one too many does."""

    #: None: the workflow's id.
    key: str | None = None
    max: int = 1
    on_limit: Literal["queue", "cancel", "fail"] = "queue"


class Defaults(_Node, kw_only=True):
    timeout: Duration | None = None
    retry_policy: RetryPolicy | None = None
    resources: Resources | None = None


class Workflow(_Node, kw_only=True):
    id: str
    name: str
    version: str
    description: str = ""
    #: Name -> JSON Schema fragment; `default` in it makes the input optional.
    inputs: dict[str, dict[str, Any]] = {}
    env: dict[str, str | int | float | bool | None] = {}
    secrets: list[str] = []
    defaults: Defaults = Defaults()
    max_parallel: int | None = None
    timeout: Duration | None = None
    grace: Duration = "10s"
    execution: Literal["graph", "sequential"] = "graph"
    fail_fast: bool = False
    steps: list[Step]
    outputs: dict[str, Any] = {}
    error_handling: ErrorHandling = ErrorHandling()
    concurrency: Concurrency | None = None
    finally_: list[Step] = field(default_factory=list, name="finally")
