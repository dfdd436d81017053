"""A run once more, at a terminal: rerun, retry, and resume with another definition."""

from __future__ import annotations

import json
import signal
from typing import Any

import apsw
import pytest

from tests.cli.conftest import Terminal
from tests.failing import BUILD


@pytest.fixture
def failed(terminal: Terminal) -> Terminal:
    """One run, in which `check` and `lint` failed."""
    terminal.write("build.yaml", BUILD)
    assert terminal("run", "build.yaml").code == 1
    return terminal


def did(terminal: Terminal) -> list[str]:
    """What was done since this was last asked."""
    path = terminal.directory / "did"
    done = sorted(path.read_text("utf-8").split()) if path.exists() else []
    path.unlink(missing_ok=True)
    return done


def newest(terminal: Terminal) -> dict[str, Any]:
    found: dict[str, Any] = terminal("runs", "-o", "json").document["runs"][0]
    return found


def test_a_rerun_of_what_failed_keeps_the_rest_and_is_linked(failed: Terminal) -> None:
    old = failed.only_run()
    did(failed)
    failed.write("good", "")
    failed.write("tidy", "")
    ended = failed("rerun", "build", "--failed")
    assert (ended.code, json.loads(ended.out)) == (0, {"what": "made for world"})
    assert f"rerun of {old[:8]}, what failed, 1 result kept" in ended.err
    assert did(failed) == ["check", "lint"]
    new = newest(failed)
    assert new["rerunOf"] == old
    assert f"rerun of {old[:8]}" in failed("runs").out
    shown = failed("status", new["runId"]).out
    assert f"rerun of {old[:8]}, what failed" in shown
    assert f"kept from run {old[:8]}" in shown
    document = failed("status", new["runId"], "-o", "json").document
    assert document["rerunOf"] == document["steps"]["make"]["keptFrom"] == old
    assert f"completed in run {old[:8]}" in failed("explain", new["runId"], "make").out
    assert failed("explain", new["runId"], "make", "-o", "json").document["keptFrom"] == old
    told = failed("diff", old, new["runId"])
    assert "The second run is a rerun of the first, what failed." in told.out
    runs = failed("diff", old, new["runId"], "-o", "json").document["runs"]
    assert [run["rerunOf"] for run in runs] == [None, old]


def test_a_rerun_without_options_runs_everything_with_other_inputs(failed: Terminal) -> None:
    did(failed)
    ended = failed("rerun", "build", "-i", "who=you", "--output", "json")
    assert ended.code == 1
    assert ended.document["result"]["make"]["output"] == "made for you"
    assert did(failed) == ["check", "lint", "make"]
    assert failed("rerun", newest(failed)["runId"], "-i", "whom=you").code == 2


def test_a_rerun_of_one_step_and_from_a_step(failed: Terminal) -> None:
    did(failed)
    failed.write("tidy", "")
    old = failed.only_run()
    lines = failed("rerun", old, "--only", "lint", "--output", "jsonl")
    assert lines.code == 0
    facts = [json.loads(line) for line in lines.out.splitlines()]
    assert [fact["seq"] for fact in facts] == list(range(len(facts)))
    assert facts[0]["rerun"] == {"of": old, "mode": "only", "step": "lint"}
    assert [f["step"] for f in facts if f["type"] == "step.kept"] == ["make", "check", "ship"]
    assert did(failed) == ["lint"]
    failed.write("good", "")
    assert failed("rerun", old, "--from", "check").code == 0
    assert did(failed) == ["check", "lint"]


def test_a_rerun_says_no_clearly(failed: Terminal) -> None:
    run = failed.only_run()
    ended = failed("rerun", run, "--only", "ship")
    assert ended.code == 2
    assert "`ship` needs `check`, which has no result" in ended.err
    assert failed("rerun", run, "--from", "chek").code == 2
    assert "did you mean `check`?" in failed("rerun", run, "--from", "chek").err
    assert "exclude each other" in failed("rerun", run, "--failed", "--only", "check").err
    going = failed.start("run", "endless.yaml", "--output", "quiet")
    failed.until_written("it is up")
    ended = failed("rerun", "endless")
    assert (ended.code, "is running" in ended.err) == (2, True)
    going.send_signal(signal.SIGKILL)
    going.wait()
    assert "mplp resume" in failed("rerun", "endless").err
    assert failed("cancel", "endless").code == 0


