"""Looking at runs: the list, one of them, and what its steps have written."""

from __future__ import annotations

import json
import re
import signal

import apsw
import pytest

from tests.cli.conftest import Terminal, until


@pytest.fixture
def talked(terminal: Terminal) -> Terminal:
    """There is one run, completed."""
    assert terminal("run", "talks.yaml", "-i", "who=you").code == 0
    return terminal


@pytest.mark.parametrize("verb", ["runs", "approvals"])
def test_where_nothing_was_stored_nothing_is_listed_and_nothing_made(terminal: Terminal, verb: str) -> None:
    ended = terminal(verb)
    assert (ended.code, ended.out) == (0, "")
    assert ended.err
    assert terminal(verb, "--output", "json").document == {verb: []}
    assert not (terminal.directory / ".mplp").exists()


def test_a_run_is_listed(talked: Terminal) -> None:
    ended = talked("runs")
    assert ended.code == 0
    head, row = ended.out.splitlines()
    assert head.split() == ["RUN", "WORKFLOW", "STATUS", "STARTED", "TOOK"]
    assert row.split()[:4] == [talked.only_run()[:8], "talks", "✓", "completed"]


def test_the_list_for_machines(talked: Terminal) -> None:
    [run] = talked("runs", "-o", "json").document["runs"]
    assert run.keys() == {"runId", "workflowId", "name", "status", "createdAt", "endedAt", "rerunOf"}
    assert (run["workflowId"], run["name"], run["status"]) == ("talks", "Talks", "completed")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", run["createdAt"])


def test_the_list_is_filtered_and_cut_newest_first(talked: Terminal) -> None:
    talked("run", "talks.yaml")
    talked("run", "ask.yaml")

    def listed(*options: str) -> list[str]:
        return [run["workflowId"] for run in talked("runs", "-o", "json", *options).document["runs"]]

    assert listed() == ["ask", "talks", "talks"]
    assert listed("--limit", "1") == ["ask"]
    assert listed("--workflow", "talks", "-n", "1") == ["talks"]
    assert listed("--status", "waiting") == ["ask"]
    assert listed("--status", "failed") == listed("--status", "running") == []


def test_a_run_whose_process_was_killed_is_interrupted(terminal: Terminal) -> None:
    process = terminal.start("run", "endless.yaml", "--output", "quiet")
    terminal.until_written("it is up")
    assert terminal("runs", "--status", "running").out.count("endless") == 1
    assert terminal("runs", "--status", "interrupted").out == ""
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert terminal("runs", "--status", "interrupted").out.count("endless") == 1
    assert terminal("runs", "--status", "running").out == ""
    assert terminal("status", "endless", "-o", "json").document["status"] == "interrupted"
    shown = terminal("status", "endless")
    assert shown.code == 0
    assert f"mplp resume {terminal.only_run()[:8]}" in shown.out
    assert terminal("cancel", "endless").code == 0


def test_the_status_of_a_run_lists_its_steps(talked: Terminal) -> None:
    ended = talked("status", "talks")
    assert ended.code == 0
    assert "talks completed" in ended.out
    assert re.search(r"^flaky +✓ completed +2 ", ended.out, re.MULTILINE)


def test_the_status_for_machines_is_the_document_of_the_run_with_what_its_steps_used(
    terminal: Terminal,
) -> None:
    ran = terminal("run", "talks.yaml", "--output", "json").document
    told = terminal("status", ran["runId"][:6], "--output", "json").document
    used = {name: step.pop("usage") for name, step in told["steps"].items()}
    assert all(usage["cpuMs"] >= 0 for usage in used.values())
    assert told == ran
    assert told["outputs"] == {"said": "hello world\nno end"}
    assert told["steps"]["flaky"]["attempts"] == 2


def test_the_status_of_a_failed_run_is_no_failure_of_the_command(terminal: Terminal) -> None:
    assert terminal("run", "example:fails-on-purpose").code == 1
    ended = terminal("status", "fails-on-purpose")
    assert ended.code == 0
    assert "mplp resume" in ended.out
    assert "ShellExitError" in ended.out


