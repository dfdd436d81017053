"""Agents that are programs: arguments, never a shell; asked on standard input, answering on standard output."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any, Final

from mplp_cli.agents.adapters.given import data_of, text_of
from mplp_cli.agents.contract import AgentRequest, AgentResult, Tell
from mplp_cli.agents.workshop import Workshop
from mplp_cli.errors import AgentError, OutputLimitError
from mplp_cli.protocols import Ended
from mplp_cli.workflow.agents import CommandAgent, McpAgent
from mplp_cli.workflow.values import Json

#: Variables that every program gets; it gets no other, unless its definition names it.
ALWAYS: Final = ("PATH", "HOME", "LANG", "TERM", "TZ")
#: Characters of what a program printed that an error carries.
_TAIL: Final = 4_000
_GOT: Final = 500


class Program:
    """An agent of kind `command`."""

    def __init__(self, agent: CommandAgent, workshop: Workshop) -> None:
        self._agent = agent
        self._workshop = workshop
        self._cwd = os.path.normpath(os.path.join(workshop.directory, agent.cwd))  # noqa: PTH118

    async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:
        """What it answers, once it has ended with 0."""
        place, asks = self._workshop, self._agent.input
        stdin = text_of(request) if asks == "text" else json.dumps(data_of(request), ensure_ascii=False)
        attempt = place.attempt(
            request,
            {"argv": self._agent.command, "stdin": stdin},
            env=environment(self._agent, place.environ),
            cwd=self._cwd,
        )
        hear = _hearing(self._agent.output, tell)
        try:
            ended = await place.run_program(attempt, hear)
        except UnicodeError as error:
            raise self._error("agent.remote", "what it is asked is not valid Unicode") from error
        except (OSError, ValueError) as error:
            raise self._error("agent.unavailable", f"it cannot be started: {_why(error)}") from error
        except OutputLimitError as error:
            raise self._error("agent.output_invalid", error.message) from error
        if ended.code != 0:
            raise self._failed(ended)
        return self._result(ended.stdout)

    def _failed(self, ended: Ended) -> AgentError:
        tail = ended.stderr.strip()[-_TAIL:]
        last = f": {tail.splitlines()[-1][:_GOT]}" if tail else ""
        details = {"exitCode": ended.code, "stderr": tail, "stdout": ended.stdout[-_GOT:]}
        return self._error("agent.exit", f"it ended with code {ended.code}{last}", details, retryable=True)

    def _result(self, text: str) -> AgentResult:
        kind = self._agent.output
        if kind == "text":
            return AgentResult(output=text.removesuffix("\n"), text=text)
        try:
            output = _last_output(text) if kind == "jsonl" else _json(text)
        except ValueError as error:
            said = f"its answer is not {'JSON lines' if kind == 'jsonl' else 'JSON'}: {error}"
            raise self._error(
                "agent.output_invalid", said, {"path": "", "expected": kind, "got": text[:_GOT]}
            ) from error
        return AgentResult(output=output, text=text if kind == "json" else None)

    def _error(
        self, code: str, message: str, details: dict[str, Any] | None = None, *, retryable: bool = False
    ) -> AgentError:
        name = self._agent.id
        return AgentError(
            code, f"agent `{name}`: {message}", agent=name, retryable=retryable, details=details
        )

    async def probe(self) -> None:
        """Look whether the program is there."""
        program = self._agent.command[0] if self._agent.command else ""
        path = environment(self._agent, self._workshop.environ).get("PATH")
        # Where it is looked for when it is run: a path from its directory, a name on its PATH.
        wanted = os.path.join(self._cwd, program) if "/" in program else program  # noqa: PTH118
        if shutil.which(wanted, path=path) is None:
            raise self._error("agent.unavailable", f"there is no program `{program}`")

    async def aclose(self) -> None:
        """Nothing is open."""


def environment(agent: CommandAgent | McpAgent, environ: Mapping[str, str]) -> dict[str, str]:
    """What a program gets: a few variables, those that its definition names, and values that are set there."""
    names = (*ALWAYS, *agent.pass_env)
    return {name: environ[name] for name in names if name in environ} | dict(agent.env)


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return (
            f"{error.strerror or error}: {error.filename}" if error.filename else str(error.strerror or error)
        )
    return "its arguments or its environment hold a NUL character"


# ---- what it prints ------------------------------------------------------------------------------


def _hearing(kind: str, tell: Tell) -> Tell:
    """What is told of standard output while it comes: text as it is, of JSON lines the progress."""
    if kind == "text":
        return tell
    if kind == "jsonl":
        return _Progress(tell).hear
    return lambda text: None


class _Progress:
    """Tells each line that is no answer: its `text` or `message` if it has one, else the whole line."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._rest = ""

    def hear(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n") if "\n" in text else [self._rest + text]
        for line in lines:
            if line.strip():
                self._line(line)

    def _line(self, line: str) -> None:
        try:
            said = _json(line)
        except ValueError:
            return  # it is refused when all of it is there
        if isinstance(said, dict):
            if "output" in said:
                return
            said = next((said[key] for key in ("text", "message") if isinstance(said.get(key), str)), line)
        self._tell(f"{said if isinstance(said, str) else line}\n")


def _last_output(text: str) -> Json:
    """The `output` of the last line that has one."""
    found: list[Json] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            said = _json(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if isinstance(said, dict) and "output" in said:
            found = [said["output"]]
    if not found:
        raise ValueError("no line has the key `output`")
    return found[0]


def _json(text: str) -> Json:
    if not text.strip():
        raise ValueError("it is empty")
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is too deeply nested") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
