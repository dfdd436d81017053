"""Signatures of webhooks: read by the public library, and its read by us; nothing that was changed is taken."""

from __future__ import annotations

import base64
import json
import random  # noqa: TID251 - seeded: the same changes every time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from mplp_cli.clock import SystemClock
from mplp_cli.events.signing import ID, SIGNATURE, TIMESTAMP, keys_of, sign, verify

RAW = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(RAW).decode()
BODY = json.dumps({"type": "git.tag.created", "data": {"tag": "v1.2.0", "who": "Zoë"}}).encode()


def headers_of(at: int, *secrets: str, body: bytes = BODY, identifier: str = "evt_1") -> dict[str, str]:
    signature = sign(keys_of(*secrets or (SECRET,)), identifier, at, body)
    return {ID: identifier, TIMESTAMP: str(at), SIGNATURE: signature}


def test_the_public_library_takes_what_we_sign_and_we_take_what_it_signs() -> None:
    now = SystemClock().now() // 1000
    Webhook(SECRET).verify(BODY, headers_of(now))
    Webhook(SECRET).verify(BODY, headers_of(now, "another text", SECRET))
    theirs = Webhook(SECRET).sign("evt_1", datetime.fromtimestamp(now, UTC), BODY.decode())
    given = {"Webhook-Id": "evt_1", "Webhook-Timestamp": str(now), "Webhook-Signature": theirs}
    assert verify(keys_of(SECRET), given, BODY, now=now * 1000) == "evt_1"
    # The vector that the reference implementations share.
    known = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = sign(keys_of(known), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_replaced_by_signing_with_both_and_taking_both() -> None:
    at = 1_900_000_000
    old, new = headers_of(at, "the old one"), headers_of(at, "the-old", "the-new")
    assert len(new[SIGNATURE].split()) == 2
    for keys in (keys_of("the-new"), keys_of("the-old the-new"), keys_of("unknown", "the-old")):
        assert verify(keys, new, BODY, now=at * 1000) == "evt_1"
    with pytest.raises(ValueError, match="no signature fits"):
        verify(keys_of("the-new"), old, BODY, now=at * 1000)
    # Other versions stand beside it; they neither help nor harm.
    mixed = {**old, SIGNATURE: f"v1a,c2lnbmVk {old[SIGNATURE]} v2,x nonsense"}
    assert verify(keys_of("old"), mixed, BODY, now=at * 1000)


@pytest.mark.parametrize("secret", ["", "  ", "whsec_", "whsec_no*base64", "whsec_a"])
def test_a_secret_without_a_key_is_refused_and_not_told(secret: str) -> None:
    with pytest.raises(ValueError, match="secret") as error:
        keys_of(secret)
    assert "no*base64" not in str(error.value)


def mutations(at: int) -> Iterator[tuple[dict[str, str], bytes]]:
    """200 changed messages: (headers, body)."""
    good, dice = headers_of(at), random.Random(7)
    for _ in range(80):  # a bit of the body
        position, bit = dice.randrange(len(BODY)), 1 << dice.randrange(8)
        yield good, BODY[:position] + bytes([BODY[position] ^ bit]) + BODY[position + 1 :]
    text = good[SIGNATURE]
    for position in range(len(text)):  # each character of the signature, the last bits of its base64 too
        yield {**good, SIGNATURE: text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]}, BODY
    for seconds in (*range(-320, -300), *range(301, 321)):  # signed well, too old or ahead
        yield headers_of(at + seconds), BODY
    for other in (
        at - 1,
        at + 1,
        at * 10,
        f"0{at}",
        f"{at}.0",
        f" {at}",
        f"+{at}",
        "now",
        "",
        "9" * 40,
        "١٩",
    ):
        yield {**good, TIMESTAMP: str(other)}, BODY
    for other in ("evt_2", "EVT_1", "evt_1 ", "evt_1.", "", "evt_1\n", f"evt_1.{at}", "x" * 300):
        yield {**good, ID: other}, BODY
    for name in (ID, TIMESTAMP, SIGNATURE):
        yield {key: value for key, value in good.items() if key != name}, BODY
    for other in (
        "",
        "v1,",
        "v1",
        ",",
        " ",
        "v1, ",
        text[3:],
        f"v0{text[2:]}",
        f"v1a{text[2:]}",
        f"V1{text[2:]}",
    ):
        yield {**good, SIGNATURE: other}, BODY
    for other in (text.replace(",", "=", 1), f"v2{text[2:]}", text.rstrip("="), f"{text}=", text.swapcase()):
        yield {**good, SIGNATURE: other}, BODY
    yield {**good, SIGNATURE: " ".join(["v1,x"] * 40) + f" {text}"}, BODY
    yield headers_of(at, "another"), BODY
    yield headers_of(at, base64.b64encode(RAW).decode()), BODY
    value = json.loads(BODY)
    yield good, json.dumps(value, indent=1).encode()
    yield good, json.dumps(value, separators=(",", ":")).encode()
    yield good, json.dumps(value, ensure_ascii=False).encode()
    yield good, json.dumps(value, sort_keys=True).encode()
    for body in (b"", BODY + b"\n", b"\xef\xbb\xbf" + BODY, BODY * 2, BODY.decode().encode("utf-16")):
        yield good, body
    # The end of the id moved into the timestamp, which the signed text alone would not show.
    moved = headers_of(at, body=b"7." + BODY)
    yield {**moved, ID: f"evt_1.{at}", TIMESTAMP: "7"}, BODY


def test_none_of_200_changed_messages_is_taken() -> None:
    at = 1_900_000_000
    assert verify(keys_of(SECRET), headers_of(at), BODY, now=at * 1000 + 300_000) == "evt_1"
    changed = list(mutations(at))
    assert len(changed) >= 200
    for headers, body in changed:
        with pytest.raises(ValueError, match=r"webhook-|signature"):
            verify(keys_of(SECRET), headers, body, now=at * 1000)
