"""A package with a module of its own: installed for real, and used like what is built in."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal

EXAMPLE = Path(__file__).parents[1] / "plugin_example"
PAGE = Path(__file__).parents[2] / "mplp_cli" / "help" / "modules.md"

FLOW = """\
workflow:
  id: words
  name: Words
  version: 1.0.0
  steps:
    - id: define
      type: module-operation
      module: glossary
      operation: define-term
      parameters: {term: run, meaning: a list of facts}
    - id: look-up
      type: module-operation
      module: glossary
      operation: look-up-term
      dependencies: [define]
      parameters: {term: "${define.result.term}"}
  outputs: {meaning: "${look-up.result.meaning}"}
"""


@pytest.fixture(scope="module")
def installed(install: Callable[[Path], Path]) -> Path:
    """The directory that the example was installed into."""
    return install(EXAMPLE)


@pytest.fixture
def with_glossary(terminal: Terminal, installed: Path) -> Terminal:
    terminal.env["PYTHONPATH"] += os.pathsep + str(installed)
    terminal.write("flow.yaml", FLOW)
    return terminal


def test_the_page_shows_the_package_that_is_tested() -> None:
    text = PAGE.read_text("utf-8")
    for language, file in (("toml", "pyproject.toml"), ("python", "mplp_glossary.py")):
        [shown] = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)
        assert shown == (EXAMPLE / file).read_text("utf-8")


def test_the_commands_that_the_page_shows_work(with_glossary: Terminal) -> None:
    [block] = re.findall(r"(?ms)^```sh\n(.*?)^```$", PAGE.read_text("utf-8"))
    first, *commands, last = block.splitlines()
    assert first.startswith("pip install ")
    program = with_glossary.directory / "bin" / "mplp"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mplp_cli "$@"\n')
    program.chmod(0o755)
    with_glossary.env["PATH"] = f"{program.parent}:{with_glossary.env['PATH']}"
    for command in commands:
        ended = with_glossary.run("sh", "-c", command)
        assert ended.code == 0, (command, ended.err)
    assert "glossary" in with_glossary.run("sh", "-c", last).out


def test_its_operations_are_checked_before_a_run(with_glossary: Terminal) -> None:
    assert with_glossary("validate", "flow.yaml", "-o", "json").document == {"valid": True, "problems": []}
    wrong = FLOW.replace("meaning: a list of facts", "maening: x").replace("look-up-term", "lookup-term")
    with_glossary.write("wrong.yaml", wrong)
    found = with_glossary("validate", "wrong.yaml", "-o", "json").document["problems"]
    assert [(one["code"], one["line"], one.get("hint")) for one in found] == [
        ("op-missing-parameter", 10, None),
        ("op-unknown-parameter", 10, "did you mean `meaning`?"),
        ("op-unknown-operation", 14, "did you mean `look-up-term`?"),
    ]


def test_without_the_package_its_module_is_unknown(terminal: Terminal) -> None:
    terminal.write("flow.yaml", FLOW)
    found = terminal("validate", "flow.yaml", "-o", "json").document["problems"]
    assert {one["code"] for one in found} == {"op-unknown-module"}
    assert terminal("call", "glossary.define-term").code == 2


def test_steps_call_it_and_its_objects_are_stored_with_the_run(with_glossary: Terminal) -> None:
    ended = with_glossary("run", "flow.yaml", "--output", "json")
    assert ended.document["outputs"] == {"meaning": "a list of facts"}
    [term] = with_glossary("objects", "list", "glossary", "-o", "json").document["objects"]
    assert (term["title"], term["runId"]) == ("run", with_glossary.only_run())
    shown = with_glossary("objects", "show", term["id"][:6], "-o", "json").document
    assert shown["object"]["meaning"] == "a list of facts"
    again = with_glossary("run", "flow.yaml", "--output", "json")
    assert again.code == 1
    assert again.document["steps"]["define"]["error"]["type"] == "OperationError"
    called = with_glossary("call", "glossary.look-up-term", "-p", "term=run", "-o", "json")
    assert called.document["glossaryId"] == term["id"]


def test_it_is_described_and_listed(with_glossary: Terminal) -> None:
    told = with_glossary("modules", "describe", "glossary", "-o", "json").document
    assert told["package"] == "mplp-glossary 1.0.0"
    assert set(told["configuration"]["$defs"]["Settings"]["properties"]) == {"autostart", "longest"}
    operation = with_glossary("modules", "describe", "glossary.define-term")
    assert "meaning     required  text, not empty (in one sentence)" in operation.out
    steps = operation.out.partition("\nExample\n")[2]
    head = "workflow:\n  id: w\n  name: W\n  version: 1.0.0\n  steps:\n"
    with_glossary.write("example.yaml", head + "".join(f"  {line}\n" for line in steps.splitlines()))
    assert with_glossary("validate", "example.yaml").code == 0
    listed = with_glossary("modules", "-o", "json").document["modules"]
    assert {"module": "glossary", "package": "mplp-glossary 1.0.0"}.items() <= listed[-1].items()
    assert "glossary.look-up-term\tSay what a word means" in with_glossary("__complete", "operations").out
    assert with_glossary("health").code == 0


def test_a_broken_package_is_reported_and_breaks_nothing(with_glossary: Terminal, tmp_path: Path) -> None:
    site = tmp_path / "broken"
    info = site / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mplp.modules]\nbroken = no_such_module:MODULE\n")
    with_glossary.env["PYTHONPATH"] += os.pathsep + str(site)
    said = "the module {}broken{} of broken 1.0 cannot be used: ModuleNotFoundError: No module named 'no_such_module'"
    assert with_glossary("run", "flow.yaml").code == 0
    assert with_glossary("call", "glossary.look-up-term", "-p", "term=run").code == 0
    listed = with_glossary("modules")
    assert (listed.code, said.format("", "") in listed.err) == (0, True)
    assert list(with_glossary("modules", "-o", "json").document["broken"]) == ["broken"]
    health = with_glossary("health", "-o", "json").document
    [broken] = [one for one in health["components"] if one["component"] == "module:broken"]
    assert broken["status"] == "error"
    assert said.format("`", "`") in broken["error"]
    doctor = with_glossary("doctor", "-o", "json")
    assert doctor.code == 1
    assert [one["message"] for one in doctor.document["findings"]] == [said.format("", "")]
    called = with_glossary("call", "broken.anything")
    assert (called.code, said.format("`", "`") in called.err) == (2, True)
    with_glossary.write("broken.yaml", FLOW.replace("module: glossary", "module: broken"))
    problem = with_glossary("validate", "broken.yaml", "-o", "json").document["problems"][0]
    assert (problem["code"], problem["message"]) == ("op-unknown-module", said.format("`", "`"))


def test_what_a_package_does_wrong_is_reported_where_nothing_is_stored_yet(terminal: Terminal) -> None:
    site = terminal.directory / "site" / "x-1.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: x\nVersion: 1\n")
    (site / "entry_points.txt").write_text("[mplp.modules]\nplan = json:loads\n")
    terminal.env["PYTHONPATH"] += os.pathsep + str(site.parent)
    ended = terminal("doctor")
    assert ended.code == 1
    assert "the name belongs to a module of the protocol" in " ".join(ended.out.split())
    assert terminal("modules", "describe", "plan").code == 0
