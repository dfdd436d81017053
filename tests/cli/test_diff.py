"""`mplp diff` at a terminal."""

from __future__ import annotations

from tests.cli.conftest import Terminal


def runs(terminal: Terminal) -> list[str]:
    """Ids of all runs, the oldest first."""
    return [run["runId"] for run in terminal("runs", "-o", "json").document["runs"]][::-1]


def test_two_equal_runs_are_the_same(terminal: Terminal) -> None:
    for _ in range(2):
        assert terminal("run", "talks.yaml").code == 0
    ended = terminal("diff", *runs(terminal))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("The runs are the same.\n")
    document = terminal("diff", *runs(terminal), "-o", "json").document
    assert document["same"] is True
    assert document["first"] is None


def test_another_input_is_the_first_difference_and_its_result_is_shown(terminal: Terminal) -> None:
    terminal("run", "talks.yaml")
    terminal("run", "talks.yaml", "-i", "who=you")
    ended = terminal("diff", *runs(terminal), env={"COLUMNS": "80"})
    assert ended.code == 1
    assert ended.out.startswith("The runs differ, first in the input `who`.\n")
    assert max(map(len, ended.out.splitlines())) <= 80
    document = terminal("diff", *runs(terminal), "--output", "json").document
    assert document["inputs"] == [{"path": "who", "first": "world", "second": "you"}]
    [hello] = [step for step in document["steps"] if step["differs"]]
    assert hello["step"] == "hello"
    assert hello["result"]["path"] == "result.stdout"


def test_a_changed_file_is_the_first_difference(terminal: Terminal) -> None:
    terminal("run", "talks.yaml")
    text = (terminal.directory / "talks.yaml").read_text("utf-8")
    terminal.write("talks.yaml", text.replace("run: 'true'", "run: 'echo now it talks'"))
    terminal("run", "talks.yaml")
    document = terminal("diff", *runs(terminal), "-o", "json").document
    assert document["definition"] == [{"step": "silent", "change": "changed", "keys": ["run"]}]
    assert document["first"] == {"kind": "definition", "name": "silent"}


def test_runs_of_two_workflows_are_not_compared(terminal: Terminal) -> None:
    terminal("run", "talks.yaml")
    terminal("run", "ask.yaml")
    ended = terminal("diff", "talks", "ask")
    assert ended.code == 2
    assert "one workflow" in ended.err
    assert terminal("diff", "talks", "ffff").code == 2
