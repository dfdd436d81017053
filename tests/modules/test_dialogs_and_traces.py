"""Dialogs that are made of what is given, traces that are listed and analysed."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import DuplicateObjectError, OperationError

A, B, C, D = (f"{letter * 8}-{letter * 4}-4{letter * 3}-8{letter * 3}-{letter * 12}" for letter in "abcd")


@pytest.fixture
def context(world: Any) -> str:
    identifier: str = world("context/create-context", name="Talk")["contextId"]
    return identifier


def test_an_imported_dialog_is_what_was_given(world: Any, context: str, protocol_problems: Any) -> None:
    said = {"event_id": B, "event_type": "dialog.said", "source": "x", "timestamp": "2025-01-01T00:00:00Z"}
    message = {"role": "user", "content": "hi", "timestamp": "2025-01-01T00:00:00Z", "event": said}
    given = {
        "dialogId": A, "contextId": context, "threadId": C, "status": "completed", "messages": [message],
        "startedAt": "2025-01-01T00:00:00Z", "endedAt": "2025-01-02T00:00:00Z", "governance": {"locked": False},
        "trace": {"traceId": D, "spanId": D},
    }  # fmt: skip
    body = world("dialog/create-dialog", **given)["dialog"]
    assert protocol_problems("dialog", body) == []
    assert {key: value for key, value in body.items() if key not in {"meta", "events"}} == {
        "dialog_id": A, "context_id": context, "thread_id": C, "status": "completed", "messages": [message],
        "started_at": "2025-01-01T00:00:00Z", "ended_at": "2025-01-02T00:00:00Z", "governance": {"locked": False},
        "trace": {"trace_id": D, "span_id": D},
    }  # fmt: skip
    with pytest.raises(DuplicateObjectError):
        world("dialog/create-dialog", **given)


def test_what_is_not_given_with_a_dialog_is_not_invented(world: Any, context: str) -> None:
    body = world("dialog/create-dialog", contextId=context)["dialog"]
    assert set(body) == {"meta", "dialog_id", "context_id", "status", "messages", "events"}
    assert body["messages"] == []
    sent = world("dialog/send-message", dialogId=body["dialog_id"], content="x", senderId="whoever")
    assert sent["messageCount"] == 1, "where nobody is named anybody may speak"


def test_a_dialog_is_made_for_people_and_begins_with_a_message(world: Any, context: str) -> None:
    given = {"contextId": context, "type": "review", "topic": "T", "participants": ["ann", "ben"]}
    made = world("dialog/create-dialog", **given, initialMessage="hello", messages=[{"content": "hi"}])
    assert [message["content"] for message in made["dialog"]["messages"]] == ["hello", "hi"]
    data = made["dialog"]["events"][0]["data"]
    assert (data["topic"], data["type"]) == ("T", "review")
    assert [who["participantId"] for who in data["participants"]] == ["ann", "ben"]
    with pytest.raises(OperationError, match="`bem` is not a participant"):
        world("dialog/send-message", dialogId=made["dialogId"], content="x", senderId="bem")
    event = made["dialog"]["events"][0]
    with pytest.raises(OperationError, match="`event` or `senderId`, not both"):
        world("dialog/send-message", dialogId=made["dialogId"], content="x", senderId="ben", event=event)
    with pytest.raises(OperationError, match="would not be valid"):
        world("dialog/send-message", dialogId=made["dialogId"], content="x", event={"event_id": "x"})


def test_a_dialog_has_at_most_a_hundred_participants(world: Any, context: str) -> None:
    crowd = [str(n) for n in range(101)]
    for operation in ("create-dialog", "facilitate-communication"):
        with pytest.raises(OperationError, match="at most 100 participants, not 101"):
            world(f"dialog/{operation}", contextId=context, participants=crowd)


def test_dialogs_are_read_and_listed(world: Any, context: str) -> None:
    first = world("dialog/create-dialog", contextId=context, threadId=A)["dialogId"]
    second = world("dialog/create-dialog", contextId=context, initialMessage="hi")["dialogId"]
    world("dialog/pause-dialog", dialogId=second)
    assert world("dialog/get-dialog", dialogId=second)["status"] == "paused"
    for given, found in (({}, [first, second]), ({"status": "paused"}, [second]), ({"threadId": A}, [first])):
        listed = world("dialog/list-dialogs", **given)
        assert [body["dialog_id"] for body in listed["dialogs"]] == found
    assert world("dialog/get-messages", dialogId=second) == world("dialog/get-history", dialogId=second)


def test_a_trace_takes_what_it_is_given(world: Any, context: str, protocol_problems: Any) -> None:
    given = {
        "contextId": context, "traceId": A, "spanId": B, "parentSpanId": C, "level": "detailed", "label": "l",
        "attributes": {"k": [1]}, "startedAt": "2025-01-01T00:00:00Z", "governance": {"truthDomain": "t"},
        "meta": {"tags": ["x"]},
    }  # fmt: skip
    body = world("trace/start-trace", **given)["trace"]
    assert protocol_problems("trace", body) == []
    assert body["root_span"] == {
        "trace_id": A, "span_id": B, "parent_span_id": C, "context_id": context,
        "attributes": {"k": [1], "level": "detailed", "label": "l"},
    }  # fmt: skip
    assert (body["started_at"], body["governance"]) == ("2025-01-01T00:00:00Z", {"truthDomain": "t"})
    plain = world("trace/start-monitoring", contextId=context)["trace"]
    assert "attributes" not in plain["root_span"]
    assert not {"segments", "plan_id", "governance"} & set(plain)


def test_traces_are_found_by_what_became_of_them(world: Any, context: str) -> None:
    plan = world("plan/create-plan", contextId=context, assignedRoles=["a"])["planId"]
    good = world("trace/start-monitoring", planId=plan)["traceId"]
    world.clock.ms += 1_000
    bad = world("trace/start-monitoring", contextId=context)["traceId"]
    segment = world("trace/add-segment", traceId=bad, label="s")["segmentId"]
    world("trace/update-segment", traceId=bad, segmentId=segment, status="failed")
    world("trace/end-trace", traceId=good)
    for given, found in (
        ({}, [good, bad]),
        ({"planId": plan}, [good]),
        ({"contextId": context, "status": "running"}, [bad]),
        ({"hasErrors": True}, [bad]),
        ({"hasErrors": False}, [good]),
        ({"createdAfter": "2026-01-01T00:00:00Z"}, [bad]),
        ({"createdBefore": "2026-01-01T01:00:01+01:00"}, [good]),
        ({"createdAfter": "2025-12-31T00:00:00Z", "limit": 1}, [good]),
    ):
        for operation in ("list-traces", "query-traces"):
            listed = world(f"trace/{operation}", **given)
            assert [body["trace_id"] for body in listed["traces"]] == found, given
    with pytest.raises(OperationError, match=r"`createdAfter`: .* says no time zone"):
        world("trace/list-traces", createdAfter="2026-01-01")


def test_an_analysis_says_how_long_the_parts_took_and_how_they_ended(world: Any, context: str) -> None:
    trace = world("trace/start-monitoring", contextId=context)["traceId"]
    given = {"traceId": trace}
    one, two, three = (
        world("trace/add-segment", **given, label=label, status=status)["segmentId"]
        for label, status in (("one", "running"), ("two", "running"), ("three", "pending"))
    )
    world.clock.ms += 250
    world("trace/update-segment", **given, segmentId=one)
    world.clock.ms += 250
    world("trace/update-segment", **given, segmentId=two, status="failed")
    world("trace/record-event", **given, eventType="noted")
    world.clock.ms += 500
    found = world("trace/analyze-trace", **given)
    assert (found["durationMs"], found["status"]) == (1_000, "running")
    assert [(s["segmentId"], s["durationMs"]) for s in found["segments"]] == [
        (one, 250),
        (two, 500),
        (three, None),
    ]
    assert found["counts"] == {"completed": 1, "failed": 1, "pending": 1}
    assert [s["label"] for s in found["failures"]] == ["two"]
    assert (found["events"], found["eventTypes"]) == (2, {"trace.started": 1, "noted": 1})
    world("trace/stop-monitoring", **given)
    world.clock.ms += 9_000
    assert world("trace/analyze-trace", **given)["durationMs"] == 1_000


def test_a_leap_second_has_no_duration(world: Any, context: str) -> None:
    meta = {"createdAt": "2016-12-31T23:59:60Z"}
    trace = world("trace/start-monitoring", contextId=context, startedAt=meta["createdAt"], meta=meta)[
        "traceId"
    ]
    assert world("trace/analyze-trace", traceId=trace)["durationMs"] is None
    assert world("trace/list-traces", createdAfter="2026-01-01T00:00:00Z")["traces"] == []
