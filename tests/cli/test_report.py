"""`mplp report` and `mplp graph`, as somebody types them."""

from __future__ import annotations

from tests.cli.conftest import Terminal


def test_a_report_is_written_whole_and_printed(terminal: Terminal) -> None:
    assert terminal("run", "talks.yaml", "--output", "quiet").code == 0
    ended = terminal("report", "talks", "--html", "run.html", "--svg", "run.svg")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    page = (terminal.directory / "run.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "2 attempts" in page
    assert terminal("report", "talks", "--svg", "-").out.startswith("<?xml")
    for words, said in (
        ((), "name what to write"),
        (("--html", "nowhere/run.html"), "cannot write nowhere/run.html"),
        (("--html", "-", "--svg", "-"), "cannot go to the same place"),
    ):
        ended = terminal("report", "talks", *words)
        assert ended.code == 2
        assert said in ended.err
    assert terminal("report", "nobody", "--html", "-").code == 2


def test_a_run_that_waits_or_has_failed_is_reported_with_its_log(terminal: Terminal) -> None:
    terminal("run", "ask.yaml", "--output", "quiet")
    assert "not answered" in terminal("report", "ask", "--html", "-").out
    assert terminal("reject", "ask", "deploy", "--by", "ann", "--reason", "no").code == 0
    terminal("resume", "ask", "--output", "quiet")
    page = terminal("report", "ask", "--html", "-").out
    assert "rejected by ann" in page
    assert "cat: approved: No such file or directory" in page


def test_a_graph_is_drawn_of_a_file_and_of_a_run(terminal: Terminal) -> None:
    drawn = terminal("graph", "talks.yaml").out
    assert "│ hello │" in drawn
    assert max(map(len, drawn.splitlines())) <= 80
    plain = terminal("graph", "talks.yaml", env={"PYTHONIOENCODING": "ascii"}).out
    assert "| hello |" in plain
    terminal("run", "talks.yaml", "--output", "quiet")
    assert (
        '["#10003; hello<br/>shell, completed"]:::completed'
        in terminal("graph", "talks", "-f", "mermaid").out
    )
    assert terminal("graph", "talks", "-f", "dot").out.startswith('digraph "talks" {')
    assert terminal("graph", "talks", "-f", "svg").out.startswith("<?xml")
    ended = terminal("graph", "nothing.yaml")
    assert (ended.code, "cannot read nothing.yaml" in ended.err) == (2, True)
    wide = ", ".join(f"{{id: step-number-{n}, type: set, values: {{}}}}" for n in range(9))
    terminal.write("wide.yaml", f"workflow: {{id: wide, name: W, version: 1.0.0, steps: [{wide}]}}")
    assert "columns wide, and there is room for 100" in terminal("graph", "wide.yaml").err
