"""Sub-workflows: runs of their own, driven with their parent, taken up with it, stopped with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import json

from mplp_cli.engine import requests
from mplp_cli.engine.subruns import Subrun, Subruns
from mplp_cli.errors import InputError, RunStateError, StoreError
from mplp_cli.loading import resolve_inputs
from mplp_cli.protocols import Control, NewRun, RunRecord
from mplp_cli.running import How, Run
from mplp_cli.runtime import Runtime, Screen
from mplp_cli.sources import read_secrets, read_source
from mplp_cli.store.memory import MemoryStore
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from tests.bench_of_runs import ask, given, pause, retries, step
from tests.virtual import CountingIds, VirtualClock, facts_of

Act = tuple[float, Callable[["Family"], None]]


class MortalStore(MemoryStore):
    """A store that fails at the n-th commit of all runs together, before or after it was stored; then never again."""

    left = 0
    after = False

    def create_run(self, run: NewRun, events: Sequence[h.Event]) -> Any:
        self.tick(before=True)
        journal = super().create_run(run, events)
        try:
            self.tick(before=False)
        except StoreError:
            journal.close()
            raise
        return self.mortal(journal)

    def own_run(self, run_id: str, by: str, *, take_over: bool = False) -> Any:
        return self.mortal(super().own_run(run_id, by, take_over=take_over))

    def tick(self, *, before: bool) -> None:
        self.left -= before
        if self.left == 0 and self.after is not before:
            self.left = -1
            raise StoreError("the disk is gone")

    def mortal(self, journal: Any) -> Any:
        append = journal.append

        def commit(*written: Any, **more: Any) -> None:
            self.tick(before=True)
            append(*written, **more)
            self.tick(before=False)

        journal.append = commit
        return journal


class Family:
    """Workflow files in a directory, and the runs that come of them, in virtual time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = VirtualClock()
        self.ids = CountingIds()
        self.store = MortalStore(self.clock)
        self.environ: dict[str, str] = {}

    def write(self, name: str, steps: list[dict[str, Any]], **more: Any) -> None:
        more = {key.strip("_").replace("_", "-"): value for key, value in more.items()}
        head = {"id": Path(name).stem, "name": name, "version": "1.0.0"}
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(json.encode({"workflow": {**head, "steps": steps, **more}}))

    def runtime(self) -> Runtime:
        runtime = Runtime(start=self.directory, ephemeral=True, environ=self.environ)
        runtime.clock, runtime.ids = self.clock, self.ids  # type: ignore[assignment]  # virtual ones
        vars(runtime)["store"] = self.store
        runtime._scratch = SimpleNamespace(name=str(self.directory / "scratch"))
        return runtime

    def start(self, inputs: dict[str, Any] | None = None, during: Sequence[Act] = ()) -> RunState:
        return self.drive(self.ready(inputs), during)

    def ready(self, inputs: dict[str, Any] | None = None) -> Run:
        """A new run of the main file."""
        runtime = self.runtime()
        source = read_source(str(self.directory / "main.yaml"))
        loaded = runtime.load(source)
        assert loaded.plan is not None, loaded.problems
        assert loaded.workflow is not None
        secrets = read_secrets(loaded.plan.secrets, self.environ, None)
        resolved = resolve_inputs(loaded.workflow, inputs or {})
        return runtime.start(source, loaded.plan, resolved, secrets, Screen())

    def resume(self, during: Sequence[Act] = ()) -> RunState:
        return self.drive(self.runtime().take_up(self.root.id, Screen()), during)

    def go_on(self) -> RunState:
        """Start, or resume, or look: whatever is left to do."""
        if not self.store.runs():
            return self.start()
        return self.state(self.root) if self.root.status == "completed" else self.resume()

    def drive(self, run: Run, during: Sequence[Act]) -> RunState:
        async def go() -> RunState:
            loop = asyncio.get_running_loop()
            for seconds, act in during:
                loop.call_later(seconds, act, self)
            return await run.go()

        self.driven = run.drive
        return self.clock.run(go)

    @property
    def root(self) -> RunRecord:
        [root] = [run for run in self.store.runs() if run.parent is None]
        return root

    def children(self, of: str | None = None) -> list[RunRecord]:
        """The runs of sub-workflows, the oldest first."""
        return self.store.runs(child_of=of or self.root.id)[::-1]

    def record(self, run: Subrun) -> RunRecord:
        [record] = self.store.find_runs(run.state.run_id)
        return record

    @property
    def child(self) -> RunRecord:
        [child] = self.children()
        return child

    def facts(self, run: RunRecord, kind: type[Any]) -> list[Any]:
        return [fact for _, fact in self.store.history(run.id) if isinstance(fact, kind)]

    def state(self, run: RunRecord) -> RunState:
        runtime = self.runtime()
        state = RunState(runtime.stored_plan(run.id))
        for _, fact in self.store.history(run.id):
            state.handle(fact)
        return state


