from __future__ import annotations

import io
import json
from datetime import UTC
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from mplp_cli.errors import Failure, InputError, UsageError
from mplp_cli.protocols import ApprovalRecord, RunRecord
from mplp_cli.render.github import GithubRun, job_summary
from mplp_cli.render.junit import attribute, junit_report, text, write_junit
from mplp_cli.render.lines import Lines
from mplp_cli.render.machine import error_document, event_line, run_document, write_document
from mplp_cli.render.plans import plan_screen
from mplp_cli.render.spent import critical_path, longest
from mplp_cli.render.summary import brief, summary
from mplp_cli.render.tables import (
    ago,
    approvals_table,
    examples_table,
    runs_table,
    status_table,
)
from mplp_cli.render.theme import PLAIN, Theme
from mplp_cli.workflow.fold import history as h
from tests.render.fakes import NOON, FakeState, finished, make_plan, release, step

TEXT = st.text(st.characters() | st.sampled_from("\x00\x1b\r\n]]>&<\"'\ud800\ufffe日"), max_size=40)
RUN = "0198f3a1-5b1c-4c57-9a55-2f0c1d2e3f40"


def wrote(step_id: str) -> list[str]:
    return ["E   assert 1 == 2", "3 failed, 40 passed"] if step_id == "unit-tests" else []


# ---- the summary -------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 140])
@pytest.mark.parametrize("status", ["failed", "completed"])
def test_the_summary_of_a_run(status: str, width: int, snapshot: SnapshotAssertion) -> None:
    state = finished(status)
    state.warnings = ["`docs` failed and its fallback made it good"]
    screen = summary(
        state.plan, state, wrote, theme=PLAIN, width=width, places={"unit-tests": "release.yaml:42:7"}
    )
    assert all(line.width <= width for line in screen)
    assert screen.plain == snapshot


def test_the_summary_of_a_waiting_run_says_how_to_answer(snapshot: SnapshotAssertion) -> None:
    state = release()
    state.status = "waiting"
    screen = summary(state.plan, state, wrote, theme=PLAIN, width=80, now=NOON + 12_300)
    assert screen.plain == snapshot


def test_results_are_left_to_the_outputs_if_there_are_any() -> None:
    state = finished("completed")
    state.outputs = {"version": "1.4"}
    assert "Results" not in summary(state.plan, state, wrote, theme=PLAIN, width=80).plain


def test_hostile_text_of_steps_and_errors_is_shown_and_not_obeyed() -> None:
    state = finished()
    i = state.plan.number["unit-tests"]
    state.errors[i] = Failure(type="E", message="[/red] \x1b[2J \x07")
    screen = summary(state.plan, state, lambda _: ["\x1b]0;title\x07[bold]"], theme=PLAIN, width=80).plain
    assert "[/red] \\x1b[2J \\x07" in screen
    assert "\\x1b]0;title\\x07[bold]" in screen
    assert "\x1b" not in screen


def test_a_failed_run_without_a_failed_step_says_why() -> None:
    state = release()
    state.step_status = ["completed"] * len(state.step_status)
    state.status, state.ended = "failed", NOON + 5
    state.error = Failure(type="UnresolvedReferenceError", message="outputs: no such thing")
    screen = summary(state.plan, state, wrote, theme=PLAIN, width=80).plain
    assert "UnresolvedReferenceError: outputs: no such thing" in screen


def test_the_critical_path_is_what_the_end_waited_for() -> None:
    state = finished("completed")
    ids = [state.plan.steps[i].id for i in critical_path(state.plan, state)]
    assert ids == ["checkout", "unit-tests", "publish", "cleanup"]


