"""mplp for library users: load, validate, plan and run workflows from Python.

    from mplp_cli import api

    report = api.run("workflow.yaml", inputs={"tag": "v1.2"})
    report["status"], report["outputs"]

Functions take a path, or `example:NAME` for a bundled workflow. Those that take a run take its id, the beginning of
one, or the id of a workflow with exactly one run that they could mean; UnknownRunError otherwise. They raise the errors
of `mplp_cli.errors`; a run that fails is no error: its report says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mplp_cli.answering import Answer, answer, question_object, questions
from mplp_cli.errors import Exit, Problem, UsageError, WorkflowValidationError
from mplp_cli.meanwhile import driven
from mplp_cli.render.machine import event_object, plan_document, run_document
from mplp_cli.render.stored import approval_object
from mplp_cli.roster import check
from mplp_cli.runtime import Run, Runtime, Screen
from mplp_cli.sources import Source, read_secrets, read_source
from mplp_cli.workflow.fold.history import Event

if TYPE_CHECKING:
    from mplp_cli.workflow.model import Workflow
    from mplp_cli.workflow.plan import Plan

__all__ = [
    "approvals",
    "approve",
    "cancel",
    "pause",
    "plan",
    "reject",
    "rerun",
    "resume",
    "retry",
    "run",
    "status",
    "validate",
]

AnyPath: TypeAlias = str | PathLike[str]
OnEvent: TypeAlias = Callable[[dict[str, Any]], None]


def validate(*files: AnyPath) -> list[Problem]:
    """Everything that is wrong with these files, in their order; warnings too. UsageError if one cannot be read."""
    runtime = Runtime()
    return [problem for file in files for problem in check(runtime, read_source(str(file))).problems]


def plan(file: AnyPath) -> dict[str, Any]:
    """What a run would do: `{workflowId, waves, criticalPath, steps}`. WorkflowValidationError if it is not valid."""
    return plan_document(_loaded(Runtime(), file)[2])


def run(  # noqa: PLR0913 - options as of the command
    file: AnyPath,
    inputs: Mapping[str, Any] | None = None,
    *,
    state_dir: AnyPath | None = None,
    ephemeral: bool = False,
    secrets_file: str | None = None,
    on_event: OnEvent | None = None,
    record: AnyPath | None = None,
    replay: AnyPath | None = None,
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

    with _runtime(state_dir, ephemeral=ephemeral) as runtime:
        source, workflow, plan = _loaded(runtime, file)
        given = resolve_inputs(workflow, inputs or {})
        secrets = read_secrets(plan.secrets, runtime.environ, secrets_file)
        files = [None if one is None else str(one) for one in (record, replay)]
        wanted = Wanted(record=files[0], replay=files[1], strict=strict)
        if seed is not None:
            runtime.seeded = SeededIds(seed, lambda: {item.id for item in runtime.store.objects()})
        runtime.tape = open_tape(wanted, workflow.id, runtime.clock, runtime.environ)
        runtime.uses_cache = runtime.tape is None
        over = False
        try:
            report = _driven(runtime, partial(runtime.start, source, plan, given, secrets), on_event)
            over = report["status"] in ("completed", "failed")
        finally:
            if runtime.tape is not None:
                runtime.tape.end(over=over)
        return report


def resume(
    run_id: str,
    *,
    state_dir: AnyPath | None = None,
    secrets_file: str | None = None,
    on_event: OnEvent | None = None,
) -> dict[str, Any]:
    """Go on with a paused, interrupted, waiting or failed run; its report.

    A run that is still pausing goes on where it is driven: its pause is taken back, and the report says `running`.
    RunStateError for one that is completed or cancelled, or planned differently by this version; RunBusyError if
    another process drives it.
    """
    from mplp_cli.recorded import recorded
    from mplp_cli.requesting import take_back, until_left

    with _runtime(state_dir) as runtime:
        found = runtime.find_run(
            run_id, fits=lambda one: one.status not in ("completed", "cancelled") and not one.parent
        )
        if take_back(runtime, found):
            told = recorded(runtime, found)
            return run_document(told.plan, told.state, now=told.now)
        found = until_left(runtime, found)
        take_up = partial(runtime.take_up, found.id, secrets_file=secrets_file)
        return _driven(runtime, take_up, on_event)


def retry(
    run_id: str,
    step: str | None = None,
    *,
    state_dir: AnyPath | None = None,
    secrets_file: str | None = None,
    on_event: OnEvent | None = None,
) -> dict[str, Any]:
    """Try the failed steps of a failed run again, in the same run; its report.

    Without `step` every failed, omitted or cancelled step starts once more, as with `resume`; with it only that one
    (with the container that it stands in) and what waits on it: other failures stand, and the report says `failed`
    if there are any. RunStateError if the run has not failed, or the step completed, was skipped or cannot run;
    UsageError if there is no such step, InputError if a secret is missing, RunBusyError if another process holds
    the run. All come before anything has started.
    """
    from mplp_cli import again
    from mplp_cli.recorded import check_step

    with _runtime(state_dir) as runtime:
        found = runtime.find_run(run_id, fits=lambda one: one.status == "failed")
        if step is not None:
            facts = [fact for _, fact in runtime.store.history(found.id)]
            check_step(runtime.stored_plan(found.id), facts, found, step)

        def take_up(screen: Screen) -> Run:
            return again.retry(runtime, found.id, step or "", screen, secrets_file)

        return _driven(runtime, take_up, on_event)


def rerun(  # noqa: PLR0913 - options as of the command
    run_id: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    from_step: str | None = None,
    failed: bool = False,
    only: str | None = None,
    definition: AnyPath | None = None,
    state_dir: AnyPath | None = None,
    secrets_file: str | None = None,
    on_event: OnEvent | None = None,
) -> dict[str, Any]:
    """Run an ended or waiting run again, as a new run that is linked to it; the report of the new one.

    It has the inputs of the first, but for those that are given, and its definition unless another file is.
    `from_step` runs that step and what depends on it, `failed` what did not complete and what depends on it, `only`
    nothing but that step; the rest keeps its results, but for steps whose definition has changed. Without any of
    them every step runs.

    RunStateError if the first run still goes on, or the file is of another workflow; UsageError if two of the three
    are given or there is no such step; InputError; WorkflowValidationError. All come before anything has started.
    """
    from mplp_cli import again

    with _runtime(state_dir) as runtime:
        found = runtime.find_run(run_id, fits=lambda one: not again.is_at_work(one))
        how = again.chosen(found.id, from_step, only, failed=failed)
        again.refuse_at_work(found)
        given: tuple[Source, Plan] | None = None
        if definition is not None:
            source, _, plan = _loaded(runtime, definition)
            given = source, plan

        def begin(screen: Screen) -> Run:
            return again.rerun(
                runtime,
                found.id,
                how,
                screen,
                secrets_file,
                definition=given,
                inputs=lambda workflow: inputs or {},
            )

        return _driven(runtime, begin, on_event)


def pause(
    run_id: str,
    *,
    reason: str = "",
    wait: bool = False,
    no_wait: bool = False,
    state_dir: AnyPath | None = None,
) -> dict[str, str]:
    """Pause a run that another thread or process drives: `{runId, workflowId, status}`.

    What runs finishes, nothing new starts; then the run is `paused`, and `run` gives its report where it was called.
    The status is `pausing` (the pause is stored) or `paused` (nothing runs any more); any other says that the run
    ended, or went on, before that. A run that nobody drives is paused at once.

    With `wait` this comes back only when nothing runs any more, however long that takes; with `no_wait` as soon as
    the pause is asked for, which is what `on_event` of the run itself needs: the run hears of it later.

    UsageError if both are given, RunStateError if the run has ended already, RunBusyError if whoever drives it does
    not answer for 20 seconds.
    """
    from mplp_cli import requesting

    if wait and no_wait:
        raise UsageError("wait and no_wait say opposite things")
    with _runtime(state_dir) as runtime:
        found = runtime.find_run(run_id, fits=lambda one: one.status not in requesting.ENDED)
        until: requesting.Until = "rests" if wait else "asked" if no_wait else "heard"
        status, _ = requesting.pause(runtime, found, reason, until)
        return {"runId": found.id, "workflowId": found.workflow_id, "status": status}


def cancel(
    run_id: str,
    *,
    reason: str = "",
    kill: bool = False,
    no_wait: bool = False,
    state_dir: AnyPath | None = None,
    secrets_file: str | None = None,
) -> dict[str, str]:
    """End a run, wherever it is driven: `{runId, workflowId, status}`.

    Running steps are ended, with the grace time of the workflow, and `finally` steps run; with `kill` everything ends
    at once, and they do not. A run that nobody drives is ended here, in an event loop of its own.

    The status is `cancelled`, or another one if the run ended otherwise before that. With `no_wait` it is
    `cancelling`: the run hears of it later, which is what `on_event` of the run itself needs.

    RunStateError if the run has ended already, RunBusyError if whoever drives it does not end it within the grace
    time and 20 seconds.
    """
    from mplp_cli.ending import end
    from mplp_cli.requesting import ENDED

    if not no_wait:
        _refuse_in_loop()
    with _runtime(state_dir) as runtime:
        found = runtime.find_run(run_id, fits=lambda one: one.status not in ENDED)
        verb: Literal["kill", "cancel"] = "kill" if kill else "cancel"
        ended = end(runtime, found, verb, reason, secrets_file, _tell_of_traces, waits=not no_wait)
        return {"runId": found.id, "workflowId": found.workflow_id, "status": ended}


def status(run_id: str, *, state_dir: AnyPath | None = None) -> dict[str, Any]:
    """The report of a run as it is stored now, whether or not it has ended."""
    from mplp_cli.recorded import recorded

    with _runtime(state_dir) as runtime:
        told = recorded(runtime, runtime.find_run(run_id))
        return run_document(told.plan, told.state, now=told.now)


def approvals(
    run_id: str | None = None, *, everything: bool = False, state_dir: AnyPath | None = None
) -> list[dict[str, Any]]:
    """What a run and its sub-workflows ask a person, or all runs: the `approvals` of `mplp approvals --output json`,
    with the `parent` of each run of a sub-workflow, which `resume` goes on with.

    With `everything` what is answered or withdrawn, too.
    """
    with _runtime(state_dir) as runtime:
        found = questions(runtime, run_id, everything=everything)
        return [question_object(runtime.store, asked) for asked in found]


def approve(
    run_id: str,
    step: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    *,
    by: str | None = None,
    reason: str = "",
    digest: str = "",
    state_dir: AnyPath | None = None,
) -> dict[str, Any]:
    """Say yes to what a step asks, with the inputs that the question takes; without `step`, to the run's one question.

    Gives the answered one of `approvals`. If somebody still drives the run it goes on by itself, otherwise `resume`
    does: also after an answer by `on_event`. `by` is the user of this process unless it is given; with the `digest` of
    a question the answer is for that one alone.

    RunStateError if nothing is asked, or not any more, or somebody else is; UsageError if there are several questions;
    InputError if the inputs do not fit. All come before anything is stored.
    """
    return _answer(run_id, step, Answer("approved", by or "", reason, digest), inputs or {}, state_dir)


def reject(
    run_id: str,
    step: str | None = None,
    *,
    by: str | None = None,
    reason: str = "",
    digest: str = "",
    state_dir: AnyPath | None = None,
) -> dict[str, Any]:
    """Say no to what a step asks, which fails then; else as `approve`."""
    return _answer(run_id, step, Answer("rejected", by or "", reason, digest), {}, state_dir)


def _answer(
    run_id: str, step: str | None, said: Answer, inputs: Mapping[str, Any], state_dir: AnyPath | None
) -> dict[str, Any]:
    with _runtime(state_dir) as runtime:
        return approval_object(answer(runtime, run_id, step, said, lambda form: inputs)[1])


def _runtime(state_dir: AnyPath | None, *, ephemeral: bool = False) -> Runtime:
    return Runtime(state_dir=None if state_dir is None else str(state_dir), ephemeral=ephemeral)


def _loaded(runtime: Runtime, file: AnyPath) -> tuple[Source, Workflow, Plan]:
    """A file that is valid; WorkflowValidationError with what a command would end with that cannot start."""
    source = read_source(str(file))
    loaded = runtime.load(source)
    if loaded.plan is None or loaded.workflow is None:
        error = WorkflowValidationError(loaded.problems)
        error.exit_code = Exit.USAGE
        raise error
    return source, loaded.workflow, loaded.plan


def _driven(runtime: Runtime, begin: Callable[[Screen], Run], on_event: OnEvent | None) -> dict[str, Any]:
    """Drive the run that `begin` stores or takes up; its report. Events have the numbers of the history."""
    _refuse_in_loop()
    run_id, seq = "", 0

    def tell(facts: Sequence[Event]) -> None:
        nonlocal seq
        for fact in facts:
            if on_event is not None:
                on_event(event_object(seq, run_id, fact))
            seq += 1

    try:
        made = begin(Screen(subscribers=[] if on_event is None else [tell]))
        run_id, seq = made.state.run_id, made.recorded
        state = asyncio.run(driven(runtime, made))
    finally:
        _tell_of_traces(runtime)
    # Its plan, not that of the file: what items and iterations have added is in this one.
    return run_document(made.plan, state, now=runtime.clock.now())


def _refuse_in_loop() -> None:
    """UsageError, before anything is stored, where an event loop runs: the run needs one of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(
        "an event loop runs in this thread",
        hint="call it in another one: await asyncio.to_thread(api.run, ...)",
    )


def _tell_of_traces(runtime: Runtime) -> None:
    """Send the spans that wait, for a moment; what was not sent is a warning of the logger `mplp_cli`."""
    import logging

    for text in runtime.traces.close() if runtime.traces is not None else ():
        logging.getLogger("mplp_cli").warning(text)
