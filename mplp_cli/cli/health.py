"""`mplp health`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mplp_cli.observe.health import Check, Checkup
    from mplp_cli.protocols import Clock


class FailOn(StrEnum):
    """The mildest verdict that is a failure."""

    warning = "warning"
    degraded = "degraded"
    critical = "critical"


_WORSE: Final = ("healthy", *FailOn)


def main(
    components: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[COMPONENT]...", help="Only these; `module` means all modules.", show_default=False
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again and again; JSON lines in a pipe.")
    ] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.1, help="How often, with --watch.")
    ] = 5.0,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="The mildest verdict that ends with exit code 1.")
    ] = FailOn.degraded,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="How long a check may take.")
    ] = 2.0,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Check whether mplp can do its work.

    Where it cannot, it says what to do. Looked at are engine, store, events, resources, machine, each module, agents,
    schemas, disk, the server if one runs, and what packages add. All checks are made at the same time: one that is
    broken or hangs keeps no other from being made. Any error makes the whole critical, more than 3 in 10 unhealthy
    ones degraded, fewer a warning. `mplp help health` says what each component means.

    Exit codes: 0 healthy or warning (see --fail-on), 1 degraded or critical, 2 there is no such component.

    Examples:

      mplp health

      mplp health store disk --output json

      mplp health --watch --interval 10

      mplp health --fail-on warning
    """
    from mplp_cli.checks.table import checks_of
    from mplp_cli.observe.health import Checkup
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    checkup = Checkup(wanted(checks_of(runtime, timeout), components or ()), runtime.clock, timeout)
    if watch:
        _watch(checkup, runtime.clock, interval, output, no_color=no_color)
    report = checkup.look()
    _tell(report, output, no_color=no_color)
    raise typer.Exit(exit_code(report["overall"], fail_on))


def wanted(checks: Mapping[str, Check], names: Sequence[str]) -> Mapping[str, Check]:
    """The checks of these components, all if none is named. UsageError."""
    from mplp_cli.errors import UsageError
    from mplp_cli.observe.health import chosen
    from mplp_cli.workflow.suggest import did_you_mean

    try:
        return chosen(checks, names)
    except KeyError as error:
        known = list(dict.fromkeys(name.partition(":")[0] for name in checks))
        hint = did_you_mean(error.args[0], [*known, *checks]) or f"there are {', '.join(known)}"
        raise UsageError(f"there is no component {error.args[0]!r}", hint=hint) from None


def exit_code(overall: str, fail_on: str) -> int:
    """What the command ends with."""
    return int(_WORSE.index(overall) >= _WORSE.index(fail_on))


def _tell(report: dict[str, Any], output: TextOrJson, *, no_color: bool) -> None:
    from mplp_cli.cli.showing import show
    from mplp_cli.render.health import health_screen
    from mplp_cli.render.machine import write_document

    if output is TextOrJson.json:
        write_document(report)
    else:
        show(lambda theme, width: health_screen(report, theme, width), no_color=no_color)


def _watch(checkup: Checkup, clock: Clock, interval: float, output: TextOrJson, *, no_color: bool) -> None:
    """Look again and again, at equal distances, and never before the last look is over. Ends with a signal."""
    from time import sleep

    from mplp_cli.render.health import health_frame
    from mplp_cli.render.machine import write_line
    from mplp_cli.render.steady import Steady
    from mplp_cli.render.theme import make_theme

    def pause(begun: float) -> None:
        sleep(interval - (clock.monotonic() - begun) % interval)

    if output is TextOrJson.json or not sys.stdout.isatty():
        while True:
            begun = clock.monotonic()
            write_line(checkup.look())
            pause(begun)
    import shutil

    theme = make_theme(sys.stdout, no_color=no_color)
    with Steady(sys.stdout, theme) as screen:
        while True:
            begun = clock.monotonic()
            report = checkup.look()
            size = shutil.get_terminal_size()
            screen.draw(health_frame(report, interval, theme, size.columns, size.lines).lines)
            pause(begun)
