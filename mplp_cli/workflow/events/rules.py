"""Correlation rules, and what is found with them. Pure."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from mplp_cli.workflow.events.routes import Match


class EmitAction(Struct, frozen=True, kw_only=True, tag_field="kind", tag="emit"):
    """Publish an event; `data` is a template over the correlation (`correlation.key`, `correlation.events`...)."""

    type: str
    data: Any = None


class StartAction(Struct, frozen=True, kw_only=True, tag_field="kind", tag="workflow"):
    """Start a workflow; `inputs` are templates over the correlation. `file` is absolute."""

    file: str
    inputs: dict[str, Any] = {}


Action = EmitAction | StartAction


class CorrelationRule(Struct, frozen=True, kw_only=True):
    """When several events belong together.

    `type`:
      frequency   `minimum_events` that match the first of `events` within `window`
      sequence    one for each of `events`, in their order, within `window`
      absence     the first of `events`, and none that matches the second within `window` after it
      join        one for each of `events`, in any order, within `window`
    Events count together only if they have the same `key` (a template over the event; empty: all of them).
    Windows are of the time of the events (ms); an event is late, and not counted, if it comes more than `lateness`
    after its time has been passed.
    """

    id: str
    type: Literal["frequency", "sequence", "absence", "join"]
    events: tuple[Match, ...]
    window: int
    minimum_events: int = 1
    key: str = ""
    lateness: int = 0
    actions: tuple[Action, ...] = ()


class CorrelationInsight(Struct, frozen=True, kw_only=True):
    """One thing that a correlation shows. `type`: pattern | anomaly | performance, in that order."""

    type: Literal["pattern", "anomaly", "performance"]
    data: dict[str, Any]


class EventCorrelation(Struct, frozen=True, kw_only=True, rename="camel"):
    """Events (their ids) that belong together by a rule. `confidence` is from 0 to 1; the pattern among the `insights`
    explains it. `id` follows from the rule and the events, so the same ones make the same correlation again."""

    id: str
    rule_id: str
    events: list[str]
    correlation_type: str
    confidence: float
    insights: list[CorrelationInsight]
    timestamp: int


class Summary(Struct, frozen=True, kw_only=True):
    """Numbers read from events: how many had one, and what they come to. A percentile is the smallest number that so
    many percent of them do not exceed."""

    count: int
    sum: float
    mean: float
    min: float
    max: float
    p50: float
    p95: float
    p99: float


class AggregatedEvent(Struct, frozen=True, kw_only=True, rename="camel"):
    """Events (their ids, by time) under one key, in one window [`start`, `end`) if there are windows; times in ms since
    the epoch. `summary` is of the numbers that were asked for; None if none of the events has one."""

    key: str
    count: int
    first: int
    last: int
    events: list[str]
    start: int | None = None
    end: int | None = None
    summary: Summary | None = None
