"""A plan and a state made by hand, so that screens can be drawn of any moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from mplp_cli.errors import Failure
from mplp_cli.workflow.fold.history import Approval, Awaited, Rerun, RunPausing, Turn
from mplp_cli.workflow.fold.spending import Spending
from mplp_cli.workflow.model import SetStep, Workflow
from mplp_cli.workflow.plan import Plan, PlanStep
from mplp_cli.workflow.resources import Demand, Usage
from mplp_cli.workflow.retry import Retry

#: 2026-01-31T12:00:00Z
NOON = 1_769_860_800_000


def make_plan(*steps: PlanStep, workflow_id: str = "release", **more: Any) -> Plan:
    """A plan of steps in file order; numbers and children are filled in."""
    children: dict[int, list[int]] = {}
    for number, step in enumerate(steps):
        children.setdefault(step.parent, []).append(number)
    numbered = [
        replace(step, number=number, rank=number, children=tuple(children.get(number, ())))
        for number, step in enumerate(steps)
    ]
    dependants: list[list[int]] = [[] for _ in steps]
    for made in numbered:
        for need in made.needs:
            dependants[need].append(made.number)
    return Plan(
        workflow=Workflow(
            id=workflow_id, name="Release", version="1.0.0", steps=[SetStep(id="a", values={})], **more
        ),
        steps=numbered,
        number={s.id: s.number for s in numbered},
        dependants=[tuple(d) for d in dependants],
        next_in_block={s.after: s.number for s in numbered if s.after >= 0},
        by_rank=list(range(len(steps))),
        top=tuple(s.number for s in numbered if s.parent < 0 and s.branch != "finally"),
        final=tuple(s.number for s in numbered if s.parent < 0 and s.branch == "finally"),
    )


def step(id: str, kind: str = "shell", **more: Any) -> PlanStep:
    """A step; `make_plan` gives it its number. `tries` is a number of attempts."""
    tries = more.pop("tries", 1)
    return PlanStep(number=-1, id=id, kind=kind, retry=Retry(max_retries=tries - 1), **more)


@dataclass
class FakeState:
    """A run at one moment."""

    plan: Plan
    run_id: str = "0198f3a1-5b1c-4c57-9a55-2f0c1d2e3f40"
    status: str = "running"
    started: int = NOON
    ended: int = 0
    pausing: RunPausing | None = None
    spending: Spending = field(default_factory=Spending)
    fitting: Sequence[Demand] = ()
    usage: dict[int, Usage] = field(default_factory=dict)
    step_status: list[str] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    started_at: list[int] = field(default_factory=list)
    ended_at: list[int] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    errors: dict[int, Failure] = field(default_factory=dict)
    kept: dict[int, str] = field(default_factory=dict)
    rerun: Rerun | None = None
    approvals: dict[int, Approval] = field(default_factory=dict)
    awaited: dict[int, Awaited] = field(default_factory=dict)
    due: dict[int, int] = field(default_factory=dict)
    outputs: Mapping[str, Any] | None = None
    error: Failure | None = None
    turn: Turn | None = None
    warnings: Sequence[str] = ()

    def shortage(self, demand: Demand) -> str:
        return "" if demand in self.fitting else f"{len(demand.amounts)} kinds; run 0f8b5c1e holds it"

    def __post_init__(self) -> None:
        n = len(self.plan.steps)
        self.step_status = self.step_status or ["pending"] * n
        self.attempts = self.attempts or [0] * n
        self.started_at = self.started_at or [0] * n
        self.ended_at = self.ended_at or [0] * n
        self.results = self.results or [UNSET] * n

    def put(
        self, id: str, status: str, start: float = 0, end: float = 0, *, attempt: int = 0, **more: Any
    ) -> None:
        """Move a step. `start` and `end` are seconds after the run's start."""
        i = self.plan.number[id]
        self.step_status[i] = status
        if start or end or attempt or status not in {"pending", "queued", "skipped", "omitted"}:
            self.started_at[i] = NOON + round(start * 1000)
            self.attempts[i] = attempt or 1
        if status in {"completed", "failed", "skipped", "omitted", "cancelled"}:
            self.ended_at[i] = NOON + round((end or start) * 1000)
        for name, table in (("reason", self.reasons), ("error", self.errors), ("approval", self.approvals)):
            if name in more:
                table[i] = more[name]
        if "due" in more:
            self.due[i] = NOON + round(more["due"] * 1000)
        if "result" in more:
            self.results[i] = more["result"]


