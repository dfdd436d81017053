"""Which events are meant by a match, and templates that are filled with events."""

from __future__ import annotations

from itertools import product

import pytest

from mplp_cli.workflow.events.judging import (
    DeclarationError,
    EventError,
    event_template,
    event_value,
    filled,
    judge,
)
from mplp_cli.workflow.events.routes import Match
from mplp_cli.workflow.published import Published, matches

EVENT = Published(
    id="e-1",
    type="step.failed",
    source="mplp/shop",
    at=1_700_000_000_000,
    data={"attempts": 3, "step": {"ids": ["pay", "ship"]}, "odd key": True},
    more={"subject": "orders/7"},
)


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        ("data.attempts > 2", True),
        ("event.data.attempts > 3", False),
        ("${data.attempts} == 3 and type == 'step.failed'", True),
        ('data.step.ids[1] == "ship" and data["odd key"]', True),
        ("data.step.ids | length == 2", True),
        ("time > '2023' and source != 'mplp' and id == 'e-1'", True),
        ("subject == 'orders/7'", True),
        ("not data.attempts in [1, 2]", True),
        ("event.data == data", True),
        ("data.nothing > 2", False),
        ("data.step.ids[7] == 'pay'", False),
        ("data.nothing is defined or data.attempts == 3", True),
        ("data.nothing | default(0) == 0", True),
    ],
)
def test_a_where_is_judged_over_the_parts_of_an_event(where: str, meant: bool) -> None:
    assert judge(Match(where=where))(EVENT) is meant


def test_a_lacking_subject_does_not_match() -> None:
    bare = Published(id="1", type="a", source="b", at=0)
    assert not judge(Match(where="subject == 'orders/7'"))(bare)
    assert "subject" not in event_value(bare)


def test_globs_mean_what_they_mean_for_steps_that_wait() -> None:
    texts = ["", "step.failed", "step.", "run.failed", "step.x.failed", "x.failed.y"]
    patterns = ["*", "**", "step.*", "*.failed", "step.*.failed", "*failed*", "step.failed", "s**", "*p.*d"]
    for pattern, text in product(patterns, texts):
        event = Published(id="1", type=text, source=text, at=0)
        assert judge(Match(type=pattern))(event) is matches(pattern, text), (pattern, text)
        assert judge(Match(source=pattern))(event) is matches(pattern, text), (pattern, text)


@pytest.mark.parametrize(
    ("where", "code", "offset", "said"),
    [
        ("data.attempts >", "expr-syntax", 0, "unexpected end"),
        ("data.a == ${data.b", "ref-syntax", 10, "not closed"),
        ("data.a == 1 and inputs.n == 1", "event-reference", 16, "`inputs` is not known here"),
        ("data.a == 1 and event.dta == 1", "event-reference", 16, "an event has no `dta`"),
        ("dta.a == 1", "event-reference", 0, "`dta` is not known here"),
    ],
)
def test_what_a_where_cannot_say_is_refused_with_its_place(
    where: str, code: str, offset: int, said: str
) -> None:
    with pytest.raises(DeclarationError, match=said) as refused:
        judge(Match(where=where))
    assert (refused.value.code, refused.value.offset >= offset) == (code, True)


def test_a_where_that_gives_no_boolean_names_who_asked_and_the_event() -> None:
    with pytest.raises(EventError, match=r"route pager: event e-1: a condition is true or false") as refused:
        judge(Match(where="data.attempts"), "route pager")(EVENT)
    assert (refused.value.of, refused.value.event) == ("route pager", "e-1")
    with pytest.raises(EventError, match="does not work between"):
        judge(Match(where="data.step > 2"))(EVENT)


def test_templates_are_filled_from_the_roots_that_are_given() -> None:
    template = event_template(
        {"n": "${event.data.attempts}", "all": ["of ${event.subject}", "${correlation.key}"], "plain": 1},
        ("event", "correlation"),
    )
    values = {"event": event_value(EVENT), "correlation": {"key": ["a"]}}
    assert filled(template, values) == {"n": 3, "all": ["of orders/7", ["a"]], "plain": 1}
    with pytest.raises(EventError, match=r"route pager: event e-1: `event\.data` has no `name`"):
        filled(event_template("${event.data.name}"), values, "route pager")


def test_references_of_a_template_begin_with_its_roots() -> None:
    with pytest.raises(DeclarationError, match="`data` is not known here; `event` is") as refused:
        event_template({"a": ["x", "to ${data.name}"]})
    assert (refused.value.path, refused.value.offset) == (("a", 1), 5)
    with pytest.raises(DeclarationError, match="an event has no `dta`"):
        event_template("${event.dta.name}")
