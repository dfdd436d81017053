"""Why an agent cannot be used, found without starting, importing or asking anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mplp_cli.agents.ailments import ailments
from mplp_cli.workflow.agents import (
    AgentDefinition,
    CommandAgent,
    HttpAgent,
    MockAgent,
    OpenAIAgent,
    PythonAgent,
)

PATH = {"PATH": "/usr/bin:/bin"}


def codes(agent: AgentDefinition, directory: Path, environ: dict[str, str] = PATH, **more: Any) -> list[str]:
    return [ill.code for ill in ailments(agent, str(directory), environ, **more)]


def test_a_program_is_looked_for_on_the_path_or_from_its_directory(tmp_path: Path) -> None:
    assert codes(CommandAgent(id="a", command=["sh"]), tmp_path) == []
    assert codes(CommandAgent(id="a", command=["sh"]), tmp_path, {"PATH": ""}) == ["command-missing"]
    local = CommandAgent(id="a", command=["./tool"], cwd="bin")
    assert codes(local, tmp_path) == ["cwd-missing", "command-missing"]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_text("#!/bin/sh\n")
    assert codes(local, tmp_path) == ["command-missing"], "it may not be run"
    (tmp_path / "bin" / "tool").chmod(0o755)
    assert codes(local, tmp_path) == []


@pytest.mark.parametrize(
    ("entrypoint", "found"),
    [
        ("mine:here", True),
        ("mine:there", False),
        ("mine:Kind.method", True),
        ("mine:brought", True),
        ("room.inner:here", True),
        ("room.other:here", False),
        ("nowhere:here", False),
        ("json:dumps", True),
        ("json.decoder:JSONDecoder", True),
        ("sys:exit", True),
        ("anything:here", True),
        ("broken:here", True),
    ],
)
def test_a_function_is_looked_for_in_the_text_of_its_module(
    entrypoint: str, found: bool, tmp_path: Path
) -> None:
    raises = "raise SystemExit('it was run')\n"
    (tmp_path / "mine.py").write_text(
        f"from os import path as brought\ndef here(): ...\nclass Kind:\n    def method(self): ...\n{raises}"
    )
    (tmp_path / "anything.py").write_text(f"from mine import *\n{raises}")
    (tmp_path / "broken.py").write_text("def (\n")
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").write_text(raises)
    (tmp_path / "room" / "inner.py").write_text(f"here = len\n{raises}")
    agent = PythonAgent(id="a", entrypoint=entrypoint)
    assert codes(agent, tmp_path) == ([] if found else ["entrypoint-missing"])


def test_variables_are_to_be_set_and_make_an_address(tmp_path: Path) -> None:
    model = OpenAIAgent(id="a", endpoint="${env.BASE}", model="m", bearer_env="KEY")
    assert codes(model, tmp_path, {}) == ["variable-unset", "variable-unset"]
    assert codes(model, tmp_path, {"BASE": "http://h/v1", "KEY": ""}) == ["variable-unset"]
    assert codes(model, tmp_path, {"BASE": "here", "KEY": "k"}) == ["endpoint-invalid"]
    assert codes(model, tmp_path, {"BASE": "http://h/v1", "KEY": "k"}) == []
    service = HttpAgent(id="a", endpoint="http://h", headers={"X": "${env.TEAM}"})
    assert codes(service, tmp_path, {}) == ["variable-unset"]


def test_what_it_names_is_to_be_there(tmp_path: Path) -> None:
    agent = MockAgent(id="a", default=1, has_default=True, fallback=["b"], budget="c")
    assert codes(agent, tmp_path) == ["fallback-unknown", "budget-unknown"]
    assert codes(agent, tmp_path, agents=["b"], budgets=["c"]) == []


def test_a_mock_without_an_answer_is_of_no_use(tmp_path: Path) -> None:
    assert codes(MockAgent(id="a"), tmp_path) == ["mock-silent"]
