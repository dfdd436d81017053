"""The runs of a server, and the workflows that it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest

from mplp_cli.errors import (
    InputError,
    QueueFullError,
    RunBusyError,
    UnknownWorkflowError,
    UsageError,
    WorkflowValidationError,
)
from mplp_cli.events.bus import Bus
from mplp_cli.runtime import Runtime
from mplp_cli.serving.catalogue import Files, default_places
from mplp_cli.serving.fleet import Limits, LocalFleet
from mplp_cli.serving.triggering import Triggers
from mplp_cli.workflow.published import Cause, Published

API = Cause(by="api")
IDS = [f"00000000-0000-4000-8000-{i:012d}" for i in range(20)]


def workflow(identifier: str, step: str, more: str = "") -> str:
    return f"""
workflow:
  id: {identifier}
  name: {identifier}
  version: 1.0.0
{more}
  steps:
    - {{id: one, {step}}}
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path) as house:
        yield house


class House:
    """A project, and servers on its state, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "workflows").mkdir()
        self.complaints: list[str] = []
        self.runtime = Runtime(start=folder, state_dir=str(folder / "state"), environ={})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.runtime.__exit__()

    def write(self, identifier: str, step: str, more: str = "") -> Path:
        path = self.folder / "workflows" / f"{identifier}.yaml"
        path.write_text(workflow(identifier, step, more), "utf-8")
        return path

    def files(self) -> Files:
        return Files([self.folder / "workflows"], self.runtime.load, self.runtime.clock)

    def fleet(self, **limits: Any) -> LocalFleet:
        def tell(run: str, error: Exception) -> None:
            self.complaints.append(f"{run}: {error}")

        return LocalFleet(runtime=self.runtime, limits=Limits(**limits), tell=tell)

    def serve(
        self, fleet: LocalFleet, until: Callable[[], bool], *also: Callable[[], Coroutine[Any, Any, Any]]
    ) -> None:
        """Drive until something holds, then stop as a server does."""

        async def work() -> None:
            async with asyncio.TaskGroup() as tasks:
                works = [tasks.create_task(one()) for one in (fleet.work, *also)]
                async with asyncio.timeout(20):
                    while not until():  # noqa: ASYNC110 - it is the store that is looked at
                        await asyncio.sleep(0.01)
                for one in reversed(works):
                    one.cancel()

        with suppress(asyncio.CancelledError):
            asyncio.run(work())

    def statuses(self) -> dict[str, str]:
        return {run.id: run.status for run in self.runtime.store.runs()}

    def ended(self, count: int) -> Callable[[], bool]:
        return lambda: list(self.statuses().values()).count("completed") == count


def test_a_run_is_stored_at_once_and_driven_once_a_few_at_a_time(house: House) -> None:
    house.write(
        "w", "type: shell, run: 'echo ${inputs.n} >> out.txt; sleep 0.2'", "  inputs: {n: {type: integer}}"
    )
    served = house.files().find("w")
    fleet = house.fleet(at_once=2, queue=5)
    for i in range(5):
        assert fleet.start(served, {"n": i}, API, run_id=IDS[i]) == IDS[i]
    assert fleet.start(served, {"n": 0}, API, run_id=IDS[0]) == IDS[0]
    with pytest.raises(QueueFullError):
        fleet.start(served, {"n": 9}, API)
    assert {run.status for run in house.runtime.store.runs()} == {"running"}
    assert all(run.owned and run.cause == API for run in house.runtime.store.runs())
    most = 0

    def over() -> bool:
        nonlocal most
        most = max(most, sum(one.state == "driving" for one in fleet.runs()))
        return not fleet.runs()

    house.serve(fleet, over)
    assert sorted((house.folder / "out.txt").read_text("utf-8").split()) == list("01234")
    assert most == 2
    assert set(house.statuses().values()) == {"completed"}


def test_inputs_and_secrets_that_do_not_fit_store_nothing(house: House) -> None:
    house.write("w", "type: set, values: {x: 1}", "  inputs: {n: {type: integer}}\n  secrets: [TOKEN]")
    served = house.files().find("w")
    for inputs, said in (({"n": "x"}, "input `n`"), ({}, "n"), ({"n": 1}, "TOKEN")):
        with pytest.raises(InputError, match=said):
            house.fleet().start(served, inputs, API)
    assert house.runtime.store.runs() == []


def test_runs_that_wait_for_a_time_or_their_turn_take_up_no_place(house: House) -> None:
    house.write("nap", "type: wait, for: 1h")
    house.write("turns", "type: wait, for: 1h", "  concurrency: {key: all}")
    house.write("quick", "type: set, values: {x: 1}")
    files, fleet = house.files(), house.fleet(at_once=2)
    for name in ("nap", "nap", "turns", "turns", "turns", "quick"):
        fleet.start(files.find(name), {}, API)
    house.serve(fleet, house.ended(1))
    # They are left as they are, and the next server has them again.
    assert sorted(house.statuses().values()) == ["completed", *["pending"] * 2, *["running"] * 3]
    following = house.fleet(at_once=2)
    house.serve(following, lambda: len(following.runs()) == 5)


def test_a_question_is_answered_while_the_server_runs_or_after_it_was_started_anew(house: House) -> None:
    house.write("ask", "type: approval, message: go on?")
    house.write("brief", "type: approval, message: go on?, timeout: 300ms")
    files, fleet = house.files(), house.fleet()
    run = fleet.start(files.find("ask"), {}, API)
    house.serve(fleet, lambda: [one.state for one in fleet.runs()] == ["parked"])
    assert house.statuses() == {run: "waiting"}
    following = house.fleet()
    brief = following.start(files.find("brief"), {}, API)

    def answered() -> bool:
        asked = house.runtime.store.approvals(run_id=run)
        if asked:
            house.runtime.store.decide(run, "one", "approved", "ann", "", house.runtime.clock.now())
        return set(house.statuses().values()) == {"completed", "failed"}

    house.serve(following, answered)
    assert house.statuses() == {run: "completed", brief: "failed"}


def test_a_server_that_stops_lets_steps_finish_and_the_next_one_goes_on_with_the_rest(house: House) -> None:
    path = house.write("w", "type: shell, run: 'touch begun; sleep 0.3; echo one >> out.txt'")
    path.write_text(
        path.read_text("utf-8")
        + "    - {id: two, type: shell, run: 'echo two >> out.txt', dependencies: [one]}\n",
        "utf-8",
    )
    served = house.files().find("w")
    fleet = house.fleet(at_once=1)
    for i in range(2):
        fleet.start(served, {}, API, run_id=IDS[i])
    house.serve(fleet, (house.folder / "begun").exists)
    assert (house.folder / "out.txt").read_text("utf-8") == "one\n"
    assert house.statuses() == {IDS[0]: "paused", IDS[1]: "running"}
    assert not any(run.owned for run in house.runtime.store.runs())
    house.serve(house.fleet(at_once=1), house.ended(2))
    assert (house.folder / "out.txt").read_text("utf-8").split() == ["one", "two", "one", "two"]


def test_what_a_lost_server_has_left_is_taken_up_and_a_run_of_another_process_is_left_alone(
    house: House,
) -> None:
    house.write("w", "type: shell, run: 'echo ${run.id} >> out.txt'")
    served = house.files().find("w")
    lost = house.fleet()
    for i in range(3):
        lost.start(served, {}, API, run_id=IDS[i])
    for one in list(lost._owned.values())[:2]:  # as the kernel does with the locks of a process that died
        one.run.leave()
    fleet = house.fleet()
    house.serve(fleet, house.ended(2))
    assert house.statuses() == {IDS[0]: "completed", IDS[1]: "completed", IDS[2]: "running"}
    with pytest.raises(RunBusyError):
        house.fleet().take_up(IDS[2])
    lost._owned[IDS[2]].run.leave()
    assert house.complaints == []


def test_triggers_start_runs_of_what_is_served_and_a_file_that_changes_is_noticed(house: House) -> None:
    house.write("boot", "type: set, values: {x: 1}", "  triggers: [{id: b, on: startup}]")
    house.write(
        "files",
        "type: set, values: {x: '${inputs.path}'}",
        "  inputs: {path: {type: string}}\n"
        "  triggers: [{id: f, on: file, paths: ['../in/**/*.csv'], settle: 50ms, changes: [added],"
        " inputs: {path: '${event.data.changes[0].path}'}}]",
    )
    house.write("pings", "type: set, values: {x: 1}", "  triggers: [{id: p, on: event, where: {type: ping}}]")
    files, fleet, board = house.files(), house.fleet(), house.runtime.store.board
    bus = Bus(board, board.last())
    done: list[str] = []

    def over() -> bool:
        if house.ended(1)() and not done:  # the server has started
            done.append("ping")
            board.publish(Published(id="p", type="ping", source="me", at=0))
            (house.folder / "in" / "deep").mkdir(parents=True)
            for name in ("a.txt", ".b.csv", "c.csv"):
                (house.folder / "in" / "deep" / name).write_text("x", "utf-8")
            (house.folder / "in" / "linked").symlink_to(house.folder / "workflows")
        return house.ended(3)()

    house.serve(fleet, over, bus.listen, Triggers(house.runtime, bus, files, fleet).work)
    causes = {run.workflow_id: run.cause.by for run in house.runtime.store.runs() if run.cause}
    assert causes == {"boot": "trigger:b", "files": "trigger:f", "pings": "trigger:p"}
    [changed] = [event.data for _, event in board.newest(50) if event.type == "file.changed"]
    assert changed["changes"] == [{"path": str(house.folder / "in/deep/c.csv"), "change": "added"}]


# ---- the catalogue


class HandClock:
    """Time that is set by hand."""

    at = 0.0

    def now(self) -> int:
        return 0

    def monotonic(self) -> float:
        return self.at


def test_a_file_that_changes_is_served_anew_and_a_broken_one_as_it_was(house: House) -> None:
    path = house.write("w", "type: set, values: {x: 1}")
    (house.folder / "workflows" / "notes.yaml").write_text("a: 1\n", "utf-8")
    clock = HandClock()
    files = Files([house.folder / "workflows"], house.runtime.load, clock)
    first = files.find("w")
    path.write_text(workflow("w", "type: set, values: {x: 12}"), "utf-8")
    assert files.find("w") is first
    clock.at = 2.0
    second = files.find("w")
    assert b"x: 12" in second.source.text
    path.write_text(workflow("w", "type: nothing"), "utf-8")
    clock.at = 4.0
    assert files.find("w").source == second.source
    assert "w.yaml" in files.find("w").broken
    house.write("other", "type: set, values: {x: 1}")
    path.unlink()
    clock.at = 6.0
    assert [one.id for one in files.all()] == ["other"]
    with pytest.raises(UnknownWorkflowError) as refused:
        files.find("othr")
    assert refused.value.hint == "did you mean `other`?"


def test_what_cannot_be_served_is_refused_at_the_start(house: House) -> None:
    with pytest.raises(UsageError, match="no such file"):
        Files([house.folder / "nowhere"], house.runtime.load, house.runtime.clock)
    path = house.write("w", "type: set, values: {x: 1}")
    path.with_name("again.yaml").write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match="both have a workflow `w`"):
        house.files()
    path.with_name("again.yaml").write_text(workflow("x", "type: nothing"), "utf-8")
    with pytest.raises(WorkflowValidationError):
        house.files()
    assert default_places(house.folder / "workflows") == [house.folder / "workflows"]
    (house.folder / "mplp.yaml").write_text("", "utf-8")
    assert default_places(house.folder) == [house.folder / "workflows"]
