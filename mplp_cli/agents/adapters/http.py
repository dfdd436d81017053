"""Agents that are services: the input goes there as JSON, JSON comes back."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mplp_cli.agents.adapters.wire import Endpoint, origin
from mplp_cli.agents.contract import AgentRequest, AgentResult, Tell
from mplp_cli.errors import AgentError
from mplp_cli.protocols import Clock, Connect
from mplp_cli.workflow.agents import HttpAgent
from mplp_cli.workflow.values import Json


class HttpAdapter:
    """One service. Tokens are read from `environ` when it is called first."""

    def __init__(self, agent: HttpAgent, connect: Connect, environ: Mapping[str, str], clock: Clock) -> None:
        self._agent = agent
        self._endpoint = Endpoint(agent, connect, environ, clock)

    async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:  # noqa: ARG002 (the contract's)
        """What the service answers. A prompt, where there is one, goes along: `{input, prompt}`."""
        headers = {"accept": "application/json", "content-type": "application/json"}
        if request.idempotency_key:
            headers["idempotency-key"] = request.idempotency_key
        if request.trace is not None:
            headers |= request.trace.headers()
        endpoint = self._endpoint
        content = self._content(request)
        async with (
            endpoint.within(request.timeout),
            endpoint.asked(self._agent.method, endpoint.url, content, headers) as response,
        ):
            return AgentResult(output=await endpoint.read(response))

    async def probe(self) -> None:
        """Ask the `health` path, or the endpoint for its head."""
        endpoint, health = self._endpoint, self._agent.health
        if not health:
            return await endpoint.probe("HEAD", endpoint.url)
        url = endpoint.url.join(health)
        if origin(url) != origin(endpoint.url):
            raise AgentError(
                "agent.http",
                f"`{self._agent.id}`: `health` leads to another origin than the endpoint's",
                agent=self._agent.id,
                hint="write a path, such as /healthz",
            )
        return await endpoint.probe("GET", url)

    async def aclose(self) -> None:
        """Nothing: connections belong to who has given them."""

    def _content(self, request: AgentRequest) -> bytes:
        body: Json = request.input
        if request.prompt is not None:
            body = {"prompt": request.prompt}
            if request.input is not None:
                body["input"] = request.input
        try:
            return msgspec.json.encode(body)
        except (ValueError, OverflowError, RecursionError, TypeError) as error:
            raise AgentError(
                "agent.http",
                f"`{self._agent.id}`: the input cannot be written as JSON: {error}",
                agent=self._agent.id,
                details={"sent": False},
            ) from None