def test_the_longest_steps_come_first_and_containers_are_none() -> None:
    state = finished("completed")
    assert [state.plan.steps[i].id for i in longest(state.plan, state, 2)] == ["unit-tests", "build"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"exitCode": 0, "output": "a\nbuilt\n"}, "built"),
        ([1, 2], "[1, 2]"),
        ("日" * 50, "日" * 19 + "…"),
        ({"a": "x" * 100}, '{"a": "xxxxxxxxxxxx…'),
    ],
)
def test_a_result_in_short(value: Any, said: str) -> None:
    assert brief(value, 20) == said


# ---- lines -------------------------------------------------------------------------------------

FACTS: list[h.Event] = [
    h.StepStarted(at=NOON + 100, step="checkout", attempt=1),
    h.StepCompleted(at=NOON + 1_300, step="checkout", attempt=1, result=None),
    h.StepStarted(at=NOON + 1_300, step="unit-tests", attempt=1),
    h.StepRetrying(
        at=NOON + 2_000,
        step="unit-tests",
        attempt=1,
        error=Failure(type="ShellExitError", message="exit code 2"),
        delay=3_000,
        due=NOON + 5_000,
    ),
    h.StepStarted(at=NOON + 5_000, step="unit-tests", attempt=2),
    h.StepSkipped(at=NOON + 6_000, step="docs", reason="`when` was false"),
    h.StepOmitted(at=NOON + 6_000, step="publish", reason="`checks` failed", because="checks"),
    h.StepWaiting(at=NOON + 6_000, step="cool-down", attempt=1, until=NOON + 36_000),
    h.StepWaiting(
        at=NOON + 6_000, step="sign-off", attempt=1, approval=h.Approval(id="c", message="Ship [/red] it?")
    ),
    h.StepDecided(at=NOON + 7_000, step="sign-off", decision="approved", by="ann", reason="fine"),
    h.StepFailed(
        at=NOON + 9_000,
        step="build",
        attempt=3,
        error=Failure(type="ShellExitError", message="exit code 1: \x1b[31mno"),
    ),
    h.StepCancelled(at=NOON + 9_000, step="types", attempt=1, reason="cancelled by ann"),
    h.RunWaiting(at=NOON + 9_500),
    h.RunStopping(at=NOON + 9_900, cause="cancel", by="ann"),
]


def lines_of(*, quiet: bool = False, theme: Theme = PLAIN) -> tuple[Lines, io.StringIO]:
    state, out = release(), io.StringIO()
    return Lines(state.plan, state, out, theme=theme, quiet=quiet, zone=UTC), out


def test_lines_tell_each_fact_that_matters(snapshot: SnapshotAssertion) -> None:
    lines, out = lines_of()
    for fact in FACTS:
        lines([fact])
    lines.output("build", "stdout", "compiling\nlink")
    lines.output("build", "stdout", "ing\r\n[/red] \x1b[2J\n")
    lines.output("build", "stderr", "warning: no newline")
    lines([h.StepCompleted(at=NOON + 10_000, step="build", attempt=2, result=None)])
    assert out.getvalue() == snapshot


@pytest.mark.parametrize(
    ("by", "message", "said"),
    [
        ("ann", "cancelled by ann", "stops: cancelled by ann"),
        ("ann", "wrong branch", "stops: wrong branch (by ann)"),
        ("", "`b` failed and the workflow says `fail-fast`", "stops: `b` failed"),
    ],
)
def test_who_stops_a_run_is_said_once(by: str, message: str, said: str) -> None:
    lines, out = lines_of()
    lines([h.RunStopping(NOON, "cancel", by, message)])
    assert said in out.getvalue()
    assert out.getvalue().count("ann") == bool(by)


def test_quiet_lines_tell_failures_and_questions_only() -> None:
    lines, out = lines_of(quiet=True)
    for fact in FACTS:
        lines([fact])
    lines.output("build", "stdout", "compiling\n")
    told = out.getvalue().splitlines()
    assert [line.split()[2] for line in told if line[0] != " "] == ["sign-off", "build", "release"]


