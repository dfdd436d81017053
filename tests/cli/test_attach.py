"""Runs that go on by themselves: left to a process of their own, followed, waited for, taken over."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Terminal, until

#: Goes on when there is a file called `go`.
GATE = """\
workflow:
  id: gate
  name: Gate
  version: 1.0.0
  grace: 200ms
  inputs: {who: {type: string, default: world}}
  secrets: [TOKEN]
  steps:
    - id: gate
      type: shell
      env: {TOKEN: "${secrets.TOKEN}"}
      run: |
        echo "it is up for $TOKEN"
        until [ -e go ]; do sleep 0.02; done
        echo "$TOKEN" | wc -c > "length"
        test ! -e fail || { echo "no luck today"; exit 3; }
    - {id: after, type: set, dependencies: [gate], values: {who: "${inputs.who}"}}
  outputs: {who: "${after.result.who}"}
"""
SECRET = {"TOKEN": "hush-hush"}


@pytest.fixture
def gate(terminal: Terminal) -> Terminal:
    terminal.write("gate.yaml", GATE)
    terminal.env |= SECRET
    return terminal


def holder(terminal: Terminal) -> int:
    """The process that holds the only run."""
    [lock] = terminal.directory.glob(".mplp/runs/*.lock")
    return int(json.loads(lock.read_text("utf-8"))["pid"])


def gone(pid: int) -> bool:
    """Whether a process that is no child of ours has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


# ---- leaving a run to a process of its own


def test_a_run_that_is_left_goes_on_by_itself_and_is_waited_for(gate: Terminal) -> None:
    ended = gate("run", "gate.yaml", "-i", "who=you", "--detach")
    assert ended.code == 0, ended.err
    run = gate.only_run()
    assert ended.out == f"{run}\n"
    assert f"mplp attach {run[:8]}" in ended.err
    gate.until_written("it is up")
    assert gate("status", run, "-o", "json").document["status"] == "running"
    gate.write("go", "")
    waited = gate("wait", run)
    assert (waited.code, waited.out, waited.err) == (0, "", "")
    document = gate("status", run, "-o", "json").document
    assert (document["status"], document["outputs"]) == ("completed", {"who": "you"})
    history = gate("logs", run, "--history").out
    assert "run.resumed" not in history, "it was begun once, by the process that it was left to"
    log = gate.directory / ".mplp" / "runs" / run / "driver.log"
    assert json.loads(log.read_text("utf-8")) == {"who": "you"}
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_it_is_told_to_programs(gate: Terminal) -> None:
    told = gate("run", "gate.yaml", "--detach", "--output", "json")
    assert told.code == 0
    assert told.document == {"runId": gate.only_run(), "workflowId": "gate", "status": "running"}
    assert told.err == ""
    gate.write("go", "")
    assert gate("wait", "gate").code == 0


def test_it_outlives_its_terminal(gate: Terminal) -> None:
    if not hasattr(os, "openpty"):
        pytest.skip("no terminals here")
    spawn = "import pty, sys; pty.spawn(sys.argv[1:])"
    gate.python("-c", spawn, sys.executable, "-m", "mplp_cli", "run", "gate.yaml", "--detach")
    pid = holder(gate)
    assert os.getsid(pid) == pid, "a session of its own"
    gate.write("go", "")
    assert gate("wait", "gate").code == 0


def test_secrets_reach_it_wherever_they_came_from(gate: Terminal) -> None:
    del gate.env["TOKEN"]
    gate.write("secrets", "TOKEN=from a file\n")
    gate.write("go", "")
    assert gate("run", "gate.yaml", "--detach").code == 2, "missing: said before anything is stored"
    assert gate("runs").out == ""
    assert gate("run", "gate.yaml", "--detach", "--secrets-file", "secrets").code == 0
    (gate.directory / "secrets").unlink()
    assert gate("wait", "gate").code == 0
    assert int((gate.directory / "length").read_text("utf-8")) == len("from a file\n")
    run = gate.only_run()
    kept = (gate.directory / ".mplp" / "runs" / run / "driver.log").read_text("utf-8")
    assert "from a file" not in kept + gate("logs", run).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.yaml"], "nothing.yaml"),
        (["gate.yaml", "-i", "who=1", "-i", "whom=2"], "whom"),
        (["gate.yaml", "--ephemeral"], "--ephemeral keeps a run in this process"),
        (["bad.yaml"], "bad.yaml:1"),
    ],
)
def test_what_is_wrong_is_said_in_the_foreground(gate: Terminal, words: list[str], said: str) -> None:
    gate.write("bad.yaml", "workflow: {id: 1}\n")
    ended = gate("run", *words, "--detach")
    assert ended.code == 2
    assert said in ended.err
    assert gate("runs").out == ""


