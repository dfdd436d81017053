"""Agents that are tools of a server: real processes and services, asked through the boundary."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.agents import extras
from mplp_cli.agents.ailments import ailments
from mplp_cli.agents.boundary import Agents
from mplp_cli.agents.contract import AgentRequest
from mplp_cli.clock import SystemClock
from mplp_cli.engine.survivors import find_marked, kill_marked
from mplp_cli.engine.workplace import Workplace, attempt_mark
from mplp_cli.errors import AgentError
from mplp_cli.loading.agents import Beside, load_agents
from mplp_cli.staffing import Oversight, make_agents
from mplp_cli.workflow.agents import AgentDefinition, McpAgent, MockAgent, Tools
from mplp_cli.workflow.masking import Masker
from tests.agents.services import Seen, Service, answer

RUN = f"mcp-{os.getpid()}"
SERVER = str(Path(__file__).parent / "mcp_server.py")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    left = find_marked(attempt_mark(RUN))
    kill_marked(attempt_mark(RUN))
    assert not left


def mcp(*arguments: str, **more: Any) -> McpAgent:
    command = [sys.executable, SERVER, *arguments]
    return McpAgent(id="a", **{"command": command, "discovers": True, "repair_attempts": 0, **more})


def sh(script: str, **more: Any) -> McpAgent:
    return McpAgent(id="a", command=["sh", "-c", script], **more)


def ask(tool: str = "", run: str = RUN, **more: Any) -> AgentRequest:
    given = {"input": {"tool": tool, "arguments": more.pop("arguments", {})}} if tool else {}
    return AgentRequest(run=run, step="s", **{"agent": "a", **given, **more})


class Place:
    """Where agents are asked: what they have told, and what they have said that they offer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[str] = []
        self.offered: dict[str, Sequence[str]] = {}

    def agents(self, *definitions: AgentDefinition, deny_private: bool = False) -> Agents:
        environ = {"PATH": os.environ["PATH"], "SECRET": "s3cr3t", "PASSED": "p", "TOKEN": "t0ken-t0ken"}
        return make_agents(
            {agent.id: (agent, str(self.folder)) for agent in definitions},
            Workplace(log_dir=self.folder / "logs", grace=1, owner="me"),
            Masker({}),
            run=RUN,
            deny_private=deny_private,
            oversight=Oversight(discovered=self.offered.__setitem__),
            clock=SystemClock(),
            environ=environ,
            open_environ=environ,
            cwd="/",
        )

    def with_agents(
        self, work: Callable[[Agents], Awaitable[Any]], *definitions: AgentDefinition, **more: Any
    ) -> Any:
        async def main() -> Any:
            agents = self.agents(*definitions, **more)
            try:
                return await work(agents)
            finally:
                await agents.aclose()

        return asyncio.run(main())

    def ask(self, agent: AgentDefinition, *requests: AgentRequest, **more: Any) -> Any:
        """The outputs, or the errors, of requests that are made one after the other."""

        async def work(agents: Agents) -> list[Any]:
            found: list[Any] = []
            for request in requests:
                try:
                    found.append((await agents.ask(request, self.told.append)).output)
                except AgentError as error:
                    found.append(error)
            return found

        made = self.with_agents(work, agent, **more)
        return made[0] if len(made) == 1 else made


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_tool_is_meant_by_a_capability_by_the_input_or_by_being_the_only_one(place: Place) -> None:
    by_capability = ask(agent="", capability="mcp:echo", input={"q": 1}, prompt="p")
    by_input = ask("echo", arguments={"q": 1})
    asked, named = place.ask(mcp(), by_capability, by_input)
    assert (json.loads(asked), json.loads(named)) == ({"q": 1, "prompt": "p"}, {"q": 1})
    assert set(place.told) == {"half way\n"}
    assert place.offered["a"] == [f"mcp:{tool}" for tool in "echo about erase fail die hang breed".split()]
    only = place.ask(mcp(tools=Tools(allow=["ec*"])), ask(input={"q": 1}))
    assert json.loads(only) == {"q": 1}
    unclear = place.ask(mcp(), ask(input={"q": 1}))
    assert (unclear.code, unclear.details["sent"]) == ("agent.input_invalid", False)
    assert "its tools are echo, about" in unclear.message


def test_structured_content_is_the_answer_and_the_environment_is_an_allow_list(place: Place) -> None:
    made = place.ask(mcp(pass_env=["PASSED"], env={"SET": "s"}), ask("about"))
    names = made["env"].keys() - {"HOME", "LOGNAME", "SHELL", "TERM", "USER", "LC_CTYPE"}
    assert names == {"PATH", "PASSED", "SET", "MPLP_ATTEMPT", "MPLP_RUN_ID"}


def test_one_server_serves_all_calls_at_once_and_ends_with_what_it_has_started(place: Place) -> None:
    async def work(agents: Agents) -> tuple[set[int], int]:
        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(agents.ask(ask("about"), place.told.append)) for _ in range(10)]
        bred = await agents.ask(ask("breed"), place.told.append)
        return {task.result().output["pid"] for task in made}, int(str(bred.output))

    pids, bred = place.with_agents(work, mcp())
    assert len(pids) == 1
    assert bred not in find_marked(attempt_mark(RUN))


