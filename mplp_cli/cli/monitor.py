"""`mplp monitor`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, StateDir

if TYPE_CHECKING:
    from mplp_cli.observe.seen import Seen, SeenAlert
    from mplp_cli.render.ink import Screen
    from mplp_cli.render.theme import Theme
    from mplp_cli.runtime import Runtime

#: Ms between looks: fewer are too many, more are none.
_SHORTEST, _LONGEST = 500, 3_600_000
#: Seconds between looks at the size of the terminal.
_GLANCE = 0.2
#: Seconds that the processors are looked at before the first frame.
_FIRST = 0.1


class MonitorOutput(StrEnum):
    """What `--output` takes."""

    auto = "auto"
    text = "text"
    jsonl = "jsonl"


class _Ended(BaseException):
    """A signal ended the watching. `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(
    interval: Annotated[
        str, typer.Option("--interval", "-i", metavar="TIME", help="Between looks: 5 (seconds), 500ms, 1m.")
    ] = "5",
    count: Annotated[
        int | None,
        typer.Option(
            "--count", "-n", metavar="N", min=1, help="Look so many times, and end.", show_default=False
        ),
    ] = None,
    output: Annotated[
        MonitorOutput,
        typer.Option("--output", "-o", help="How to show it; auto: live on a terminal, else jsonl."),
    ] = MonitorOutput.auto,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Watch what goes on, and what holds it up.

    At once, and then every 5 seconds, until Ctrl-C. Alerts are looked at, too, where no
    server does. On a terminal it is a dashboard; into a pipe, and
    with `--output jsonl`, it prints one JSON document a look: {at, metrics, analysis, alerts}. `analysis` is
    {overall, bottlenecks, trends, recommendations}; `mplp help monitor` says what they mean.

    Exit codes: 0 it has looked --count times, or nobody reads it any more, 2 wrong usage, 130 Ctrl-C.

    Examples:

      mplp monitor

      mplp monitor --count 1 --output text

      mplp monitor --interval 1m | jq .analysis.overall
    """
    from mplp_cli.render.theme import shows_live
    from mplp_cli.runtime import Runtime

    every = _every(interval)
    live = output is MonitorOutput.auto and sys.stdout.isatty() and shows_live(sys.stdout)
    if output is MonitorOutput.auto and not live:
        output = MonitorOutput.text if sys.stdout.isatty() else MonitorOutput.jsonl
    with Runtime(state_dir=state_dir) as runtime:
        look = looks(runtime)
        try:
            with _signals():
                if live:
                    _dashboard(runtime, look, every, count, no_color=no_color)
                else:
                    _printed(look, every, count, output, no_color=no_color)
        except BrokenPipeError:
            return
        except _Ended as ended:
            raise typer.Exit(128 + ended.number) from None


def _every(interval: str) -> float:
    """Seconds."""
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.values import duration_ms

    try:
        ms = duration_ms(interval) if interval[-1:].isalpha() else round(float(interval) * 1_000)
    except (ValueError, OverflowError):
        ms = 0
    if not _SHORTEST <= ms <= _LONGEST:
        raise UsageError(
            f"--interval {interval}: this is no time between looks",
            hint="write seconds, or it like 500ms or 1m; from 500ms to 1h",
        )
    return ms / 1_000


@contextmanager
def _signals() -> Iterator[None]:
    """End in order, with the terminal as it was."""

    def end(number: int, _: object) -> None:
        raise _Ended(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def looks(runtime: Runtime) -> Callable[[], Seen]:
    """What looks at everything, and remembers what it has read."""
    from mplp_cli.cli.progressing import Progressing, asked
    from mplp_cli.cli.showing import stored
    from mplp_cli.observe.monitor import Monitor
    from mplp_cli.resources.machine import detect
    from mplp_cli.resources.measuring import measure

    settings = runtime.settings
    routes = settings.routing.routes if settings.routing is not None else ()
    readers = [f"route:{one.id}" for one in routes] + [f"rule:{one.id}" for one in settings.correlation_rules]
    monitor = Monitor(
        lambda: stored(runtime),
        runtime.pool,
        follow=Progressing(runtime),
        asks=asked,
        readers=readers,
        alerts=_alerts(runtime),
    )
    cores, memory = (detect("cpu", runtime.cwd) or 0) // 1_000, detect("memory", runtime.cwd) or 0
    first = True

    def look() -> Seen:
        nonlocal first
        place = runtime.existing_state_dir() or runtime.cwd
        # The first frame does not wait for a probe that is far away.
        probes = None if first and settings.probes else settings.probes
        found = measure(place, probes, runtime.clock, window=_FIRST if first else None)
        first = False
        return monitor.look(runtime.clock.now(), found.metrics, cores, memory)

    return look


def _alerts(runtime: Runtime) -> Callable[[], Sequence[SeenAlert]]:
    """How the alerts stand. As long as nobody else looks at them, this does."""
    from mplp_cli.cli.alerts import listed_alerts
    from mplp_cli.cli.showing import stored
    from mplp_cli.observe.alerting import Watch
    from mplp_cli.observe.seen import SeenAlert
    from mplp_cli.workflow.alerting import message_of

    settings = runtime.settings
    watches: list[Watch] = []

    def look() -> Sequence[SeenAlert]:
        store = stored(runtime) if settings.alerts else None
        if store is None:
            return ()
        watches[:] = watches or [Watch(settings.alerts, store, runtime.clock)]
        right = store.alerts.own()
        if right is not None:
            with right:
                watches[0].look()
        listed = listed_alerts(settings, store.alerts.kept(), runtime.clock.now())
        return [
            SeenAlert(
                name=one.alert.id,
                status=standing.status,
                severity=one.alert.severity,
                since=standing.since,
                message=message_of(standing),
                silenced=one.silence is not None,
            )
            for one in listed
            if (standing := one.standing) is not None
        ]

    return look


def ticks(
    look: Callable[[], Seen],
    every: float,
    count: int | None,
    glance: Callable[[], None],
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Seen]:
    """A look at once, and one each `every` seconds; never two at a time: one that takes longer leaves others out.
    Between them, a `glance` now and then."""
    begun, number = monotonic(), 0
    while True:
        yield look()
        number += 1
        if number == count:
            return
        due = begun + (int((monotonic() - begun) / every) + 1) * every
        while (left := due - monotonic()) > 0:
            glance()
            sleep(min(left, _GLANCE))


def _printed(
    look: Callable[[], Seen], every: float, count: int | None, output: MonitorOutput, *, no_color: bool
) -> None:
    """Frames one below the other, or records."""
    from mplp_cli.cli.showing import show
    from mplp_cli.render.machine import write_line
    from mplp_cli.render.monitored import monitor_record

    first = True
    for seen in ticks(look, every, count, lambda: None):
        if output is MonitorOutput.jsonl:
            write_line(monitor_record(seen))
            continue
        if not first:
            sys.stdout.write("\n")
        first = False
        show(partial(_frame, seen), no_color=no_color)


def _frame(seen: Seen, theme: Theme, width: int) -> Screen:
    """All of it, however high."""
    from mplp_cli.render.dashboard import dashboard

    return dashboard(seen, seen.at, width, None, theme)


def _dashboard(
    runtime: Runtime, look: Callable[[], Seen], every: float, count: int | None, *, no_color: bool
) -> None:
    """A frame over the whole terminal; with --count the last one stays."""
    from mplp_cli.cli.showing import show
    from mplp_cli.render.console import make_console
    from mplp_cli.render.dashboard import dashboard
    from mplp_cli.render.fullscreen import FullScreen
    from mplp_cli.render.theme import make_theme

    theme = make_theme(sys.stdout, no_color=no_color)
    seen: Seen | None = None
    with FullScreen(make_console(no_color=no_color)) as screen:

        def draw() -> None:
            if (known := seen) is not None:
                # Times go on in whole seconds, so that nothing is drawn more often.
                now = max(runtime.clock.now() // 1_000 * 1_000, known.at)
                screen.show(lambda width, height: dashboard(known, now, width, height, theme))

        for found in ticks(look, every, count, draw):
            seen = found
            draw()
    if seen is not None:
        show(partial(_frame, seen), no_color=no_color)