def test_a_process_that_cannot_start_is_told_of(gate: Terminal) -> None:
    gate.write("sitecustomize.py", "import sys\nif 'resume' in sys.orig_argv: sys.exit('out of order')\n")
    path = os.pathsep.join((str(gate.directory), gate.env["PYTHONPATH"]))
    ended = gate("run", "gate.yaml", "--detach", env={"PYTHONPATH": path})
    assert ended.code == 2
    run = gate.only_run()
    assert f"drive run {run[:8]} did not start: SystemExit: out of order" in ended.err
    assert f"mplp resume {run[:8]}" in ended.err
    gate.write("go", "")
    resumed = gate("resume", run, "-o", "jsonl")
    assert resumed.code == 0
    assert lines(resumed.out)[0]["type"] == "run.started", "it had not begun"
    assert gate("run", "gate.yaml", "--detach", env={"PYTHONPATH": path}).code == 2
    assert gate("cancel", "gate").code == 0, "the one that nobody drives"
    newest = gate("runs", "-o", "json").document["runs"][0]
    assert newest["status"] == "cancelled"


def test_a_failed_run_is_resumed_by_itself(gate: Terminal) -> None:
    gate.write("go", "")
    gate.write("fail", "")
    assert gate("run", "gate.yaml").code == 1
    (gate.directory / "go").unlink()
    (gate.directory / "fail").unlink()
    resumed = gate("resume", "gate", "--detach", "-o", "json")
    assert resumed.document["status"] == "running"
    assert gate("wait", "gate", "--timeout", "1ms").code == 75
    again = gate("resume", "gate", "--detach")
    assert again.code == 75
    assert f"process {holder(gate)} on " in again.err
    gate.write("go", "")
    assert gate("wait", "gate").code == 0
    final = gate("resume", "gate", "--detach")
    assert final.code == 0
    assert "has completed already" in final.err


# ---- waiting


def test_waiting_ends_as_the_run_does(gate: Terminal) -> None:
    gate.write("fail", "")
    gate.write("go", "")
    assert gate("run", "gate.yaml", "--output", "quiet").code == 1
    assert gate("run", "ask.yaml", "--output", "quiet").code == 3
    gate("run", "endless.yaml", "--detach")
    gate("cancel", "endless")
    codes = {name: gate("wait", name).code for name in ("gate", "ask", "endless")}
    assert codes == {"gate": 1, "ask": 3, "endless": 4}


def test_waiting_has_a_limit(gate: Terminal) -> None:
    gate("run", "gate.yaml", "--detach")
    ended = gate("wait", "gate", "--timeout", "100ms")
    assert ended.code == 75
    assert "is still running after 100ms" in ended.err
    wrong = gate("wait", "gate", "--timeout", "soon")
    assert (wrong.code, "'soon' is not a duration" in wrong.err) == (2, True)
    gate.write("go", "")
    assert gate("wait", "gate", "--timeout", "1m").code == 0


def test_nobody_waits_for_a_run_that_nobody_drives(gate: Terminal) -> None:
    gate("run", "gate.yaml", "--detach")
    waiting = [
        gate.start("wait", "gate"),
        gate.start("attach", "gate"),
        gate.start("attach", "gate", "-o", "json"),
    ]
    pid = holder(gate)
    os.kill(pid, signal.SIGKILL)
    for process in waiting:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (75, "")
        assert "is interrupted: no process drives it" in err
        assert f"mplp resume {gate.only_run()[:8]}" in err


# ---- following


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline()