def call(name: str = "call", file: str = "sub.yaml", **keys: Any) -> dict[str, Any]:
    """A step that runs another workflow."""
    return step("workflow", name, file=file, **keys)


def statuses(state: RunState) -> dict[str, str]:
    return {one.id: state.step_status[one.number] for one in state.plan.steps}


def answer(decision: str, step_id: str = "q") -> Callable[[Family], None]:
    """A person answers what the only run that asks has asked."""

    def act(family: Family) -> None:
        [asked] = family.store.approvals()
        family.store.decide(asked.run, step_id, decision, "ann", "because", family.clock.now())

    return act


def cancel_child(family: Family) -> None:
    family.store.request(family.child.id, Control(seq=0, verb="cancel", by="ann", reason="enough"))


FAILS = given("bad", {"n": "${[1][7]}"})
ASKS = given("q", {"n": "${[1][7]}"}, fallback_actions=ask(message="Go on?"))


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return Family(tmp_path)


# ---- a run of its own ---------------------------------------------------------------------------


def test_the_outputs_of_the_sub_workflow_are_the_result_of_the_step(family: Family) -> None:
    family.write(
        "main.yaml",
        [given("a", {"n": 2}), call(inputs={"n": "${a.result.n}"})],
        outputs={"x": "${call.result.twice}"},
    )
    family.write(
        "sub.yaml",
        [given("b", {"n": "${inputs.n * 2}"})],
        inputs={"n": {"type": "integer"}},
        outputs={"twice": "${b.result.n}"},
    )
    assert family.start().outputs == {"x": 4}
    child = family.child
    assert (child.status, child.workflow_id) == ("completed", "sub")
    assert child.parent is not None
    assert (child.parent.run, child.parent.step) == (family.root.id, "call")
    assert family.state(child).inputs == {"n": 2}


def test_without_outputs_the_result_is_an_empty_map(family: Family) -> None:
    family.write("main.yaml", [call()], outputs={"x": "${call.result}"})
    family.write("sub.yaml", [given("b")])
    assert family.start().outputs == {"x": {}}


def test_files_are_found_from_the_file_that_names_them(family: Family) -> None:
    family.write("main.yaml", [call(file="parts/sub.yaml")], outputs={"x": "${call.result.x}"})
    family.write("parts/sub.yaml", [call("inner", "deep.yaml")], outputs={"x": "${inner.result.x}"})
    family.write("parts/deep.yaml", [given("a", {"n": 7})], outputs={"x": "${a.result.n}"})
    assert family.start().outputs == {"x": 7}
    assert [run.workflow_id for run in family.children(family.child.id)] == ["deep"]


def test_every_item_of_a_foreach_has_a_run_of_its_own(family: Family) -> None:
    each = step("foreach", "each", items=[1, 2, 3], steps=[call(inputs={"n": "${item}"})])
    family.write("main.yaml", [each], outputs={"x": "${each.result}"})
    family.write(
        "sub.yaml",
        [given("b", {"n": "${inputs.n * 2}"})],
        inputs={"n": {"type": "integer"}},
        outputs={"twice": "${b.result.n}"},
    )
    assert family.start().outputs == {"x": [{"twice": 2}, {"twice": 4}, {"twice": 6}]}
    steps = [run.parent.step for run in family.children() if run.parent is not None]
    assert sorted(steps) == ["each[0].call", "each[1].call", "each[2].call"]


