"""Webhooks: what is signed and fresh starts one run; what was forged, changed or sent again starts nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import random  # noqa: TID251 - seeded: the same forgeries every time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from mplp_cli.events.signing import keys_of, sign
from mplp_cli.serving.guard import MOST_OPEN
from tests.serving.inside import PORT, Inside, inside, scope_of

SECRET = "whsec_" + base64.b64encode(b"the key of the one who sends us things").decode()
HOOKED = """\
workflow:
  id: hooked
  name: Hooked
  version: 1.0.0
  inputs: {tag: {type: string}}
  secrets: [PUSH_SECRET]
  triggers:
    - {id: pushed, on: webhook, path: pushed, secret: PUSH_SECRET, inputs: {tag: "${event.data.body.tag}"}}
  steps: [{id: only, type: set, values: {tag: "${inputs.tag}"}}]
"""
BODY = b'{"tag": "v1.2.0", "n": 1}'
HOOK = "/hooks/pushed"
FORGED = 200


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "hooked.yaml").write_text(HOOKED)
    return tmp_path


def signed(house: Inside, identifier: str, body: bytes = BODY, *, ago: int = 0) -> dict[str, str]:
    timestamp = house.parts.runtime.clock.now() // 1000 - ago
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(keys_of(SECRET), identifier, timestamp, body),
    }


def forged(house: Inside, chance: random.Random, number: int) -> tuple[dict[str, str], bytes]:
    """A request that its sender has not signed like this."""
    identifier = f"msg_{number}"
    good = signed(house, identifier)
    signature = good["webhook-signature"]
    match number % 12:
        case 0:  # one bit of the body
            place = chance.randrange(len(BODY))
            return good, BODY[:place] + bytes([BODY[place] ^ (1 << chance.randrange(8))]) + BODY[place + 1 :]
        case 1:  # one character of the signature
            place = chance.randrange(3, len(signature))
            other = chance.choice([one for one in "ABCxyz019+/=" if one != signature[place]])
            return {**good, "webhook-signature": signature[:place] + other + signature[place + 1 :]}, BODY
        case 2:  # the same JSON, written otherwise
            return good, json.dumps(
                json.loads(BODY), separators=(",", ":"), indent=chance.randint(0, 3)
            ).encode()
        case 3:  # the id of another
            return {**good, "webhook-id": f"msg_{number}x"}, BODY
        case 4:  # another time than was signed
            other_time = int(good["webhook-timestamp"]) + chance.choice([-60, -1, 1, 60])
            return {**good, "webhook-timestamp": str(other_time)}, BODY
        case 5:  # too old
            return signed(house, identifier, ago=301 + chance.randrange(10_000)), BODY
        case 6:  # from the future
            return signed(house, identifier, ago=-302 - chance.randrange(10_000)), BODY
        case 7:  # a header left out
            left_out = chance.choice(sorted(good))
            return {name: value for name, value in good.items() if name != left_out}, BODY
        case 8:  # another version
            version = chance.choice(["v0", "v1a", "V1", "", "v2", "v1,v1"])
            return {**good, "webhook-signature": signature.replace("v1", version, 1)}, BODY
        case 9:  # another key
            key = keys_of(f"guess {chance.random()}")
            return {
                **good,
                "webhook-signature": sign(key, identifier, int(good["webhook-timestamp"]), BODY),
            }, BODY
        case 10:  # where the id ends, and the time begins
            moved = {
                **good,
                "webhook-id": f"{identifier}.{good['webhook-timestamp']}",
                "webhook-timestamp": "1",
            }
            return moved, BODY
        case _:  # odd values
            name = chance.choice(sorted(good))
            odd = chance.choice(["", " ", "-1", "1e9", "0x10", "null", "v1,", "v1,AAAA", "\xff" * 9])
            return {**good, name: odd}, BODY


def test_nothing_that_was_forged_is_accepted(project: Path) -> None:
    async def use() -> None:
        chance = random.Random(7)
        async with inside(project, triggers=True, PUSH_SECRET=SECRET) as house:
            for number in range(FORGED):
                headers, body = forged(house, chance, number)
                answer = await house.ask("POST", HOOK, body, headers=headers, token=None)
                assert answer.status == 401, (number % 12, headers, body)
                assert SECRET.encode() not in answer.body
            unknown = await house.ask("POST", "/hooks/other", BODY, headers=signed(house, "a"), token=None)
            assert unknown.status == 401
            assert unknown.document["error"]["message"] == "the request is not signed as it must be"
            published = {event.type for _, event in house.parts.store.board.following(0)}
            assert "webhook.received" not in published
            assert not house.parts.store.runs()

    asyncio.run(use())


def test_what_the_public_package_signs_starts_one_run_however_often_it_comes(project: Path) -> None:
    async def use() -> None:
        async with inside(project, triggers=True, PUSH_SECRET=SECRET) as house:
            now = datetime.now(tz=UTC)  # noqa: TID251 - the public package takes nothing else
            signature = Webhook(SECRET).sign("msg_1", now, BODY.decode())
            headers = {
                "webhook-id": "msg_1",
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": f"v1,AAAA {signature}",
            }
            first = await house.ask("POST", HOOK, BODY, headers=headers, token=None)
            assert (first.status, first.document["duplicate"]) == (202, False)
            again = [house.ask("POST", HOOK, BODY, headers=headers, token=None) for _ in range(20)]
            assert {(one.status, one.document["duplicate"]) for one in [await one for one in again]} == {
                (200, True)
            }
            other = b'{"tag": "v6.6.6"}'
            changed = await house.ask("POST", HOOK, other, headers=signed(house, "msg_1", other), token=None)
            assert changed.status == 409
            told = await house.until(
                "/api/v1/runs?workflow=hooked",
                lambda told: [one["status"] for one in told["runs"]] == ["completed"],
            )
            document = (await house.ask("GET", f"/api/v1/runs/{told['runs'][0]['runId']}")).document
            assert document["result"]["only"] == {"tag": "v1.2.0"}
            assert document["cause"]["by"] == "trigger:pushed"

    asyncio.run(use())


def test_the_same_message_twice_at_once_is_one_event(project: Path) -> None:
    async def use() -> None:
        async with inside(project, triggers=True, PUSH_SECRET=SECRET) as house, asyncio.TaskGroup() as tasks:
            headers = signed(house, "msg_1")
            both = [
                tasks.create_task(house.ask("POST", HOOK, BODY, headers=headers, token=None))
                for _ in range(2)
            ]
            numbers = [(await one).document["number"] for one in both]
            assert numbers[0] == numbers[1]
            found = house.parts.store.board.following(0)
            assert [event.type for _, event in found].count("webhook.received") == 1

    asyncio.run(use())


def test_without_a_secret_in_the_environment_nothing_is_accepted(project: Path) -> None:
    async def use() -> None:
        async with inside(project) as house:
            for key in (SECRET, ""):
                headers = signed(house, "msg_1")
                if not key:
                    headers["webhook-signature"] = sign(
                        [b""], "msg_1", int(headers["webhook-timestamp"]), BODY
                    )
                assert (await house.ask("POST", HOOK, BODY, headers=headers, token=None)).status == 401

    asyncio.run(use())


def test_who_has_no_token_takes_no_place_from_those_who_have_it(project: Path) -> None:
    async def use() -> None:
        async with inside(project, PUSH_SECRET=SECRET) as house, asyncio.TaskGroup() as tasks:

            def begin(headers: dict[str, str]) -> asyncio.Task[int]:
                """The status of a request whose body never comes."""
                sent = {
                    "host": f"127.0.0.1:{PORT}",
                    "content-type": "application/json",
                    "content-length": "9",
                }
                statuses: list[int] = []

                async def ask() -> int:
                    async def send(message: dict[str, int]) -> None:
                        statuses.append(message.get("status", 0))

                    await house.app(scope_of("POST", HOOK, sent | headers), asyncio.Event().wait, send)
                    return statuses[0]

                return tasks.create_task(ask())

            unsigned = [begin({}) for _ in range(MOST_OPEN + 1)]
            assert {await one for one in unsigned} == {401}, "they are refused before a body comes"
            taken = [begin(signed(house, f"msg_{n}")) for n in range(MOST_OPEN)]
            assert await begin(signed(house, "msg_more")) == 503
            assert not any(one.done() for one in taken)
            assert (await house.ask("GET", "/health", token=None)).status == 200
            assert (await house.ask("GET", "/api/v1/runs")).status == 200
            for one in taken:
                one.cancel()
            await asyncio.wait(taken)
            good = signed(house, "msg_later")
            assert (await house.ask("POST", HOOK, BODY, headers=good, token=None)).status == 202

    asyncio.run(use())
