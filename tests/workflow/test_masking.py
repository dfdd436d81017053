"""A secret is not found in anything that went through the masker, in whatever form and however it was cut."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mplp_cli.workflow.masking import MASK, Masker

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": lambda s: json.dumps(s)[1:-1],
    "json, characters kept": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "json in json": lambda s: json.dumps(json.dumps(s))[3:-3],
    "url": lambda s: urllib.parse.quote(s, safe=""),
    "url path": urllib.parse.quote,
    "form": urllib.parse.quote_plus,
    "html": html.escape,
    "shell": lambda s: s.replace("'", "'\\''"),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for urls": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
    "hex": lambda s: s.encode().hex(),
    "HEX": lambda s: s.encode().hex().upper(),
}
#: No asterisks: what masking leaves could spell such a secret.
secrets = st.text(
    st.characters(codec="utf-8", exclude_characters="*\0"),
    min_size=4,
    max_size=60,
)
forms = st.sampled_from(sorted(FORMS))


def cut(text: str, borders: list[int]) -> list[str]:
    places = sorted({border % (len(text) + 1) for border in borders})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def streamed(masker: Masker, pieces: list[str]) -> str:
    stream = masker.stream()
    return "".join([*(stream.feed(piece) for piece in pieces), stream.flush()])


@given(secrets, forms, st.text(max_size=30), st.text(max_size=30))
@example("p'a\"ss/wo rd", "json in json", "", "")
def test_no_form_of_a_secret_is_left_in_text(secret: str, form: str, before: str, after: str) -> None:
    written = FORMS[form](secret)
    masked = Masker({"TOKEN": secret}).text(f"{before}{written}{after}")
    assert written not in masked
    assert MASK in masked


@given(
    st.lists(st.tuples(secrets, forms), min_size=1, max_size=3),
    st.lists(st.text(max_size=12), min_size=4, max_size=4),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_pieces_are_masked_as_the_whole_is(
    parts: list[tuple[str, str]], between: list[str], borders: list[int]
) -> None:
    masker = Masker({f"S{n}": secret for n, (secret, _) in enumerate(parts)})
    text = between[0] + "".join(
        FORMS[form](secret) + more for (secret, form), more in zip(parts, between[1:], strict=False)
    )
    assert streamed(masker, cut(text, borders)) == masker.text(text)
    assert streamed(masker, list(text)) == masker.text(text)


@given(secrets, st.binary(max_size=5), st.binary(max_size=5))
def test_a_secret_inside_longer_base64_is_masked(secret: str, before: bytes, after: bytes) -> None:
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    assert MASK in Masker({"S": secret}).text(encoded)


@given(st.text(max_size=200), st.lists(st.integers(0, 1000), max_size=5), secrets)
def test_text_without_secrets_is_unchanged(text: str, borders: list[int], secret: str) -> None:
    masker = Masker({"S": f"\ue000{secret}\ue000"})
    assume(masker.text(text) == text)
    assert streamed(masker, cut(text, borders)) == text
    assert streamed(Masker({}), cut(text, borders)) == text


def test_values_are_masked_at_every_depth_and_in_keys_and_numbers() -> None:
    masker = Masker({"PIN": "123456", "WORD": "hunter22"})
    value = {
        "a hunter22": ["x hunter22 y", {"n": 123456, "f": 0.5, "t": True, "z": None}],
        "deep": [[["123456"]]],
    }
    assert masker.value(value) == {
        f"a {MASK}": [f"x {MASK} y", {"n": MASK, "f": 0.5, "t": True, "z": None}],
        "deep": [[[MASK]]],
    }


def test_without_secrets_nothing_is_copied() -> None:
    value = {"a": [1, "x"]}
    assert Masker({}).value(value) is value
    assert Masker({}).text("x") == "x"


def test_each_line_of_a_key_is_masked_but_not_its_short_ones() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADAN\nab\n-----END KEY-----\n"
    masker = Masker({"KEY": key})
    assert masker.text("line 2 is MIIEvQIBADAN, then ab") == f"line 2 is {MASK}, then ab"
    assert masker.text(f"x{key}y") == f"x{MASK}y"
    assert masker.text(f"x{key.strip()}y") == f"x{MASK}y"
    assert masker.text(key.replace("\n", "\r\n")) == f"{MASK}\r\n{MASK}\r\nab\r\n{MASK}\r\n"


def test_the_longest_secret_is_masked_first() -> None:
    assert Masker({"A": "token", "B": "token-and-more"}).text("token-and-more token") == f"{MASK} {MASK}"


def test_only_what_may_begin_a_secret_is_held_back() -> None:
    stream = Masker({"S": "swordfish"}).stream()
    assert stream.feed("ready? ") == "ready? "
    assert stream.feed("the word is sword") == "the word is "
    assert stream.feed("s of old") == "swords of old"
    assert stream.feed("sword") == ""
    assert stream.feed("fish!") == f"{MASK}!"
    assert stream.flush() == ""


@pytest.mark.parametrize("size", [1, 7, 65536])
def test_a_long_stream_is_masked_in_time_in_proportion(size: int) -> None:
    masker = Masker({"KEY": "\n".join(f"{n:064}" for n in range(26)), "S": "aaaaaaaaaaab"})
    stream = masker.stream()
    text = ("a" * 30 + "0" * 30) * 1000 if size < 10 else "a" * 3_000_000
    assert (
        "".join([*(stream.feed(text[at : at + size]) for at in range(0, len(text), size)), stream.flush()])
        == text
    )
