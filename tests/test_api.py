"""mplp from Python."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from mplp_cli import api, requesting
from mplp_cli.clock import SystemClock
from mplp_cli.errors import (
    Exit,
    InputError,
    RunBusyError,
    RunStateError,
    UnknownRunError,
    UsageError,
    WorkflowValidationError,
)
from mplp_cli.store.layout import lock_path
from mplp_cli.store.locks import take
from mplp_cli.store.sqlite import SqliteStore
from tests.cli.conftest import until
from tests.failing import BUILD

GREETING = """\
workflow:
  id: greeting
  name: Greeting
  version: 1.0.0
  inputs:
    name: {type: string, default: world}
  steps:
    - {id: hello, type: set, values: {text: "hello ${inputs.name}"}}
    - {id: said, type: shell, run: "printf %s ${hello.result.text}"}
  outputs: {said: "${said.result.output}"}
"""


@pytest.fixture
def greeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "greeting.yaml"
    file.write_text(GREETING)
    return file


def test_a_run_gives_its_report(greeting: Path) -> None:
    report = api.run(greeting, {"name": "you"})
    assert report["status"] == "completed"
    assert report["outputs"] == {"said": "hello you"}
    assert report["steps"]["said"]["attempts"] == 1


def test_events_are_told_in_order_and_numbered(greeting: Path) -> None:
    told: list[dict[str, Any]] = []
    report = api.run(greeting, ephemeral=True, on_event=told.append)
    assert [event["seq"] for event in told] == list(range(len(told)))
    assert told[0]["type"] == "run.started"
    assert told[-1]["type"] == "run.completed"
    assert {event["runId"] for event in told} == {report["runId"]}


def test_an_ephemeral_run_leaves_nothing(greeting: Path) -> None:
    api.run(greeting, ephemeral=True)
    assert [p.name for p in greeting.parent.iterdir()] == ["greeting.yaml"]


def test_a_failed_run_is_a_report_and_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "w.yaml"
    file.write_text(
        "workflow: {id: w, name: W, version: 1.0.0, steps: [\n"
        "  {id: a, type: shell, run: 'echo a >> effects'},\n"
        "  {id: b, type: shell, dependencies: [a], run: 'test -e ready'}]}\n"
    )
    report = api.run(file)
    assert report["status"] == "failed"
    assert report["error"]["type"] == "ShellExitError"
    Path("ready").touch()
    again = api.resume(report["runId"])
    assert again["status"] == "completed"
    assert Path("effects").read_text() == "a\n"


def test_what_is_wrong_comes_before_anything_starts(greeting: Path) -> None:
    with pytest.raises(InputError):
        api.run(greeting, {"nmae": "you"})
    greeting.write_text(GREETING.replace("hello.result", "hullo.result"))
    with pytest.raises(WorkflowValidationError) as caught:
        api.run(greeting)
    assert [p.code for p in caught.value.problems] == ["ref-unknown-step"]
    assert not (greeting.parent / ".mplp").exists()


def test_files_are_validated_and_planned(greeting: Path) -> None:
    assert api.validate(greeting, "example:data-pipeline") == []
    assert api.plan(greeting)["waves"] == [["hello"], ["said"]]


def test_an_unknown_run_is_named(greeting: Path) -> None:
    with pytest.raises(UnknownRunError, match="nothing"):
        api.resume("nothing")


def test_a_report_has_the_steps_of_every_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.yaml").write_text(
        "workflow: {id: w, name: W, version: 1.0.0, steps: [{id: all, type: foreach, items: [1, 2], steps: [\n"
        "  {id: one, type: set, values: {of: '${item}'}}]}]}\n"
    )
    report = api.run("w.yaml")
    assert list(report["steps"]) == ["all", "all[0]", "all[0].one", "all[1]", "all[1].one"]
    assert report["result"]["all[1].one"] == {"of": 2}


def test_a_run_is_refused_before_it_is_stored_where_an_event_loop_runs(greeting: Path) -> None:
    async def program() -> dict[str, Any]:
        with pytest.raises(UsageError, match="an event loop runs"):
            api.run(greeting)
        assert not (greeting.parent / ".mplp").exists()
        return await asyncio.to_thread(api.run, greeting)

    assert asyncio.run(program())["status"] == "completed"


IN_THREADS = """\
import sys
from threading import Barrier, Thread
from mplp_cli import api

