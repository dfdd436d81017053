"""The API, as a program sees it that starts runs, answers questions and publishes events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from mplp_cli.protocols import Delivery
from mplp_cli.serving import documents
from mplp_cli.workflow.metrics import Sample
from mplp_cli.workflow.published import Published
from tests.serving.inside import ASKS, GREETS, PORT, TOKEN, Answered, Inside, inside, scope_of
from tests.store.sample import new_run, run_id, started

EVENT = {"specversion": "1.0", "id": "1", "source": "me", "type": "a.b", "data": {"x": 1}}
CE = {"content-type": "application/cloudevents+json"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "greets.yaml").write_text(GREETS)
    (tmp_path / "asks.yaml").write_text(ASKS)
    return tmp_path


def test_a_run_is_started_once_under_a_key_and_told_as_status_tells_it(project: Path) -> None:
    async def use() -> None:
        async with inside(project) as house:
            body, key = {"workflow": "greets", "inputs": {"who": "you"}}, {"idempotency-key": "k"}
            first = await house.ask("POST", "/api/v1/runs", body, headers=key)
            again = await house.ask("POST", "/api/v1/runs", body, headers=key)
            other = await house.ask("POST", "/api/v1/runs", {"workflow": "asks"}, headers=key)
            assert (first.status, again.status, other.status) == (202, 202, 422)
            run = first.document["runId"]
            assert again.document == {"runId": run, "workflowId": "greets", "existed": True}
            assert first.headers["location"] == f"/api/v1/runs/{run}"
            told = await house.until_ended(run)
            assert told["outputs"] == {"said": "hello you"}
            assert told["cause"]["by"] == "api"
            facts = (await house.ask("GET", f"/api/v1/runs/{run}/history?limit=2")).document
            assert [fact["seq"] for fact in facts["facts"]] == [0, 1]
            assert facts["facts"][0]["type"] == "run.started"
            rest = (await house.ask("GET", f"/api/v1/runs/{run}/history?after={facts['next']}")).document
            assert rest["facts"][-1]["type"] == "run.completed"
            assert rest["next"] is None

    asyncio.run(use())


async def _turns(work: Awaitable[Answered]) -> tuple[Any, int]:
    """What is answered, and how often others had their turn meanwhile."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(count())
        answer = await work
        counting.cancel()
    return answer.document, turns


def test_runs_of_a_status_that_is_not_stored_are_found_in_a_long_list(project: Path) -> None:
    async def use() -> None:
        async with inside(project) as house:
            store = house.parts.store
            for number in range(1, 251):
                journal = store.create_run(new_run(number), [started(number)])
                if number % 100:
                    journal.close()
            lost = [run_id(number) for number in range(250, 0, -1) if number % 100]
            found: list[str] = []
            cursor = ""
            while True:
                asked = house.ask("GET", f"/api/v1/runs?limit=110&status=interrupted{cursor}")
                page, turns = await _turns(asked)
                found += [run["runId"] for run in page["runs"]]
                if page["next"] is None:
                    break
                assert (len(page["runs"]), turns > 0) == (110, True)
                cursor = f"&cursor={page['next']}"
            assert found == lost
            held = (await house.ask("GET", "/api/v1/runs?status=running")).document
            assert [run["runId"] for run in held["runs"]] == [run_id(200), run_id(100)]
            assert not (await house.ask("GET", "/api/v1/runs?status=pending")).document["runs"]

    asyncio.run(use())


