"""CloudEvents 1.0: what comes in, what is refused and how, and what goes out; the public package is the judge."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_cli.workflow.published import (
    LARGEST,
    Published,
    cloud_event,
    enriched,
    from_cloud_event,
    read_cloud_events,
)

NOW = 1_700_000_000_000
LEAST = {"specversion": "1.0", "id": "a", "source": "/s", "type": "t"}

# ---- what is drawn

readable = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=20
)
sources = st.text("abcXYZ019-._~:/?#@!$&'()*+,;=%é", min_size=1, max_size=30)
types = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,30}", fullmatch=True)
own = {
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "data",
    "subject",
    "dataschema",
    "datacontenttype",
    "sequence",
}
names = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
    lambda name: name not in own | {"recordedtime"}
)
extensions = st.dictionaries(
    names, readable | st.booleans() | st.integers(-(1 << 31), (1 << 31) - 1), max_size=3
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 60), 1 << 60) | st.floats(allow_nan=False, allow_infinity=False)
    | readable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(readable, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1), timezones=zones)  # noqa: DTZ001 - zones are drawn


@st.composite
def attributes(draw: st.DrawFn) -> dict[str, Any]:
    """What an event of the public package is made of."""
    made: dict[str, Any] = {
        "id": draw(readable), "source": draw(sources), "type": draw(types), "time": draw(times),
        **draw(extensions),
    }  # fmt: skip
    for key, drawn in (
        ("subject", readable),
        ("dataschema", st.just("https://example.com/schema.json#/a")),
        ("datacontenttype", st.sampled_from(["application/json", "application/vnd.x+json", "text/json"])),
    ):
        if draw(st.booleans()):
            made[key] = draw(drawn)
    return made


def ms(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


# ---- with the public package


@settings(max_examples=60, deadline=None)
@given(attributes(), values | st.binary(min_size=1, max_size=20))
def test_what_the_public_package_writes_is_read_and_what_we_write_it_reads(
    made: dict[str, Any], data: Any
) -> None:
    text = JSONFormat().write(CloudEvent(dict(made), data))
    [event] = read_cloud_events(text, NOW)
    assert (event.id, event.type, event.source, event.at) == (
        made["id"], made["type"], made["source"], ms(made["time"]),
    )  # fmt: skip
    assert event.data == (None if isinstance(data, bytes) else data)
    again = JSONFormat().read(None, json.dumps(cloud_event(enriched(event, NOW), 7)))
    given_out = again.get_attributes()
    assert again.get_data() == data
    assert ms(given_out.pop("time")) == ms(made["time"])
    assert given_out.pop("sequence") == "7"
    assert given_out.pop("recordedtime") == "2023-11-14T22:13:20.000Z"
    expected = {
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "correlationid": made["id"],
        **made,
    }
    assert given_out == {key: value for key, value in expected.items() if key != "time"}


# ---- at the door


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"specversion": "0.3"}, "`specversion` is '0.3'; write"),
        ({"specversion": None}, "`specversion` is missing"),
        ({"specversion": 1.0}, "`specversion` is 1.0"),
        ({"id": None}, "`id` is missing"),
        ({"id": ""}, "`id` is an empty text"),
        ({"id": 5}, "`id` is the number 5"),
        ({"id": "x" * 2_001}, "`id` has 2,001 characters; 2,000 are the most"),
        ({"id": "a\nb"}, "`id` has control characters"),
        ({"source": "a b"}, "`source` 'a b' has a space"),
        ({"type": "a b"}, "'a b' is not a type of events"),
        ({"time": "2020-01-01T00:00:00"}, "says no time zone"),
        ({"time": 5}, "`time` is the number 5"),
        ({"time": "1969-12-31T23:59:59Z"}, "not between the years 1970 and 9999"),
        ({"time": "9999-12-31T23:59:59-01:00"}, "not between the years 1970 and 9999"),
        ({"data": 1, "data_base64": "AA=="}, "both `data` and `data_base64`"),
        ({"data_base64": "A*=="}, "`data_base64` is no base64"),
        ({"data_base64": ["AA=="]}, "`data_base64` is no base64"),
        ({"data_base64": None}, "`data_base64` is no base64"),
        ({"dataschema": "schema.json"}, "`dataschema` 'schema.json' is no URI"),
        ({"datacontenttype": "json"}, "`datacontenttype` 'json' is no media type"),
        ({"subject": []}, "`subject` is a list"),
        ({"traceParent": "x"}, "`traceParent` is no name of an attribute"),
        ({"traceParent": "x"}, "write `traceparent`"),
        ({"ü": "x"}, "rename it"),
        ({"n": 1.5}, "`n` is the number 1.5"),
        ({"n": 1 << 31}, "a number of 32 bits"),
        ({"n": {}}, "`n` is an object"),
        ({"data": "x" * LARGEST}, "1,048,576 are the most"),
    ],
)
def test_what_is_no_event_is_refused_with_what_to_do(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        from_cloud_event({**LEAST, **more}, NOW)
    assert said in str(refused.value)
    assert "; " in str(refused.value)


def test_what_is_left_out_or_null_is_not_there() -> None:
    least = Published(id="a", type="t", source="/s", at=NOW)
    for more in ({}, {"subject": None, "time": None}, {"datacontenttype": "application/json; charset=UTF-8"}):
        assert from_cloud_event({**LEAST, **more}, NOW) == least
    binary = from_cloud_event({**LEAST, "data": None, "data_base64": base64.b64encode(b"\xff").decode()}, NOW)
    assert binary == Published(id="a", type="t", source="/s", at=NOW, more={"data_base64": "/w=="})
    assert "data" not in cloud_event(binary)


def test_an_offset_is_reckoned_with_and_what_an_event_belongs_to_stays() -> None:
    event = from_cloud_event({**LEAST, "time": "2026-01-01T00:30:00.1239+01:00", "correlationid": "c"}, NOW)
    out = cloud_event(enriched(event, NOW))
    assert (out["time"], out["correlationid"]) == ("2025-12-31T23:30:00.123Z", "c")
    assert "sequence" not in out


def test_one_a_list_and_one_a_line_are_read() -> None:
    first, second = json.dumps(LEAST), json.dumps({**LEAST, "id": "b"})
    for text in (f"[{first}, {second}]", f"{first}\n{second}\n", f"\n{first}\r\n\n{second}"):
        assert [event.id for event in read_cloud_events(text.encode(), NOW)] == ["a", "b"]
    assert [event.id for event in read_cloud_events(json.dumps(LEAST, indent=2).encode(), NOW)] == ["a"]
    assert read_cloud_events(b"[]", NOW) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "this is not JSON"),
        (b"{x", "this is not JSON"),
        (b"\xff", "this is not JSON"),
        (b"[" * 5_000, "this is not JSON"),
        (b"5", "the number 5 is no event"),
        (b'[{"id": 1}, 2]', "event 1: `specversion` is missing"),
        (json.dumps(LEAST).encode() + b"\n{x", "line 2 is not JSON"),
        (json.dumps(LEAST).encode() + b"\n\n[]", "line 3: a list is no event"),
    ],
)
def test_it_is_said_which_of_several_is_wrong(text: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=r"; ") as refused:
        read_cloud_events(text, NOW)
    assert said in str(refused.value)