def rest(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it prints until its end, but for what was read before; what it complains of is short."""
    assert process.stdout is not None
    assert process.stderr is not None
    told = process.stdout.read(), process.stderr.read()
    process.wait(60)
    return told


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_who_attaches_sees_what_the_driver_would_show(gate: Terminal) -> None:
    gate("run", "gate.yaml", "--detach")
    gate.until_written("it is up")
    shown = {how: gate.start("attach", "gate", "-o", how) for how in ("auto", "json", "jsonl", "quiet")}
    first = first_line(shown["jsonl"])
    gate.write("go", "")
    told = {how: rest(process) for how, process in shown.items()}
    assert {process.returncode for process in shown.values()} == {0}
    assert lines(first + told["jsonl"][0]) == lines(gate("logs", "gate", "--history").out)
    status = gate("status", "gate", "-o", "json").document
    for step in status["steps"].values():
        step.pop("usage", None)
    assert json.loads(told["json"][0]) == status
    assert json.loads(told["auto"][0]) == json.loads(told["quiet"][0]) == {"who": "world"}
    assert told["json"][1] == told["jsonl"][1] == told["quiet"][1] == ""
    assert "gate completed" in told["auto"][1]
    assert "2 steps: 2 completed" in told["auto"][1]


def test_lines_begin_with_what_running_steps_have_written_last(gate: Terminal) -> None:
    gate("run", "gate.yaml", "--detach")
    gate.until_written("it is up")
    following = gate.start("attach", "gate")
    assert following.stderr is not None
    assert following.stderr.readline().endswith("Ctrl-C leaves it alone\n")
    assert following.stderr.readline() == "gate | it is up for ***\n".replace("|", "│")
    gate.write("go", "")
    _, err = rest(following)
    assert following.returncode == 0
    assert err.index("gate completed") < err.index("gate completed in", err.index("gate completed") + 5)


def test_the_end_of_a_run_that_has_ended_is_shown_at_once(gate: Terminal) -> None:
    gate.write("go", "")
    gate.write("fail", "")
    gate("run", "gate.yaml", "--output", "quiet")
    ended = gate("attach", "gate", "--junit", "report.xml")
    assert ended.code == 1
    assert json.loads(ended.out) == {"who": None}
    assert "attached" not in ended.err
    assert "│ no luck today" in ended.err
    assert "gate.yaml:" in ended.err
    assert "no luck today" in (gate.directory / "report.xml").read_text("utf-8")
    assert gate("attach", "gate", "-o", "json").document["status"] == "failed"


def test_a_run_that_waits_for_a_person_is_shown_with_its_question(gate: Terminal) -> None:
    gate("run", "ask.yaml", "--output", "quiet")
    ended = gate("attach", "ask")
    assert ended.code == 3
    assert "mplp resume" in ended.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_goes_leaves_the_run_alone(gate: Terminal, number: signal.Signals, code: int) -> None:
    gate("run", "gate.yaml", "--detach")
    until(lambda: "step.started" in gate("logs", "gate", "--history").out)
    before = gate("logs", "gate", "--history").out
    following = gate.start("attach", "gate")
    assert following.stderr is not None
    following.stderr.readline()
    following.send_signal(number)
    _, err = rest(following)
    assert following.returncode == code
    assert f"detached; run {gate.only_run()[:8]} goes on" in err
    assert gate("logs", "gate", "--history").out == before
    gate.write("go", "")
    assert gate("wait", "gate").code == 0


def test_a_reader_that_goes_ends_the_following(gate: Terminal) -> None:
    gate("run", "gate.yaml", "--detach")
    following = gate.start("attach", "gate", "-o", "jsonl")
    assert following.stdout is not None
    following.stdout.readline()
    following.stdout.close()
    gate.write("go", "")
    assert following.wait(60) == 0
    assert gate("wait", "gate").code == 0


# ---- taking over


def test_a_living_owner_is_refused_with_who_and_since_when(gate: Terminal) -> None:
    gate("run", "gate.yaml", "--detach")
    pid = holder(gate)
    refused = gate("resume", "gate", "-o", "json")
    assert refused.code == 75
    error = json.loads(refused.err)["error"]
    assert f"process {pid} on " in error["message"]
    assert " since 20" in error["message"]
    assert error["details"]["pid"] == pid
    assert "--take-over" in error["details"]["hint"]
    gate.write("go", "")
    assert gate("wait", "gate").code == 0


@pytest.mark.parametrize("stopped", [False, True])
def test_a_run_is_taken_from_its_owner(gate: Terminal, stopped: bool) -> None:
    stale = gate.start("run", "gate.yaml", "-o", "jsonl")
    gate.until_written("it is up")
    if stopped:
        stale.send_signal(signal.SIGSTOP)
    fresh = gate.start("resume", "gate", "--take-over", "-o", "jsonl")
    first = first_line(fresh)
    stale.send_signal(signal.SIGCONT)
    out, err = stale.communicate(timeout=60)
    assert stale.returncode == 75
    assert f"process {fresh.pid}@" in err
    assert "nothing more was written" in err
    gate.write("go", "")
    more, _ = rest(fresh)
    assert fresh.returncode == 0
    assert lines(out + first + more) == lines(gate("logs", "gate", "--history").out)


def test_what_a_stopped_owner_had_started_is_ended_before_it_starts_again(gate: Terminal) -> None:
    stale = gate.start("run", "gate.yaml")
    gate.until_written("it is up")
    stale.send_signal(signal.SIGSTOP)
    old = _the_shell(gate)
    assert gate("resume", "gate", "--take-over", "--detach").code == 0
    until(lambda: _shells(gate))
    assert gone(old)
    new = _the_shell(gate)
    assert new != old
    stale.send_signal(signal.SIGCONT)
    assert stale.wait(60) == 75
    assert not gone(new), "what the new owner has started is not the old one's to end"
    gate.write("go", "")
    assert gate("wait", "gate").code == 0


def _the_shell(terminal: Terminal) -> int:
    """The one shell at the gate; one that has just forked is two for a moment."""
    until(lambda: len(_shells(terminal)) == 1)
    return _shells(terminal)[0]


def _shells(terminal: Terminal) -> list[int]:
    """The shells that wait at the gate."""
    from mplp_cli.engine.survivors import find_marked

    return [pid for pid in find_marked(f"{terminal.only_run()}/") if not gone(pid) and _is_shell(pid)]


def _is_shell(pid: int) -> bool:
    try:
        return b"until [ -e go ]" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_run_that_is_left_queues_for_its_turn_and_keeps_it(gate: Terminal) -> None:
    one = GATE.replace("  grace:", "  concurrency: {key: one, max: 1}\n  grace:")
    gate.write("one.yaml", one)
    first, second = (gate("run", "one.yaml", "--detach", "-o", "json").document for _ in range(2))
    assert (first["status"], second["status"]) == ("running", "pending")
    assert gate("wait", second["runId"], "--timeout", "50ms").code == 75
    gate.write("go", "")
    assert [gate("wait", run["runId"]).code for run in (first, second)] == [0, 0]