def test_events_of_a_type_are_listed_while_others_have_their_turn(project: Path) -> None:
    async def use() -> None:
        async with inside(project) as house:
            every = [
                Published(id=f"{n}", type="rare.one" if n % 9_000 == 5 else "often", source="s", at=n)
                for n in range(1, 30_001)
            ]
            await house.parts.bus.publish(*every)

            async def listed(query: str) -> tuple[list[int], int, int]:
                told, turns = await _turns(house.ask("GET", f"/api/v1/events?{query}"))
                return [one["number"] for one in told["events"]], told["next"], turns

            for wanted in ("rare.one", "*.one", "rare*", "*re.o*"):
                numbers, after, turns = await listed(f"type={wanted}&after=0")
                assert (numbers, after, turns >= 20) == ([5, 9_005, 18_005], 20_000, True)
                assert (await listed(f"type={wanted}&after=0&limit=2"))[:2] == ([5, 9_005], 9_005)
                assert (await listed(f"type={wanted}&after={after}"))[:2] == ([27_005], 30_000)
                numbers, after, turns = await listed(f"type={wanted}")
                assert (numbers, after, turns >= 20) == ([18_005, 27_005], 30_000, True)
                assert (await listed(f"type={wanted}&limit=1"))[:2] == ([27_005], 30_000)
            assert (await listed("type=RARE.one"))[:2] == ([], 30_000)
            assert (await listed("after=29998"))[:2] == ([29_999, 30_000], 30_000)
            assert (await listed("after=30000"))[:2] == ([], 30_000)
            assert (await listed("limit=2"))[:2] == ([29_999, 30_000], 30_000)

    asyncio.run(use())


def test_of_no_events_none_are_listed(project: Path) -> None:
    async def use() -> None:
        async with inside(project) as house:
            for query, after in (("", 0), ("?type=a.*", 0), ("?after=7", 7), ("?after=7&type=a", 7)):
                told = (await house.ask("GET", f"/api/v1/events{query}")).document
                assert told == {"events": [], "next": after}

    asyncio.run(use())


def test_runs_are_listed_page_by_page(project: Path) -> None:
    async def use() -> None:
        async with inside(project) as house:
            started = [await house.ask("POST", "/api/v1/runs", {"workflow": "greets"}) for _ in range(5)]
            wanted = {one.document["runId"] for one in started}
            for run in wanted:
                await house.until_ended(run)
            found: list[str] = []
            cursor = ""
            while True:
                page = (await house.ask("GET", f"/api/v1/runs?limit=2&status=completed{cursor}")).document
                found += [run["runId"] for run in page["runs"]]
                if page["next"] is None:
                    break
                cursor = f"&cursor={page['next']}"
            assert (len(found), set(found)) == (5, wanted)
            assert not (await house.ask("GET", "/api/v1/runs?workflow=other")).document["runs"]

    asyncio.run(use())


def test_a_question_is_answered_once_and_the_run_goes_on(project: Path) -> None:
    async def use() -> None:
        async with inside(project) as house:
            run = (await house.ask("POST", "/api/v1/runs", {"workflow": "asks"})).document["runId"]
            asked = await _asked(house)
            place = f"/api/v1/approvals/{asked['id']}"
            wrong = await house.ask("POST", f"{place}/approve", {"inputs": {"tag": 1}})
            stale = await house.ask("POST", f"{place}/approve", {"inputs": {"tag": "v1"}, "digest": "old"})
            yes = await house.ask("POST", f"{place}/approve", {"inputs": {"tag": "v1"}, "by": "ann"})
            no = await house.ask("POST", f"{place}/reject", {"reason": "late"})
            assert [one.status for one in (wrong, stale, yes, no)] == [422, 409, 200, 409]
            assert yes.document["state"] == "approved"
            told = await house.until_ended(run)
            assert told["result"]["after"] == {"tag": "v1"}

    asyncio.run(use())


def test_nobody_answers_in_the_name_of_the_server(project: Path) -> None:
    from mplp_cli.requesting import user_name

    of_us = ASKS.replace("type: approval,", f"type: approval, approvers: [{user_name()}],")
    (project / "asks.yaml").write_text(of_us)

    async def use() -> None:
        async with inside(project) as house:
            await house.ask("POST", "/api/v1/runs", {"workflow": "asks"})
            asked = await _asked(house)
            assert asked["approvers"] == [user_name()]
            answer = {"inputs": {"tag": "v1"}, "by": ""}
            said = await house.ask("POST", f"/api/v1/approvals/{asked['id']}/approve", answer)
            assert (said.status, said.error) == (409, "RunStateError")

    asyncio.run(use())