def release() -> FakeState:
    """A release with a bit of everything, 12.3 seconds after its start."""
    plan = make_plan(
        step("checkout", name="Fetch the sources"),
        step("build", name="Compile", needs=(0,), tries=3, timeout=600_000),
        step("checks", "parallel", needs=(0,)),
        step("lint", parent=2),
        step("unit-tests", parent=2, tries=4),
        step("types", parent=2),
        step("docs", needs=(1,)),
        step("choose", "conditional", needs=(1, 2)),
        step("announce", parent=7, branch="then"),
        step("hold-back", parent=7, branch="else"),
        step("cool-down", "wait", needs=(0,)),
        step("sign-off", needs=(0,)),
        step("publish", "module-operation", needs=(1, 2, 11), tries=4, timeout=30_000),
        step("cleanup", "set", branch="finally"),
    )
    state = FakeState(plan)
    state.put("checkout", "completed", 0.1, 1.3)
    state.put("build", "running", 1.3, attempt=2)
    state.put("checks", "running", 1.3)
    state.put("lint", "completed", 1.3, 4.0)
    state.put(
        "unit-tests",
        "retrying",
        1.3,
        attempt=2,
        due=15.2,
        error=Failure(type="ShellExitError", message="exit code 2: 3 tests failed"),
    )
    state.put("types", "running", 1.4)
    state.put("docs", "skipped", reason="`when` was false: inputs.docs == true")
    state.put("cool-down", "waiting", 1.3, due=31.3)
    state.put("sign-off", "waiting", 1.3, approval=Approval(id="c1", message="Ship 1.4 to production?"))
    return state


def finished(status: str = "failed") -> FakeState:
    """The same run, 72 seconds after its start and over."""
    state = release()
    state.put(
        "build", "completed", 1.3, 46.5, attempt=2, result={"exitCode": 0, "output": "built 40 modules"}
    )
    state.put("types", "completed", 1.4, 20.0)
    if status == "failed":
        state.put(
            "unit-tests",
            "failed",
            1.3,
            71.0,
            attempt=4,
            error=Failure(
                type="ShellExitError", message="exit code 2: 3 tests failed", details={"exitCode": 2}
            ),
        )
        state.put("checks", "failed", 1.3, 71.0)
        state.errors[2] = Failure(
            type="ParallelExecutionError", message="1 of the parallel steps failed: `unit-tests`"
        )
        for name in ("choose", "publish"):
            state.put(name, "omitted", reason="`checks` failed")
        for name in ("announce", "hold-back"):
            state.put(name, "omitted", reason="`choose` was omitted")
        state.error = Failure(type="StepFailedError", message="`unit-tests` failed")
    else:
        state.put("unit-tests", "completed", 1.3, 60.0, attempt=4)
        state.errors.clear()
        state.put("checks", "completed", 1.3, 60.0)
        state.put("choose", "completed", 60.0, 61.0)
        state.put("announce", "completed", 60.0, 61.0)
        state.put("hold-back", "skipped", reason="the condition of `choose` chose `then`")
        state.put("publish", "completed", 60.0, 72.0, result={"trace": {"id": "t-1", "events": [1, 2, 3]}})
    state.put("cool-down", "completed", 1.3, 31.3)
    state.put("sign-off", "completed", 1.3, 35.0)
    state.approvals.clear()
    state.due.clear()
    state.put("cleanup", "completed", 72.0)
    state.started_at[state.plan.number["cleanup"]] = 0
    state.status, state.ended = status, NOON + 72_150
    return state
