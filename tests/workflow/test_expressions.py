"""Expressions: what they give, what they refuse, and that both ways of evaluating them agree."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from time import process_time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mplp_cli.errors import ExpressionError, StepError, UnresolvedReferenceError
from mplp_cli.workflow.language import sandbox
from mplp_cli.workflow.language.expressions import (
    Expression,
    ExpressionSyntaxError,
    Missing,
    evaluate,
    evaluate_condition,
    parse_expression,
)
from mplp_cli.workflow.language.lexer import FILTERS, MAX_SOURCE, TESTS, Lexer
from mplp_cli.workflow.language.references import Reference, follow

IDS = ["a-b", "gone"]
ROWS = [{"id": "x", "n": 1}, {"id": "y", "n": 2}]
DATA: dict[str, Any] = {
    "a-b": {
        "result": {
            "items": [1, 2, 3],
            "keys": "K",
            "n": 5,
            "content-type": "text",
            "rows": ROWS,
            "map": {"b": 2, "a": 1},
            "template": "${inputs.n} {{ 7*7 }} $<inputs.n>",
        },
        "status": "completed",
    },
    "inputs": {"n": 3, "mode": "fast", "flag": True, "off": False, "nil": None, "text": " Hi ", "list": []},
}


def value_of(name: Reference) -> Any:
    """What a reference stands for in these tests."""
    if name.step == "gone":
        return Missing("`gone` was skipped")
    try:
        base = DATA[name.step][name.field] if name.scope == "step" else DATA[name.scope]
        return follow(base, name.path, name.scope)
    except UnresolvedReferenceError as error:
        return Missing(error.message)


def values_of(expression: Expression) -> list[Any]:
    return [value_of(name) for name in expression.names]


def result_of(source: str) -> Any:
    expression = parse_expression(source, IDS)
    return evaluate(expression, values_of(expression))


# ---- what they give ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a-b.result.items", [1, 2, 3]),
        ("a-b.result.items | length", 3),
        ("a-b.result.keys", "K"),
        ("(a-b.result).items", [1, 2, 3]),
        ("(a-b.result).content-type", "text"),
        ("a-b.result.content-type", "text"),
        ('a-b.result["items"][0]', 1),
        ("a-b.result.items[inputs.n - 1]", 3),
        ("a-b.result.items[-1]", 3),
        ("a-b.result.items[0:2]", [1, 2]),
        ("a-b.result.items[::-1]", [3, 2, 1]),
        ("inputs.n - 1", 2),
        ("inputs.n -1", 2),
        ("inputs.n > 2 and inputs.mode == 'fast'", True),
        ("inputs.n > 5 or not inputs.off", True),
        ("inputs.n in a-b.result.items", True),
        ("inputs.n not in [1, 2]", True),
        ("inputs.list and 1", []),
        ("inputs.list or 1", 1),
        ("1 < inputs.n < 4", True),
        ("inputs.n is odd and inputs.mode is string", True),
        ("inputs.nil is none", True),
        ("inputs.n is not none", True),
        ("inputs.n if inputs.flag else 0", 3),
        ("gone.result.n | default(0)", 0),
        ("gone.result | default(inputs.n)", 3),
        ("inputs.n | default(gone.result)", 3),
        ("gone.result.x[0].y | d('none')", "none"),
        ("gone.result[inputs.n].y | default(1)", 1),
        ("a-b.result.items[inputs.n] | default('off the end')", "off the end"),
        ("gone.result is defined", False),
        ("gone.result is undefined and inputs.n is defined", True),
        ("inputs.nothing is defined", False),
        ("inputs.flag or gone.result", True),
        ("1 if inputs.flag else gone.result", 1),
        ("(gone.result if inputs.flag else 2) | default(7)", 7),
        ("inputs.nil | default('x', true)", "x"),
        ("'n=' ~ inputs.n ~ inputs.flag ~ a-b.result.map", 'n=3true{"b":2,"a":1}'),
        ("inputs.text | trim | lower", "hi"),
        ("inputs.mode | replace('f', 'l') | upper", "LAST"),
        ("'a,b' | split(',')", ["a", "b"]),
        ("[1, true, 'x'] | join('-')", "1-true-x"),
        ("a-b.result.rows | join(', ', attribute='id')", "x, y"),
        ("a-b.result.rows | map(attribute='n') | sum", 3),
        ("a-b.result.rows | sum(attribute='n')", 3),
        ("a-b.result.rows | selectattr('n', 'gt', 1) | map(attribute='id') | list", ["y"]),
        ("a-b.result.rows | rejectattr('id', 'in', ['y']) | list", [ROWS[0]]),
        ("[3, 1, 2] | sort(reverse=true)", [3, 2, 1]),
        ("[1, 1, 2] | unique | list", [1, 2]),
        ("[1, 2, 3, 4] | select('even') | list", [2, 4]),
        ("a-b.result.map | items", [["b", 2], ["a", 1]]),
        ("a-b.result.map | dictsort", [["a", 1], ["b", 2]]),
        ("a-b.result.map | length", 2),
        ("[1, 2, 3] | batch(2)", [[1, 2], [3]]),
        ("[1, 2] | reverse", [2, 1]),
        ("[4, 9] | max - [4, 9] | min", 5),
        ("'12' | int + 1", 13),
        ("2.567 | round(1)", 2.6),
        ("7 // 2 + 7 % 4 * 2", 9),
        ("-inputs.n | abs", 3),
        ("'ab' * 2 + 'c'", "ababc"),
        ("[0] * 2 + [1]", [0, 0, 1]),
        ("a-b.result.map | tojson", '{"b":2,"a":1}'),
        ("(1, 'x')", [1, "x"]),
        ("{'a': (1, 2), 'b': {'c': none}}", {"a": [1, 2], "b": {"c": None}}),
        ("range(3)", [0, 1, 2]),
        ("range(1, inputs.n) | list", [1, 2]),
        ("null", None),
        ("'$${x}'", "${x}"),
        (r"'a\"b\n'", 'a"b\n'),
        ("'a' 'b'", "ab"),
        ("'ä' in 'bär'", True),
        ("a-b.result.template", "${inputs.n} {{ 7*7 }} $<inputs.n>"),
        ("a-b.result.template ~ '!'", "${inputs.n} {{ 7*7 }} $<inputs.n>!"),
    ],
)
def test_an_expression_gives_plain_json(source: str, expected: Any) -> None:
    result = result_of(source)
    assert result == expected
    assert json.loads(json.dumps(result)) == result


def test_every_reference_is_bound_once_and_in_order() -> None:
    expression = parse_expression("inputs.n + a-b.result.n * inputs.n", IDS)
    assert [str(name) for name in expression.names] == ["inputs.n", "a-b.result.n"]


def test_the_whole_path_belongs_to_the_reference() -> None:
    expression = parse_expression("a-b.result.rows[0].id | upper", IDS)
    assert expression.names == (Reference("step", "a-b", "result", ("rows", 0, "id")),)


def test_an_unknown_step_is_left_to_the_reader_of_names() -> None:
    assert parse_expression("a-c.result.n > 1", IDS).names[0].step == "a-c"


def test_values_are_never_parsed_again() -> None:
    hostile = "{{ 7*7 }} ${inputs.n} ') or true or ('"
    expression = parse_expression("inputs.a ~ inputs.b", ())
    assert evaluate(expression, [hostile, hostile]) == hostile * 2


@pytest.mark.parametrize(
    "key", ["items", "keys", "values", "get", "pop", "update", "format", "append", "count"]
)
def test_a_key_that_is_also_a_method_is_the_key(key: str) -> None:
    expression = parse_expression(f"(inputs.map).{key} ~ inputs.map['{key}']", ())
    assert evaluate(expression, [{key: "the key"}, "the key"]) == "the keythe key"
    with pytest.raises(UnresolvedReferenceError):
        evaluate(parse_expression(f"(inputs.map | default({{}})).{key}", ()), [{}])


# ---- what is not there -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "gone.result",
        "gone.result == 1",
        "not gone.result",
        "gone.result + 1",
        "gone.result in []",
        "gone.result is none",
        "gone.result is string",
        "[gone.result] | length",
        "{'a': gone.result}",
        "gone.result | length",
        "gone.result ~ 'x'",
        "gone.result.x.y | upper",
        "gone.result[0:1]",
        "(gone.result, 1)",
        "1 if gone.result else 2",
        "inputs.off or gone.result",
        "inputs.nil | default(gone.result, true)",
        "range(gone.result)",
    ],
)
def test_using_what_is_not_there_says_why(source: str) -> None:
    with pytest.raises(UnresolvedReferenceError, match="`gone` was skipped"):
        result_of(source)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("inputs.mdoe ~ ''", "`inputs` has no `mdoe`; did you mean `mode`?"),
        ("a-b.result.items[inputs.n]", "has 3 elements; there is no \\[3\\]"),
        ("a-b.result.rows | map(attribute='m') | list", "has no `m`"),
        ("[] | first", "No first item"),
        ("'x' ~ inputs.nil", "null cannot stand inside text"),
        ("[none] | join", "null cannot stand inside text"),
    ],
)
def test_a_missing_part_is_named(source: str, says: str) -> None:
    with pytest.raises(UnresolvedReferenceError, match=says):
        result_of(source)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("inputs.n < 'a'", "`<` does not work between a number and text, in `inputs.n < 'a'`"),
        ("(inputs.n | int) < 'a'", "`<` does not work between a number and text"),
        ("inputs.n + 'a'", "`\\+` does not work between a number and text"),
        ("-inputs.mode", "`-` does not work before text"),
        ("inputs.n in 5", "nothing is `in` a number"),
        ("1 in 'abc'", "only text is `in` text, not a number"),
        ("[1] in {'a': 1}", "a list cannot be looked up as a key"),
        ("inputs.n | length", "a number has no length"),
        ("inputs.n | list", "a number has no elements"),
        ("inputs.n / 0", "divided by zero"),
        ("'%s' % inputs.n", "`%` does not work between text and a number"),
        ("'%999999999d' % 1", "`%` does not work between text and a number"),
        ("[1, 'a'] | sort", "`<` does not work between text and a number"),
        ("[1, 'a'] | sum", "`sum` is for numbers"),
        ("{1: 2}", "a key of a map is text"),
        ("'nan' | float", "nan, which JSON does not know"),
        ("1e308 * 10", "inf, which JSON does not know"),
        ("9999999999 * 9999999999", "more than 64 bits"),
        ("inputs.mode | tojson(1, 2, 3)", "a filter takes"),
        ("range('a')", "a whole number is wanted here, not text"),
        ("[1] | map('need!') | list", "no filter `need!`"),
        ("[1] | map('attr', 'real') | list", "no filter `attr`"),
        ("[1] | select('callable') | list", "callable"),
        ("1.5 | round(99)", "`round` takes a whole number up to 15"),
        ("a-b.result.items[true]", "a key is text or a whole number"),
    ],
)
def test_an_operation_that_makes_no_sense_is_told_plainly(source: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        result_of(source)


# ---- conditions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("inputs.n > 2", True),
        ("${inputs.n} > 2", True),
        ("${inputs.n > 2}", True),
        ("  ${ inputs.flag }  ", True),
        ("$<inputs.n> > 2 and ${inputs.off} == false", True),
        ("${inputs.n + 1} * 2 == 8", True),
        ("not ${inputs.off or inputs.flag}", False),
        ("${a-b.result}.n == 5", True),
        ("${a-b.status} == 'completed'", True),
        ("${gone.result.n} is defined", False),
        ("${gone.result.n} | default(3) == 3", True),
        ("true", True),
    ],
)
def test_a_condition_may_bracket_its_values(source: str, expected: bool) -> None:
    condition = parse_expression(source, IDS, condition=True)
    assert evaluate_condition(condition, values_of(condition)) is expected


@pytest.mark.parametrize(
    ("source", "says", "hint"),
    [
        ("inputs.n", "`inputs.n` is a number \\(3\\)", "`inputs.n > 0`"),
        ("inputs.mode", "is text", '`inputs.mode == "..."`'),
        ("inputs.nil", "is null", "`inputs.nil is not none`"),
        ("a-b.result.items", "is a list", "| length > 0`"),
        ("a-b.result", "is a map", "| length > 0`"),
        ("inputs.list and true", "is a list", "length"),
    ],
)
def test_a_condition_is_a_boolean_and_nothing_else(source: str, says: str, hint: str) -> None:
    condition = parse_expression(source, IDS, condition=True)
    with pytest.raises(ExpressionError, match=says) as caught:
        evaluate_condition(condition, values_of(condition))
    assert hint in (caught.value.hint or "")


# ---- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "code", "offset", "says"),
    [
        ("", "expr-syntax", 0, "empty"),
        ("inputs.n ==", "expr-syntax", 9, "end of the expression"),
        ("inputs.n\n  3", "expr-syntax", 11, "an operator is missing before `3`"),
        ("inputs.n  )", "expr-syntax", 10, "unexpected ')'"),
        ("(inputs.n", "expr-syntax", 1, "expected ')'"),
        ("inputs.n = 3", "expr-syntax", 9, "write `==`"),
        ("inputs.n && true", "expr-syntax", 9, "write `and`"),
        ("inputs.n || true", "expr-syntax", 9, "write `or`"),
        ("! inputs.flag", "expr-syntax", 0, "write `not`"),
        ("inputs.n ? 1 : 2", "expr-syntax", 9, "if condition else"),
        ("2 ** 3", "expr-syntax", 2, "no operator `**`"),
        ("'abc", "expr-syntax", 0, "not closed"),
        ("007", "expr-syntax", 0, "not a number"),
        ("1_000", "expr-syntax", 0, "not a number"),
        ("99999999999999999999", "expr-too-large", 0, "64 bits"),
        ("1e999", "expr-too-large", 0, "64 bits"),
        ("inputs.n if inputs.flag", "expr-syntax", 0, "needs its `else`"),
        ("a-b", "expr-unknown-field", 0, "write `a-b.result`"),
        ("a-b.reslt.n", "expr-unknown-field", 0, "did you mean `a-b.result`?"),
        ("input", "expr-unknown-name", 0, "did you mean `inputs`?"),
        ("a-c > 1", "expr-unknown-name", 0, "did you mean `a-b`?"),
        ("inputs-1", "expr-unknown-name", 0, "minus needs spaces"),
        ("inputs.n == fast", "expr-unknown-name", 12, 'text is quoted: "fast"'),
        ("inputs.n | lenght", "expr-unknown-filter", 11, "did you mean `length`?"),
        ("inputs.n is defind", "expr-unknown-test", 12, "`defined`"),
        ("inputs.n is not nonee", "expr-unknown-test", 16, "did you mean `none`"),
        ("length(inputs.n)", "expr-call", 0, "write `value | length`"),
        ("inputs.list.append(1)", "expr-call", 18, "cannot be called"),
        ("range", "expr-syntax", 0, "write `range(5)`"),
        ('"${inputs.n}" == "3"', "expr-quoted-reference", 1, "leave the quotes away"),
        ("inputs._id", "expr-unknown-name", 7, '`["_id"]`'),
        ("inputs.$x", "expr-syntax", 7, "no meaning"),
        ("${inputs.n}", "expr-syntax", 0, "inside brackets"),
        (f"{'(' * 60}1{')' * 60}", "expr-too-large", 50, "brackets inside each other"),
        (" + ".join(["1"] * 80), "expr-too-large", 110, "levels"),
        ("not " * 900 + "true", "expr-too-large", 204, "levels"),
        ("-" * 4_000 + "1", "expr-too-large", 0, "levels"),
        ("1" + " " * MAX_SOURCE, "expr-too-large", 0, "characters"),
        (r"'\ud83d'", "expr-syntax", 0, "surrogate"),
    ],
)
def test_what_is_not_in_the_language_is_refused_with_its_place(
    source: str, code: str, offset: int, says: str
) -> None:
    with pytest.raises(ExpressionSyntaxError) as caught:
        parse_expression(source, IDS)
    assert caught.value.code == code
    assert says in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.offset == offset


ESCAPES = [
    "''.__class__",
    "''['__class__']['__mro__']",
    "().__class__.__base__.__subclasses__()",
    "inputs.__class__.__init__.__globals__",
    "inputs.n.__class__",
    "(inputs.n).__class__",
    "inputs | attr('__class__')",
    "inputs | attr('__cla' ~ 'ss__')",
    "('{0.__class__.__init__.__globals__}' | attr('format'))(workflow)",
    "'{0.__class__}'.format(inputs)",
    "'{a.__class__}'.format_map(inputs)",
    "'%(x)s' | format(x=inputs)",
    "['{.__class__}'] | map('format', inputs) | list",
    "[inputs] | map('attr', '__class__') | list",
    "[inputs] | map(attribute='__class__') | list",
    "[inputs] | map(attribute='__class__.__mro__') | list",
    "[inputs, inputs] | sort(attribute='__class__')",
    "[inputs] | selectattr('__class__') | list",
    "[inputs] | join(attribute='__class__')",
    "inputs.items()",
    "inputs.list.append(1)",
    "inputs.mode.format(1)",
    "inputs.mode.upper()",
    "self",
    "self.__init__.__globals__",
    "self._TemplateReference__context",
    "cycler.__init__.__globals__.os.popen('id').read()",
    "joiner.__init__",
    "lipsum.__globals__['os'].popen('id').read()",
    "namespace(a=1)",
    "dict(a=1)",
    "config.items()",
    "request.application.__globals__.__builtins__",
    "url_for.__globals__",
    "get_flashed_messages.__globals__",
    "__import__('os').system('id')",
    "open('/etc/passwd').read()",
    "eval('1')",
    "exec('1')",
    "[].append(1) or open('x', 'w')",
    "import os",
    "include('/etc/passwd')",
    "include '/etc/passwd'",
    "extends 'x'",
    "lambda: 1",
    "[x for x in inputs.list]",
    "{{ 7*7 }}",
    "{% for x in [] %}{% endfor %}",
    "7 }}{{ 8",
    "7 %}{% set x = 1 %}{{ 7",
    "{# comment #} 1",
    "range.__class__",
    "range(1).__class__",
    "range(*[1, 2])",
    "range(5)(5)",
    "[1] | batch(*[1])",
    "[1] | sort(**{})",
    "inputs.n | default.__class__",
    "caller()",
    "loop.index",
    "super()",
    "varargs",
    "kwargs",
    "v0",
    "v0.__class__",
    "work!",
    "inputs | pprint",
    "inputs | xmlattr",
    "'<b>' | safe",
    "[1, 2] | random",
    "'x' | urlize",
    "'x' | center(999999999)",
    "'x' | indent(999999999)",
    "'a' | wordwrap(1)",
    "inputs is callable",
    "'upper' is filter",
    "inputs is sameas inputs",
    "inputs['_' ~ '_class_' ~ '_']",
    "(inputs.text, inputs.n)[0].__class__",
    "inputs | map(attribute=['__class__']) | list",
    "not_there.__class__.__mro__[1]",
    "\uff53elf.__class__",
    "inputs\x00.__class__",
    "inputs.\u017ftr.__class__",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_there_is_no_way_out_of_the_sandbox(source: str) -> None:
    try:
        expression = parse_expression(source, IDS)
    except ExpressionSyntaxError as error:
        assert error.message  # noqa: PT017  # refused before anything runs: the usual end
        return
    names = expression.names
    if any(name.scope == "step" and name.step not in IDS for name in names):
        return  # names a step that does not exist; the plan refuses it
    with pytest.raises(StepError):
        evaluate(expression, values_of(expression))


def test_the_list_of_escapes_is_long_enough() -> None:
    assert len(set(ESCAPES)) >= 60


@pytest.mark.parametrize(
    "source",
    [
        "((range(99999) | list) * 99999) | length",
        "((range(9999) | list) * 99999) | length",
        "range(999999999)",
        "'a' * 999999999",
        "999999999 * 'a'",
        "[[0] * 9999] * 9999",
        "'a' * 900000 ~ 'a' * 900000",
        "('a' * 900000) | replace('a', 'a' * 900000)",
        "['a' * 900000, 'a' * 900000]",
        "(['a' * 900] * 900) | map('replace', 'a', 'aaaa') | join",
        "range(9999) | map('replace', '', 'a' * 99999) | list",
        "(range(9999) | list) | select('in', range(9999) | list) | list",
        "[range(9999)] | map('list') | map('list') | map('sort') | list ~ [range(9999)] * 9999",
        "[1] | batch(999999999, 0)",
        "1.5 | round(999999999, 'ceil')",
        "('x' * 999999) | trim('y' * 999999)",
        "('9' * 999999) | int",
        "('f' * 999999) | int(base=16)",
        "(range(9999) | list | tojson) * 99999",
        "(['aaaaaaaaaa'] * 90000) | join('b' * 9999)",
        "9999999999 * 9999999999 * 9999999999",
        "1 + ".join(["range(9999) | list | length | "] * 3),
        "[" + "range(9999)," * 330 + "]",
        "[" * 49 + "]" * 49 + " * 999999999",
        "{" + ",".join(f"'{n}': 'a' * 99999" for n in range(99)) + "}",
    ],
)
def test_a_bomb_fails_fast_and_in_little_memory(source: str) -> None:
    tracemalloc.start()
    began = process_time()
    try:
        with pytest.raises((ExpressionSyntaxError, StepError)):
            result_of(source)
        assert process_time() - began < 5  # several times slower under tracemalloc
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_a_large_value_passes_through_when_nothing_grows() -> None:
    rows = list(range(2_000_000))
    expression = parse_expression("inputs.rows | length + inputs.rows[5]", ())
    assert evaluate(expression, [rows, rows[5]]) == 2_000_005
    assert evaluate(parse_expression("inputs.rows", ()), [rows]) is rows


def test_the_lists_of_the_language_are_what_the_sandbox_offers() -> None:
    environment = sandbox._environment()
    assert {name for name in environment.filters if not name.endswith("!")} == FILTERS
    assert set(environment.tests) == TESTS
    assert not environment.globals


# ---- both ways agree ---------------------------------------------------------------------------

_LITERALS = ["0", "1", "-2", "2.5", "'a'", '"b"', "''", "true", "false", "none", "null"]
_NAMES = ["inputs.x", "inputs.y", "a-b.result.z"]
_OPERATORS = ["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
_operand = st.sampled_from(_LITERALS + _NAMES * 3)
_clause = st.builds(
    lambda negation, left, rest: f"{negation}{left}{rest}",
    st.sampled_from(["", "not "]),
    _operand,
    st.just("") | st.builds(lambda sign, right: f" {sign} {right}", st.sampled_from(_OPERATORS), _operand),
)
_sources = st.lists(st.tuples(_clause, st.sampled_from([" and ", " or "])), min_size=1, max_size=4).map(
    lambda parts: "".join(clause + joint for clause, joint in parts).rpartition(parts[-1][1])[0]
)
_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(-3, 3),
    st.sampled_from(["", "a", "ab"]),
    st.just([]),
    st.just(["a", 1]),
    st.just({"a": 1}),
    st.just(Missing("not there")),
)


def _outcome(evaluated: Any) -> Any:
    """The value with its kind, or the error with its message."""
    try:
        value = evaluated()
    except StepError as error:
        return type(error).__name__, error.message
    return type(value).__name__, value


@given(_sources, st.lists(_values, min_size=3, max_size=3))
@example("inputs.x in inputs.y", [Missing("not there"), [], 0])
@example("not inputs.x == inputs.y and 1", [1, True, 0])
def test_the_quick_way_gives_what_jinja_gives(source: str, values: Sequence[Any]) -> None:
    quick = parse_expression(source, IDS)
    assert quick.anyof, source
    lexer = Lexer(source, IDS, brackets=False)
    lexer.read()
    slow = Expression(source, quick.names, text="\n".join(word.text for word in lexer.words))
    bound = [values[_NAMES.index(str(name))] for name in quick.names]
    assert _outcome(lambda: evaluate(quick, bound)) == _outcome(lambda: evaluate(slow, bound))


@given(st.text(alphabet="ab-.$<>{}()[]|'\" 019+*=!inor_,:~%", max_size=40))
def test_any_text_is_read_or_refused_with_a_place(source: str) -> None:
    for condition in (False, True):
        try:
            expression = parse_expression(source, ["a", "a-b"], condition=condition)
        except ExpressionSyntaxError as error:
            assert 0 <= error.offset <= len(source)  # noqa: PT017  # either end is fine
            continue
        try:
            result = evaluate(expression, [Missing("not there")] * len(expression.names))
        except StepError:
            continue
        json.dumps(result, allow_nan=False)
