"""mplp for library users: load, validate, plan and run workflows from Python.

    from mplp_cli import api

    report = api.run("workflow.yaml", inputs={"tag": "v1.2"})
    report["status"], report["outputs"]

Functions take a path, or `example:NAME` for a bundled workflow. They raise the errors of
`mplp_cli.errors`; a run that fails is no error: its report says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from mplp_cli.errors import Problem, WorkflowValidationError
from mplp_cli.meanwhile import driven
from mplp_cli.render.machine import event_object, plan_document, run_document
from mplp_cli.roster import check
from mplp_cli.runtime import Runtime, Screen
from mplp_cli.sources import read_secrets, read_source
from mplp_cli.workflow.fold.history import Event

__all__ = ["plan", "resume", "run", "validate"]


def validate(*files: str | PathLike[str]) -> list[Problem]:
    """Everything that is wrong with these files, in their order; warnings too. UsageError if one cannot be read."""
    runtime = Runtime()
    return [problem for file in files for problem in check(runtime, read_source(str(file))).problems]


def plan(file: str | PathLike[str]) -> dict[str, Any]:
    """What a run would do: `{workflowId, waves, criticalPath, steps}`. WorkflowValidationError if it is not valid."""
    loaded = Runtime().load(read_source(str(file)))
    if loaded.plan is None:
        raise WorkflowValidationError(loaded.problems)
    return plan_document(loaded.plan)


def run(  # noqa: PLR0913 - options as of the command
    file: str | PathLike[str],
    inputs: Mapping[str, Any] | None = None,
    *,
    state_dir: str | PathLike[str] | None = None,
    ephemeral: bool = False,
    secrets_file: str | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    record: str | PathLike[str] | None = None,
    replay: str | PathLike[str] | None = None,
    strict: bool = False,
    seed: int | None = None,
) -> dict[str, Any]:
    """Run a workflow to its end (or to where only a person can take it on) and give its report.

    The report is that of `mplp run --output json`; `on_event` is called with every committed history
    event. `record`, `replay`, `strict` and `seed` are as in `mplp run`. WorkflowValidationError, InputError and
    UsageError come before anything has started.
    """
    from mplp_cli.agents.recording.opening import Wanted, open_tape
    from mplp_cli.ids import SeededIds
    from mplp_cli.loading import resolve_inputs

    with Runtime(state_dir=None if state_dir is None else str(state_dir), ephemeral=ephemeral) as runtime:
        source = read_source(str(file))
        loaded = runtime.load(source)
        if loaded.plan is None or loaded.workflow is None:
            raise WorkflowValidationError(loaded.problems)
        given = resolve_inputs(loaded.workflow, inputs or {})
        secrets = read_secrets(loaded.plan.secrets, runtime.environ, secrets_file)
        files = [None if one is None else str(one) for one in (record, replay)]
        wanted = Wanted(record=files[0], replay=files[1], strict=strict)
        if seed is not None:
            runtime.seeded = SeededIds(seed, lambda: {item.id for item in runtime.store.objects()})
        runtime.tape = open_tape(wanted, loaded.workflow.id, runtime.clock, runtime.environ)
        runtime.uses_cache = runtime.tape is None
        over = False
        try:
            ready = runtime.start(source, loaded.plan, given, secrets, _screen(on_event))
            state = asyncio.run(driven(runtime, ready))
            over = state.status in ("completed", "failed")
        finally:
            if runtime.tape is not None:
                runtime.tape.end(over=over)
        return run_document(loaded.plan, state, now=runtime.clock.now())


def resume(
    run_id: str,
    *,
    state_dir: str | PathLike[str] | None = None,
    secrets_file: str | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Go on with a paused, interrupted, waiting or failed run; its report. RunBusyError if somebody drives it."""
    with Runtime(state_dir=None if state_dir is None else str(state_dir)) as runtime:
        record = runtime.find_run(
            run_id, fits=lambda run: run.status not in ("completed", "cancelled") and not run.parent
        )
        ready = runtime.take_up(record.id, _screen(on_event, run_id=record.id), secrets_file)
        state = asyncio.run(driven(runtime, ready))
        return run_document(ready.plan, state, now=runtime.clock.now())


def _screen(on_event: Callable[[dict[str, Any]], None] | None, run_id: str = "") -> Screen:
    if on_event is None:
        return Screen()
    tell, seq = on_event, 0

    def subscriber(facts: Sequence[Event]) -> None:
        nonlocal run_id, seq
        for fact in facts:
            run_id = getattr(fact, "run", run_id)
            tell(event_object(seq, run_id, fact))
            seq += 1

    return Screen(subscribers=[subscriber])