def test_inputs_are_judged_again_when_their_references_are_filled_in(family: Family) -> None:
    family.write(
        "main.yaml",
        [
            # What it gives is only known when it has run.
            given("a", {"n": "${'three' if run.id else 1}"}),
            call(inputs={"n": "${a.result.n}"}, retry_policy=retries(3)),
        ],
    )
    family.write("sub.yaml", [given("b")], inputs={"n": {"type": "integer"}})
    state = family.start()
    error = state.errors[1]
    assert (error.type, state.attempts[1]) == (InputError.__name__, 1)
    assert "a whole number is wanted" in error.message
    assert family.children() == []


def test_secrets_of_a_sub_workflow_are_asked_for_before_anything_starts(family: Family) -> None:
    family.write("main.yaml", [call()])
    family.write("sub.yaml", [given("b")], secrets=["TOKEN"])
    with pytest.raises(InputError, match="TOKEN"):
        family.start()
    assert family.store.runs() == []
    family.environ["TOKEN"] = "very secret"
    assert family.start().status == "completed"


def test_a_file_that_is_changed_later_changes_nothing(family: Family) -> None:
    family.write(
        "main.yaml", [pause("w", "10s"), call(dependencies=["w"])], outputs={"x": "${call.result.x}"}
    )
    family.write("sub.yaml", [call("inner", "deep.yaml")], outputs={"x": "${inner.result.x}"})
    family.write("deep.yaml", [given("a", {"n": 7})], outputs={"x": "${a.result.n}"})

    def change(family: Family) -> None:
        family.write("deep.yaml", [given("a", {"n": 8})], outputs={"x": "${a.result.n}"})
        (family.directory / "sub.yaml").unlink()

    assert family.start(during=[(5, change)]).outputs == {"x": 7}


# ---- failures ------------------------------------------------------------------------------------


def test_a_failure_names_the_run_the_step_and_the_message(family: Family) -> None:
    family.write("main.yaml", [call()])
    family.write("sub.yaml", [given("a"), FAILS])
    state = family.start()
    error = state.errors[0]
    child = family.child
    assert (state.status, child.status, error.type) == ("failed", "failed", "SubworkflowError")
    assert f"run {child.id} of `sub` failed: `bad`: " in error.message
    assert error.details is not None
    assert error.details["runId"] == child.id
    assert error.details["failedSteps"] == ["bad"]


def test_every_retry_is_a_new_run(family: Family) -> None:
    family.write("main.yaml", [call(retry_policy=retries(2))])
    family.write("sub.yaml", [FAILS])
    assert family.start().status == "failed"
    assert [run.status for run in family.children()] == ["failed"] * 3


def test_a_resume_takes_the_failed_run_up_where_it_failed(family: Family) -> None:
    family.write("main.yaml", [call()])
    family.write("sub.yaml", [given("a"), FAILS])
    family.start()
    assert family.resume().status == "failed"
    child = family.child
    assert len(family.facts(child, h.RunFailed)) == 2
    assert [fact.step for fact in family.facts(child, h.StepCompleted)] == ["a"]


def test_a_failure_that_the_parent_has_not_seen_stands(tmp_path: Path) -> None:
    for number in range(1, 20):
        family = Family(tmp_path)
        family.write("main.yaml", [call()])
        family.write("sub.yaml", [FAILS])
        family.store.left = number
        with contextlib.suppress(StoreError):
            family.start()
        if [run.status for run in family.store.runs()] == ["failed", "running"]:
            assert family.resume().status == "failed"
            assert len(family.facts(family.child, h.RunFailed)) == 1
            return
    raise AssertionError("the parent was never lost at that moment")


