"""Agents that are programs and functions: real processes, asked through the boundary."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.agents.contract import AgentRequest, AgentResult
from mplp_cli.clock import SystemClock
from mplp_cli.engine.survivors import find_marked, kill_marked
from mplp_cli.engine.workplace import Workplace, attempt_mark
from mplp_cli.errors import AgentError
from mplp_cli.staffing import make_agents
from mplp_cli.workflow.agents import AgentDefinition, CommandAgent, PythonAgent
from mplp_cli.workflow.masking import Masker

RUN = f"agents-{os.getpid()}"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    left = find_marked(attempt_mark(RUN))
    kill_marked(attempt_mark(RUN))
    assert not left


class Place:
    """A folder with agents in it, and what they say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"PATH": os.environ["PATH"], "HOME": "/h", "SECRET": "s3cr3t", "OTHER": "o"}
        self.told: list[str] = []
        self.said: list[tuple[str, str]] = []
        self.started = asyncio.Event()

    def ask(self, agent: AgentDefinition, **more: Any) -> AgentResult:
        return asyncio.run(self.start(agent, **more))

    def refused(self, agent: AgentDefinition, **more: Any) -> AgentError:
        with pytest.raises(AgentError) as caught:
            self.ask(agent, **more)
        return caught.value

    def agents(self, agent: AgentDefinition) -> Any:
        return make_agents(
            {agent.id: (agent, str(self.folder))},
            Workplace(log_dir=self.folder / "logs", grace=1),
            Masker({"S": "s3cr3t"}),
            run=RUN,
            deny_private=False,
            clock=SystemClock(),
            environ=self.environ,
            open_environ=self.environ,
            cwd="/",
            output=self.output,
        )

    def output(self, step: str, stream: str, text: str) -> None:
        self.said.append((stream, text))
        self.started.set()

    async def start(self, agent: AgentDefinition, **more: Any) -> AgentResult:
        request = AgentRequest(run=RUN, step="s", agent=agent.id, idempotency_key="key-1", **more)
        result = await self.agents(agent).ask(request, self.told.append)
        assert isinstance(result, AgentResult)
        return result


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def python(script: str, **more: Any) -> CommandAgent:
    return CommandAgent(id="a", command=[sys.executable, "-c", script], **{"repair_attempts": 0, **more})


def sh(script: str, **more: Any) -> CommandAgent:
    return CommandAgent(id="a", command=["sh", "-c", script], **{"repair_attempts": 0, **more})


HOSTILE = "';\n$(touch x) `id` ${inputs.a} [red] \u00e9\U0001f600"


# ---- programs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({"input": {"a": [1, HOSTILE]}}, {"a": [1, HOSTILE]}),
        ({"input": [1]}, [1]),
        ({"prompt": HOSTILE}, {"prompt": HOSTILE}),
        ({"prompt": "p", "input": {"a": 1}}, {"prompt": "p", "input": {"a": 1}}),
    ],
)
def test_a_program_is_asked_with_json_and_answers_with_json(place: Place, asked: Any, given: Any) -> None:
    assert place.ask(sh("cat"), **asked).output == given
    assert place.told == []


def test_a_program_is_asked_with_text_and_answers_with_text(place: Place) -> None:
    answer = place.ask(sh("cat", input="text", output="text"), prompt="Judge this:", input={"a": "\u00e9"})
    assert answer.output == 'Judge this:\n\n{\n  "a": "\u00e9"\n}'
    assert "".join(place.told) == answer.output


def test_arguments_are_never_read_by_a_shell(place: Place) -> None:
    agent = CommandAgent(id="a", command=["printf", "%s", "$HOME; $(id) *"], output="text")
    assert place.ask(agent, prompt="x").output == "$HOME; $(id) *"


def test_of_lines_of_json_the_last_output_is_the_answer_and_the_others_are_told(place: Place) -> None:
    script = r"""
import json
for one in ({"text": "one"}, {"output": 1}, {"step": 2}, {"output": {"n": [1]}}, {"message": "end"}):
    print(json.dumps(one), flush=True)
"""
    answer = place.ask(python(script, output="jsonl"), input=1)
    assert answer.output == {"n": [1]}
    assert "".join(place.told) == 'one\n{"step": 2}\nend\n'


