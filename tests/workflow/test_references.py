"""References in text: where brackets begin and end, what a plain reference names, what it reaches."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.errors import ExpressionError, UnresolvedReferenceError
from mplp_cli.workflow.language.references import (
    Bracket,
    Reference,
    ReferenceSyntaxError,
    bracket_end,
    follow,
    parse_reference,
    split_text,
    text_of,
    written,
)

IDS = {"a", "a-b", "write"}


def pieces(text: str) -> list[str | tuple[str]]:
    """The pieces of a text; a bracket is a tuple of its source."""
    return [piece if isinstance(piece, str) else (piece.source,) for piece in split_text(text)]


# ---- brackets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("plain", ["plain"]),
        ("${a.result}", [("a.result",)]),
        ("x ${ a.result } y", ["x ", ("a.result",), " y"]),
        ("$<a.result>/$<inputs.n>", [("a.result",), "/", ("inputs.n",)]),
        ("$${a.result}", ["${a.result}"]),
        ("$$<a.result>", ["$<a.result>"]),
        ("$$${a}", ["$${a}"]),
        ("x $${ ${a.status} $$< y", ["x ${ ", ("a.status",), " $< y"]),
        ("a $< b and $<1>", ["a $< b and $<1>"]),
        ("costs $5 or $HOME $(cmd) {b}", ["costs $5 or $HOME $(cmd) {b}"]),
        ('${ {"a": {"b": 1}}.a }', [('{"a": {"b": 1}}.a',)]),
        ('${ "}" }!', [('"}"',), "!"]),
        (r"${ '\'}' }", [(r"'\'}'",)]),
        ("$<a.result.n + (1 > 0)> $<'>'> ", [("a.result.n + (1 > 0)",), " $<'>'> "]),
        ('$<inputs.x | default(">")>', [('inputs.x | default(">")',)]),
        ("${ (a }", [("(a",)]),
        ("${a ] b}", [("a ] b",)]),
        ("a\n${\n a.result\n}\n", ["a\n", ("a.result",), "\n"]),
    ],
)
def test_text_is_split_at_its_brackets(text: str, expected: list[str | tuple[str]]) -> None:
    assert pieces(text) == expected


@pytest.mark.parametrize(
    ("text", "offset", "says"),
    [
        ("x ${a.result", 2, "not closed"),
        ("${", 0, "not closed"),
        ("${}", 0, "nothing"),
        ("x ${  }", 2, "nothing"),
        ("$<a.result", 0, "not closed"),
        ("${ it's }", 5, "a ' inside"),
        ("${ {1: }", 0, "not closed"),
        ("$<a(b>", 0, "not closed"),
    ],
)
def test_a_bracket_that_does_not_end_is_refused_with_its_place(text: str, offset: int, says: str) -> None:
    with pytest.raises(ReferenceSyntaxError, match=says) as caught:
        split_text(text)
    assert caught.value.offset == offset


def test_a_bracket_knows_where_it_and_its_source_stand() -> None:
    text = "x ${  a.result } y"
    bracket = split_text(text)[1]
    assert bracket == Bracket("a.result", 2, 16, 6)
    assert text[2:16] == "${  a.result }"
    assert text[6:14] == "a.result"


def test_the_end_of_a_bracket_is_found_from_its_beginning() -> None:
    text = "echo ${a.result['}']} and more}"
    assert text[: bracket_end(text, 5)] == "echo ${a.result['}']}"


@given(st.text(alphabet="$${}<>ab\"'() .[]", max_size=30))
def test_splitting_any_text_gives_pieces_or_one_kind_of_error(text: str) -> None:
    try:
        found = split_text(text)
    except ReferenceSyntaxError as error:
        assert 0 <= error.offset < len(text)  # noqa: PT017  # either end is fine
        return
    at = 0
    for piece in found:
        if isinstance(piece, Bracket):
            assert piece.start >= at
            assert text[piece.start : piece.start + 2] in ("${", "$<")
            assert text[piece.end - 1] in "}>"
            assert text[piece.inner : piece.inner + len(piece.source)] == piece.source
            at = piece.end
        else:
            assert piece


@given(st.text(max_size=40))
def test_escaped_text_comes_back_as_it_was(text: str) -> None:
    escaped = text.replace("${", "$${").replace("$<", "$$<")
    assert "".join(str(piece) for piece in split_text(escaped)) == text


# ---- plain references --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a-b.result.items[0].name", Reference("step", "a-b", "result", ("items", 0, "name"))),
        ("a.result", Reference("step", "a", "result")),
        ("a.status", Reference("step", "a", "status")),
        ("a.error.message", Reference("step", "a", "error", ("message",))),
        ("a.attempts", Reference("step", "a", "attempts")),
        ("a.result[-1]", Reference("step", "a", "result", (-1,))),
        ("a.result.0.x", Reference("step", "a", "result", (0, "x"))),
        ('a.result["odd key"]', Reference("step", "a", "result", ("odd key",))),
        ("a.result['_id'][ 2 ]", Reference("step", "a", "result", ("_id", 2))),
        ("a.result.content-type", Reference("step", "a", "result", ("content-type",))),
        ("a.result.größe", Reference("step", "a", "result", ("größe",))),
        ("a.result.items", Reference("step", "a", "result", ("items",))),
        ("inputs.x.y[0]", Reference("inputs", path=("x", "y", 0))),
        ("inputs", Reference("inputs")),
        ("env.HOME", Reference("env", path=("HOME",))),
        ("secrets.KEY", Reference("secrets", path=("KEY",))),
        ("item", Reference("item")),
        ("item.x", Reference("item", path=("x",))),
        ("index", Reference("index")),
        ("run.id", Reference("run", path=("id",))),
        ("workflow.name", Reference("workflow", path=("name",))),
        ("nowhere.result.x", Reference("step", "nowhere", "result", ("x",))),
        ("wrte.reslt", Reference("step", "wrte", "reslt")),
    ],
)
def test_a_plain_reference_is_read(source: str, expected: Reference) -> None:
    assert parse_reference(source, IDS) == expected


@pytest.mark.parametrize(
    "source",
    [
        "a",
        "a.other",
        "nowhere",
        "a.result | length",
        "a.result + 1",
        "inputs.n > 2",
        "a.result._id",
        "a.result.__class__",
        "_a.result",
        "a.result[x]",
        "a.result[0:1]",
        "a.result.",
        "a..result",
        "true.x",
        "not.result",
        'a.result["a\\"b"]',
        "1",
        "'text'",
        "",
        "a .result",
        "a.result.x()",
    ],
)
def test_anything_else_is_left_to_expressions(source: str) -> None:
    assert parse_reference(source, IDS) is None


@given(
    st.lists(
        st.one_of(st.integers(-5, 99), st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]+)?", fullmatch=True))
    )
)
def test_a_reference_is_written_as_it_is_read(path: list[str | int]) -> None:
    reference = Reference("step", "a-b", "result", tuple(path))
    assert parse_reference(str(reference), IDS) == reference


# ---- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (-0.5, "-0.5"),
        (2.0, "2.0"),
        (10**30, "1" + "0" * 30),
        ([1, "ä", None], '[1,"ä",null]'),
        ({"a": {"b": []}}, '{"a":{"b":[]}}'),
    ],
)
def test_a_value_inside_text_is_written_as_json(value: object, text: str) -> None:
    assert text_of(value) == text


def test_null_cannot_stand_inside_text() -> None:
    with pytest.raises(UnresolvedReferenceError, match="null cannot stand inside text"):
        text_of(None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": object()}])
def test_what_is_not_json_has_no_text(value: object) -> None:
    with pytest.raises(ExpressionError):
        text_of(value)


DATA = {"items": [{"name": "x"}, {"name": "y"}], "count": 2, "n": 5, "text": "abc", "empty": {}, "nil": None}


@pytest.mark.parametrize(
    ("path", "expected"),
    [((), DATA), (("items", 1, "name"), "y"), (("items", -1, "name"), "y"), (("nil",), None)],
)
def test_a_path_is_followed(path: tuple[str | int, ...], expected: object) -> None:
    assert follow(DATA, path, "a.result") == expected


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (("cuont",), "`a.result` has no `cuont`; did you mean `count`?"),
        (("zzzzzzzz",), "`a.result` has no `zzzzzzzz`; it has count, empty, items, n, nil, text"),
        (("n-1",), "`a.result` has no `n-1`; minus needs spaces"),
        (("empty", "x"), "`a.result.empty` has no `x`; it is empty"),
        (("items", 2), "`a.result.items` has 2 elements; there is no [2]"),
        (("items", -3), "`a.result.items` has 2 elements; there is no [-3]"),
        (("items", "name"), "`a.result.items` is a list, which has no keys"),
        (("items", 0, 0), "`a.result.items[0]` is a map, which has no elements"),
        (("text", 0), "`a.result.text` is text, which has no elements"),
        (("nil", "x"), "`a.result.nil` is null, which has no keys"),
        (("count", "x"), "`a.result.count` is a number, which has no keys"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(path: tuple[str | int, ...], says: str) -> None:
    with pytest.raises(UnresolvedReferenceError) as caught:
        follow(DATA, path, "a.result")
    assert caught.value.message.startswith(says)


@pytest.mark.parametrize("key", ["keys", "items", "__class__", "append", "get"])
def test_methods_and_attributes_are_no_keys(key: str) -> None:
    with pytest.raises(UnresolvedReferenceError):
        follow({"value": {}}, ("value", key), "a.result")


def test_odd_keys_are_written_in_brackets() -> None:
    assert (
        written("a.result", ("odd key", 3, "content-type", "_id"))
        == 'a.result["odd key"][3].content-type["_id"]'
    )


def test_references_and_expressions_load_without_jinja() -> None:
    code = (
        "import sys; import mplp_cli.workflow.language.expressions, mplp_cli.workflow.language.conditions;"
        "sys.exit('jinja2' in sys.modules or 'jsonschema_rs' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
