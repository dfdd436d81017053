"""The pool on the command line: what is held, by hand and by operations of a run, and what is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mplp_cli.resources.utilization import Used, utilization
from mplp_cli.workflow.resources import Kind, Pool, Unit
from tests.cli.conftest import Terminal, until

SETTINGS = """\
resources:
  cpu: [{id: node-a, capacity: 4}, {id: node-b, capacity: 2}]
  memory: 8GiB
  custom: {llm-slot: 2, calls: {capacity: 10, per: 1m}}
"""

HOLDS = """\
workflow:
  id: holds
  name: Holds
  version: 1.0.0
  steps:
    - id: slot
      type: module-operation
      module: core
      operation: allocate-resources
      parameters: {requirements: {custom: {llm-slot: 1}}}
    - {id: work, type: shell, dependencies: [slot], run: 'touch at-work; while [ ! -e go ]; do sleep 0.02; done'}
"""


@pytest.fixture
def project(terminal: Terminal) -> Terminal:
    (Path(terminal.directory) / "mplp.yaml").write_text(SETTINGS, "utf-8")
    return terminal


def test_a_part_of_the_pool_is_held_until_it_is_released_once(project: Terminal) -> None:
    idle = project("resources", "utilization", "-o", "json").document
    assert idle["cpu"] == {"total": 6, "allocated": 0, "free": 6, "utilization": 0}
    assert not (Path(project.directory) / ".mplp").exists(), "a question makes no state"
    made = project("resources", "allocate", "--cpu", "1.5", "--memory", "512", "--strategy", "best-fit")
    name = made.out.strip()
    assert made.err == "held (best-fit): cpu 1.5 (node-b), memory 512B\n"
    shown = project("resources", "show", "-o", "json").document
    assert shown["kinds"]["cpu"]["units"][1] == {"id": "node-b", "capacity": 2, "allocated": 1.5}
    assert shown["kinds"]["cpu"]["utilization"] == 0.25
    [held] = shown["allocations"]
    assert (held["allocationId"], held["strategy"]) == (name, "best-fit")
    assert held["resources"][1] == {"kind": "memory", "unit": "memory", "amount": 512}
    assert name[:8] in project("resources").out
    assert project("resources", "release", name[:8]).code == 0
    again = project("resources", "release", name, "-o", "json")
    assert (again.code, json.loads(again.err)["error"]["type"]) == (1, "AllocationNotFoundError")


def test_what_is_not_there_is_refused_with_what_is_and_nothing_is_held(project: Terminal) -> None:
    refused = project("resources", "allocate", "--cpu", "7", "--memory", "1GiB", "-o", "json")
    error = json.loads(refused.err)["error"]
    assert (refused.code, error["type"]) == (1, "InsufficientResourcesError")
    details = error["details"]
    assert details["requirements"] == {"cpu": "7", "memory": "1GiB"}
    assert details["availability"] == {"cpu": "6", "memory": "8GiB"}
    rate = project("resources", "allocate", "--custom", "calls=1")
    assert (rate.code, "`calls` is a rate" in rate.err) == (2, True)
    assert "two" in project("resources", "allocate", "--cpu", "two").err
    assert project("resources", "-o", "json").document["allocations"] == []


def test_what_a_run_holds_outlives_its_process_and_goes_with_its_end(project: Terminal) -> None:
    directory = Path(project.directory)
    (directory / "holds.yaml").write_text(HOLDS, "utf-8")
    running = project.start("run", "holds.yaml")
    until((directory / "at-work").exists)
    run = project.only_run()
    running.kill()
    running.wait()
    [held] = project("resources", "-o", "json").document["allocations"]
    assert held["by"] == f"run:{run}"
    (directory / "go").touch()
    assert project("resume", run).code == 0
    assert project("resources", "-o", "json").document["allocations"] == []


def test_utilization_is_at_most_1_and_nothing_is_less_than_free() -> None:
    pool = Pool({"gpu": Kind(name="gpu", units=(Unit("a", 1_000), Unit("b", 500)))})
    used = {"gpu": {"a": 750, "gone": 0}}
    assert utilization(pool, used) == {"gpu": Used(1.5, 0.75, 0.75, 0.5)}
    assert utilization(pool, {"gpu": {"a": 2_000}}) == {"gpu": Used(1.5, 2, 0, 1)}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("", 2, "nothing is asked for"),
        ("--cpu 0", 2, "--cpu 0: 0 is too little"),
        ("--cpu nan", 2, "--cpu nan: nan is not a number such as"),
        ("--cpu 1e400", 2, "more than any pool may have"),
        ("--cpu 0.0001", 2, "too little to be counted"),
        ("--memory 1.5", 2, "--memory 1.5: 1.5 is not a whole number of bytes"),
        ("--custom cpu=1", 2, "help: write --cpu 1"),
        ("--custom llm-slot=1 --custom llm-slot=1", 2, "`llm-slot` is asked for twice"),
        ("--custom llm-slots=1", 1, "help: did you mean `llm-slot`? else the pool has no `llm-slots`"),
        ("--custom [red]x=1", 1, "[red]x: asked 1, available 0"),
        ("--cpu 7", 1, "help: the pool never has as much cpu"),
    ],
)
def test_what_cannot_be_allocated_says_which_option_and_why(
    project: Terminal, words: str, code: int, said: str
) -> None:
    refused = project("resources", "allocate", *words.split())
    assert (refused.code, refused.out, said in refused.err) == (code, "", True), refused.err


def test_a_group_of_commands_names_them(project: Terminal) -> None:
    assert "Subcommands: show, utilization, optimize, allocate, release" in project("resources", "--help").out
    assert "help: did you mean `allocate`?" in project("resources", "alocate").err
    assert "the subcommands are show, utilization" in project("resources", "[b]x").err


def test_on_a_narrow_terminal_all_that_is_held_can_be_read(project: Terminal) -> None:
    asked = ("--cpu", "5", "--memory", "1GiB", "--custom", "llm-slot=2")
    assert project("resources", "allocate", *asked, env={"LOGNAME": "\x1b[31m[red]x"}).code == 0
    shown = project("resources", env={"COLUMNS": "50"}).out
    assert all(len(line) <= 50 for line in shown.splitlines())
    assert "cpu 4 (node-a), cpu 1 (node-b), llm-slot 2, memory 1GiB" in " ".join(shown.split())
    assert "\x1b" not in shown
    assert "[red]x" in shown