async def _asked(house: Inside) -> Any:
    return (await house.until("/api/v1/approvals", lambda told: bool(told["approvals"])))["approvals"][0]


def test_runs_are_paused_resumed_and_cancelled(project: Path) -> None:
    async def use() -> None:
        async with inside(project) as house:
            run = (await house.ask("POST", "/api/v1/runs", {"workflow": "asks"})).document["runId"]
            await _asked(house)
            place = f"/api/v1/runs/{run}"
            assert (await house.ask("POST", f"{place}/pause", {"reason": "lunch"})).status == 202
            await _until(house, place, "paused")
            assert (await house.ask("POST", f"{place}/resume")).status == 202
            await _until(house, place, "waiting")
            assert (await house.ask("POST", f"{place}/cancel")).status == 202
            assert (await house.until_ended(run))["status"] == "cancelled"
            for verb in ("pause", "resume", "cancel", "kill"):
                again = await house.ask("POST", f"{place}/{verb}")
                assert (again.status, again.error) == (409, "RunStateError")

    asyncio.run(use())


async def _until(house: Inside, place: str, status: str) -> None:
    await house.until(place, lambda told: told["status"] == status)


def test_events_of_the_public_package_are_taken_in_every_form_and_given_back(project: Path) -> None:
    made = CloudEvent({"id": "7", "source": "/me", "type": "a.b", "subject": "ü"}, {"x": [1, None]})

    async def use() -> None:
        async with inside(project) as house:
            for message in (to_binary_event(made), to_structured_event(made, JSONFormat())):
                body = message.body
                answer = await house.ask("POST", "/api/v1/events", body, headers=dict(message.headers))
                assert answer.document == {"accepted": [{"number": 1, "source": "/me", "id": "7"}]}, body
            batch = json.dumps([EVENT, {**EVENT, "id": "2"}]).encode()
            kind = {"content-type": "application/cloudevents-batch+json"}
            taken = await house.ask("POST", "/api/v1/events", batch, headers=kind)
            assert [one["number"] for one in taken.document["accepted"]] == [2, 3]
            listed = (await house.ask("GET", "/api/v1/events?after=0&limit=1")).document
            text = json.dumps(listed["events"][0]["event"]).encode()
            back = JSONFormat().read(CloudEvent, text)
            assert (back.get_id(), back.get_subject(), back.get_data()) == ("7", "ü", {"x": [1, None]})
            assert listed["next"] == 1

    asyncio.run(use())


@pytest.mark.parametrize(
    ("event", "status", "said"),
    [
        ({}, 422, "specversion"),
        ({**EVENT, "id": ""}, 422, "`id`"),
        ({**EVENT, "type": "no type"}, 422, "not a type of events"),
        ({**EVENT, "time": "yesterday"}, 422, "not a time"),
        ({**EVENT, "Upper": "x"}, 422, "name of an attribute"),
        ({**EVENT, "ext": {"a": 1}}, 422, "`ext` is"),
        ({**EVENT, "data_base64": "AA=="}, 422, "both"),
        ([EVENT], 422, "is no event"),
    ],
)
def test_what_is_no_event_is_refused_with_its_reason(
    project: Path, event: Any, status: int, said: str
) -> None:
    async def use() -> None:
        async with inside(project) as house:
            answer = await house.ask("POST", "/api/v1/events", event, headers=CE)
            assert answer.status == status
            assert said in answer.document["error"]["message"]
            assert house.parts.store.board.last() == 0

    asyncio.run(use())


def test_no_more_events_are_taken_in_than_routes_can_follow(project: Path) -> None:
    async def use() -> None:
        async with inside(project) as house:
            house.parts.behind = lambda: 100_000
            answer = await house.ask("POST", "/api/v1/events", EVENT, headers=CE)
            assert (answer.status, answer.headers["retry-after"]) == (429, "5")
            assert answer.document["error"]["details"]["behind"] == 100_000
            assert (await house.ask("GET", "/health", token=None)).document == {"status": "degraded"}

    asyncio.run(use())