def test_a_program_gets_the_variables_that_it_is_to_have_and_no_others(place: Place) -> None:
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    env = place.ask(python(script, pass_env=["SECRET", "ABSENT"], env={"MODE": "ci"}), input=1).output
    own = {name for name in env if not name.startswith("LC_")}
    assert own == {
        "PATH", "HOME", "SECRET", "MODE", "MPLP_ATTEMPT", "MPLP_ATTEMPT_NUMBER", "MPLP_CWD", "MPLP_IDEMPOTENCY_KEY",
        "MPLP_RUN_ID", "MPLP_STEP_ID",
    }  # fmt: skip
    assert (env["SECRET"], env["MPLP_CWD"], env["MPLP_IDEMPOTENCY_KEY"]) == ("s3cr3t", "/", "key-1")


def test_a_program_works_where_its_definition_stands(place: Place) -> None:
    (place.folder / "tools").mkdir()
    assert place.ask(sh("pwd", output="text"), input=1).output == str(place.folder)
    assert place.ask(sh("pwd", output="text", cwd="tools"), input=1).output == str(place.folder / "tools")


def test_what_a_program_says_when_it_fails_is_told_and_masked_in_the_log(place: Place) -> None:
    error = place.refused(sh("echo wrong s3cr3t >&2; echo half; exit 3"), input=1)
    assert (error.code, error.failure().retryable) == ("agent.exit", True)
    assert error.details["exitCode"] == 3
    assert error.message.startswith("agent `a`: it ended with code 3: wrong ")
    assert "s3cr3t" not in error.message + str(error.details["stderr"]) + str(place.said)
    assert "s3cr3t" not in (place.folder / "logs" / "s.1.log").read_text()


def test_a_program_that_is_not_there_cannot_be_reached(place: Place) -> None:
    agent = CommandAgent(id="a", command=["no-such-program"])
    assert place.refused(agent, input=1).code == "agent.unavailable"
    with pytest.raises(AgentError, match="there is no program `no-such-program`"):
        asyncio.run(place.agents(agent).probe("a"))
    asyncio.run(place.agents(sh("true")).probe("a"))


@pytest.mark.parametrize("text", ["", "garbage", "{", "NaN", "{} {}", "[" * 100_000])
@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_garbage_is_no_answer(place: Place, output: Any, text: str) -> None:
    (place.folder / "answer").write_text(text)
    error = place.refused(sh("cat answer", output=output), input=1)
    assert (error.code, error.failure().retryable) == ("agent.output_invalid", False)
    assert len(error.details["got"]) <= 500


def test_garbage_is_asked_for_again_with_what_was_wrong(place: Place) -> None:
    script = 'test -n "$MPLP_REPAIR" || { echo garbage; exit; }; printf \'["%s"]\' "${MPLP_REPAIR%%:*}"'
    assert place.ask(sh(script, repair_attempts=1), input=1).output == ["Your last answer was refused"]


def test_a_large_answer_comes_whole_and_one_that_is_too_large_is_refused(place: Place) -> None:
    script = "import sys; n = int(sys.stdin.read()); print('\"' + 'x' * n + '\"')"
    assert place.ask(python(script), input=5_000_000).output == "x" * 5_000_000
    error = place.refused(python(script), input=11_000_000)
    assert error.code == "agent.output_invalid"
    assert error.message == "agent `a`: the answer is larger than 10 MiB"


def test_a_large_request_reaches_a_program_that_does_not_read_it(place: Place) -> None:
    assert place.ask(sh("echo 1"), input="x" * 5_000_000).output == 1


def test_a_program_that_hangs_is_ended_with_all_that_it_has_started(place: Place) -> None:
    script = "trap '' TERM; (setsid sleep 600 &) ; sleep 600 & echo begun >&2; wait; sleep 600"
    error = place.refused(sh(script, timeout=700), input=1)
    assert error.code == "agent.timeout"
    assert ("stderr", "begun\n") in place.said
    assert not find_marked(attempt_mark(RUN))


