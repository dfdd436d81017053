"""Driving a run from the command line: its screen, the signals, and the exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mplp_cli.cli.apart import apart
from mplp_cli.cli.options import RunOutput
from mplp_cli.cli.places import failed_places
from mplp_cli.cli.stops import Stops
from mplp_cli.clock import SystemClock
from mplp_cli.errors import Exit
from mplp_cli.protocols import Standing
from mplp_cli.render.theme import Theme, make_theme, shows_live
from mplp_cli.running import EXITS as EXITS
from mplp_cli.running import collect_less
from mplp_cli.runtime import Run, Runtime, Screen
from mplp_cli.sources import Source
from mplp_cli.workflow.fold.history import Event, StepCompleted, StepFailed, StepStarted
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.plan import Plan

if TYPE_CHECKING:
    from mplp_cli.render.lines import Lines
    from mplp_cli.render.live import LiveView


class Shown(Protocol):
    """A run as far as it is shown. `recorded`: how many of its facts are not told again."""

    @property
    def plan(self) -> Plan: ...
    @property
    def state(self) -> RunState: ...
    @property
    def recorded(self) -> int: ...


class Watch:
    """The screen of one run. Subscribers and outputs are added before the run is made, `start` comes after."""

    def __init__(self, how: RunOutput, *, no_color: bool, junit: str | None = None) -> None:
        self.how = how
        self.junit = junit
        self.live: LiveView | None = None
        self._lines: Lines | None = None
        self.tails: dict[str, list[str]] = {}
        self.screen = Screen(
            subscribers=[self._facts], output=self._output, waits=self._waits, inside=self._inside
        )
        self.theme: Theme = make_theme(sys.stderr, no_color=no_color)
        self._no_color = no_color
        self._sinks: list[Callable[[Sequence[Event]], None]] = []
        self._outputs: list[Callable[[str, str, str], None]] = []
        self._view: Any = None
        self._seq = 0
        #: Whether somebody who read what this prints has gone.
        self.left = False

    def open(self, run: Shown, stack: ExitStack) -> None:
        """Choose the views, now that the run is known."""
        from mplp_cli.render.tails import Tails

        plan, state = run.plan, run.state
        self._seq = run.recorded
        self._kept = Tails()
        self._sinks.append(self._kept)
        self._outputs.append(self._kept.add)
        if self.how is RunOutput.jsonl:
            self._sinks.append(self._jsonl(state))
        elif self.how is RunOutput.github:
            from mplp_cli.render.github import GithubRun

            told = GithubRun(plan, state, sys.stdout)
            self._add(told)
        elif self.how is RunOutput.auto and shows_live(sys.stderr):
            from mplp_cli.render.console import make_console
            from mplp_cli.render.live import LiveView

            console = make_console(stderr=True, no_color=self._no_color)
            self.live = stack.enter_context(LiveView(plan, state, console, theme=self.theme))
            self._add(self.live)
        elif self.how in (RunOutput.auto, RunOutput.quiet):
            from mplp_cli.render.lines import Lines

            quiet = self.how is RunOutput.quiet
            self._lines = Lines(plan, state, sys.stderr, theme=self.theme, quiet=quiet)
            self._add(self._lines)

    def _add(self, view: Any) -> None:
        self._view = view
        self._sinks.append(view)
        self._outputs.append(view.output)

    def _facts(self, facts: Sequence[Event]) -> None:
        for sink in list(self._sinks):
            try:
                sink(facts)
            except BrokenPipeError:
                # The reader has gone (`| head`). That is no reason for a run to stop.
                self._sinks.remove(sink)
                self.left = True

    def _waits(self, standing: Standing) -> None:
        if self._view is not None:
            with suppress(BrokenPipeError):
                self._view.waits(standing, SystemClock().now())

    def _output(self, step: str, stream: str, text: str) -> None:
        for sink in list(self._outputs):
            try:
                sink(step, stream, text)
            except BrokenPipeError:
                self._outputs.remove(sink)

    def _inside(self, path: str, plan: Plan, state: RunState) -> Screen:
        """The screen of a sub-workflow; `path` are the steps around it, the outermost first: `outer/inner`."""
        from mplp_cli.render.lines import Lines

        top = path.partition("/")[0]
        own: list[Any] = []
        if self._lines is not None:
            own.append(
                Lines(plan, state, sys.stderr, theme=self.theme, quiet=self._lines.quiet, prefix=f"{path}/")
            )
        elif self.live is not None:
            own.append(Told(self.live, top, f"{path}/".partition("/")[2]))

        def output(step: str, stream: str, text: str) -> None:
            for lines in own:
                lines.output(step, stream, text)
            for sink in self._outputs:
                if self._lines is None or sink != self._lines.output:
                    sink(top, stream, text)

        return Screen(
            subscribers=own,
            output=output,
            inside=lambda step, plan, state: self._inside(f"{path}/{step}", plan, state),
        )

    def _jsonl(self, state: RunState) -> Callable[[Sequence[Event]], None]:
        from mplp_cli.render.machine import event_line

        def sink(facts: Sequence[Event]) -> None:
            lines = [event_line(seq, state.run_id, fact) for seq, fact in enumerate(facts, self._seq)]
            self._seq += len(lines)
            sys.stdout.write("".join(lines))
            sys.stdout.flush()

        return sink

    def finish(self, plan: Plan, state: RunState, now: int, places: dict[str, str]) -> None:
        """What is said after the run: the summary on stderr, the outputs on stdout."""
        from mplp_cli.render.machine import run_document, write_document

        if self.junit:
            from mplp_cli.render.junit import write_junit

            write_junit(Path(self.junit), plan, state, self._last_lines, now=now)
        if self.how is RunOutput.github:
            self._github_summary(plan, state)
        if self.how is RunOutput.json:
            write_document(run_document(plan, state, now=now))
            return
        if self.how is RunOutput.auto:
            from mplp_cli.render.console import screen_width
            from mplp_cli.render.ink import write
            from mplp_cli.render.summary import summary

            width = screen_width(sys.stderr)
            lines = summary(
                plan, state, self._last_lines, theme=self.theme, width=width, places=places, now=now
            )
            write(sys.stderr, lines, self.theme)
        if state.outputs is not None and self.how in (RunOutput.auto, RunOutput.quiet):
            write_document(state.outputs)

    def _github_summary(self, plan: Plan, state: RunState) -> None:
        """The page that GitHub shows for the job."""
        path = os.environ.get("GITHUB_STEP_SUMMARY")
        if path:
            from mplp_cli.render.github import job_summary

            with Path(path).open("a", encoding="utf-8") as page:
                page.write(job_summary(plan, state))

    def remember(self, step: str, stream: str, text: str) -> None:
        """What a step had written before anybody watched, for the summary."""
        self._kept.add(step, stream, text)

    def knows(self, step: str) -> bool:
        """Whether anything is known of what the step wrote."""
        return self._kept.writing(step)

    def _last_lines(self, step: str) -> Sequence[str]:
        return self._kept.last(step, 8)


class Told:
    """The steps of a sub-workflow as lines below the step that runs it, in the live view."""

    def __init__(self, live: LiveView, step: str, prefix: str) -> None:
        self._live = live
        self._step = step
        self._prefix = prefix

    def __call__(self, facts: Sequence[Event]) -> None:
        """Take committed facts of the sub-workflow."""
        for fact in facts:
            match fact:
                case StepStarted(step=step):
                    self._say(f"{step} started")
                case StepCompleted(step=step):
                    self._say(f"{step} completed")
                case StepFailed(step=step, error=error):
                    self._say(f"{step} failed: {error.message}")
                case _:
                    pass

    def _say(self, text: str) -> None:
        self._live.output(self._step, "stdout", f"{self._prefix}{text}\n")

    def output(self, step: str, stream: str, text: str) -> None:
        """What the steps write comes by itself, under the step that runs them."""


def go(
    runtime: Runtime,
    begin: Callable[[Screen], Run],
    source: Source,
    how: RunOutput,
    *,
    detach: bool,
    junit: str | None,
    no_color: bool,
) -> int:
    """Drive the run that `begin` stores or takes up, here or in a process of its own; the exit code."""
    if detach:
        from mplp_cli.cli.detaching import leave
        from mplp_cli.errors import UsageError

        if runtime.ephemeral:
            raise UsageError("--ephemeral keeps a run in this process, --detach gives it to another one")
        leave(runtime, begin(Screen()), how, junit)
        return Exit.OK
    watch = Watch(how, no_color=no_color, junit=junit)
    run = apart(partial(begin, watch.screen))
    return drive(runtime, run, watch, lambda state: failed_places(source, state))


def drive(runtime: Runtime, run: Run, watch: Watch, places: Callable[[RunState], dict[str, str]]) -> int:
    """Drive the run to its end, show it, and give the exit code."""
    collect_less()
    try:
        with runtime, ExitStack() as stack:
            stops = Stops()
            stack.enter_context(stops.heard())
            watch.open(run, stack)
            asyncio.run(_drive(runtime, run, watch, stops))
        with suppress(BrokenPipeError):  # what became of the run is told by the exit code too
            watch.finish(run.plan, run.state, runtime.clock.now(), places(run.state))
    finally:
        tell_of_traces(runtime)
    return EXITS[run.state.status]


def tell_of_traces(runtime: Runtime) -> None:
    """Send the spans that wait, for a moment; what was not sent is said."""
    from mplp_cli.cli.showing import note

    for text in runtime.traces.close() if runtime.traces is not None else ():
        note(f"mplp: {text}")


async def _drive(runtime: Runtime, run: Run, watch: Watch, stops: Stops) -> None:
    from mplp_cli.meanwhile import driven

    loop = asyncio.get_running_loop()
    stops.obey(run.drive.cancel, run.drive.kill)
    ticking: asyncio.TimerHandle | None = None

    def tick() -> None:
        nonlocal ticking
        assert watch.live is not None
        watch.live.tick(runtime.clock.now())
        ticking = loop.call_later(0.1, tick)

    if watch.live is not None:
        tick()
    try:
        await driven(runtime, run)
    finally:
        if ticking is not None:
            ticking.cancel()
