"""Start-up time is a feature: a command imports what it needs."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mplp_cli.cli.main import COMMANDS
from tests.cli.conftest import Terminal

HEAVY = set(
    "apsw asyncio httpx2 jinja2 jsonschema jsonschema_rs networkx psutil pydantic rich.console ruamel.yaml".split()
)
#: Command -> what it may import of these.
NEEDS = {
    "--help": set[str](),
    "--version": set[str](),
    "help steps": set[str](),
    "schema": set[str](),
    "completion bash": set[str](),
    "modules": {"apsw"},
    "modules describe plan.create-plan": set[str](),
    "runs": {"apsw"},
    "objects": {"apsw"},
    "approvals": {"apsw"},
    "logs talks": {"apsw"},
}


def imported(terminal: Terminal, *words: str) -> set[str]:
    """The modules that are imported for a command."""
    ended = terminal.python("-X", "importtime", "-m", "mplp_cli", *words)
    assert ended.code == 0, ended.err
    return set(re.findall(r"\| +(\S+)$", ended.err, re.MULTILINE))


@pytest.mark.parametrize(("command", "needs"), NEEDS.items(), ids=NEEDS)
def test_a_command_imports_nothing_heavy_that_it_does_not_need(
    terminal: Terminal, command: str, needs: set[str]
) -> None:
    if needs:
        assert terminal("run", "talks.yaml").code == 0
    assert imported(terminal, *command.split()) & HEAVY <= needs


def test_the_version_is_told_without_the_argument_parser(terminal: Terminal) -> None:
    assert "typer" not in imported(terminal, "--version")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_imports_nothing_heavy(terminal: Terminal, command: str) -> None:
    assert not imported(terminal, command, "--help") & HEAVY


@pytest.fixture
def timed(terminal: Terminal, tmp_path: Path) -> Callable[..., float]:
    """How many times as long as importing the argument parser a command takes; medians of interleaved pairs."""
    terminal("run", "talks.yaml")
    terminal.env.pop("PYTHONDONTWRITEBYTECODE", None)
    terminal.env["PYTHONPYCACHEPREFIX"] = str(tmp_path / "compiled")

    def took(*words: str) -> float:
        begin = time.perf_counter()
        assert terminal.python(*words).code == 0
        return time.perf_counter() - begin

    def ratio(*words: str) -> float:
        command, parser = ("-m", "mplp_cli", *words), ("-c", "import typer")
        took(*command)
        took(*parser)
        pairs = [(took(*command), took(*parser)) for _ in range(7)]
        return statistics.median(mine / theirs for mine, theirs in pairs)

    return ratio


@pytest.mark.timing
def test_the_version_takes_no_longer_than_the_argument_parser_to_import(timed: Callable[..., float]) -> None:
    assert timed("--version") <= 1.3


@pytest.mark.timing
def test_a_completion_is_answered_before_a_finger_leaves_the_key(timed: Callable[..., float]) -> None:
    """The parser takes about 75 ms: the answer is there after 150 at most."""
    assert timed("__complete", "runs", "status") <= 2
