"""Where published events go: filters, transformers, routes and their targets, as they are declared. Pure.

Order of things, for each event: the filters, which see it as it was published; the transformers; then every route that
the transformed event matches, all of them at the same time.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from mplp_cli.workflow.retry import Retry

#: Milliseconds that one delivery may take unless its route says otherwise.
TIMEOUT = 30_000
#: How often a delivery is tried again unless its route says otherwise.
RETRIES = 3


class Match(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events are meant. `type` and `source`: `*` stands for any text. `where`: an expression over the event
    (`id type source time data`, bare or after `event.`) that must hold."""

    type: str = "*"
    source: str = "*"
    where: str = ""


class Filter(Struct, frozen=True, kw_only=True):
    """Events that match are kept from all routes (`drop`), or none but they reach them (`keep`)."""

    id: str
    rule: Literal["drop", "keep"]
    match: Match


class Transformer(Struct, frozen=True, kw_only=True):
    """What becomes of events that match: new values for `type`, `subject` and `data`, with references to the event."""

    id: str
    match: Match
    #: Key -> template as written; those that are not named stay.
    set: dict[str, Any]


class FileTarget(Struct, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """A line of JSON for each event, at the end of a file. `path` is absolute."""

    path: str


class CommandTarget(Struct, frozen=True, kw_only=True, tag_field="kind", tag="command"):
    """A program that gets the event on its standard input, as JSON. `cwd` is absolute."""

    command: list[str]
    cwd: str
    env: dict[str, str] = {}


class WebhookTarget(Struct, frozen=True, kw_only=True, tag_field="kind", tag="webhook"):
    """A POST of the event, signed as Standard Webhooks say if there is a secret.

    `secret` and the values of `secret_headers` are names of secrets, whose values come from the environment.
    """

    url: str
    secret: str = ""
    headers: dict[str, str] = {}
    secret_headers: dict[str, str] = {}


class WorkflowTarget(Struct, frozen=True, kw_only=True, tag_field="kind", tag="workflow"):
    """A run of a workflow; `inputs` are templates over the event. `file` is absolute."""

    file: str
    inputs: dict[str, Any] = {}


class AgentTarget(Struct, frozen=True, kw_only=True, tag_field="kind", tag="agent"):
    """A call of an agent; `input` is a template over the event."""

    agent: str
    input: Any = None


class HandlerTarget(Struct, frozen=True, kw_only=True, tag_field="kind", tag="handler"):
    """A function of an installed package (entry-point group `mplp.event_handlers`), in this process."""

    handler: str
    options: dict[str, Any] = {}


Target = FileTarget | CommandTarget | WebhookTarget | WorkflowTarget | AgentTarget | HandlerTarget


class Route(Struct, frozen=True, kw_only=True):
    """Events that match go to the target, at least once each, those of one source in their order.

    `ordered`: while one is being tried again, later ones of its source wait; else they go on. `at_once`: how many
    deliveries (of different sources) at the same time. `timeout`: of one try, ms. `silenced`: also events of alerts
    that are silenced.
    """

    id: str
    match: Match
    target: Target
    retry: Retry = Retry(max_retries=RETRIES, jitter="full")
    timeout: int = TIMEOUT
    ordered: bool = False
    at_once: int = 4
    silenced: bool = False


class Routing(Struct, frozen=True, kw_only=True):
    """What a project, or a workflow for the events of its runs, declares."""

    filters: tuple[Filter, ...] = ()
    transformers: tuple[Transformer, ...] = ()
    routes: tuple[Route, ...] = ()


def globs_of(routing: Routing) -> set[str]:
    """The types of events that something is done with: those that are routed, or changed and then routed."""
    changed = [one.match.type for one in routing.transformers] if routing.routes else []
    return {*changed, *(one.match.type for one in routing.routes)}
