"""`mplp events routes`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols import Delivery, Store
    from mplp_cli.settings import Settings
    from mplp_cli.workflow.events.routes import Match, Target
    from mplp_cli.workflow.events.rules import CorrelationRule


def routes(
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Show who reads published events, and how far each has come.

    The routes and correlation rules that `mplp.yaml` declares, and the triggers of workflows that a server has served;
    for each: what it is meant for, where that goes, how many events it has not dealt with, how many deliveries are to
    be tried again, how many lie in the dead letters, and the last failure; of a rule, how many events came too late,
    were dropped for want of room, or were refused because they could not be judged.

    Examples:

      mplp events routes

      mplp events routes --output json
    """
    from mplp_cli.cli.showing import note, show, stored
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    listed = [*standings(runtime.settings, stored(runtime))]
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"readers": listed})
    elif listed:
        from mplp_cli.render.routed import routes_table

        show(lambda theme, width: routes_table(listed, theme, width), no_color=no_color)
    else:
        note("nobody reads events here; `mplp help events` says how to declare a route")


def standings(settings: Settings, store: Store | None) -> Iterator[dict[str, Any]]:
    """What is known of each reader, routes first; `behind` is None of one that has not begun."""
    from mplp_cli.observe.metering import events_of_rule

    readers = store.deliveries.readers() if store is not None else {}
    counts = store.deliveries.counts() if store is not None else {}
    last = store.board.last() if store is not None else 0
    totals = store.samples.totals() if store is not None and settings.correlation_rules else []

    def behind(reader: str) -> int | None:
        return None if reader not in readers else max(last - readers[reader], 0)

    declared = settings.routing.routes if settings.routing is not None else ()
    for route in declared:
        known = counts.get(route.id, {})
        error = _last_error(store, route.id) if store and {"retrying", "dead"} & known.keys() else ""
        yield {
            "kind": "route",
            "id": route.id,
            "match": _said(route.match),
            "target": target_text(route.target),
            "behind": behind(f"route:{route.id}"),
            "retrying": known.get("retrying", 0),
            "dead": known.get("dead", 0),
            **({"error": error} if error else {}),
        }
    for rule in settings.correlation_rules:
        yield {
            "kind": "rule",
            "id": rule.id,
            "match": "; ".join(map(_said, rule.events)),
            "target": _follows(rule),
            "behind": behind(f"rule:{rule.id}"),
            "events": events_of_rule(totals, rule.id),
        }
    for reader in sorted(readers):
        kind, _, name = reader.partition(":")
        if kind == "trigger":
            target = f"workflow {name.partition('/')[0]}"
            yield {"kind": kind, "id": name, "match": "", "target": target, "behind": behind(reader)}


def _last_error(store: Store, route: str) -> str:
    """The failure of the last try of a delivery that has not ended well."""
    last: Delivery | None = None
    for state in ("retrying", "dead"):
        after = 0
        while page := store.deliveries.of(route, state=state, after=after):
            newest = max(page, key=lambda one: one.at)
            last = newest if last is None or newest.at > last.at else last
            after = page[-1].event
    return "" if last is None else last.error


def _said(match: Match) -> str:
    """`run.* from mplp/* where data.n > 1`."""
    parts = [match.type]
    if match.source != "*":
        parts.append(f"from {match.source}")
    if match.where:
        parts.append(f"where {match.where}")
    return " ".join(parts)


def target_text(target: Target) -> str:
    """A target in a few words; of an address nothing that could be a secret."""
    from mplp_cli.workflow.events import routes as r

    match target:
        case r.FileTarget():
            return f"file {target.path}"
        case r.CommandTarget():
            return f"command {' '.join(target.command)}"
        case r.WebhookTarget():
            return f"webhook {target.url.partition('?')[0]}"
        case r.WorkflowTarget():
            return f"workflow {target.file}"
        case r.AgentTarget():
            return f"agent {target.agent}"
        case r.HandlerTarget():
            return f"handler {target.handler}"


def _follows(rule: CorrelationRule) -> str:
    from mplp_cli.workflow.events.rules import EmitAction

    return ", ".join(
        f"emit {action.type}" if isinstance(action, EmitAction) else f"workflow {action.file}"
        for action in rule.actions
    )
