"""`mplp events correlate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.gathered import OfFile, Since
from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.events.rules import CorrelationRule


def main(
    rules: Annotated[
        str | None,
        typer.Option(
            "--rules",
            "-r",
            metavar="FILE",
            help="A YAML or JSON file with the key correlation-rules [default: those of mplp.yaml].",
            show_default=False,
        ),
    ] = None,
    since: Since = None,
    file: OfFile = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Find which events belong together, by rules, and what that shows. Nothing is published, and no action follows.

    All events are there already: their order does not matter, and none is late. Of published events, what has not
    come by now is absent; of a file, what has not come by its last event.

    Examples:

      mplp events correlate --since 1d

      mplp events correlate --rules rules.yaml --file events.ndjson --output json
    """
    from mplp_cli.cli.gathered import begin_from, gathered
    from mplp_cli.cli.showing import note, show
    from mplp_cli.cli.sought import Sought
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.events.correlation import Correlator, correlations

    runtime = Runtime(state_dir=state_dir)
    declared = _rules(runtime, rules)
    now = runtime.clock.now()
    events = gathered(runtime, Sought(since=begin_from(since, now)), file)
    correlators = [Correlator(rule) for rule in declared]
    until = now if file is None else None
    found = [one for each in correlators for one in correlations(events, each, until)]
    found.sort(key=lambda one: one.timestamp)
    if output is TextOrJson.json:
        import msgspec

        from mplp_cli.render.machine import write_document

        write_document({"correlations": msgspec.to_builtins(found)})
    elif found:
        from mplp_cli.render.correlated import correlations_table

        show(lambda theme, width: correlations_table(found, theme, width), no_color=no_color)
    else:
        note(f"nothing belongs together; rules: {len(declared)}, events: {len(events):,}")
    for each in correlators:
        if each.refused or each.dropped:
            note(
                f"rule {each.rule.id}: {each.refused:,} events could not be judged or lack the key,"
                f" {each.dropped:,} were dropped for want of room"
            )


def _rules(runtime: Runtime, file: str | None) -> tuple[CorrelationRule, ...]:
    """The rules of that file, or those of the project. UsageError if there are none, or they are not valid."""
    from mplp_cli.errors import UsageError

    if file is None:
        declared = runtime.settings.correlation_rules
        if not declared:
            raise UsageError(
                "there are no correlation rules",
                hint="declare them in mplp.yaml (`mplp help events`), or name a file with --rules",
            )
        return declared
    import sys

    from mplp_cli.loading.settings_file import read_rules
    from mplp_cli.sources import read_source

    source = read_source(file, sys.stdin.buffer)
    return read_rules(source.text, source.name, str(runtime.cwd))