# ---- lost processes ------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True])
def test_whenever_the_process_is_lost_no_completed_step_runs_again(tmp_path: Path, after: bool) -> None:
    for number in range(1, 60):
        family = Family(tmp_path)
        family.write(
            "main.yaml",
            [
                given("a"),
                call(inputs={"n": "${a.result.n}"}),
                call("other", "deep.yaml"),
                given("z", {"n": "${call.result.x}"}),
            ],
            outputs={"x": "${z.result.n}"},
            finally_=[call("last", "deep.yaml")],
        )
        family.write(
            "sub.yaml",
            [
                pause("w"),
                call("inner", "deep.yaml", dependencies=["w"]),
                given("c", {"n": "${inputs.n + inner.result.x}"}),
            ],
            inputs={"n": {"type": "integer"}},
            outputs={"x": "${c.result.n}"},
        )
        family.write("deep.yaml", [given("d", {"n": 7}), pause("v")], outputs={"x": "${d.result.n}"})
        family.store.after, family.store.left = after, number
        try:
            state = family.start()
        except StoreError:
            state = family.go_on()
        assert (state.status, state.outputs) == ("completed", {"x": 8})
        runs = family.store.runs()
        assert Counter(run.workflow_id for run in runs) == {"main": 1, "sub": 1, "deep": 3}
        for run in runs:
            done = Counter(fact.step for fact in family.facts(run, h.StepCompleted))
            assert set(done.values()) == {1}, (number, run)
            assert run.status == "completed"
        if family.store.left > 0:
            return
    raise AssertionError("there are more commits than were tried")


def test_a_parent_that_is_lost_while_it_is_cancelled_ends_its_children_when_it_is_taken_up(
    family: Family,
) -> None:
    family.write("main.yaml", [call()])
    family.write("sub.yaml", [pause("w", "1h")], finally_=[pause("last", "10s")])

    def die(family: Family) -> None:
        family.store.left = 1

    with pytest.raises(StoreError):
        family.start(during=[(5, lambda family: family.driven.cancel("ann")), (8, die)])
    assert (family.root.status, family.child.status) == ("running", "running")
    state = family.resume()
    assert (state.status, family.child.status) == ("cancelled", "cancelled")
    assert statuses(family.state(family.child)) == {"w": "cancelled", "last": "completed"}
    ends = [list(family.store.history(run.id))[-1][1].at for run in (family.child, family.root)]
    assert ends == sorted(ends)


# ---- stops ---------------------------------------------------------------------------------------


def test_a_cancel_travels_down_and_final_steps_run_on_every_level(family: Family) -> None:
    family.write("main.yaml", [call()], finally_=[given("bye")])
    family.write("sub.yaml", [call("inner", "deep.yaml")], finally_=[given("bye")])
    family.write("deep.yaml", [pause("w", "1h")], finally_=[given("bye")])
    state = family.start(during=[(5, lambda family: family.driven.cancel("ann"))])
    [deep] = family.children(family.child.id)
    assert [state.status, family.child.status, deep.status] == ["cancelled"] * 3
    for run in (family.root, family.child, deep):
        assert statuses(family.state(run))["bye"] == "completed"
    [stopping] = family.facts(family.child, h.RunStopping)
    assert stopping.by == f"run {family.root.id}"


def test_a_pause_travels_down_and_so_does_its_end(family: Family) -> None:
    family.write("main.yaml", [call(), given("after", dependencies=["call"])])
    family.write("sub.yaml", [call("inner", "deep.yaml"), given("last", dependencies=["inner"])])
    family.write("deep.yaml", [pause("w", "10s"), given("end", dependencies=["w"])])
    state = family.start(during=[(5, lambda family: requests.pause(family.driven, "ann"))])
    [deep] = family.children(family.child.id)
    assert [state.status, family.child.status, deep.status] == ["paused"] * 3
    state = family.resume()
    [deep] = family.children(family.child.id)
    assert [state.status, family.child.status, deep.status] == ["completed"] * 3


