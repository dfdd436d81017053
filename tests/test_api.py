"""mplp from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mplp_cli import api
from mplp_cli.errors import InputError, UnknownRunError, WorkflowValidationError

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
