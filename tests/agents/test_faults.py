"""What goes wrong with agents of every kind: a name for it, within the deadline; nothing stays behind, and the
place that the agent takes up is free again."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.agents.boundary import Agents
from mplp_cli.agents.contract import AgentRequest, AgentResult
from mplp_cli.clock import SystemClock
from mplp_cli.engine.survivors import find_marked, kill_marked
from mplp_cli.engine.workplace import Workplace, attempt_mark
from mplp_cli.errors import AgentError
from mplp_cli.staffing import make_agents
from mplp_cli.workflow.agents import (
    AgentDefinition,
    CommandAgent,
    HttpAgent,
    Limits,
    OpenAIAgent,
    PythonAgent,
)
from mplp_cli.workflow.masking import Masker
from tests.agents.services import Hang, Service, answer

RUN = f"faults-{os.getpid()}"
ONE = Limits(max_concurrency=1)
N = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
PIECE = b'data: {"choices": [{"index": 0, "delta": {"content": "Be"}}]}\n\n'
#: More than any of these may take, and less than what hangs would.
PATIENCE = 30
BIG = 5_000_000


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    left = find_marked(attempt_mark(RUN))
    kill_marked(attempt_mark(RUN))
    assert not left


def agents_of(agent: AgentDefinition, folder: Path) -> Agents:
    environ = {"PATH": os.environ["PATH"]}
    return make_agents(
        {agent.id: (agent, str(folder))},
        Workplace(log_dir=folder / "logs", grace=0.5),
        Masker({}),
        run=RUN,
        deny_private=False,
        clock=SystemClock(),
        environ=environ,
        open_environ=environ,
        cwd=str(folder),
        output=lambda step, stream, text: None,
    )


async def twice(agent: AgentDefinition, folder: Path, **asked: Any) -> list[AgentResult | AgentError]:
    """What comes of two requests to an agent that takes one at a time, begun together."""
    agents = agents_of(agent, folder)

    async def once() -> AgentResult | AgentError:
        request = AgentRequest(
            run=RUN, step="s", agent=agent.id, idempotency_key="k", **{"input": {}, **asked}
        )
        try:
            return await agents.ask(request, lambda text: None)
        except AgentError as error:
            return error

    try:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(once()) for _ in range(2)]
    finally:
        await agents.aclose()
    return [task.result() for task in asking]


def limit(becomes: Any) -> int:
    """Milliseconds: what does not hang may take its time on a machine that has other things to do."""
    return 500 if becomes == "agent.timeout" else 20_000


def outcome(one: AgentResult | AgentError) -> Any:
    """The code of an error; an answer as it is, if it is short."""
    if isinstance(one, AgentError):
        return one.code
    text = json.dumps(one.output)
    return one.output if len(text) < 100 else len(text)


# ---- programs and functions ----------------------------------------------------------------------

DIES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
HANGS = "import time; time.sleep(600)"
FORKS = "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)"
PROGRAMS: list[tuple[str, str, Any]] = [
    ("dies in the call", DIES, "agent.exit"),
    ("prints half and dies", f"print('[1,', flush=True); {DIES}", "agent.exit"),
    ("prints garbage", "print('\\x1b[31m<html>')", "agent.output_invalid"),
    ("prints bytes that are no text", "import os; os.write(1, bytes(range(256)))", "agent.output_invalid"),
    ("answers what its schema does not take", 'print(\'{"n": "one"}\')', "agent.output_invalid"),
    ("hangs", HANGS, "agent.timeout"),
    (
        "closes its output and hangs",
        f"import os; os.write(1, b'1'); os.close(1); os.close(2); {HANGS}",
        "agent.timeout",
    ),
    ("forks and hangs", f"{FORKS}; {HANGS}", "agent.timeout"),
    ("forks and dies", f"{FORKS}; {DIES}", "agent.exit"),
    ("forks and answers", f"{FORKS}; print('{{\"n\": 1}}')", {"n": 1}),
    ("answers 5 MB", f"import json; print(json.dumps({{'n': 1, 'x': 'x' * {BIG}}}))", BIG + 17),
]


@pytest.mark.parametrize(
    ("script", "becomes"), [row[1:] for row in PROGRAMS], ids=[row[0] for row in PROGRAMS]
)
def test_a_program_that(tmp_path: Path, script: str, becomes: Any) -> None:
    agent = CommandAgent(
        id="a", command=[sys.executable, "-c", script], timeout=limit(becomes), limits=ONE, repair_attempts=0
    )
    both = asyncio.run(twice(agent, tmp_path, schema=N))
    assert [outcome(one) for one in both] == [becomes] * 2


FUNCTIONS: list[tuple[str, str, Any]] = [
    ("dies in the call", DIES, "agent.exit"),
    ("prints garbage", "print('}{', flush=True); return {'n': 1}", {"n": 1}),
    ("answers what its schema does not take", "return {'n': 'one'}", "agent.output_invalid"),
    ("answers what is no JSON", "return {1: {2}}", "agent.output_invalid"),
    ("hangs", HANGS, "agent.timeout"),
    ("forks and hangs", f"{FORKS}; {HANGS}", "agent.timeout"),
    ("forks and answers", f"{FORKS}; return {{'n': 1}}", {"n": 1}),
    ("answers 5 MB", f"return {{'n': 1, 'x': 'x' * {BIG}}}", BIG + 17),
]


@pytest.mark.parametrize(
    ("body", "becomes"), [row[1:] for row in FUNCTIONS], ids=[row[0] for row in FUNCTIONS]
)
def test_a_function_that(tmp_path: Path, body: str, becomes: Any) -> None:
    module = f"faulty_{tmp_path.name}"
    (tmp_path / f"{module}.py").write_text(f"def run():\n    {body}\n")
    agent = PythonAgent(
        id="a", entrypoint=f"{module}:run", timeout=limit(becomes), limits=ONE, repair_attempts=0
    )
    both = asyncio.run(twice(agent, tmp_path, schema=N))
    assert [outcome(one) for one in both] == [becomes] * 2


# ---- services and models -------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What a service does, and what becomes of that for each kind."""

    reply: Callable[[], bytes | list[bytes]]
    http: Any
    openai: Any