sys.setswitchinterval(1e-6)
start, done = Barrier(16), []

def plan():
    start.wait()
    done.append(api.plan("greeting.yaml"))

threads = [Thread(target=plan) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(done) == 16
"""


def test_the_first_files_of_a_process_may_be_read_in_several_threads(greeting: Path) -> None:
    """In a process of its own: it would crash."""
    ended = subprocess.run([sys.executable, "-c", IN_THREADS], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


# ---- once more -----------------------------------------------------------------------------------


@pytest.fixture
def failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The report of a run in which `check` and `lint` failed."""
    monkeypatch.chdir(tmp_path)
    Path("build.yaml").write_text(BUILD)
    report = api.run("build.yaml")
    assert (report["status"], did()) == ("failed", ["check", "lint", "make"])
    return report


def did() -> list[str]:
    """What was done since this was last asked."""
    path = Path("did")
    done = sorted(path.read_text().split()) if path.exists() else []
    path.unlink(missing_ok=True)
    return done


def test_a_failed_run_is_retried_in_the_same_run(failed: dict[str, Any]) -> None:
    Path("good").touch()
    Path("tidy").touch()
    told: list[dict[str, Any]] = []
    report = api.retry(failed["runId"], on_event=told.append)
    assert (report["runId"], report["status"]) == (failed["runId"], "completed")
    assert report["outputs"] == {"what": "made for world"}
    assert did() == ["check", "lint"]
    # What is told has the numbers of the history, which goes on behind what the first attempt has told.
    assert [event["seq"] for event in told] == [*range(told[0]["seq"], told[0]["seq"] + len(told))]
    store = SqliteStore(Path(".mplp").absolute(), SystemClock())
    assert told[-1]["seq"] == [seq for seq, _ in store.history(report["runId"])][-1]
    assert told[0]["type"] == "run.resumed"
    store.close()


def test_one_failed_step_is_retried_and_the_other_failure_stands(failed: dict[str, Any]) -> None:
    Path("good").touch()
    report = api.retry("build", "check")
    assert report["status"] == "failed"
    assert {step: told["status"] for step, told in report["steps"].items()} == {
        "make": "completed", "check": "completed", "lint": "failed", "ship": "completed",
    }  # fmt: skip
    assert did() == ["check"]


def test_a_retry_says_no_before_anything_starts(failed: dict[str, Any]) -> None:
    run = failed["runId"]
    with pytest.raises(UsageError, match="no step 'chek'") as caught:
        api.retry(run, "chek")
    assert "check" in (caught.value.hint or "")
    with pytest.raises(RunStateError, match="`make` completed"):
        api.retry(run, "make")
    with pytest.raises(UnknownRunError):
        api.retry("nothing")
    assert did() == []
    Path("good").touch()
    Path("tidy").touch()
    api.retry(run)
    with pytest.raises(RunStateError, match="only a failed run is retried") as refused:
        api.retry(run)
    assert refused.value.details["status"] == "completed"


def test_a_run_is_rerun_from_a_step_with_another_definition(failed: dict[str, Any]) -> None:
    mended = Path("mended.yaml")
    mended.write_text(BUILD.replace("test -e good", "true").replace("test -e tidy", "true"))
    told: list[dict[str, Any]] = []
    report = api.rerun("build", from_step="check", definition=mended, on_event=told.append)
    assert report["status"] == "completed"
    assert report["runId"] != failed["runId"] == report["rerunOf"]
    assert report["steps"]["make"]["keptFrom"] == failed["runId"]
    assert did() == ["check", "lint"], "lint never completed, so it runs too"
    assert [event["seq"] for event in told] == list(range(len(told)))
    assert told[0]["rerun"] == {"of": failed["runId"], "mode": "from", "step": "check"}


def test_a_rerun_runs_everything_what_failed_or_one_step(failed: dict[str, Any]) -> None:
    run = failed["runId"]
    report = api.rerun(run, {"who": "you"})
    assert report["result"]["make"]["output"] == "made for you"
    assert did() == ["check", "lint", "make"]
    api.rerun(run, failed=True)
    assert did() == ["check", "lint"]
    Path("tidy").touch()
    assert api.rerun(run, only="lint")["status"] == "completed"
    assert did() == ["lint"]


def test_a_rerun_says_no_before_anything_starts(failed: dict[str, Any]) -> None:
    run = failed["runId"]
    with pytest.raises(UsageError, match="exclude each other"):
        api.rerun(run, from_step="check", only="check")
    with pytest.raises(UsageError, match="no step ''"):
        api.rerun(run, from_step="")
    with pytest.raises(UsageError, match="no step ''"):
        api.rerun(run, only="")
    with pytest.raises(UsageError, match="no step 'chek'"):
        api.rerun(run, from_step="chek")
    with pytest.raises(RunStateError, match="`check`, which has no result"):
        api.rerun(run, only="ship")
    with pytest.raises(InputError):
        api.rerun(run, {"whom": "you"})
    Path("other.yaml").write_text(GREETING)
    with pytest.raises(RunStateError, match="the file is 'greeting'"):
        api.rerun(run, definition="other.yaml")
    Path("broken.yaml").write_text(BUILD.replace("make.result", "maek.result"))
    with pytest.raises(WorkflowValidationError) as caught:
        api.rerun(run, definition="broken.yaml")
    assert caught.value.exit_code is Exit.USAGE
    assert did() == []
    store = SqliteStore(Path(".mplp").absolute(), SystemClock())
    assert [record.id for record in store.runs()] == [run]
    store.close()


# ---- pause ---------------------------------------------------------------------------------------

#: `busy` works until there is a file `go`.
CALM = """\
workflow:
  id: calm
  name: Something to pause
  version: 1.0.0
  steps:
    - {id: busy, type: shell, run: 'echo busy >> did; until test -e go; do sleep 0.02; done'}
    - {id: after, type: shell, run: 'echo after >> did', dependencies: [busy]}
"""


@pytest.fixture
def calm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("calm.yaml").write_text(CALM)
    return tmp_path


@contextmanager
def in_a_thread() -> Iterator[Future[dict[str, Any]]]:
    """The report of a run that is at work in a thread; it comes when there is a file `go`."""
    begun = Event()

    def hear(event: dict[str, Any]) -> None:
        if event["type"] == "step.started":
            begun.set()

    with ThreadPoolExecutor() as threads:
        try:
            report = threads.submit(api.run, "calm.yaml", on_event=hear)
            assert begun.wait(30)
            yield report
        finally:
            Path("go").touch()


def test_a_run_is_paused_from_another_thread_and_resumed(calm: Path) -> None:
    with in_a_thread() as report:
        said = api.pause("calm", reason="the server is down")
        assert (said["workflowId"], said["status"]) == ("calm", "pausing")
        Path("go").touch()
        paused = report.result(60)
    assert (paused["runId"], paused["status"]) == (said["runId"], "paused")
    assert paused["pause"]["reason"] == "the server is down"
    assert did() == ["busy"]
    assert api.pause("calm") == {**said, "status": "paused"}
    assert api.resume("calm")["status"] == "completed"
    assert did() == ["after"]


def test_a_run_that_goes_on_is_not_rerun(calm: Path) -> None:
    with in_a_thread() as report:
        with pytest.raises(RunStateError, match="is running") as caught:
            api.rerun("calm")
        assert caught.value.details["status"] == "running"
        Path("go").touch()
        assert report.result(60)["status"] == "completed"


def test_a_pause_that_is_waited_for_comes_back_when_nothing_runs(calm: Path) -> None:
    with in_a_thread() as report, ThreadPoolExecutor() as threads:
        waiting = threads.submit(api.pause, "calm", wait=True)
        assert api.pause("calm")["status"] == "pausing"
        assert not waiting.done()
        Path("go").touch()
        assert waiting.result(60)["status"] == "paused"
        # The process that drove the run may be about to leave it: that is waited for.
        assert api.resume("calm")["status"] == "completed"
        assert report.result(60)["status"] == "paused"


def test_a_pause_is_taken_back_where_the_run_is_driven(calm: Path) -> None:
    with in_a_thread() as report:
        api.pause("calm")
        again = api.resume("calm")
        assert (again["status"], again["steps"]["busy"]["status"]) == ("running", "running")
        Path("go").touch()
        assert report.result(60)["status"] == "completed"
    assert did() == ["after", "busy"]


def test_a_run_of_another_process_is_paused_and_resumed_here(calm: Path) -> None:
    program = "from mplp_cli import api; print(api.run('calm.yaml')['status'])"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        until(Path("did").exists)
        assert api.pause("calm")["status"] == "pausing"
        Path("go").touch()
        assert process.communicate(timeout=60)[0] == "paused\n"
    assert api.resume("calm")["status"] == "completed"
    assert did() == ["after", "busy"]


def test_a_run_is_paused_by_the_function_that_hears_its_events(calm: Path) -> None:
    def hear(event: dict[str, Any]) -> None:
        if event["type"] == "step.started":
            assert api.pause(event["runId"], no_wait=True)["status"] == "pausing"
        elif event["type"] == "run.pausing":
            Path("go").touch()

    assert api.run("calm.yaml", on_event=hear)["status"] == "paused"
    assert did() == ["busy"]


def test_a_run_that_waits_is_paused_at_once(calm: Path) -> None:
    Path("ask.yaml").write_text(
        "workflow: {id: ask, name: Ask, version: 1.0.0, steps: [\n"
        "  {id: may-i, type: approval, message: May I?}]}\n"
    )
    assert api.run("ask.yaml")["status"] == "waiting"
    assert api.pause("ask", wait=True)["status"] == "paused"


def test_a_pause_says_no(calm: Path) -> None:
    with pytest.raises(UsageError, match="opposite"):
        api.pause("calm", wait=True, no_wait=True)
    with pytest.raises(UnknownRunError):
        api.pause("calm")
    Path("go").touch()
    run = api.run("calm.yaml")["runId"]
    with pytest.raises(RunStateError, match="completed already"):
        api.pause(run)


def test_a_run_whose_process_does_not_answer_is_busy(calm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock is held by this process, which never looks at requests."""
    Path("ask.yaml").write_text(
        "workflow: {id: ask, name: Ask, version: 1.0.0, steps: [\n"
        "  {id: may-i, type: approval, message: May I?}]}\n"
    )
    run = api.run("ask.yaml")["runId"]
    held = take(lock_path(calm / ".mplp", run), run, "a test", 0)
    monkeypatch.setattr(requesting, "PATIENCE", -100.0)
    with pytest.raises(RunBusyError, match="does not pause"):
        api.pause(run)
    held.release()


# ---- questions and the end -----------------------------------------------------------------------

#: Asks for a version; in its parent the run of this file is a sub-workflow.
SHIP = """\
workflow:
  id: ship
  name: Ship
  version: 1.0.0
  steps:
    - id: ok
      type: approval
      message: Which version?
      approvers: [ann, bob]
      inputs: {version: {type: string, pattern: "^[0-9.]+$"}}
    - {id: ship, type: shell, run: "echo ${ok.result.inputs.version}"}
  finally:
    - {id: tidy, type: shell, run: 'echo tidy >> did'}
  outputs: {shipped: "${ship.result.output}"}
"""

#: Asks twice at the same time.
TWICE = SHIP.replace("id: ship\n", "id: twice\n", 1).replace(
    "    - {id: ship,", "    - {id: more, type: approval, message: More?}\n    - {id: ship,"
)


@pytest.fixture
def asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("ship.yaml").write_text(SHIP)
    Path("twice.yaml").write_text(TWICE)
    waits = api.run("ship.yaml")
    assert waits["status"] == "waiting"
    return str(waits["runId"])


def test_a_question_is_answered_with_inputs_and_the_run_goes_on(asks: str) -> None:
    [asked] = api.approvals(asks)
    assert (asked["runId"], asked["step"], asked["state"]) == (asks, "ok", "pending")
    given = api.approve("ship", inputs={"version": "1.4.2"}, by="ann", reason="checked")
    assert (given["state"], given["by"], given["given"]) == ("approved", "ann", {"version": "1.4.2"})
    assert api.approvals() == []
    assert api.approvals(everything=True) == [given]
    report = api.resume(asks)
    assert (report["status"], report["outputs"]) == ("completed", {"shipped": "1.4.2"})
    assert api.status(asks) == report


def test_a_no_fails_the_step(asks: str) -> None:
    assert api.reject(asks, "ok", by="bob", reason="not today")["state"] == "rejected"
    report = api.resume(asks)
    assert (report["status"], report["steps"]["ok"]["error"]["type"]) == ("failed", "RejectedError")


def test_an_answer_says_no_before_anything_is_stored(asks: str) -> None:
    with pytest.raises(RunStateError, match="not among those who are asked: ann, bob"):
        api.approve(asks, by="eve")
    with pytest.raises(InputError):
        api.approve(asks, inputs={"version": "new"}, by="ann")
    with pytest.raises(InputError):
        api.approve(asks, by="ann")
    with pytest.raises(RunStateError):
        api.approve(asks, inputs={"version": "1"}, by="ann", digest="another question")
    with pytest.raises(RunStateError, match="asks nothing"):
        api.reject(asks, "ship")
    [asked] = api.approvals(asks)
    api.approve(asks, inputs={"version": "1"}, by="ann", digest=asked["digest"])
    with pytest.raises(RunStateError, match="already"):
        api.reject(asks, "ok", by="bob")
    with pytest.raises(RunStateError, match="asks nothing now"):
        api.reject(asks)


def test_of_several_questions_one_is_named(asks: str) -> None:
    run = api.run("twice.yaml")["runId"]
    with pytest.raises(UsageError, match="2 steps of run") as caught:
        api.approve(run, by="ann")
    assert caught.value.details["steps"] == ["more", "ok"]
    assert {asked["step"] for asked in api.approvals(run)} == {"more", "ok"}
    assert len(api.approvals()) == 3
    assert api.approve(run, "more")["step"] == "more"


def test_nothing_is_asked_where_nothing_was_ever_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert api.approvals() == []
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_waits_is_cancelled_here(asks: str) -> None:
    assert api.cancel("ship", reason="not today") == {
        "runId": asks,
        "workflowId": "ship",
        "status": "cancelled",
    }
    assert did() == ["tidy"]
    assert api.approvals(asks) == []
    with pytest.raises(RunStateError, match="cancelled already"):
        api.cancel(asks)


def test_a_run_that_is_killed_does_not_tidy_up(asks: str) -> None:
    assert api.cancel(asks, kill=True)["status"] == "cancelled"
    assert not Path("did").exists()


def test_a_run_is_cancelled_where_it_is_driven(calm: Path) -> None:
    with in_a_thread() as report:
        assert api.status("calm")["steps"]["busy"]["status"] == "running"
        said = api.cancel("calm", reason="enough")
        ended = report.result(60)
    assert (said["status"], ended["status"]) == ("cancelled", "cancelled")
    assert api.status("calm")["runId"] == ended["runId"]


def test_a_run_is_cancelled_by_the_function_that_hears_its_events(calm: Path) -> None:
    said: list[dict[str, str]] = []

    def hear(event: dict[str, Any]) -> None:
        if event["type"] == "step.started" and not said:
            said.append(api.cancel("calm", no_wait=True))

    assert api.run("calm.yaml", on_event=hear)["status"] == "cancelled"
    assert [one["status"] for one in said] == ["cancelling"]


def test_a_run_is_not_ended_in_the_thread_of_an_event_loop(asks: str) -> None:
    async def ends() -> None:
        api.cancel(asks)

    with pytest.raises(UsageError, match="event loop"):
        asyncio.run(ends())
    assert api.status(asks)["status"] == "waiting"
