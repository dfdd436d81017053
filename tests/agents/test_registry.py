"""The registry: the shapes of the specification, heartbeats by the clock, and who is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.agents.registry import Criteria, Entry, Registry
from mplp_cli.errors import AgentError, StoreError, UnknownAgentError, UsageError
from mplp_cli.store.registrations import RegistrationFile
from mplp_cli.workflow.agents import Heartbeat, KeptAgents, Limits, MockAgent
from tests.virtual import CountingIds, VirtualClock


class Kept:
    """Records that nothing outlives."""

    def __init__(self) -> None:
        self.now = KeptAgents()

    def read(self) -> KeptAgents:
        return self.now

    def change(self, act: Callable[[KeptAgents], KeptAgents]) -> KeptAgents:
        self.now = act(self.now)
        return self.now


def agent(identifier: str, *capabilities: str, **more: Any) -> MockAgent:
    return MockAgent(id=identifier, capabilities=list(capabilities), **more)


def made(*agents: MockAgent, defined: tuple[MockAgent, ...] = ()) -> tuple[Registry, VirtualClock]:
    clock = VirtualClock()
    entries = [Entry(agent=one, directory="/p", source="agents.yaml") for one in defined]
    registry = Registry(Kept(), clock, CountingIds(), entries)
    for one in agents:
        registry.register(one, "/r")
    return registry, clock


def names(registry: Registry, **criteria: Any) -> list[str]:
    return [info.id for info in registry.discover(Criteria(**criteria))]


def test_registering_answers_in_the_shape_of_the_specification() -> None:
    registry, _ = made()
    answer = msgspec.to_builtins(registry.register(agent("a", "plan.create"), "/r"))
    assert answer == {
        "id": "00000000-0000-4000-8000-000000000001",
        "agentId": "a",
        "capabilities": ["plan.create"],
        "endpoints": [{"url": "mock:a"}],
        "registeredAt": "2023-11-14T22:13:20.000Z",
        "status": "active",
    }


def test_registering_again_replaces_with_a_new_registration_in_the_same_place() -> None:
    registry, _ = made(agent("a", "x"), agent("b", "x"))
    first = registry.find("a").registered
    registry.register(agent("a", "y"), "/r")
    again = registry.find("a").registered
    assert first is not None
    assert again is not None
    assert first.id != again.id
    assert [entry.id for entry in registry.entries()] == ["a", "b"]
    assert names(registry, all_of=["x"]) == ["b"]
    assert names(registry, all_of=["y"]) == ["a"]


def test_discovering_answers_in_the_shape_of_the_specification_and_in_order() -> None:
    registry, _ = made(agent("b", "x"), agent("a", "x"), defined=(agent("c", "x"),))
    found = msgspec.to_builtins(registry.discover(Criteria(all_of=["x"])))
    assert [info["id"] for info in found] == ["c", "b", "a"]
    assert found[0] == {"id": "c", "capabilities": ["x"], "status": "active", "lastSeen": None}
    assert found[1]["lastSeen"] == "2023-11-14T22:13:20.000Z"


def test_criteria_are_all_to_hold() -> None:
    registry, _ = made(
        agent("a", "plan.create", "plan.review", tags=["fast"]),
        agent("b", "plan.review", name="The Reviewer"),
        agent("c", "text.lint", tags=["fast", "free"]),
    )
    assert names(registry, all_of=["plan.*"]) == ["a", "b"]
    assert names(registry, all_of=["plan.create", "plan.review"]) == ["a"]
    assert names(registry, any_of=["plan.create", "text.lint"]) == ["a", "c"]
    assert names(registry, all_of=["plan.review"], any_of=["plan.c*", "text.*"]) == ["a"]
    assert names(registry, tags=["fast"]) == ["a", "c"]
    assert names(registry, tags=["fast", "free"]) == ["c"]
    assert names(registry, text="reviewer") == ["b"]
    assert names(registry, kind="http") == []
    assert names(registry, status="degraded") == []
    assert names(registry) == ["a", "b", "c"]


def test_who_is_unregistered_is_found_no_more() -> None:
    registry, _ = made(agent("planner", "x"))
    registry.unregister("planner")
    assert names(registry, all_of=["x"]) == []
    for ask in (registry.unregister, registry.find, registry.capabilities, registry.heartbeat):
        with pytest.raises(UnknownAgentError) as refused:
            ask("planner")
        assert refused.value.code == "agent.not_found"
        assert refused.value.type_name == "AgentNotFoundError"


def test_an_unknown_agent_is_refused_with_the_one_that_was_meant() -> None:
    registry, _ = made(agent("planner", "x"))
    with pytest.raises(UnknownAgentError) as refused:
        registry.capabilities("plannr")
    assert refused.value.hint == "did you mean `planner`?"


def test_what_a_file_defines_is_changed_there() -> None:
    registry, _ = made(defined=(agent("a", "x"),))
    for act in (lambda: registry.register(agent("a", "y"), "/r"), lambda: registry.unregister("a")):
        with pytest.raises(UsageError, match=r"agents\.yaml"):
            act()
    assert registry.capabilities("a") == ["x"]


# ---- heartbeats --------------------------------------------------------------------------------


def test_a_missed_heartbeat_degrades_and_several_make_it_unreachable() -> None:
    registry, clock = made(agent("a", "x", heartbeat=Heartbeat(interval=30_000, stale_after=3)))
    seen = []
    for elapsed in (0, 29.999, 30, 89.999, 90, 1_000):
        clock.elapsed = elapsed
        seen.append(registry.status(registry.find("a")))
    assert seen == ["active", "active", "degraded", "degraded", "unreachable", "unreachable"]
    assert registry.heartbeat("a").status == "active"


def test_from_whom_nobody_waits_to_hear_is_active() -> None:
    registry, clock = made(agent("a", "x"), defined=(agent("b", "x", heartbeat=Heartbeat()),))
    clock.elapsed = 1e6
    assert [info.status for info in registry.discover(Criteria())] == ["active", "active"]


def test_a_clock_that_was_set_back_makes_nobody_unreachable() -> None:
    registry, clock = made(agent("a", "x", heartbeat=Heartbeat()))
    clock.elapsed = -1_000
    assert registry.status(registry.find("a")) == "active"


# ---- who is asked ------------------------------------------------------------------------------


def chosen(registry: Registry, *wanted: str, **inflight: int) -> str:
    return registry.choose(Criteria(all_of=wanted), inflight).id


def test_the_least_loaded_is_asked_and_in_a_tie_the_first() -> None:
    registry, _ = made(
        agent("a", "x", limits=Limits(max_concurrency=4)), agent("b", "x", limits=Limits(max_concurrency=2))
    )
    assert chosen(registry, "x") == "a"
    assert chosen(registry, "x", a=1) == "b"
    assert chosen(registry, "x", a=1, b=1) == "a"
    assert chosen(registry, "x", a=2, b=1) == "b", "the same share, and fewer calls"


def test_active_goes_before_degraded_and_unreachable_is_not_asked() -> None:
    beat = Heartbeat(interval=1_000, stale_after=2)
    registry, clock = made(agent("a", "x", heartbeat=beat), agent("b", "x", heartbeat=beat))
    clock.elapsed = 1
    registry.heartbeat("b")
    assert chosen(registry, "x", b=5) == "b"
    clock.elapsed = 2
    assert chosen(registry, "x") == "b"
    clock.elapsed = 3
    with pytest.raises(AgentError) as refused:
        chosen(registry, "x")
    assert refused.value.code == "agent.unavailable"
    assert refused.value.failure().retryable


def test_who_offers_the_very_word_goes_before_who_is_found_by_a_glob() -> None:
    registry, _ = made(agent("a", "plan.review"), agent("b", "plan.create"))
    criteria = Criteria(any_of=["plan.create", "plan.*"])
    assert registry.choose(criteria, {"b": 9}).id == "b"


def test_a_capability_that_nobody_offers_is_refused_with_the_one_that_was_meant() -> None:
    registry, _ = made(agent("a", "plan.create"))
    with pytest.raises(UnknownAgentError) as refused:
        chosen(registry, "plan.creat")
    assert refused.value.hint == "did you mean `plan.create`?"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=8))
def test_nobody_with_room_is_passed_over_for_one_without(stands: list[tuple[int, int, int]]) -> None:
    registry, clock = made()
    beat = Heartbeat(interval=1_000, stale_after=3)
    for number, (_, most, _) in enumerate(stands):
        registry.register(agent(f"a{number}", "x", heartbeat=beat, limits=Limits(max_concurrency=most)), "/r")
    for number, (_, _, missed) in enumerate(stands):
        clock.elapsed = 3 - missed
        registry.heartbeat(f"a{number}")
    clock.elapsed = 3
    inflight = {f"a{number}": calls for number, (calls, _, _) in enumerate(stands)}
    reachable = [f"a{n}" for n, (_, _, missed) in enumerate(stands) if missed < 3]
    if not reachable:
        with pytest.raises(AgentError):
            registry.choose(Criteria(all_of=["x"]), inflight)
        return
    first = registry.choose(Criteria(all_of=["x"]), inflight)
    assert first.id == registry.choose(Criteria(all_of=["x"]), inflight).id
    free = [n for n, (calls, most, missed) in enumerate(stands) if missed == 0 and calls < most]
    assert first.id in reachable
    if free:
        calls, most, missed = stands[int(first.id[1:])]
        assert missed == 0
        assert calls < most


# ---- what is kept ------------------------------------------------------------------------------


def on_disk(directory: Path) -> Registry:
    def find(make: bool) -> Path | None:
        if make:
            directory.mkdir(exist_ok=True)
        return directory if directory.is_dir() else None

    return Registry(RegistrationFile(find), VirtualClock(), CountingIds())


def test_another_process_sees_what_was_registered_at_once(tmp_path: Path) -> None:
    one, other = on_disk(tmp_path / "s"), on_disk(tmp_path / "s")
    assert other.entries() == []
    one.register(agent("a", "x", script=[]), "/r")
    assert [entry.id for entry in other.entries()] == ["a"]
    other.register(agent("b", "x"), "/r")
    one.heartbeat("a")
    assert [entry.id for entry in one.entries()] == ["a", "b"]
    other.unregister("a")
    assert [entry.id for entry in one.entries()] == ["b"]
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["agents.json", "agents.lock"]


def test_a_question_makes_no_state(tmp_path: Path) -> None:
    assert on_disk(tmp_path / "s").discover(Criteria()) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", '{"version": 2}', '{"registered": [{}]}', "\x00"])
def test_a_file_that_cannot_be_read_is_not_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "agents.json").write_text(text)
    registry = on_disk(tmp_path)
    for act in (registry.entries, lambda: registry.register(agent("a", "x"), "/r")):
        with pytest.raises(StoreError, match=r"agents\.json"):
            act()
    assert (tmp_path / "agents.json").read_text() == text


def test_an_answer_is_a_heartbeat_that_is_written_down_once_an_interval() -> None:
    beating = agent("a", "x", heartbeat=Heartbeat(interval=1000))
    registry, clock = made(defined=(beating,))
    assert registry.standing(beating) == "unknown"
    registry.saw(beating)
    kept = registry._kept
    assert registry.standing(beating) == "active"
    registry.saw(beating)
    assert registry._kept is kept  # the interval is not over
    clock.elapsed = 5
    assert registry.standing(beating) == "unreachable"
    registry.saw(beating)
    assert registry.standing(beating) == "active"
    assert registry.standing(agent("a", "other", heartbeat=Heartbeat())) == "active"  # of a workflow
