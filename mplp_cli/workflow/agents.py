"""What an agent is: its definition, as files state it and the registry keeps it. Pure data.

Durations are milliseconds, sizes bytes. Secrets are named, never held: `auth` and `headers` may refer to variables of
the environment (`bearer-env`), whose values are read when an agent is called.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
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
    #: It says itself what it offers; what it has said is kept by the registry, and stands in `capabilities` then.
    discovers: bool = False
    tags: list[str] = []
    timeout: int | None = None
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    #: Further attempts to get an answer that fits its schema, in the same call.
    repair_attempts: int = 1
    #: The name of a budget.
    budget: str = ""
    limits: Limits = Limits()
    #: None: nobody waits for it to show itself.
    heartbeat: Heartbeat | None = None
    #: Agents that are asked instead when this one cannot be reached, in order.
    fallback: list[str] = []
    idempotent: bool = False


class PythonAgent(_Agent, frozen=True, kw_only=True, tag_field="kind", tag="python"):
    """A function `package.module:name`, called with `input` (and `prompt`) as arguments."""

    entrypoint: str
    #: `thread`: called inside this process.
    isolation: Literal["process", "thread"] = "process"


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


class Tools(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """Which tools of a server may be called: those that a glob of `allow` fits and none of `deny`."""

    #: None: all of them.
    allow: list[str] | None = None
    deny: list[str] = []
    #: `refuse`: of the tools that may destroy something, only those whose very names are in `allow`.
    destructive: Literal["allow", "refuse"] = "allow"


class McpAgent(_Agent, frozen=True, kw_only=True, tag_field="kind", tag="mcp"):
    """The tools of a server that speaks the Model Context Protocol: a program (`command`) or an address."""

    command: list[str] = []
    endpoint: str = ""
    headers: dict[str, str] = {}
    bearer_env: str = ""
    #: As those of a `command` agent.
    pass_env: list[str] = []
    env: dict[str, str] = {}
    cwd: str = ""
    tools: Tools = Tools()
    #: How long it may take until the server speaks, in milliseconds.
    connect_timeout: int = 30_000


class A2aAgent(_Agent, frozen=True, kw_only=True, tag_field="kind", tag="a2a"):
    """A remote agent that speaks the A2A protocol; its card is at `card_path` of the endpoint."""

    endpoint: str
    card_path: str = "/.well-known/agent-card.json"
    transport: Literal["JSONRPC", "HTTP+JSON"] = "JSONRPC"
    headers: dict[str, str] = {}
    bearer_env: str = ""
    stream: bool = False


class PluggedAgent(_Agent, frozen=True, kw_only=True, tag_field="kind", tag="plugged"):
    """An agent of a kind that an installed package has brought along; `options` are the package's own."""

    of: str
    options: dict[str, Json] = {}


AgentDefinition = (
    PythonAgent | CommandAgent | HttpAgent | OpenAIAgent | McpAgent | A2aAgent | MockAgent | PluggedAgent
)


#: What to do about an agent where there are none.
NO_AGENTS = "no agent is defined; `mplp help agents` says how"


def offers(offered: Collection[str], wanted: Iterable[str]) -> bool:
    """Whether all that is wanted is among the capabilities offered; `plan.*` is wanted by a pattern."""
    return all(any(fnmatchcase(one, pattern) for one in offered) for pattern in wanted)


class Binding(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """Who takes over a reserved interface: one agent, or whoever offers a capability."""

    agent: str = ""
    capability: str = ""


class Activation(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """Who takes over which reserved interfaces, by their names (`plan.optimizePlanWithAI`).

    `auto`: also who offers the capability that belongs to an interface; `explicit`: only what `bindings` say.
    """

    mode: Literal["auto", "explicit"] = "auto"
    bindings: dict[str, Binding] = {}


class AgentFile(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    """Agents with what they share, as `agents.yaml` has them."""

    version: int = 1
    agents: list[AgentDefinition] = []
    budgets: dict[str, Budget] = {}
    #: By the name of a model.
    prices: dict[str, Price] = {}
    #: None: the file does not say.
    activation: Activation | None = None


class Registered(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An agent that somebody has registered: under which id, when (ms since the epoch), and what it is.

    Relative paths of the definition start from `directory`, which is absolute.
    """

    id: str
    agent: AgentDefinition
    registered_at: int
    directory: str


class KeptAgents(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is kept of agents from one command to the next, by their ids: when each showed itself last (`seen`), and
    what those that say it themselves have said that they offer (`offered`)."""

    version: Literal[1] = 1
    registered: list[Registered] = []
    seen: dict[str, int] = {}
    offered: dict[str, list[str]] = {}


#: A variable of the environment in a text of a definition.
_VARIABLE = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")


def filled(text: str, environ: Mapping[str, str]) -> str:
    """A text with the values of the variables that it names. KeyError with the name of one that is not set."""
    return _VARIABLE.sub(lambda found: environ[found.group(1)], text)


def variables_in(text: str) -> list[str]:
    """The names of the variables that a text refers to."""
    return _VARIABLE.findall(text)


def foreign_reference(text: str) -> bool:
    """Whether a text holds a reference to something else than a variable."""
    return "${" in _VARIABLE.sub("", text) or "$<" in text


def variables_of(agent: AgentDefinition) -> list[str]:
    """The variables of the environment that must be set when an agent is called."""
    texts: list[str] = []
    if isinstance(agent, HttpAgent | OpenAIAgent | McpAgent | A2aAgent):
        texts += [agent.endpoint, *agent.headers.values()]
        texts += [agent.model] if isinstance(agent, OpenAIAgent) else []
    names = [name for text in texts for name in _VARIABLE.findall(text)]
    named = getattr(agent, "bearer_env", "")
    return list(dict.fromkeys([*names, *([named] if named else [])]))


def endpoints_of(agent: AgentDefinition) -> list[dict[str, str]]:
    """Where an agent is reached, as registrations have it: `[{url}]`."""
    match agent:
        case HttpAgent() | OpenAIAgent() | A2aAgent():
            url = agent.endpoint
        case PythonAgent():
            url = f"python:{agent.entrypoint}"
        case CommandAgent():
            url = f"command:{agent.command[0]}"
        case McpAgent():
            url = agent.endpoint or f"command:{agent.command[0]}"
        case _:
            url = f"{kind_of(agent)}:{agent.id}"
    return [{"url": url}]


def kind_of(agent: AgentDefinition) -> str:
    """What files call its kind."""
    return agent.of if isinstance(agent, PluggedAgent) else str(type(agent).__struct_config__.tag)
