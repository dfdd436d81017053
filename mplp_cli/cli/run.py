"""`mplp run`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mplp_cli.cli.options import HowToRun, JUnit, NoColor, RunOutput, SecretsFile, StateDir


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
    junit: JUnit = None,
    env_file: Annotated[
        str | None, typer.Option("--env-file", metavar="FILE", help="More environment (NAME=value lines).")
    ] = None,
    secrets_file: SecretsFile = None,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Validate a workflow and run it.

    Results (the workflow's outputs, as JSON) go to stdout, progress and problems to stderr.

    Exit codes: 0 completed, 1 failed, 2 could not start, 3 waits for a person, 4 cancelled.

    Examples:

      mplp run example:multi-agent-collaboration

      mplp run workflow.yaml -i tag=v1.2 --output json
    """
    from mplp_cli.cli.checking import show_problems
    from mplp_cli.cli.driving import Watch, drive
    from mplp_cli.errors import WorkflowValidationError
    from mplp_cli.loading import resolve_inputs
    from mplp_cli.runtime import Runtime, read_dotenv, read_source

    runtime = Runtime(state_dir=state_dir, ephemeral=ephemeral)
    if env_file:
        runtime.environ = read_dotenv(env_file) | runtime.environ
    source = read_source(workflow, sys.stdin.buffer)
    loaded = runtime.load(source)
    if loaded.workflow is None or loaded.plan is None:
        if output in (RunOutput.json, RunOutput.jsonl):
            raise _invalid(WorkflowValidationError(loaded.problems))
        show_problems(loaded.problems, [source], no_color=no_color)
        raise typer.Exit(2)
    given = _given(loaded.workflow, inputs or [], inputs_file)
    resolved = resolve_inputs(loaded.workflow, given)
    if dry_run:
        _show_plan(loaded.plan, output, no_color=no_color)
        return
    secrets = runtime.secrets(loaded.workflow.secrets, secrets_file)
    if loaded.problems and output in (RunOutput.auto, RunOutput.quiet):
        show_problems(loaded.problems, [source], no_color=no_color)
    watch = Watch(output, no_color=no_color, junit=junit)
    run = runtime.start(source, loaded.plan, resolved, secrets, watch.screen)
    raise typer.Exit(drive(runtime, run, watch, lambda state: runtime.places(source, state)))


def _given(workflow: Any, pairs: list[str], inputs_file: str | None) -> dict[str, Any]:
    from mplp_cli.errors import InputError
    from mplp_cli.loading import parse_input
    from mplp_cli.loading.given import read_inputs
    from mplp_cli.runtime import read_source

    given: dict[str, Any] = {}
    if inputs_file:
        source = read_source(inputs_file, sys.stdin.buffer)
        given = read_inputs(source.text, source.name)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--input {pair}: write NAME=VALUE")
        given[name] = parse_input(workflow, name, text)
    return given


def _invalid(error: Any) -> Any:
    from mplp_cli.errors import Exit
    from mplp_cli.render.machine import problem_object

    error.exit_code = Exit.USAGE
    error.details["problems"] = [problem_object(p) for p in error.problems]
    return error


def _show_plan(plan: Any, output: RunOutput, *, no_color: bool) -> None:
    from mplp_cli.cli.plan import show_plan

    show_plan(plan, as_json=output in (RunOutput.json, RunOutput.jsonl), no_color=no_color)
