"""What an agent is: its definition, as files state it and the registry keeps it. Pure data.

Durations are milliseconds, sizes bytes. Secrets are named, never held: `auth` and `headers` may refer to variables of
the environment (`bearer-env`), whose values are read when an agent is called.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any, Literal

from msgspec import Struct

from mplp_cli.workflow.values import Json

#: Words of letters, digits, `.`, `_` and `-`, beginning with a letter.
AGENT_ID = r"^[a-z][a-z0-9._-]{0,62}$"
OnExceed = Literal["stop", "pause", "warn"]
OutputMode = Literal["auto", "json_schema", "json_object", "prompt", "raw", "json", "jsonl", "text"]


class Budget(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """Limits that several agents may share by name; None: no limit. `max_time` is in milliseconds."""

    max_calls: int | None = None
    max_tokens: int | None = None
    max_usd: float | None = None
    max_time: int | None = None
    on_exceed: OnExceed = "stop"


class Price(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """US dollars per million tokens of a model."""

    input: float = 0.0
    output: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0


class Limits(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """How much of an agent may be used at once."""

    max_concurrency: int | None = None


class Heartbeat(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """How often an agent shows that it is there, and after how many misses it counts as unreachable."""

    interval: int = 30_000
    stale_after: int = 3


class Script(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """What a mock agent answers: the first entry that fits. `when` has globs for fields of the input, `prompt`,
    `call` (its number, from 1) or `attempt`; `error` is `{code, message?, retryable?, retry-after?}`."""

    when: dict[str, Json] = {}
    reply: Json = None
    error: dict[str, Json] | None = None
    delay: int = 0


class _Agent(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    id: str
    name: str = ""
    description: str = ""
    #: Dotted names, such as `plan.create`; a request for `plan.*` finds it.
    capabilities: list[str] = []
    tags: list[str] = []
    timeout: int | None = None
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    #: Further attempts to get an answer that fits its schema, in the same call.
    repair_attempts: int = 1
    #: The name of a budget.
    budget: str = ""
    limits: Limits = Limits()
    heartbeat: Heartbeat = Heartbeat()
    #: Agents that are asked instead when this one cannot be reached, in order.
    fallback: list[str] = []
    idempotent: bool = False


class PythonAgent(_Agent, frozen=True, kw_only=True, tag_field="kind", tag="python"):
    """A function `package.module:name`, called in a process with `input` (and `prompt`) as arguments."""

    entrypoint: str


class CommandAgent(_Agent, frozen=True, kw_only=True, tag_field="kind", tag="command"):
    """A program: arguments, never a shell string. `input`: how it is asked; `output`: how it answers."""

    command: list[str]
    input: Literal["json", "text"] = "json"
    output: Literal["json", "jsonl", "text"] = "json"
    #: Names of variables that it gets beside PATH, HOME, LANG, TERM, TZ; and values that are set.
    pass_env: list[str] = []
    env: dict[str, str] = {}
    cwd: str = ""


class HttpAgent(_Agent, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """A service that is sent the input as JSON, and answers with JSON."""

    endpoint: str
    method: Literal["POST", "PUT"] = "POST"
    headers: dict[str, str] = {}
    #: The variable whose value is sent as a bearer token.
    bearer_env: str = ""
    #: A path that says whether it is there, if not the endpoint.
    health: str = ""


class OpenAIAgent(_Agent, frozen=True, kw_only=True, tag_field="kind", tag="openai"):
    """A model behind an endpoint that is compatible with OpenAI's chat completions; `endpoint` ends in `/v1`."""

    endpoint: str
    model: str
    bearer_env: str = ""
    headers: dict[str, str] = {}
    instructions: str = ""
    #: Sent as they are: temperature, max_tokens, seed...
    params: dict[str, Json] = {}
    stream: bool = False
    output: OutputMode = "auto"


class MockAgent(_Agent, frozen=True, kw_only=True, tag_field="kind", tag="mock"):
    """Answers by a script, without asking anybody; what it has no entry for gets `default`, or is an error."""

    script: list[Script] = []
    default: Json = None
    has_default: bool = False


AgentDefinition = PythonAgent | CommandAgent | HttpAgent | OpenAIAgent | MockAgent


#: What to do about an agent where there are none.
NO_AGENTS = "no agent is defined; `mplp help agents` says how"


def offers(offered: Collection[str], wanted: Iterable[str]) -> bool:
    """Whether all that is wanted is among the capabilities offered; `plan.*` is wanted by a pattern."""
    return all(any(fnmatchcase(one, pattern) for one in offered) for pattern in wanted)


class AgentFile(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """Agents with what they share, as `agents.yaml` has them."""

    version: int = 1
    agents: list[AgentDefinition] = []
    budgets: dict[str, Budget] = {}
    #: By the name of a model.
    prices: dict[str, Price] = {}