def test_a_program_that_is_stopped_leaves_nothing(place: Place) -> None:
    async def stop() -> None:
        task = asyncio.get_running_loop().create_task(
            place.start(sh("(setsid sleep 600 &); echo begun >&2; sleep 600"), input=1)
        )
        await place.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(stop())
    assert not find_marked(attempt_mark(RUN))


def test_a_request_that_is_no_unicode_is_refused(place: Place) -> None:
    error = place.refused(sh("cat"), input={"a": "\ud800"})
    assert (error.code, error.message) == (
        "agent.remote",
        "agent `a`: what it is asked is not valid Unicode",
    )


# ---- functions -----------------------------------------------------------------------------------


def function(place: Place, source: str, name: str = "run", **more: Any) -> PythonAgent:
    module = f"agent_{place.folder.name.replace('-', '_')}"
    (place.folder / f"{module}.py").write_text(source)
    return PythonAgent(id="a", entrypoint=f"{module}:{name}", **{"repair_attempts": 0, **more})


@pytest.mark.parametrize("isolation", ["process", "thread"])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_function_gets_the_input_as_arguments(place: Place, kind: str, isolation: str) -> None:
    source = f"import os\n{kind} run(n, *, prompt=None): return [n + 1, prompt, os.getpid()]"
    agent = function(place, source, isolation=isolation)
    output = place.ask(agent, input={"n": 1}, prompt="p").output
    assert (output[:2], output[2] == os.getpid()) == ([2, "p"], isolation == "thread")


def test_inside_a_function_runs_in_a_thread_and_an_async_one_in_the_loop(place: Place) -> None:
    source = """
import asyncio, threading
def plain(): return threading.current_thread() is threading.main_thread()
async def waits(): return [threading.current_thread() is threading.main_thread(), id(asyncio.get_running_loop())]
"""
    agents = [function(place, source, name, isolation="thread") for name in ("plain", "waits")]

    async def ask() -> list[Any]:
        here = id(asyncio.get_running_loop())
        for _ in range(2):
            assert (await place.start(agents[0])).output is False
            assert (await place.start(agents[1])).output == [True, here]
        return []

    asyncio.run(ask())


def test_a_function_inside_that_is_too_slow_is_given_up(place: Place) -> None:
    source = "import threading\ngo = threading.Event()\ndef run(): go.wait(30)"
    agent = function(place, source, isolation="thread", timeout=50)
    error = place.refused(agent)
    assert error.code == "agent.timeout"
    assert (
        "note",
        "the function runs in a thread, which cannot be stopped: it goes on until it ends\n",
    ) in place.said
    sys.modules[agent.entrypoint.partition(":")[0]].go.set()


@pytest.mark.parametrize(
    ("source", "code", "again"),
    [
        ("def run(n): raise KeyError('gone')", "agent.remote", True),
        ("import os\ndef run(n): os._exit(3)", "agent.exit", True),
        ("def run(other): pass", "agent.remote", False),
        ("def run(n): return {1}", "agent.output_invalid", False),
        ("def other(n): pass", "agent.unavailable", False),
        ("import no_such_module_at_all", "agent.unavailable", False),
    ],
)
def test_a_function_that_fails_says_how(place: Place, source: str, code: str, again: bool) -> None:
    for isolation in ("process", "thread") if "_exit" not in source else ("process",):
        error = place.refused(function(place, source, isolation=isolation), input={"n": 1})
        assert (error.code, error.failure().retryable) == (code, again), error.message


def test_a_function_is_looked_for_without_being_run(place: Place) -> None:
    agent = function(place, "raise SystemExit")
    asyncio.run(place.agents(agent).probe("a"))
    with pytest.raises(AgentError, match="there is no module `no_such_module`"):
        asyncio.run(place.agents(PythonAgent(id="a", entrypoint="no_such_module:f")).probe("a"))