def test_a_kill_travels_down_and_no_final_step_runs(family: Family) -> None:
    family.write("main.yaml", [call()], finally_=[given("bye")])
    family.write("sub.yaml", [pause("w", "1h")], finally_=[pause("bye", "1s")])
    state = family.start(during=[(5, lambda family: family.driven.kill("ann"))])
    assert (state.status, family.child.status) == ("cancelled", "cancelled")
    assert statuses(family.state(family.child)) == {"w": "cancelled", "bye": "cancelled"}


def test_the_timeout_of_the_step_ends_the_child(family: Family) -> None:
    family.write("main.yaml", [call(timeout="5s", retry_policy=retries(1))])
    family.write("sub.yaml", [pause("w", "1h")], finally_=[given("bye")])
    state = family.start()
    assert (state.status, state.errors[0].type) == ("failed", "StepTimeoutError")
    assert [run.status for run in family.children()] == ["cancelled", "cancelled"]


def test_cancelling_the_child_alone_fails_the_step(family: Family) -> None:
    family.write("main.yaml", [call(retry_policy=retries(3)), pause("w", "20s")])
    family.write("sub.yaml", [pause("w", "1h")])
    state = family.start(during=[(5, cancel_child)])
    assert (state.status, state.attempts[0], state.errors[0].type) == (
        "failed",
        1,
        "SubworkflowCancelledError",
    )
    assert state.errors[0].message == f"run {family.child.id} of `sub` was cancelled: enough"
    assert statuses(state)["w"] == "completed"


def test_a_cancelled_child_is_final_so_a_resume_begins_a_new_one(family: Family) -> None:
    family.write("main.yaml", [call()])
    family.write("sub.yaml", [pause("w", "10s")])
    family.start(during=[(5, cancel_child)])
    assert family.resume().status == "completed"
    assert [run.status for run in family.children()] == ["cancelled", "completed"]


def test_the_loser_of_a_race_is_ended_with_its_children(family: Family) -> None:
    family.write("main.yaml", [step("parallel", "p", race=True, steps=[call(), pause("w", "5s")])])
    family.write("sub.yaml", [pause("v", "1h")])
    assert family.start().status == "completed"
    assert family.child.status == "cancelled"


# ---- questions -----------------------------------------------------------------------------------


def test_a_question_of_the_child_parks_the_parent(family: Family) -> None:
    family.write("main.yaml", [call(), pause("w", "10s")])
    family.write("sub.yaml", [ASKS])
    state = family.start()
    assert (state.status, family.child.status) == ("waiting", "waiting")
    assert statuses(state) == {"call": "waiting", "w": "completed"}
    assert (state.slots, state.holding) == (state.all_slots, set())
    [asked] = family.store.approvals()
    assert (asked.run, asked.step) == (family.child.id, "q")
    told = state.approvals[0]
    assert (told.run, told.step, told.message) == (family.child.id, "q", "Go on?")
    assert facts_of(family.state(family.root)) == facts_of(state)


def test_an_answer_takes_both_on_after_a_resume(family: Family) -> None:
    family.write("main.yaml", [call()])
    family.write("sub.yaml", [call("inner", "deep.yaml")])
    family.write("deep.yaml", [ASKS])
    family.start()
    assert family.resume().status == "waiting"
    answer("rejected")(family)
    state = family.resume()
    assert (state.status, family.child.status) == ("failed", "failed")
    assert "rejected by ann: because" in state.errors[0].message


def test_an_answer_is_heard_while_the_parent_does_something_else(family: Family) -> None:
    family.write("main.yaml", [call(), pause("w", "60s")])
    family.write(
        "sub.yaml", [call("inner", "deep.yaml"), given("after", dependencies=["inner"], join="all-ended")]
    )
    family.write("deep.yaml", [ASKS])
    state = family.start(during=[(10, answer("rejected"))])
    assert state.status == "failed"
    [end] = family.facts(family.child, h.RunFailed)
    assert end.at - state.started < 11_000
    assert len(family.facts(family.root, h.StepWoken)) == 1