def hang() -> bytes:
    raise Hang


def said(content: str, finish: str = "stop") -> bytes:
    return answer({"choices": [{"message": {"content": content}, "finish_reason": finish}]})


LARGE = {"n": 1, "x": "x" * BIG}
SERVICES: dict[str, Row] = {
    "dies before it answers": Row(list, "agent.unavailable", "agent.unavailable"),
    "dies in its answer": Row(
        lambda: [
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n99\r\n{"
        ],
        "agent.truncated",
        "agent.truncated",
    ),
    "breaks a stream off": Row(lambda: [HEAD, PIECE], "agent.output_invalid", "agent.truncated"),
    "speaks something else": Row(
        lambda: [b"220 mail ready\r\n\r\n"], "agent.unavailable", "agent.unavailable"
    ),
    "has no time": Row(
        lambda: answer({"error": {"message": "[/red] later"}}, "429 Too Many Requests", "Retry-After: 7"),
        "agent.rate_limited",
        "agent.rate_limited",
    ),
    "answers with a page": Row(
        lambda: answer(b"<html>", kind="text/html"), "agent.output_invalid", "agent.output_invalid"
    ),
    "answers with prose": Row(lambda: said("Sure!"), "agent.output_invalid", "agent.output_invalid"),
    "stops at its limit": Row(lambda: said('{"n": ', "length"), "agent.output_invalid", "agent.truncated"),
    "hangs": Row(hang, "agent.timeout", "agent.timeout"),
    "answers 5 MB": Row(
        lambda: answer({**LARGE, "choices": [{"message": {"content": json.dumps(LARGE)}}]}), None, BIG + 17
    ),
}


@pytest.mark.parametrize("kind", ["http", "openai"])
@pytest.mark.parametrize("what", SERVICES)
def test_a_service_that(tmp_path: Path, what: str, kind: str) -> None:
    async def main() -> list[AgentResult | AgentError]:
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(Service(lambda seen: SERVICES[what].reply()))
            shared: Any = {
                "id": "a",
                "timeout": limit(getattr(SERVICES[what], kind)),
                "limits": ONE,
                "repair_attempts": 0,
            }
            agent: AgentDefinition = HttpAgent(endpoint=service.url, **shared)
            if kind == "openai":
                agent = OpenAIAgent(endpoint=f"{service.url}/v1", model="m", **shared)
            return await twice(agent, tmp_path, schema=N)

    both = asyncio.run(main())
    becomes = getattr(SERVICES[what], kind)
    if becomes is None:
        assert [isinstance(one, AgentResult) and len(json.dumps(one.output)) > 2 * BIG for one in both]
    else:
        assert [outcome(one) for one in both] == [becomes] * 2
    if becomes == "agent.rate_limited":
        assert [isinstance(one, AgentError) and one.retry_after for one in both] == [7.0] * 2
