"""A package with a kind of agents of its own: installed for real, and used like what is built in."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal

EXAMPLE = Path(__file__).parents[1] / "kind_example"
PAGE = Path(__file__).parents[2] / "mplp_cli" / "help" / "agents.md"

AGENTS = """\
agents:
  - id: seasons
    kind: almanac
    capabilities: auto
    options: {entries: {may: warm, june: hot}}
"""
FLOW = """\
workflow:
  id: weather
  name: Weather
  version: 1.0.0
  steps:
    - {id: look, type: agent, capability: almanac.may, prompt: may}
  outputs: {said: "${look.result}"}
"""


@pytest.fixture(scope="module")
def installed(install: Callable[[Path], Path]) -> Path:
    """The directory that the example was installed into."""
    return install(EXAMPLE)


@pytest.fixture
def with_almanac(terminal: Terminal, installed: Path) -> Terminal:
    terminal.env["PYTHONPATH"] += os.pathsep + str(installed)
    terminal.write("agents.yaml", AGENTS)
    terminal.write("flow.yaml", FLOW)
    return terminal


def test_the_page_shows_the_package_that_is_tested() -> None:
    text = PAGE.read_text("utf-8")
    for language, file in (("toml", "pyproject.toml"), ("python", "mplp_almanac.py")):
        [shown] = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)
        assert shown == (EXAMPLE / file).read_text("utf-8")


def test_agents_of_the_kind_are_listed_looked_at_and_asked(with_almanac: Terminal) -> None:
    assert with_almanac("agents", "doctor").code == 0
    ended = with_almanac("run", "flow.yaml", "--output", "json")
    assert ended.document["outputs"] == {"said": "warm"}, ended.err
    found = with_almanac("agents", "discover", "--kind", "almanac", "--output", "json")
    assert found.document["agents"][0]["capabilities"] == ["almanac.may", "almanac.june"]
    assert with_almanac("agents", "call", "seasons", "--prompt", "july").code == 1
    assert "agent-kind:almanac" in with_almanac("health", "--output", "json").out


def test_options_that_the_package_refuses_are_an_error_with_its_place(with_almanac: Terminal) -> None:
    with_almanac.write("agents.yaml", AGENTS.replace("june: hot", "june: 3"))
    refused = with_almanac("agents")
    assert refused.code == 2
    assert "agents.yaml:5:24" in refused.err
    assert "mplp-almanac 1.0.0" in refused.err


def test_without_the_package_there_is_no_such_kind(terminal: Terminal) -> None:
    terminal.write("agents.yaml", AGENTS)
    refused = terminal("agents", "list")
    assert refused.code == 2
    assert "there is no kind of agent `almanac`" in refused.err
    assert "an installed package may add more" in " ".join(refused.err.split())
