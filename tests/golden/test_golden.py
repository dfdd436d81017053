"""What released versions have left on people's disks: this version reads it, and goes on with it to the same end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import apsw
import pytest

from mplp_cli.errors import RunStateError
from mplp_cli.observe.explanation import explain
from mplp_cli.recorded import recorded
from mplp_cli.render.explained import explained_document, explained_screen
from mplp_cli.render.machine import run_document
from mplp_cli.render.theme import PLAIN
from mplp_cli.runtime import Runtime, Screen
from tests.conftest import Mplp
from tests.golden.recorded import HERE, Record, load
from tests.golden.states import STATES

RECORDINGS = sorted(HERE.glob("*/*.jsonl"))


def named(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@pytest.fixture(params=RECORDINGS, ids=named)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Record:
    """A recorded run, in a store in the directory of the test."""
    return load(request.param, tmp_path)


def runtime(directory: Path) -> Runtime:
    return Runtime(start=directory, state_dir=str(directory / ".mplp"))


def resumed(directory: Path, run: Record) -> dict[str, Any]:
    """Go on with the run, and what it answers."""
    with runtime(directory) as made:
        ready = made.take_up(run.id, Screen())
        state = asyncio.run(ready.go())
        return run_document(ready.plan, state, now=made.clock.now())


def test_every_state_is_recorded_for_every_release() -> None:
    assert RECORDINGS
    newest = max(RECORDINGS).parent
    assert {path.stem for path in newest.glob("*.jsonl")} == set(STATES), "python -m tests.golden"


def test_a_run_of_an_older_version_is_shown_and_explained(run: Record, tmp_path: Path) -> None:
    with runtime(tmp_path) as made:
        told = recorded(made, made.find_run(run.id))
        assert told.status == run.status
        steps = run_document(told.plan, told.state, now=told.now)["steps"]
        assert {step: one["status"] for step, one in steps.items()} == run.steps
        facts = [fact for _, fact in made.store.history(run.id)]
        for step in run.steps:
            explained = explain(made.stored_plan(run.id), facts, step)
            document = explained_document(explained, told.status, told.now)
            assert document["status"] == run.steps[step]
            assert document["reason"]
            json.dumps(document)
            assert list(explained_screen(explained, told.status, told.now, PLAIN, 100).lines)


def test_a_run_of_an_older_version_goes_on_to_the_end_it_would_have_had(run: Record, tmp_path: Path) -> None:
    (tmp_path / "go").write_text("go", "utf-8")
    if not run.ends:
        with pytest.raises(RunStateError, match="that is final"):
            resumed(tmp_path, run)
        return
    if run.approve:
        with runtime(tmp_path) as made:
            made.store.decide(run.id, run.approve, "approved", "ann", "", made.clock.now())
    document = resumed(tmp_path, run)
    assert document["status"] == run.ends
    assert document["outputs"] == run.outputs
    ran = (tmp_path / "ran").read_text("utf-8").split()
    again = {step for step, status in run.steps.items() if status == "completed"} & set(ran)
    assert again <= {"last"}, "completed steps ran again"  # `finally` runs once per ending


def test_the_commands_take_a_run_of_an_older_version_up(tmp_path: Path) -> None:
    """The same through the front door, for one run."""
    run = load(next(path for path in RECORDINGS if path.stem == "running"), tmp_path)
    terminal = Mplp(tmp_path)
    terminal.env["MPLP_STATE_DIR"] = str(tmp_path / ".mplp")
    assert "interrupted" in terminal("status", run.id).out
    assert terminal("doctor").code == 0
    (tmp_path / "go").touch()
    assert terminal("resume", run.id, "-o", "json").document["outputs"] == run.outputs


def test_a_fact_of_a_newer_version_stops_the_resume_and_says_why(tmp_path: Path) -> None:
    run = load(next(path for path in RECORDINGS if path.stem == "running"), tmp_path)
    db = apsw.Connection(str(tmp_path / ".mplp" / "state.db"))
    body = b'{"type":"step.teleported","at":1735689600000,"step":"one"}'
    db.execute("INSERT INTO event SELECT 1, max(seq) + 1, ? FROM event", (body,))
    db.close()
    terminal = Mplp(tmp_path)
    terminal.env["MPLP_STATE_DIR"] = str(tmp_path / ".mplp")
    for command in ("status", "resume"):
        refused = terminal(command, run.id)
        assert refused.code == 74
        assert "a newer mplp has written to a run" in refused.err
        assert "is a `step.teleported`" in refused.err
        assert "Upgrade mplp" in refused.err
    doctor = terminal("doctor")
    assert doctor.code == 1
    assert "step.teleported" in doctor.out
    assert terminal("runs").code == 0
