"""Messages between modules: who gets them, what they answer, and what the log says."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import InvalidTransitionError, ModuleStoppedError, OperationError, UnknownModuleError
from mplp_cli.modules.catalogue import builtin_modules
from mplp_cli.modules.hub import Hub
from mplp_cli.modules.lifecycle import Lifecycle
from mplp_cli.protocols import Caller, Subscription
from mplp_cli.store.switchboard import MemorySwitchboard

CALLER = Caller(run="run-1", workflow="release", step="step-1")


class Exchange:
    """A hub with its switchboard."""

    def __init__(self, world: Any, settings: dict[str, Any] | None = None) -> None:
        self.world = world
        self.board = MemorySwitchboard()
        self.hub = Hub(
            builtin_modules(), world.load, world.clock, world.ids, wiring=self.board.wiring, settings=settings
        )
        self.lifecycle = Lifecycle(builtin_modules(), self.board, world.clock, settings or {}, "ann")

    def call(self, operation: str, /, **parameters: Any) -> Any:
        module, name = operation.split("/")
        outcome = self.hub.call(module, name, parameters, CALLER)
        self.hub.apply(outcome.writes)
        return outcome.result

    def subscribe(self, subscriber: str, publisher: str, *types: str) -> None:
        self.board.subscribe([Subscription(subscriber, publisher, kind) for kind in types])


@pytest.fixture
def exchange(world: Any) -> Exchange:
    return Exchange(world)


# ---- sending


def test_a_message_named_like_an_operation_calls_it_and_answers_with_its_result(exchange: Exchange) -> None:
    delivery = exchange.hub.send("plan", "context", "create-context", {"name": "a"})
    assert delivery.response["success"]
    assert delivery.response["data"]["contextId"] == delivery.writes[0].id
    assert delivery.writes[0].body["meta"]["created_by"] == "plan"


def test_a_ping_asks_how_a_module_stands(exchange: Exchange) -> None:
    delivery = exchange.hub.send("plan", "context", "ping")
    assert delivery.response == {
        "success": True, "data": {"module": "context", "status": "running"}, "error": None,
    }  # fmt: skip


def test_any_other_message_is_taken_note_of(exchange: Exchange) -> None:
    delivery = exchange.hub.send("plan", "context", "plan.done", {"source": "forged", "timestamp": 1})
    assert delivery.response == {"success": True, "data": None, "error": None}
    [said] = exchange.hub.said()
    assert (said.kind, said.source, said.target, said.type) == ("message", "plan", "context", "plan.done")
    assert said.timestamp == exchange.world.clock.now()
    assert said.data == {"source": "forged", "timestamp": 1}


def test_every_message_has_a_correlation_id_of_its_own(exchange: Exchange) -> None:
    for _ in range(5):
        exchange.hub.send("plan", "context", "ping")
    assert len({said.correlation_id for said in exchange.hub.said()}) == 5


@pytest.mark.parametrize(("source", "target"), [("nobody", "plan"), ("plan", "nobody")])
def test_a_message_from_or_to_nobody_is_refused_and_not_logged(
    exchange: Exchange, source: str, target: str
) -> None:
    with pytest.raises(UnknownModuleError):
        exchange.hub.send(source, target, "ping")
    assert exchange.hub.said() == []


@pytest.mark.parametrize("kind", ["", " ", "a b", "-a", "a\n", "x" * 300])
def test_a_type_that_is_none_is_refused(exchange: Exchange, kind: str) -> None:
    with pytest.raises(OperationError, match="no type of message"):
        exchange.hub.send("plan", "context", kind)


def test_what_the_target_refuses_is_its_answer_and_stands_in_the_log(exchange: Exchange) -> None:
    delivery = exchange.hub.send("plan", "context", "create-context", {"nam": "a"})
    assert not delivery.response["success"]
    assert delivery.response["error"].startswith("OperationError: ")
    assert delivery.writes == []
    call, message = exchange.hub.said()
    assert call.error == message.error == delivery.response["error"]


# ---- broadcasting


def test_a_broadcast_reaches_those_who_have_subscribed_to_its_type(exchange: Exchange) -> None:
    exchange.subscribe("trace", "plan", "plan.done", "*")
    exchange.subscribe("role", "plan", "plan.done")
    exchange.subscribe("confirm", "plan", "other")
    exchange.subscribe("dialog", "role", "plan.done")
    deliveries = exchange.hub.broadcast("plan", "plan.done", {"n": 1})
    assert sorted(delivery.said.target for delivery in deliveries) == ["role", "trace"]
    assert exchange.hub.broadcast("trace", "plan.done") == []


def test_one_that_refuses_a_broadcast_does_not_keep_it_from_the_others(exchange: Exchange) -> None:
    for name in ("context", "role", "trace"):
        exchange.subscribe(name, "plan", "news")
    exchange.lifecycle.stop("role")
    answers = {d.said.target: d.response["success"] for d in exchange.hub.broadcast("plan", "news")}
    assert answers == {"context": True, "role": False, "trace": True}


def test_what_one_receiver_writes_is_seen_by_the_next(exchange: Exchange) -> None:
    context = exchange.call("context/create-context", name="a")["contextId"]
    for name in ("context", "role"):
        exchange.subscribe(name, "plan", "set-governance")
    deliveries = exchange.hub.broadcast("plan", "set-governance", {"objectId": context, "locked": True})
    assert [d.response["success"] for d in deliveries] == [True, False]
    assert exchange.call("context/get-context", contextId=context)["context"]["governance"] == {
        "locked": True
    }


def test_subscribers_hear_what_happens_to_the_objects_of_a_module(exchange: Exchange) -> None:
    exchange.subscribe("trace", "context", "context.created", "context.suspended")
    context = exchange.call("context/create-context", name="a")["contextId"]
    exchange.call("context/suspend-context", contextId=context)
    exchange.call("context/resume-context", contextId=context)
    notices = [said for said in exchange.hub.said() if said.kind == "notice"]
    assert [(n.source, n.target, n.type) for n in notices] == [
        ("context", "trace", "context.created"),
        ("context", "trace", "context.suspended"),
    ]
    assert notices[1].data["objectId"] == context
    assert notices[1].data["version"] == 2


# ---- the log


def test_every_call_is_logged_with_who_called_and_why_it_was_refused(exchange: Exchange) -> None:
    exchange.call("context/create-context", name="a")
    with pytest.raises(OperationError):
        exchange.call("context/get-context", contextId="x")
    good, bad = exchange.hub.said()
    assert (good.kind, good.source, good.target, good.type) == (
        "call", "release/step-1", "context", "create-context",
    )  # fmt: skip
    assert (good.run, good.error) == ("run-1", "")
    assert bad.error.startswith("OperationError: `contextId`")
    assert exchange.hub.said() == []


# ---- life


def test_a_module_that_is_stopped_refuses_until_it_is_restarted(exchange: Exchange) -> None:
    exchange.lifecycle.stop("role")
    with pytest.raises(ModuleStoppedError, match="`role` is stopped") as caught:
        exchange.call("role/list-roles")
    assert caught.value.failure().retryable
    assert exchange.call("context/list-contexts")["total"] == 0
    exchange.lifecycle.restart("role")
    assert exchange.call("role/list-roles")["total"] == 0


def test_a_module_that_does_not_start_by_itself_is_initialised_and_started(world: Any) -> None:
    exchange = Exchange(world, {"role": {"autostart": False}})
    assert exchange.lifecycle.status("role").status == "created"
    with pytest.raises(UnknownModuleError, match="not initialised"):
        exchange.lifecycle.start("role")
    with pytest.raises(ModuleStoppedError, match="`role` is created"):
        exchange.call("role/list-roles")
    assert exchange.lifecycle.initialize("role").status == "initialized"
    with pytest.raises(ModuleStoppedError, match="`role` is initialized"):
        exchange.call("role/list-roles")
    assert exchange.lifecycle.start("role").status == "running"
    assert exchange.call("role/list-roles")["total"] == 0
    status = exchange.lifecycle.status("role")
    assert (status.since, status.by) == (world.clock.now(), "ann")


def test_a_module_whose_configuration_does_not_fit_cannot_be_initialised(world: Any) -> None:
    exchange = Exchange(world, {"role": {"autostart": False, "colour": "red"}})
    with pytest.raises(Exception, match=r"`modules\.role` in mplp\.yaml does not fit"):
        exchange.lifecycle.status("role")


MOVES = {
    "created": {"initialize"},
    "initialized": {"start", "restart"},
    "running": {"stop", "restart"},
    "stopped": {"start", "restart"},
}


@pytest.mark.parametrize("verb", ["initialize", "start", "stop"])
@pytest.mark.parametrize("state", MOVES)
def test_every_move_from_every_state_is_allowed_or_refused(world: Any, state: str, verb: str) -> None:
    exchange = Exchange(world, {"context": {"autostart": False}})
    life = exchange.lifecycle
    for step in {"created": [], "initialized": ["initialize"], "running": ["initialize", "start"]}.get(
        state, ["initialize", "start", "stop"]
    ):
        getattr(life, step)("context")
    assert life.status("context").status == state
    if verb in MOVES[state]:
        getattr(life, verb)("context")
    else:
        with pytest.raises((InvalidTransitionError, UnknownModuleError)):
            getattr(life, verb)("context")
        assert life.status("context").status == state


@pytest.mark.parametrize("verb", ["initialize", "start", "stop", "restart", "status"])
def test_a_module_that_is_not_there_has_no_life(exchange: Exchange, verb: str) -> None:
    with pytest.raises(UnknownModuleError, match="no module `modul`"):
        getattr(exchange.lifecycle, verb)("modul")


# ---- operations that call others


def test_one_operation_of_several_modules_is_called_in_one_go(exchange: Exchange) -> None:
    context = exchange.call("context/create-context", name="a")["contextId"]
    role = exchange.call("role/create-role", name="b")["roleId"]
    exchange.hub.said()
    given = {"operation": "set-governance", "parameters": {"objectId": context, "locked": True}}
    answer = exchange.call("core/coordinate-modules", modules=["context", "role", "nobody"], **given)
    assert answer["status"] == "partial_success"
    assert [(r["module"], r["status"]) for r in answer["results"]] == [
        ("context", "success"), ("role", "failure"), ("nobody", "failure"),
    ]  # fmt: skip
    assert answer["results"][1]["error"]["type"] == "ObjectNotFoundError"
    assert exchange.call("context/get-context", contextId=context)["context"]["governance"]["locked"]
    assert "governance" not in exchange.call("role/get-role", roleId=role)["role"]
    calls = [(s.source, s.target, bool(s.error)) for s in exchange.hub.said()][:3]
    assert calls == [
        ("core", "context", False), ("core", "role", True), ("release/step-1", "core", False),
    ]  # fmt: skip


def test_what_all_modules_refuse_is_a_failure_and_writes_nothing(exchange: Exchange) -> None:
    outcome = exchange.hub.call(
        "core", "coordinate-modules", {"modules": ["role"], "operation": "get-role"}, CALLER
    )
    assert outcome.result["status"] == "failure"
    assert outcome.writes == []


def test_calls_in_one_go_see_what_the_ones_before_have_written(exchange: Exchange) -> None:
    context = "00000000-0000-4000-8000-00000000aaaa"
    given = {"operation": "create-context", "parameters": {"name": "a", "contextId": context}}
    answer = exchange.call("core/coordinate-modules", modules=["context", "context"], **given)
    assert [r["status"] for r in answer["results"]] == ["success", "failure"]
    assert answer["results"][1]["error"]["type"] == "DuplicateObjectError"


# ---- reserved interfaces


def test_every_reserved_interface_answers_that_nothing_was_done(exchange: Exchange) -> None:
    for name, module in builtin_modules().items():
        reserved = [operation for operation in module.operations.values() if operation.reserved]
        assert len(reserved) == 2
        for operation in reserved:
            answer = exchange.call(f"{name}/{operation.name}")
            assert answer == [] or (answer["status"] == "reserved" and "pending" in answer.values())
