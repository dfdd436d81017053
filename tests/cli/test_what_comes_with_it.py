"""What comes with mplp: help, examples, schemas, a workflow to start from."""

from __future__ import annotations

import json
import re

import pytest

from mplp_cli.bundled import bundled
from mplp_cli.cli.library import PAGES, topics
from mplp_cli.cli.main import COMMANDS
from mplp_cli.modules.catalogue import builtin_modules
from mplp_cli.sources import examples
from tests.cli.conftest import Terminal

# ---- help --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_is_for_with_an_example(terminal: Terminal, command: str) -> None:
    ended = terminal(command, "--help", env={"COLUMNS": "80"})
    assert (ended.code, ended.err) == (0, "")
    usage, purpose = ended.out.splitlines()[0], ended.out.splitlines()[2]
    assert usage.startswith(f"Usage: mplp {command}")
    assert re.fullmatch(r"  [A-Z].*\.?", purpose)
    assert re.search(r"^  Examples?\b.*:$", ended.out, re.MULTILINE)
    assert re.search(rf"^    .*mplp {command}\b", ended.out, re.MULTILINE)
    assert max(map(len, ended.out.splitlines())) <= 80
    assert (
        terminal("help", command).out.partition("\n")[2] == ended.out.partition("\n")[2]
        or command in topics()
    )


def test_the_list_of_commands_is_not_cut(terminal: Terminal) -> None:
    assert "..." not in terminal("--help").out.partition("Commands:")[2]


def test_help_lists_every_page_with_its_title(terminal: Terminal) -> None:
    ended = terminal("help")
    assert ended.code == 0
    for topic in topics():
        title = (PAGES / f"{topic}.md").read_text("utf-8").splitlines()[0].removeprefix("# ")
        assert re.search(rf"^{topic} +{re.escape(title)}$", ended.out, re.MULTILINE)


@pytest.mark.parametrize("topic", topics())
def test_a_page_is_plain_text(terminal: Terminal, topic: str) -> None:
    ended = terminal("help", topic)
    assert (ended.code, ended.err) == (0, "")
    assert not re.search(r"^(```|#|\|[-|]+\|$)|\x1b", ended.out, re.MULTILINE)
    words = re.findall(r"\w+", (PAGES / f"{topic}.md").read_text("utf-8"))
    assert set(words) - set(re.findall(r"\w+", ended.out)) <= {
        "console",
        "yaml",
        "python",
        "sh",
        "json",
        "toml",
    }


def test_the_name_of_a_command_gives_its_help(terminal: Terminal) -> None:
    assert terminal("help", "cancel").out == terminal("cancel", "--help").out


# ---- examples ----------------------------------------------------------------------------------


def test_every_bundled_workflow_is_listed_with_what_it_shows(terminal: Terminal) -> None:
    listed = terminal("examples", "--output", "json").document["examples"]
    assert [one["file"] for one in listed] == [path.name for path in examples()]
    assert all(one["description"] for one in listed)
    shown = terminal("examples").out
    assert all(one["name"] in shown for one in listed)


def test_a_bundled_workflow_is_printed_under_the_name_that_is_listed(terminal: Terminal) -> None:
    for one in terminal("examples", "--output", "json").document["examples"]:
        text = (bundled("workflows") / one["file"]).read_text("utf-8")
        assert terminal("examples", one["name"], "--show").out == text


# ---- schemas -----------------------------------------------------------------------------------


def test_the_schema_of_workflows_is_printed_with_all_that_it_refers_to(terminal: Terminal) -> None:
    printed = terminal("schema").document
    kept = json.loads((bundled("schemas") / "workflow.schema.json").read_text("utf-8"))
    assert kept["$defs"].items() <= printed["$defs"].items()
    refers = set(re.findall(r'"\$ref": "(.*?)"', json.dumps(printed)))
    assert {ref for ref in refers if ref.removeprefix("#/$defs/") not in printed["$defs"]} == set()


def test_the_schema_of_agents_is_printed_as_it_is(terminal: Terminal) -> None:
    assert terminal("schema", "agents").out == (bundled("schemas") / "agents.schema.json").read_text("utf-8")


def test_every_schema_that_is_listed_is_printed(terminal: Terminal) -> None:
    names = terminal("schema", "--list").out.split()
    assert names[0] == "workflow"
    assert set(builtin_modules()) <= set(names)
    for name in names:
        assert "$schema" in terminal("schema", name).document


# ---- a workflow to start from ------------------------------------------------------------------


def test_the_workflow_to_start_from_is_valid_and_runs(terminal: Terminal) -> None:
    ended = terminal("init")
    assert (ended.code, ended.out) == (0, "wrote workflow.yaml\n")
    assert terminal("validate", "workflow.yaml", "-o", "json").document == {"valid": True, "problems": []}
    quiet = terminal("run", "workflow.yaml", "-o", "json")
    assert (quiet.code, quiet.document["status"]) == (0, "completed")
    assert quiet.document["outputs"]["text"].startswith("Hello, world! This is ")
    assert isinstance(quiet.document["outputs"]["cores"], int)
    assert quiet.document["steps"]["shout"]["status"] == "skipped"
    loud = terminal("run", "workflow.yaml", "-i", "who=all of you", "-i", "loud=true", "-o", "json").document
    assert loud["result"]["shout"]["output"].startswith("HELLO, ALL OF YOU! THIS IS ")
    assert loud["steps"]["clean-up"]["status"] == "completed"


def test_it_shows_what_a_first_workflow_needs(terminal: Terminal) -> None:
    terminal("init")
    text = (terminal.directory / "workflow.yaml").read_text("utf-8")
    kinds = set(re.findall(r"type: ([a-z-]+)", text))
    assert {"shell", "set", "parallel"} <= kinds
    assert all(
        key in text for key in ("retry-policy:", "when:", "finally:", "outputs:", "inputs:", "${inputs.who}")
    )


def test_a_file_that_is_there_is_left_alone(terminal: Terminal) -> None:
    terminal.write("mine.yaml", "precious")
    ended = terminal("init", "mine.yaml")
    assert ended.code == 2
    assert "--force" in ended.err
    assert (terminal.directory / "mine.yaml").read_text("utf-8") == "precious"
    assert terminal("init", "mine.yaml", "--force").code == 0
    assert terminal("validate", "mine.yaml").code == 0


def test_a_file_that_cannot_be_made_is_said_to_be_so(terminal: Terminal) -> None:
    ended = terminal("init", "no/such/directory.yaml")
    assert ended.code == 2
    assert "cannot write no/such/directory.yaml: No such file or directory" in ended.err


def test_one_may_start_from_an_example(terminal: Terminal) -> None:
    names = terminal("init", "--list").out.split()
    assert "data-pipeline" in names
    assert terminal("init", "mine.yaml", "--from", "data-pipeline").code == 0
    text = (bundled("workflows") / "data-pipeline.yaml").read_text("utf-8")
    assert (terminal.directory / "mine.yaml").read_text("utf-8") == text
    assert "data-pipeline" in terminal("init", "other.yaml", "--from", "data-pipelin").err