def test_a_step_that_ended_in_the_same_commit_is_not_said_to_have_started() -> None:
    lines, out = lines_of()
    lines(FACTS[:2])
    assert "started" not in out.getvalue()
    assert "checkout completed in 1.2s" in out.getvalue()


@pytest.mark.parametrize("piece", [70, 2_001, 100_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_very_long_line_of_output_is_cut_with_a_note_where_the_rest_is(piece: int, end: str) -> None:
    lines, out = lines_of()
    text = "x" * 100_000 + end
    for begin in range(0, len(text), piece):
        lines.output("build", "stdout", text[begin : begin + piece])
    lines.output("build", "stdout", "next\n" if end else "")
    lines([h.StepCompleted(at=NOON + 2_000, step="build", attempt=1, result=None)])
    first, *others = out.getvalue().splitlines()
    assert first == f"build │ {'x' * 2_000} … 98,000 more characters: mplp logs {RUN[:8]} build"
    assert [line for line in others if line.startswith("build │")] == (["build │ next"] if end else [])


@pytest.mark.parametrize("ran", [True, False])
def test_a_step_mended_by_a_step_that_ran_instead_tells_its_failure_once(ran: bool) -> None:
    state, out = (
        FakeState(make_plan(step("call"), step("instead", parent=0, branch="fallback"))),
        io.StringIO(),
    )
    if ran:
        state.put("instead", "completed", 1, 2)
    lines = Lines(state.plan, state, out, zone=UTC)
    error = Failure(type="ShellExitError", message="exit code 1")
    lines([h.StepCompleted(at=NOON + 3_000, step="call", attempt=1, result=None, mended=error)])
    said = "call completed, by its fallback" + ("" if ran else " after ShellExitError: exit code 1")
    assert out.getvalue() == f"12:00:03 ✓ {said}\n"


def test_a_blank_line_parts_the_lines_from_the_summary() -> None:
    lines, out = lines_of()
    lines([h.RunCompleted(at=NOON + 3_000)])
    assert out.getvalue() == "\n"


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_has_gone_does_not_stop_the_run() -> None:
    state = release()
    lines = Lines(state.plan, state, Gone())
    lines(FACTS)
    lines.output("build", "stdout", "one\n")


@given(st.lists(st.text(st.sampled_from("ab\r\n"), max_size=6), max_size=6))
def test_output_in_pieces_is_the_output_in_one(pieces: list[str]) -> None:
    one, out_one = lines_of()
    many, out_many = lines_of()
    one.output("build", "stdout", "".join(pieces))
    for piece in pieces:
        many.output("build", "stdout", piece)
    end = [h.StepCompleted(at=NOON + 2_000, step="build", attempt=1, result=None)]
    one(end)
    many(end)
    assert out_one.getvalue() == out_many.getvalue()


# ---- JUnit -------------------------------------------------------------------------------------


def test_junit_has_a_case_for_each_leaf_step() -> None:
    state = finished()
    root = ET.fromstring(junit_report(state.plan, state, wrote))
    (suite,) = root
    cases = {c.get("name"): c for c in suite.iter("testcase")}
    assert len(cases) == int(suite.get("tests", "")) == 12
    assert suite.get("failures") == "1"
    assert suite.get("skipped") == "4"
    failed = cases["unit-tests"]
    assert failed.get("classname") == "release.checks"
    assert failed.get("time") == "69.700"
    failure = failed.find("failure")
    assert failure is not None
    assert failure.get("type") == "ShellExitError"
    assert failure.get("message") == "exit code 2: 3 tests failed"
    assert failure.text is not None
    assert "exitCode: 2" in failure.text
    assert failed.findtext("system-out") == "E   assert 1 == 2\n3 failed, 40 passed"
    skipped = cases["docs"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "skipped: `when` was false: inputs.docs == true"


def test_junit_of_a_run_that_failed_without_a_failed_step_has_an_error() -> None:
    state = FakeState(make_plan(step("a")), status="failed", ended=NOON + 1_000)
    state.put("a", "completed", 0, 1)
    state.error = Failure(type="UnresolvedReferenceError", message="outputs: no such thing")
    (suite,) = ET.fromstring(junit_report(state.plan, state, wrote))
    assert suite.get("errors") == "1"
    error = suite.find("testcase/error")
    assert error is not None
    assert error.get("message") == "outputs: no such thing"


@given(TEXT)
def test_any_text_survives_in_xml_but_for_what_xml_cannot_say(value: str) -> None:
    document = f'<a b="{attribute(value)}">{text(value)}</a>'
    root = ET.fromstring(document.encode())
    if all(c in "\n\t\r" or c.isprintable() for c in value):
        assert root.get("b") == value
        assert (root.text or "") == value


@given(TEXT, TEXT)
def test_junit_of_hostile_texts_is_xml(message: str, name: str) -> None:
    state = FakeState(make_plan(step(f"{name}1"), workflow_id=f"{name}w"), status="failed")
    state.put(f"{name}1", "failed", 0, 1, error=Failure(type=name, message=message, details={name: message}))
    report = junit_report(state.plan, state, lambda _: [message])
    assert ET.fromstring(report.encode()).tag == "testsuites"


def test_the_report_is_written_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    state, path = finished(), tmp_path / "report.xml"
    path.write_text("old")
    write_junit(path, state.plan, state, wrote)
    assert ET.parse(path).getroot().tag == "testsuites"
    assert [p.name for p in tmp_path.iterdir()] == ["report.xml"]


def test_a_report_that_cannot_be_written_is_an_error_of_usage(tmp_path: Path) -> None:
    state = finished()
    with pytest.raises(UsageError, match="cannot write the JUnit report"):
        write_junit(tmp_path / "no" / "report.xml", state.plan, state, wrote)


# ---- GitHub ------------------------------------------------------------------------------------


def test_a_step_in_a_jobs_log_is_a_group_with_its_output() -> None:
    state, out = finished(), io.StringIO()
    told = GithubRun(state.plan, state, out)
    told.output("unit-tests", "stdout", "::set-output name=x::y\n##[group]no")
    error = Failure(type="ShellExitError", message="exit code 2: 100%")
    told([h.StepFailed(at=NOON, step="unit-tests", attempt=4, error=error)])
    assert out.getvalue().splitlines() == [
        "::group::unit-tests failed in 1m10s",
        "| ::set-output name=x::y",
        "| ##\\[group]no",
        "::endgroup::",
        "::error title=unit-tests failed::ShellExitError: exit code 2: 100%25",
    ]


def test_output_for_a_group_is_bounded_and_says_so() -> None:
    state, out = finished(), io.StringIO()
    told = GithubRun(state.plan, state, out)
    for n in range(9_000):
        told.output("build", "stdout", f"{n}\n")
    told([h.StepCompleted(at=NOON, step="build", attempt=2, result=None)])
    lines = out.getvalue().splitlines()
    assert len(lines) < 4_100
    assert f"mplp logs {RUN} build" in lines[1]
    assert lines[-2] == "| 8999"


def test_the_summary_of_a_job_is_a_table_that_text_cannot_leave() -> None:
    state = finished()
    i = state.plan.number["unit-tests"]
    state.errors[i] = Failure(type="E", message="a | b <script>\n# c")
    made = job_summary(state.plan, state)
    assert made.startswith("### release: failed in 1m12s\n")
    assert "<script>" not in made
    rows = [line for line in made.splitlines() if line.startswith("| ")]
    assert {row.count("|") for row in rows[2:]} == {6}


# ---- machines ----------------------------------------------------------------------------------


def test_the_document_of_a_run_has_the_stable_keys() -> None:
    state = finished()
    document = run_document(state.plan, state)
    assert {"runId", "workflowId", "status", "outputs", "result", "duration", "error", "steps"} <= set(
        document
    )
    assert document["duration"] == 72_150
    assert document["result"]["build"]["output"] == "built 40 modules"
    assert document["steps"]["unit-tests"] == {
        "status": "failed",
        "attempts": 4,
        "startedAt": "2026-01-31T12:00:01.300Z",
        "endedAt": "2026-01-31T12:01:11.000Z",
        "duration": 69_700,
        "error": {
            "type": "ShellExitError",
            "message": "exit code 2: 3 tests failed",
            "details": {"exitCode": 2},
        },
    }
    assert document["steps"]["docs"]["reason"] == "`when` was false: inputs.docs == true"
    json.dumps(document)


def test_a_document_is_ascii_and_one() -> None:
    out = io.StringIO()
    write_document({"a": "日\x1b\ud800", "b": [float("nan"), 1.5], "c": float("inf")}, out)
    assert out.getvalue().isascii()
    assert json.loads(out.getvalue()) == {"a": "日\x1b\ud800", "b": [None, 1.5], "c": None}


def test_an_event_is_a_line_with_its_moments_as_text() -> None:
    event = h.StepWaiting(
        at=NOON,
        step="a",
        attempt=1,
        until=NOON + 250,
        approval=h.Approval(id="c", message="日\n", deadline=NOON + 1_000),
    )
    line = event_line(7, RUN, event)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "seq": 7,
        "type": "step.waiting",
        "at": "2026-01-31T12:00:00.000Z",
        "runId": RUN,
        "step": "a",
        "attempt": 1,
        "until": "2026-01-31T12:00:00.250Z",
        "approval": {"id": "c", "message": "日\n", "deadline": "2026-01-31T12:00:01.000Z"},
    }


def test_an_error_is_a_document_with_type_code_message_and_details() -> None:
    error = InputError("no input `x`", hint="did you mean `y`?", details={"input": "x"})
    assert error_document(error) == {
        "error": {
            "type": "InputError",
            "code": 2,
            "message": "no input `x`",
            "details": {"input": "x", "hint": "did you mean `y`?"},
        }
    }


# ---- tables ------------------------------------------------------------------------------------


def record(
    id: str, status: str, *, owned: bool = False, before: int = 0, took: int | None = None
) -> RunRecord:
    return RunRecord(
        id=id,
        workflow_id="release",
        name="Release",
        status=status,
        epoch=1,
        owner="",
        created_at=NOON - before,
        ended_at=None if took is None else NOON - before + took,
        owned=owned,
    )


@pytest.mark.parametrize("width", [40, 80, 140])
def test_tables(width: int, snapshot: SnapshotAssertion) -> None:
    runs = [
        record(RUN, "running", owned=True, before=12_300),
        record("0198e000-1", "running", before=7_200_000),
        record("01970000-1", "failed", before=250_000_000, took=72_000),
    ]
    asked = ApprovalRecord(
        id="c",
        run=RUN,
        workflow_id="release",
        step="sign-off",
        attempt=1,
        message="Ship 1.4 to production? All checks have passed and the change log is ready.",
        approvers=["ann", "bob"],
        asked_at=NOON - 300_000,
        state="pending",
    )
    state = finished()
    screens = [
        runs_table(runs, NOON, PLAIN, width),
        approvals_table([asked], NOON, PLAIN, width),
        status_table(state.plan, state, NOON + 80_000, PLAIN, width),
        examples_table([("pipeline", "Fan-out, retries and a fallback [/red]")], PLAIN, width),
        plan_screen(state.plan, theme=PLAIN, width=width),
    ]
    assert all(line.width <= width for screen in screens for line in screen)
    assert "\n".join(screen.plain for screen in screens) == snapshot


@pytest.mark.parametrize(
    ("ms", "said"), [(0, "just now"), (5_000, "5s ago"), (61_000, "1m ago"), (90_000_000, "1d ago")]
)
def test_how_long_ago(ms: int, said: str) -> None:
    assert ago(ms) == said