def test_readers_are_told_with_what_became_of_their_events(project: Path) -> None:
    late = (("rule", "pair"), ("state", "late"))
    samples = [
        Sample(source=source, since=1, at=2, counters={"mplp_rule_events_total": {late: 2.0}})
        for source in ("run:a", "serve:1")
    ]

    async def use() -> None:
        async with inside(project) as house:
            store = house.parts.store
            house.parts.store.board.publish(*(Published(id=n, type="t", source="s", at=1) for n in "abc"))
            sent = Delivery(route="audit", event=1, state="delivered", tries=1, at=1)
            store.deliveries.settle({"route:audit": 1, "rule:pair": 3, "rule:new": 3}, [sent])
            store.samples.add(*samples)
            told = (await house.ask("GET", "/api/v1/routes")).document
            assert msgspec.convert(told, documents.Routes).last == 3
            readers = {one["reader"]: one for one in told["routes"]}
            assert readers["rule:pair"] == {
                "reader": "rule:pair", "number": 3, "behind": 0, "deliveries": {}, "events": {"late": 4}
            }  # fmt: skip
            assert readers["rule:new"]["events"] == readers["route:audit"]["events"] == {}
            assert (readers["route:audit"]["behind"], readers["route:audit"]["deliveries"]) == (
                2,
                {"delivered": 1},
            )

    asyncio.run(use())


def test_a_stream_goes_on_where_its_reader_was(project: Path) -> None:
    async def use() -> None:
        async with inside(project) as house:
            for number in range(1, 4):
                await house.ask("POST", "/api/v1/events", {**EVENT, "id": str(number)}, headers=CE)
            first = await _streamed(house, "/api/v1/events/stream?after=0", {}, 3)
            assert _ids(first) == [1, 2, 3]
            after = await _streamed(house, "/api/v1/events/stream?after=0", {"last-event-id": "2"}, 1)
            assert _ids(after) == [3]
            async with asyncio.TaskGroup() as tasks:
                live = tasks.create_task(_streamed(house, "/api/v1/events/stream?type=c.*", {}, 1))
                await house.until("/api/v1/health", lambda told: told["streams"] == 1)
                for kind in ("a.b", "c.d"):
                    event = {**EVENT, "id": kind, "type": kind}
                    await house.ask("POST", "/api/v1/events", event, headers=CE)
            assert _ids(live.result()) == [5]
            run = (await house.ask("POST", "/api/v1/runs", {"workflow": "greets"})).document["runId"]
            facts = await _streamed(house, f"/api/v1/runs/{run}/stream", {"last-event-id": "0"}, 99)
            assert b"run.started" not in facts
            assert b"run.completed" in facts
            assert facts.endswith(
                b'event: end\ndata: {"runId": "%s", "status": "completed"}\n\n' % run.encode()
            )

    asyncio.run(use())


def _ids(text: bytes) -> list[int]:
    return [int(line[4:]) for line in text.decode().splitlines() if line.startswith("id: ")]


async def _streamed(house: Inside, target: str, headers: dict[str, str], events: int) -> bytes:
    """What a stream sends until it ends, or its reader has so many events and leaves."""
    text, enough, asked = b"", asyncio.Event(), False

    async def receive() -> Any:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal text
        text += message.get("body", b"")
        if text.count(b"data: ") >= events:
            enough.set()

    sent = {"host": f"127.0.0.1:{PORT}", "authorization": f"Bearer {TOKEN}", **headers}
    async with asyncio.timeout(20):
        await house.app(scope_of("GET", target, sent), receive, send)
    return text


def test_streams_end_with_the_server(project: Path) -> None:
    async def use() -> None:
        async with inside(project) as house, asyncio.TaskGroup() as tasks:
            stream = tasks.create_task(_streamed(house, "/api/v1/events/stream", {}, 99))
            await house.until("/api/v1/health", lambda told: told["streams"] == 1)
            house.parts.stopping.set()
            assert b'event: stop\ndata: {"reason": "the server stops"}' in await stream
            assert house.parts.streams == 0

    asyncio.run(use())