def test_a_question_that_is_asked_again_waits_again(family: Family) -> None:
    family.write("main.yaml", [call(), pause("w", "60s")])
    family.write("sub.yaml", [ASKS])
    state = family.start(during=[(10, answer("approved")), (20, answer("rejected"))])
    assert state.status == "failed"
    assert len(family.facts(family.root, h.StepWoken)) == 2


def test_the_child_goes_on_by_itself_when_nobody_answers_in_time(family: Family) -> None:
    family.write("main.yaml", [call(), pause("w", "60s")])
    family.write("sub.yaml", [given("q", {"n": "${[1][7]}"}, fallback_actions=ask(timeout="10s"))])
    state = family.start()
    assert state.status == "failed"
    assert "nobody answered within 10.0s" in state.errors[0].message


def test_cancelling_a_parent_that_waits_cancels_its_children(family: Family) -> None:
    family.write("main.yaml", [call()])
    family.write("sub.yaml", [call("inner", "deep.yaml")], finally_=[given("bye")])
    family.write("deep.yaml", [ASKS], finally_=[given("bye")])
    family.start()
    run = family.runtime().take_up(family.root.id, Screen(), how=How(to_end=True))
    run.drive.cancel("ann")
    state = family.drive(run, ())
    [deep] = family.children(family.child.id)
    assert [state.status, family.child.status, deep.status] == ["cancelled"] * 3
    assert statuses(family.state(deep))["bye"] == "completed"
    assert family.store.approvals() == []


def test_a_child_that_waits_is_cancelled_when_its_step_is_over(family: Family) -> None:
    family.write("main.yaml", [step("parallel", "p", timeout="10s", steps=[call()]), pause("w", "60s")])
    family.write("sub.yaml", [ASKS])
    assert family.start().status == "failed"
    assert family.child.status == "cancelled"


def test_every_child_is_announced_before_it_begins_also_by_one_that_is_only_ended(family: Family) -> None:
    family.write("main.yaml", [step("parallel", "p", timeout="10s", steps=[call()]), pause("w", "60s")])
    family.write("sub.yaml", [ASKS], finally_=[call("bye", "deep.yaml")])
    family.write("deep.yaml", [given("a")])
    run, announced = family.ready(), []

    def follow(subruns: Subruns | None) -> None:
        if subruns is not None:
            subruns.announce = told

    def told(child: Subrun) -> None:
        announced.append(
            (child.state.plan.workflow.id, len(family.facts(family.record(child), h.StepStarted)))
        )
        follow(child.subruns)

    follow(run.subruns)
    family.drive(run, ())
    assert announced == [("sub", 0), ("sub", 0), ("deep", 0)]


def test_a_child_that_waited_and_was_cancelled_alone_fails_the_step(family: Family) -> None:
    family.write("main.yaml", [call()])
    family.write("sub.yaml", [ASKS])
    family.start()
    run = family.runtime().take_up(family.child.id, Screen(), how=How(to_end=True))
    run.drive.cancel("ann", "enough")
    family.drive(run, ())
    state = family.resume()
    assert (state.status, state.errors[0].type) == ("failed", "SubworkflowCancelledError")
    assert len(family.children()) == 1


def test_a_child_is_not_taken_up_without_its_parent(family: Family) -> None:
    family.write("main.yaml", [call()])
    family.write("sub.yaml", [ASKS])
    family.start()
    with pytest.raises(RunStateError, match="is the sub-workflow of step `call`") as refused:
        family.runtime().take_up(family.child.id, Screen())
    assert refused.value.hint == f"go on with the run it belongs to: `mplp resume {family.root.id[:8]}`"


# ---- slots ---------------------------------------------------------------------------------------


def test_a_sub_workflow_takes_one_slot_of_its_parent_and_has_its_own_inside(family: Family) -> None:
    family.write("main.yaml", [call("c1"), call("c2")], max_parallel=1)
    family.write("sub.yaml", [pause("v"), given("w")], max_parallel=1)
    assert family.start().status == "completed"
    first, second = family.children()
    assert second.created_at >= (first.ended_at or 0)
