"""The boundary around every kind of agent: a request, an answer, and the adapter between them.

Only an adapter differs per kind. What goes before and after a call (limits, schemas, budgets, retries of a
malformed answer, records) is done once, around this boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from mplp_cli.protocols import Attempt
from mplp_cli.workflow.values import Json, RunId, StepId

if TYPE_CHECKING:
    from mplp_cli.workflow.tracing import Trace

#: Told pieces of an answer's text as they come.
Tell = Callable[[str], None]


class Resumed(Struct, frozen=True, kw_only=True):
    """A person's answer to an agent that had to ask: AgentError `agent.input_required`, whose details `asked` are."""

    asked: dict[str, Json]
    answer: Json


class AgentRequest(Struct, frozen=True, kw_only=True):
    """What an agent is asked. `timeout` is in seconds; `attempt` counts from 1.

    `prompt` is text for agents that read text; `input` is JSON for those that read data; an adapter gives what its
    kind takes. `schema` is the JSON Schema that the answer is to fit.
    """

    run: RunId
    step: StepId
    #: Its id; empty: any that offers `capability` (of several, separated by blanks: all of them).
    agent: str
    input: Json = None
    prompt: str | None = None
    operation: str = ""
    capability: str = ""
    schema: dict[str, Any] | None = None
    timeout: float = 600.0
    #: Who asks ends the call when that time is over, so that nobody else has to.
    watched: bool = False
    attempt: int = 1
    #: The same for every attempt: what an agent does under it happens once.
    idempotency_key: str = ""
    #: It was asked before and goes on with an answer; the rest of the request is what it was.
    resumed: Resumed | None = None
    #: What was wrong with the answer before: set where the agent is asked once more for one that fits.
    repair: str = ""
    #: Which call of the attempt it is (from 1), and the span that is handed on with it; set by the boundary.
    call: int = 0
    trace: Trace | None = None
    #: The attempt that asks: what it may use is for the agent's processes, and what they use is noted with it.
    within: Attempt | None = None


class Usage(Struct, frozen=True, kw_only=True):
    """What a call has used, in tokens. Input tokens do not count those that were read from or written to a cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read: int = 0
    cache_write: int = 0

    @property
    def total(self) -> int:
        return self.input_tokens + self.output_tokens + self.cache_read + self.cache_write


class AgentResult(Struct, frozen=True, kw_only=True):
    """What came back. `output` is the answer as JSON: text for an agent that answers in prose.

    `text` is the answer as it was written, where there is one; `finish` is why it ended (`stop`, `length`, ...).
    """

    output: Json
    text: str | None = None
    usage: Usage | None = None
    #: Who answered in the end; set by the boundary.
    agent: str = ""
    #: Answers of a model that it took, those that could not be used included.
    calls: int = 1
    finish: str = ""
    model: str = ""
    #: The tool that was called, by an agent that is one.
    tool: str = ""


class Adapter(Protocol):
    """Calls the agents of one kind."""

    async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:
        """The answer. AgentError says what went wrong. Cancelled, it stops what it has started."""
        ...

    async def probe(self) -> Sequence[str] | None:
        """Look whether the agent could answer, without asking it anything; AgentError if not.

        What it offers, if it says so itself.
        """
        ...

    async def aclose(self) -> None:
        """Close what it has opened."""
        ...
