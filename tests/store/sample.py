"""Runs, facts and a clock for the tests of the stores."""

from __future__ import annotations

from mplp_cli.protocols import NewRun
from mplp_cli.workflow.fold.history import (
    Approval,
    Event,
    RunStarted,
    StepCompleted,
    StepStarted,
    StepWaiting,
)

START = 1_700_000_000_000


class FixedClock:
    """A clock that stands still."""

    def now(self) -> int:
        return START

    def monotonic(self) -> float:
        return 0.0


def run_id(number: int) -> str:
    """The id of run `number`; the first digit differs for the first sixteen."""
    return f"{number % 16:x}{number:07d}-0000-4000-8000-000000000000"


def new_run(number: int = 1, workflow_id: str = "release-notes", created_at: int | None = None) -> NewRun:
    return NewRun(
        id=run_id(number),
        workflow_id=workflow_id,
        name="Release notes",
        source=b"workflow:\n  id: release-notes\n" * 100,
        source_name="release.yaml",
        source_dir="/project",
        cwd="/project/sub",
        plan=b'{"steps":[]}',
        created_at=START + number if created_at is None else created_at,
    )


def started(number: int = 1) -> RunStarted:
    return RunStarted(
        at=START,
        run=run_id(number),
        workflow="release-notes",
        inputs={"tag": "v1"},
        env={},
        cwd="/project/sub",
        slots=4,
    )


def step(number: int) -> list[Event]:
    """What one step leaves in the history."""
    name = f"step-{number}"
    return [
        StepStarted(at=START + number, step=name, attempt=1),
        StepCompleted(at=START + number, step=name, attempt=1, result={"n": number, "text": "ü\u2028"}),
    ]


def asks(name: str = "review", attempt: int = 1, at: int = START) -> StepWaiting:
    question = Approval(
        id=f"confirm-{name}-{attempt}",
        message=f"May {name} go on?",
        approvers=["ann", "bob"],
        form={"share": {"type": "integer"}},
    )
    return StepWaiting(at=at, step=name, attempt=attempt, approval=question)
