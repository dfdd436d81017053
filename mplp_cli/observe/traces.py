"""The traces of the runs of one process: whether anybody wants them, and the ways on which they leave it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from mplp_cli.errors import UsageError
from mplp_cli.observe import otel
from mplp_cli.observe.otlp import to_file
from mplp_cli.observe.outlet import Outlet, Sizes
from mplp_cli.observe.spanning import spans_of
from mplp_cli.observe.spans import Spans
from mplp_cli.protocols import Clock, Subscriber
from mplp_cli.workflow.fold.history import Event, RunStarted
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.tracing import RunTrace, Sampler, TraceSettings, run_span, stored_trace, trace_id
from mplp_cli.workflow.values import Json, RunId

#: Seconds by which the end of a run is delayed at most.
PATIENCE: Final = 1.8
#: A file takes what is given to it; more of it is dropped only where it hangs.
_FILE: Final = Sizes(queue=100_000, batch=512, delay=0.5)
#: The shortest word of a header's value that is a secret by itself.
_LONG: Final = 8


class Traces:
    """Where spans go, and which. `problem`: what keeps a way from being open, for people."""

    def __init__(
        self,
        outlets: Sequence[Outlet],
        sampler: Sampler,
        clock: Clock,
        *,
        results: bool = False,
        hidden: Masker | None = None,
        problem: str = "",
    ) -> None:
        self.sampler = sampler
        self._outlets = outlets
        self._clock = clock
        self._results = results
        self._hidden = hidden or Masker({})
        self._problem = problem

    def watch(
        self,
        state: RunState,
        trace: RunTrace,
        mask: Callable[[Json], Json],
        history: Callable[[RunId], Iterable[Event]],
    ) -> Subscriber:
        """What is told the facts of a run as they are committed. `history` gives those of a stored run."""
        spans: Spans | None = None

        def begin(facts: Sequence[Event]) -> Spans:
            made = Spans(
                state,
                trace,
                mask=lambda value: self._hidden.value(mask(value)),
                results=self._results,
                repeats=_repeated(state, facts, history),
            )
            if not isinstance(
                facts[0], RunStarted
            ):  # it was begun before: what is told now stands at the end
                earlier = list(history(trace.run))
                spans_of(made, islice(earlier, max(0, len(earlier) - len(facts))))
            return made

        def take(facts: Sequence[Event]) -> None:
            nonlocal spans
            if not facts:
                return
            if spans is None:
                spans = begin(facts)
            if made := spans_of(spans, facts):
                for outlet in self._outlets:
                    outlet.put(made)

        return take

    def close(self) -> list[str]:
        """Send what waits, for a moment; what is to be said of it."""
        until = self._clock.monotonic() + PATIENCE
        for outlet in self._outlets:
            outlet.begin_to_close()
        said = [outlet.close(max(0.0, until - self._clock.monotonic())) for outlet in self._outlets]
        self._outlets = ()
        problem, self._problem = self._problem, ""
        return [text for text in (problem, *said) if text]


def _repeated(
    state: RunState, facts: Sequence[Event], history: Callable[[RunId], Iterable[Event]]
) -> tuple[str, str] | None:
    """The span of the run that this one repeats."""
    first = facts[0]
    rerun = first.rerun if isinstance(first, RunStarted) else state.rerun
    if rerun is None:
        return None
    started = next(iter(history(rerun.of)), None)
    under = stored_trace(started.trace) if isinstance(started, RunStarted) else None
    return trace_id(rerun.of) if under is None else under.trace, run_span(rerun.of)


def open_traces(
    environ: Mapping[str, str], settings: TraceSettings | None, file: str | None, cwd: Path, clock: Clock
) -> Traces | None:
    """What variables, settings or a command want traced; None if nothing does.

    `file` is of the command, and cannot be refused: UsageError if it cannot be written.
    """
    wanted = settings or TraceSettings()
    if otel.is_off(environ) and not file:
        return None
    resource = otel.resource_of(environ, wanted)
    outlets, hidden, problem = list(_files(wanted, file, cwd, resource)), Masker({}), ""
    try:
        collector = None if otel.is_off(environ) else otel.collector_of(environ, wanted)
    except ValueError as error:
        collector, problem = None, f"no traces are exported: {error}"
    if collector is not None:
        problem = otel.lacks_extra()
        words = [word for value in collector.headers.values() for word in value.split() if len(word) >= _LONG]
        hidden = Masker({word: word for word in (*words, *collector.headers.values()) if word})
        if not problem:
            send = partial(otel.to_collector, collector, resource)
            outlets.append(Outlet(collector.shown, send, otel.sizes_of(environ)))
    if not outlets and not problem:
        return None
    return Traces(
        outlets,
        otel.sampler_of(environ),
        clock,
        results=wanted.results,
        hidden=hidden,
        problem=problem,
    )


def _files(
    wanted: TraceSettings, file: str | None, cwd: Path, resource: Mapping[str, str]
) -> Iterator[Outlet]:
    if file:
        path = cwd / file
        folder = path.parent
        if path.is_dir() or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
            raise UsageError(
                f"traces cannot be written to {file}", hint="name a file in a directory that is there"
            )
        yield Outlet(file, lambda: to_file(path, resource), _FILE)
    elif wanted.file:
        yield Outlet(wanted.file, lambda: to_file(Path(wanted.file), resource), _FILE)
