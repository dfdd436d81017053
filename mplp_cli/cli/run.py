"""`mplp run`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import (
    MACHINE,
    Detach,
    HowToRun,
    JUnit,
    NoCache,
    NoColor,
    RunOutput,
    SecretsFile,
    StateDir,
    TraceFile,
)
from mplp_cli.cli.taping import Record, RecordMissing, Replay, Strict

if TYPE_CHECKING:
    from mplp_cli.errors import Problem, WorkflowValidationError
    from mplp_cli.runtime import Runtime
    from mplp_cli.sources import Source
    from mplp_cli.workflow.model import Workflow
    from mplp_cli.workflow.plan import Plan


def main(
    workflow: Annotated[
        str, typer.Argument(metavar="FILE", help="A workflow file, `-` for stdin, or example:NAME.")
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="NAME=VALUE", help="A run input (repeatable)."),
    ] = None,
    inputs_file: Annotated[
        str | None,
        typer.Option("--inputs", metavar="FILE", help="Run inputs as YAML or JSON; `-` for stdin."),
    ] = None,
    output: HowToRun = RunOutput.auto,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    ephemeral: Annotated[
        bool, typer.Option("--ephemeral", help="Keep nothing on disk; the run cannot be resumed.")
    ] = False,
    detach: Detach = False,
    junit: JUnit = None,
    trace: TraceFile = None,
    env_file: Annotated[
        str | None, typer.Option("--env-file", metavar="FILE", help="More environment (NAME=value lines).")
    ] = None,
    secrets_file: SecretsFile = None,
    record: Record = None,
    replay: Replay = None,
    record_missing: RecordMissing = None,
    strict: Strict = False,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Ids of objects follow from N.")
    ] = None,
    priority: Annotated[
        int, typer.Option("--priority", metavar="N", help="Runs share the pool by it: higher first.")
    ] = 0,
    no_cache: NoCache = False,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Validate a workflow and run it.

    Results (its outputs, as JSON) go to stdout, the rest to stderr. Exit codes: 0 completed, 1 failed,
    2 could not start, 3 waits for a person, 4 cancelled. With --detach: 0 started.

    Examples:

      mplp run example:multi-agent-collaboration

      mplp run workflow.yaml -i tag=v1.2 --output json

      mplp run workflow.yaml --detach

      mplp run workflow.yaml --replay cassette.jsonl --seed 1 --ephemeral
    """
    from mplp_cli.agents.recording.opening import Wanted
    from mplp_cli.cli.driving import go
    from mplp_cli.cli.taping import taped
    from mplp_cli.ids import SeededIds
    from mplp_cli.loading import resolve_inputs
    from mplp_cli.runtime import Runtime
    from mplp_cli.sources import read_dotenv, read_secrets, read_source

    runtime = Runtime(state_dir=state_dir, ephemeral=ephemeral, uses_cache=not no_cache)
    runtime.priority, runtime.trace_file = priority, trace
    if env_file:
        runtime.environ = read_dotenv(env_file) | runtime.environ
    source = read_source(workflow, sys.stdin.buffer)
    valid, plan = checked(runtime, source, output, no_color=no_color)
    given = inputs_of_run(valid, inputs, inputs_file, stdin_is_free=workflow != "-")
    resolved = resolve_inputs(valid, given)
    if dry_run:
        from mplp_cli.cli.plan import show_plan

        show_plan(plan, runtime, as_json=output in MACHINE, no_color=no_color)
        return
    secrets = read_secrets(plan.secrets, runtime.environ, secrets_file)
    begin = partial(runtime.start, source, plan, resolved, secrets)
    wanted = Wanted(record=record, replay=replay, record_missing=record_missing, strict=strict)
    if seed is not None:
        runtime.seeded = SeededIds(seed, lambda: {item.id for item in runtime.store.objects()})
    drive = partial(go, runtime, begin, source, output, detach=detach, junit=junit, no_color=no_color)
    raise typer.Exit(taped(runtime, wanted, valid.id, drive, detach=detach))


def checked(runtime: Runtime, source: Source, output: RunOutput, *, no_color: bool) -> tuple[Workflow, Plan]:
    """The workflow and its plan. What is wrong is shown; an invalid file ends the command."""
    from mplp_cli.cli.checking import show_problems
    from mplp_cli.cli.showing import note

    loaded = runtime.load(source)
    valid = loaded.workflow is not None and loaded.plan is not None
    if not valid and output in MACHINE:
        raise _invalid(loaded.problems)
    if loaded.problems and (not valid or output in (RunOutput.auto, RunOutput.quiet)):
        show_problems(loaded.problems, [source], loaded.texts, no_color=no_color)
    if loaded.workflow is None or loaded.plan is None:
        raise typer.Exit(2)
    if runtime.ephemeral and loaded.workflow.concurrency is not None:
        note("an ephemeral run is alone: `concurrency` has no effect on it")
    return loaded.workflow, loaded.plan


def inputs_of_run(
    valid: Workflow, inputs: list[str] | None, inputs_file: str | None, *, stdin_is_free: bool = True
) -> dict[str, Any]:
    """What `--input` and `--inputs` say. InputError if it cannot be read."""
    from mplp_cli.cli.giving import given_inputs
    from mplp_cli.errors import UsageError

    if inputs_file == "-" and not stdin_is_free:
        raise UsageError("standard input cannot be both the workflow and its inputs")
    return given_inputs(valid.inputs, inputs, inputs_file)


def _invalid(problems: Sequence[Problem]) -> WorkflowValidationError:
    """An invalid file for machine readers: `run` could not start."""
    from mplp_cli.errors import Exit, WorkflowValidationError
    from mplp_cli.render.machine import problem_object

    error = WorkflowValidationError(problems)
    error.exit_code = Exit.USAGE
    error.details["problems"] = [problem_object(problem) for problem in problems]
    return error