def test_what_a_tool_or_its_server_does_wrong_has_a_code_and_the_next_call_is_answered(place: Place) -> None:
    agent = mcp(idempotent=True, timeout=1_500)
    failed, unknown, died, hung, first, again = place.ask(
        agent,
        ask("fail"),
        ask("ehco"),
        ask("die"),
        ask("hang"),
        ask("about"),
        ask("about"),
    )
    assert (failed.code, failed.failure().retryable) == ("agent.tool", True)
    assert "the tool `fail` failed: it cannot be done" in failed.message
    assert (unknown.code, unknown.failure().retryable) == ("agent.tool", False)
    assert unknown.message == "agent `a`: its server has no tool `ehco`; did you mean `echo`?"
    assert (died.code, died.failure().retryable) == ("agent.unavailable", True)
    assert died.message == "agent `a`: it went away before it had answered: the disk is on fire"
    assert hung.code == "agent.timeout"
    assert first["pid"] == again["pid"]


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (sh("echo junk; exec sleep 600", connect_timeout=300), "within 0.3 s: it prints what is no message: 'junk'"),
        (sh("exec sleep 600", connect_timeout=300), "within 0.3 s"),
        (sh("echo out of luck >&2; exit 3"), "it went away before it had answered: out of luck"),
        (McpAgent(id="a", command=["no-such-program"]), "it cannot be started: No such file or directory"),
        (McpAgent(id="a", endpoint="http://127.0.0.1:1/mcp"), "cannot be reached: Connection refused"),
    ],
)  # fmt: skip
def test_a_server_that_does_not_come_about_is_said_to_be_unavailable(
    place: Place, agent: McpAgent, said: str
) -> None:
    error = place.ask(agent, ask("echo"))
    assert error.code == "agent.unavailable"
    assert said in error.message


def test_a_server_that_will_not_end_is_killed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcp.client import stdio

    for limit in ("PROCESS_TERMINATION_TIMEOUT", "FORCE_KILL_TIMEOUT"):
        monkeypatch.setattr(stdio, limit, 0.1)

    place.ask(mcp("stubborn"), ask("about"))


def test_what_the_definition_does_not_allow_is_neither_offered_nor_called(place: Place) -> None:
    agent = mcp(tools=Tools(allow=["e*", "about", "fail"], deny=["about"], destructive="refuse"))
    denied, left_out, harm, allowed = place.ask(agent, ask("about"), ask("hang"), ask("erase"), ask("fail"))
    assert [error.code for error in (denied, left_out, harm)] == ["guard.denied"] * 3
    assert "`tools.deny` has it" in denied.message
    assert "`tools.allow` does not have it" in left_out.message
    assert "may destroy something" in harm.message
    assert allowed.code == "agent.tool"  # its very name is allowed
    nobody = place.ask(agent, ask(agent="", capability="mcp:erase"))
    assert (nobody.code, place.offered["a"]) == ("agent.not_found", ["mcp:echo", "mcp:fail"])


def test_one_that_cannot_be_asked_what_it_offers_is_blamed_only_if_it_could_be_meant(place: Place) -> None:
    async def work(agents: Agents) -> list[str]:
        codes = []
        for wanted in ("mcp:echo", "plan.create"):
            with pytest.raises(AgentError) as caught:
                await agents.ask(ask(agent="", capability=wanted), place.told.append)
            codes.append(caught.value.code)
        return codes

    gone = McpAgent(id="a", command=["no-such-program"], discovers=True)
    assert place.with_agents(work, gone, MockAgent(id="m")) == ["agent.unavailable", "agent.not_found"]


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        ("401 Unauthorized", "agent.http", False),
        ("429 Too Many Requests", "agent.rate_limited", True),
        ("503 Service Unavailable", "agent.unavailable", True),
    ],
)
def test_a_refusal_over_http_has_the_code_of_its_status(
    place: Place, status: str, code: str, *, retryable: bool
) -> None:
    async def main() -> tuple[AgentError, list[Seen]]:
        async with Service(lambda _: answer({"no": "t0ken-t0ken"}, status, "Retry-After: 2")) as service:
            agents = place.agents(McpAgent(id="a", endpoint=f"{service.url}/mcp", bearer_env="TOKEN"))
            with pytest.raises(AgentError) as caught:
                await agents.ask(ask("echo"), place.told.append)
            await agents.aclose()
            return caught.value, service.seen

    error, seen = asyncio.run(main())
    assert (error.code, error.failure().retryable) == (code, retryable)
    assert error.details["status"] == int(status[:3])
    assert seen[0].headers["authorization"] == "Bearer t0ken-t0ken"
    assert "t0ken" not in f"{error.message}{error.details}"


def test_addresses_that_the_machine_denies_are_not_called(place: Place) -> None:
    agent = McpAgent(id="a", endpoint="http://127.0.0.1:9/mcp")
    assert place.ask(agent, ask("echo"), deny_private=True).code == "guard.denied"


def test_without_the_package_everybody_says_how_to_install_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extras.EXTRAS, "mcp", ("no-such-package", (2, 3)))
    command = 'pip install "mplp-cli[mcp]"'
    error = place.ask(mcp(), ask("echo"))
    assert error.code == "agent.unavailable"
    assert command in error.message
    [ill] = ailments(mcp(), "/", {"PATH": os.environ["PATH"]})
    assert (ill.code, ill.hint) == ("extra-missing", command)
    text = b"agents:\n  - {id: a, kind: mcp, endpoint: 'http://h'}\n"
    found, [problem] = load_agents(text, "agents.yaml", beside=Beside(missing=extras.missing_extra))
    assert found is not None
    assert (problem.severity, problem.hint) == ("warning", command)
    monkeypatch.setitem(extras.EXTRAS, "mcp", ("mcp", (99, 0)))
    missing = extras.missing_extra("mcp")
    assert missing is not None
    assert "99.0 or later" in missing[0]
