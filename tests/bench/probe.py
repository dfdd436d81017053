"""One run inside a fresh process, timed from `run.started` to its end: `python -m tests.bench.probe FILE ...`.

Module operations do nothing, but count as effects: their start is committed before they begin, and they take a
slot. Prints JSON: seconds, cpu, facts, loading (seconds), starting and, with `--replay`, the seconds in which the
journal of the run was read and folded again. `starting`: seconds of the processor in which the run was made of its
plan, the search of its start order among them.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mplp_cli.engine.drive import Drive
from mplp_cli.loading import load_workflow
from mplp_cli.protocols import Attempt
from mplp_cli.runtime import Run, Runtime, Screen
from mplp_cli.sources import read_source
from mplp_cli.workflow.fold.history import RUN_ENDS, Event
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.revision.telling import replay


class Watch:
    """Notes when the run has started and when it has ended; counts facts, as a screen would at least do."""

    def __init__(self) -> None:
        self.facts = 0
        self.began = (0.0, 0.0)
        self.ended = (0.0, 0.0)

    def __call__(self, facts: Sequence[Event]) -> None:
        if not self.facts:
            self.began = time.perf_counter(), time.process_time()
        self.facts += len(facts)
        if isinstance(facts[-1], RUN_ENDS):
            self.ended = time.perf_counter(), time.process_time()


async def nothing(attempt: Attempt) -> Any:
    """The work of a step."""
    return attempt.body


def prepared(runtime: Runtime, file: str, watch: Watch) -> tuple[Run, float]:
    """The run of that file, ready to go, whose module operations do nothing; and its `starting`."""
    source = read_source(file)
    loaded = load_workflow(source.text, source.name, asks_agents=lambda *called: True)
    assert loaded.plan is not None, loaded.problems
    began = time.process_time()
    run = runtime.start(source, loaded.plan, {}, {}, Screen(subscribers=[watch]))
    starting = time.process_time() - began
    world = dataclasses.replace(run.drive.world, runners={"module-operation": nothing})
    return dataclasses.replace(run, drive=Drive(run.state, world)), starting


def replayed(runtime: Runtime, run: Run) -> float:
    """Seconds to read and fold the whole history."""
    began = time.perf_counter()
    state = replay(RunState(run.plan), (fact for _, fact in runtime.store.history(run.state.run_id)))
    seconds = time.perf_counter() - began
    assert state.status == "completed"
    assert state.results == run.state.results
    return seconds


def main() -> None:
    """Run the file once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--ephemeral", action="store_true")
    parser.add_argument("--replay", action="store_true")
    given = parser.parse_args()
    watch = Watch()
    began = time.perf_counter()
    with Runtime(state_dir=str(given.state), ephemeral=given.ephemeral) as runtime:
        run, starting = prepared(runtime, given.file, watch)
        loading = time.perf_counter() - began
        # As the command does before it drives a run.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        state = asyncio.run(run.go())
        assert state.status == "completed", state.error
        told: dict[str, float] = {
            "seconds": watch.ended[0] - watch.began[0],
            "cpu": watch.ended[1] - watch.began[1],
            "facts": watch.facts,
            "loading": loading,
            "starting": starting,
        }
        if given.replay:
            told["replay"] = replayed(runtime, run)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