def test_one_failed_step_is_tried_again_and_the_other_failure_stands(failed: Terminal) -> None:
    did(failed)
    failed.write("good", "")
    ended = failed("retry", "build", "check")
    assert ended.code == 1
    assert "`lint` failed before and will not be tried again" in ended.err
    assert did(failed) == ["check"]
    failed.write("tidy", "")
    assert failed("retry", "build").code == 0
    assert did(failed) == ["lint"]
    ended = failed("retry", "build")
    assert ended.code == 2
    assert "only a failed run is retried" in ended.err
    assert "mplp rerun" in ended.err


def test_a_retry_says_no_clearly(failed: Terminal) -> None:
    assert "`make` completed in run" in failed("retry", "build", "make").err
    assert "`check` before it is failed" in failed("retry", "build", "ship").err
    assert failed("retry", "build", "nope").code == 2
    failed("run", "ask.yaml")
    ended = failed("retry", "ask")
    assert (ended.code, "mplp approve" in ended.err) == (2, True)


def test_a_run_goes_on_with_a_definition_that_was_mended(failed: Terminal) -> None:
    did(failed)
    mended = BUILD.replace("; test -e good", "").replace("; test -e tidy", "")
    failed.write("mended.yaml", "# mended\n" + mended)
    ended = failed("resume", "build", "--definition", "mended.yaml")
    assert (ended.code, json.loads(ended.out)) == (0, {"what": "made for world"})
    assert "~ step `check`" in ended.err
    assert did(failed) == ["check", "lint"]
    assert "another definition" in failed("status", "build").out
    [fact] = [
        fact
        for fact in map(json.loads, failed("logs", "build", "--history").out.splitlines())
        if fact["type"] == "run.redefined"
    ]
    assert [change["step"] for change in fact["changes"]] == ["check", "lint"]
    assert "first attempt" in failed("explain", "build", "make").out
    assert failed("doctor").code == 0
    assert failed("rerun", "build").code == 0


def test_a_change_of_what_is_done_is_refused_unless_it_is_accepted(failed: Terminal) -> None:
    did(failed)
    failed.write("other.yaml", BUILD.replace("made for", "built for").replace("test -e", "true"))
    ended = failed("resume", "build", "--definition", "other.yaml")
    assert (ended.code, ended.out) == (2, "")
    assert "too late: it completed: `run`" in ended.err
    assert "--accept-changes" in ended.err
    error = json.loads(failed("resume", "build", "--definition", "other.yaml", "-o", "json").err)["error"]
    assert (error["type"], error["code"]) == ("DefinitionDriftError", 2)
    assert error["details"]["changes"][0] == {
        "step": "make",
        "change": "changed",
        "keys": ["run"],
        "conflict": "it completed: `run`",
    }
    assert did(failed) == []
    ended = failed("resume", "build", "--definition", "other.yaml", "--accept-changes")
    assert (ended.code, json.loads(ended.out)) == (0, {"what": "made for world"})
    assert did(failed) == ["check", "lint"]


def test_a_definition_of_another_workflow_or_none_is_refused(failed: Terminal) -> None:
    assert "is of workflow 'build'" in failed("resume", "build", "--definition", "ask.yaml").err
    assert failed("resume", "build", "--definition", "nowhere.yaml").code == 2
    failed.write("bad.yaml", BUILD.replace("type: set", "type: sett"))
    assert failed("resume", "build", "--definition", "bad.yaml").code == 2
    needs = BUILD.replace("  steps:", "    n: {type: integer}\n  steps:").replace(
        "inputs: {who: {type: string, default: world}}", "inputs:\n    who: {type: string, default: world}"
    )
    failed.write("needs.yaml", needs)
    ended = failed("resume", "build", "--definition", "needs.yaml")
    assert (ended.code, "the input" in ended.err) == (2, True)


def test_a_run_that_is_planned_differently_now_is_shown_and_goes_on_only_when_told_to(
    failed: Terminal,
) -> None:
    db = apsw.Connection(str(failed.directory / ".mplp" / "state.db"))
    plan: Any = db.execute("SELECT plan FROM definition").get
    planned = json.loads(plan)
    planned["digest"] = "0" * 64
    planned["steps"][1][6] = 1_000
    db.execute("UPDATE definition SET plan = ?", (json.dumps(planned).encode(),))
    db.close()
    shown = failed("status", "build")
    assert shown.code == 0
    assert "plans the stored definition differently" in shown.out
    assert "✗ failed" in shown.out
    ended = failed("resume", "build")
    assert ended.code == 2
    assert "timeout: 1000 → 600000" in ended.err
    failed.write("good", "")
    failed.write("tidy", "")
    assert failed("resume", "build", "--accept-changes").code == 0
    assert "differently" not in failed("status", "build").out
