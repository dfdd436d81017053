"""Agents that are tools of a server: a program or an address that speaks the Model Context Protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from mplp_cli.agents.adapters.mcp_session import Session, address, flattened, program
from mplp_cli.agents.adapters.mcp_tools import Tool, answer, capabilities, chosen, permitted, tool_of
from mplp_cli.agents.adapters.wire import PROBE, Endpoint, reason_for, seconds_until
from mplp_cli.agents.contract import AgentRequest, AgentResult, Tell
from mplp_cli.agents.extras import missing_extra
from mplp_cli.agents.workshop import Workshop
from mplp_cli.errors import AgentError, NetworkPolicyError
from mplp_cli.workflow.agents import McpAgent
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mcp import Client

#: Pages of a list of tools that are read.
_PAGES: Final = 100
#: Characters of what a server has said that an error shows.
_SHOWN: Final = 300
#: Codes of the protocol.
_CLOSED, _TIMEOUT, _PARAMETERS = -32000, -32001, -32602


class McpTools:
    """An agent of kind `mcp`. The server is started, or called, with the first call; one session serves all."""

    def __init__(self, agent: McpAgent, workshop: Workshop) -> None:
        self._agent = agent
        self._workshop = workshop
        self._endpoint = Endpoint(agent, workshop.connect, workshop.environ, workshop.clock)
        self._session: Session | None = None
        #: Sessions that are of no more use and not closed yet.
        self._over: list[Session] = []
        #: The tools of the present session.
        self._tools: dict[str, Tool] = {}

    async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:
        """What the tool gives that the request means."""
        session = self._opened()
        try:
            client = await session.client()
            tools = await self._listed(client, session)
            name, arguments = chosen(self._agent, tools, request)
            if name not in tools:
                tools = await self._listed(client, session, again=True)
            tool = permitted(self._agent, tools, name)

            async def on_progress(progress: float, total: float | None, message: str | None) -> None:
                share = f"{progress:g} of {total:g}" if total else f"{progress:g}"
                tell(f"{self._masked(message or share)}\n")

            meta: Any = None if request.trace is None else request.trace.headers()
            result = await client.call_tool(name, arguments, progress_callback=on_progress, meta=meta)
        except (AgentError, asyncio.CancelledError):
            raise
        except BaseException as error:
            raise self._failed(session, error) from error
        made = answer(self._agent, tool, result)
        return AgentResult(output=self._masked(made.output), text=self._masked(made.text), tool=name)

    async def probe(self) -> Sequence[str]:
        """Ask the server for its tools, which are its capabilities."""
        session = self._opened()
        try:
            client = await session.client()
            async with asyncio.timeout(PROBE):
                return capabilities(self._agent, await self._listed(client, session, again=True))
        except (AgentError, asyncio.CancelledError):
            raise
        except BaseException as error:
            raise self._failed(session, error) from error

    async def aclose(self) -> None:
        """End the session, and with it the program."""
        sessions = [*self._over, *([self._session] if self._session else [])]
        self._over, self._session = [], None
        async with asyncio.TaskGroup() as tasks:
            for session in sessions:
                tasks.create_task(session.close())

    def _opened(self) -> Session:
        """The session; a new one, if there is none that could be used."""
        if self._session is not None and self._session.over:
            self._over.append(self._session)
            self._session = None
        if self._session is None:
            self._require_extra()
            agent, workshop = self._agent, self._workshop
            way = program(agent, workshop) if agent.command else address(agent, self._endpoint, workshop)
            self._session, self._tools = Session(way, agent.connect_timeout / 1000), {}
        return self._session

    def _require_extra(self) -> None:
        missing = missing_extra("mcp")
        if missing is not None:
            said = f"agent `{self._agent.id}`: {missing[0]}: {missing[1]}"
            raise AgentError("agent.unavailable", said, agent=self._agent.id, details={"sent": False})

    async def _listed(self, client: Client, session: Session, *, again: bool = False) -> dict[str, Tool]:
        """The tools of the server, by name."""
        if self._tools and not again:
            return self._tools
        found: dict[str, Tool] = {}
        cursor: str | None = None
        for _ in range(_PAGES):
            page = await client.list_tools(cursor=cursor, cache_mode="refresh")
            found |= {one.name: tool_of(one) for one in page.tools}
            cursor = page.next_cursor
            if cursor is None:
                break
        if session is self._session:
            self._tools = found
        return found

    def _masked(self, value: Any) -> Any:
        return value if self._agent.command else self._endpoint.masked(value)

    # ---- errors --------------------------------------------------------------------------------

    def _failed(self, session: Session, raised: BaseException) -> BaseException:
        """What went wrong with a session or in it, for those that asked."""
        error = flattened(raised)
        if isinstance(error, AgentError):
            return error
        if isinstance(error, ImportError):
            return self._error("agent.unavailable", f"its kind cannot be used: {error}", sent=False)
        if not isinstance(error, Exception):
            return error if not isinstance(error, asyncio.CancelledError) else self._lost(session)
        if isinstance(error, TimeoutError):
            return self._silent(session)
        code = getattr(getattr(error, "error", None), "code", None)
        if session.link.broken is not None and session.link.refused is None:
            return self._unreached(session.link.broken)
        if code == _TIMEOUT:
            return self._error("agent.timeout", f"it gave no answer in time: {error}", again=True)
        if session.link.refused is not None and (code is None or code < 0):
            return self._refused(*session.link.refused, str(error))
        if code == _PARAMETERS:
            return self._error("agent.input_invalid", f"it refused what it was asked: {_short(error)}")
        if code is not None and code != _CLOSED:
            return self._error("agent.remote", f"it answered with an error: {_short(error)}", rpcCode=code)
        if isinstance(error, OSError | ValueError) and not session.link.stderr and code is None:
            if type(error).__module__.startswith("pydantic"):
                return self._error(
                    "agent.output_invalid", f"its answer is not what the protocol says: {_short(error)}"
                )
            return self._error("agent.unavailable", f"it cannot be started: {reason_for(error)}", sent=False)
        if isinstance(error, RuntimeError) and not session.over:
            return self._error("agent.output_invalid", _short(error))
        return self._lost(session)

    def _lost(self, session: Session) -> AgentError:
        return self._error(
            "agent.unavailable", f"it went away before it had answered{self._seen(session)}", again=True
        )

    def _silent(self, session: Session) -> AgentError:
        """It did not speak in time: nobody waits for it any more."""
        if session is self._session:
            self._over.append(session)
            self._session = None
        seconds = self._agent.connect_timeout / 1000
        said = (
            f"it did not begin to speak the Model Context Protocol within {seconds:g} s{self._seen(session)}"
        )
        return self._error("agent.unavailable", said, again=True, sent=False)

    def _seen(self, session: Session) -> str:
        """What else is known of a server that does not answer."""
        link, mask = session.link, self._workshop.mask
        if link.garbage:
            return f": it prints what is no message: {mask(link.garbage)[:_SHOWN]!r}"
        last = mask(link.stderr).strip().splitlines()[-1:]
        return f": {last[0][:_SHOWN]}" if last else ""

    def _unreached(self, error: Exception) -> AgentError:
        if isinstance(error, NetworkPolicyError):
            return self._error("guard.denied", error.message, sent=False, **error.details)
        where = self._endpoint.url.copy_with(query=None, userinfo=b"")
        said = f"{where} cannot be reached: {self._endpoint.masker.text(reason_for(error))}"
        return self._error("agent.unavailable", said, again=True)

    def _refused(self, status: int, after: str, said: str) -> AgentError:
        code, again, variable = "agent.http", status in (408, 425), self._agent.bearer_env
        more = ""
        if status == 429:
            code, again = "agent.rate_limited", True
        elif status >= 500:
            code, again = "agent.unavailable", True
        elif status in (401, 403):
            more = (
                f"; `{variable}` has to hold a valid token"
                if variable
                else "; `bearer-env` names the variable of a token"
            )
        return self._error(
            code,
            f"it answered with the status {status}: {self._endpoint.masker.text(said)[:_SHOWN]}{more}",
            again=again,
            after=seconds_until(after, self._workshop.clock.now()),
            status=status,
        )

    def _error(
        self, code: str, what: str, *, again: bool = False, after: float | None = None, **details: Json
    ) -> AgentError:
        session_tail = self._workshop.mask(self._session.link.stderr) if self._session else ""
        said = {**details, **({"stderr": session_tail} if session_tail else {})}
        name = self._agent.id
        return AgentError(
            code, f"agent `{name}`: {what}", agent=name, retryable=again, retry_after=after, details=said
        )


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:_SHOWN] or type(error).__name__