def test_logs_of_all_steps_begin_with_the_step(talked: Terminal) -> None:
    assert talked("logs", "talks").out.splitlines() == [
        "hello │ hello you",
        "hello │ no end",
        "flaky │ attempt 1",
        "flaky (2) │ attempt 2",
        r"colours │ red \x07 [/red]",
    ]


def test_logs_of_one_step_are_its_lines(talked: Terminal) -> None:
    assert talked("logs", "talks", "flaky").out == "attempt 1\nattempt 2\n"
    assert talked("logs", "talks", "flaky", "--attempt", "2").out == "attempt 2\n"
    assert talked("logs", "talks", "colours", "--raw").out == "\x1b[31mred\x1b[0m \x07 [/red]\n"


@pytest.mark.parametrize("env", [{}, {"TZ": "Etc/GMT-3"}], ids=["forked", "started"])
def test_raw_lines_end_as_they_were_written(terminal: Terminal, env: dict[str, str]) -> None:
    step = r"{id: a, type: shell, run: printf 'one\r\ntwo\rthree\n'}"
    terminal.write("ends.yaml", f"workflow:\n  id: ends\n  name: E\n  version: 1.0.0\n  steps: [{step}]\n")
    assert terminal("run", "ends.yaml").code == 0
    assert terminal("logs", "ends", "a", "--raw", env=env).out == "one\r\ntwo\rthree\n"


def test_a_step_that_wrote_nothing_is_said_to_have_written_nothing(talked: Terminal) -> None:
    ended = talked("logs", "talks", "silent")
    assert (ended.code, ended.out) == (0, "")
    assert "silent has written nothing" in ended.err


def test_logs_of_a_step_that_is_not_there(talked: Terminal) -> None:
    ended = talked("logs", "talks", "flacky")
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean `flaky`?" in ended.err


def test_the_history_is_one_fact_a_line(talked: Terminal) -> None:
    facts = [json.loads(line) for line in talked("logs", "talks", "--history").out.splitlines()]
    assert [fact["seq"] for fact in facts] == list(range(len(facts)))
    assert facts[0]["type"] == "run.started"
    assert facts[-1]["type"] == "run.completed"
    assert {fact["runId"] for fact in facts} == {talked.only_run()}
    flaky = [json.loads(line) for line in talked("logs", "talks", "flaky", "--history").out.splitlines()]
    assert [fact["type"] for fact in flaky] == ["step.started", "step.retrying", "step.retry-due", "step.started",
                                                "step.completed"]  # fmt: skip


def test_following_goes_on_until_the_run_has_ended(terminal: Terminal) -> None:
    running = terminal.start("run", "endless.yaml", "--output", "quiet")
    terminal.until_written("it is up")
    follower = terminal.start("logs", "endless", "--follow")
    assert follower.stdout is not None
    heard = {follower.stdout.readline(), follower.stdout.readline()}
    assert heard == {"tick │ it is up\n", "tick │ to the other\n"}
    assert follower.poll() is None
    assert terminal("cancel", "endless").code == 0
    assert follower.stdout.read() == "bye │ goodbye\n"
    assert follower.wait() == 0
    until(lambda: running.poll() is not None)


def test_runs_are_listed_back_to_a_moment(terminal: Terminal) -> None:
    assert terminal("run", "talks.yaml").code == 0
    assert len(terminal("runs", "--since", "1h", "-o", "json").document["runs"]) == 1
    alter = "UPDATE run SET created_at = created_at - 7200000"
    database = apsw.Connection(str(terminal.directory / ".mplp" / "state.db"))
    database.execute(alter)
    database.close()
    assert terminal("runs", "--since", "1h", "-o", "json").document["runs"] == []
    assert len(terminal("runs", "--since", "3h", "-o", "json").document["runs"]) == 1
    for wrong in ("yesterday", "none", "-1h", "0"):
        refused = terminal("runs", f"--since={wrong}")
        assert refused.code == 2
        assert "write it like" in refused.err
