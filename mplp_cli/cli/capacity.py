"""`mplp capacity plan | apply`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mplp_cli.protocols.scaling import Adjustments, ScalingAction
    from mplp_cli.resources.capacity import Stock
    from mplp_cli.runtime import Runtime

#: What adjusts by it is taken back by it.
BY = "mplp capacity apply"
_LIKE = (
    'a plan is {"actions": [{"type": "scale-up" or "scale-down", "resource": "max-parallel", "amount": 1}]}'
)
_HOUR = 3_600_000
#: Hours that may be asked for.
_FURTHEST = 92 * 24


class Method(StrEnum):
    """What `--method` takes."""

    seasonal_naive = "seasonal-naive"
    holt_winters = "holt-winters"


def main() -> None:
    """Plan what runs will require, and scale to it.

    Examples:

      mplp capacity plan --horizon 7d

      mplp capacity apply plan.json
    """
    from mplp_cli.errors import UsageError

    raise UsageError("what about capacity?", hint="mplp capacity plan | apply")


def plan(
    horizon: Annotated[
        str,
        typer.Option("--horizon", metavar="DURATION", help="How far to look ahead: 12h, 7d, at most 92d."),
    ] = "7d",
    history: Annotated[
        str | None,
        typer.Option(
            "--history", metavar="FILE", help="Past runs, instead of those of the store.", show_default=False
        ),
    ] = None,
    method: Annotated[Method, typer.Option("--method", help="How to forecast.")] = Method.seasonal_naive,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Forecast what runs will require, and say which scaling leads there. Nothing is changed.

    From the runs so far: the most that was in use at once in every hour, of runs, of slots and of what their
    steps declare. The next hours are as those of the same hour a week or a day before; with every forecast
    stands how wrong it would have been about the last of these seasons. Less than two days of history give a
    flat forecast, which is marked. FILE is what `mplp runs --output json` prints.

    Exit codes: 0 planned, 2 there is no history, or it cannot be read.

    Examples:

      mplp capacity plan --horizon 7d

      mplp capacity plan --history runs.json --method holt-winters --output json
    """
    from mplp_cli.cli.showing import show
    from mplp_cli.render.capacities import capacity_document, capacity_screen
    from mplp_cli.render.machine import write_document
    from mplp_cli.resources.foresight import plan_capacity
    from mplp_cli.runtime import Runtime, adjustments_of

    runtime = Runtime(state_dir=state_dir)
    hours, smooth = _hours(horizon), _smooth(method)
    runs, until, source = _history(runtime, history)
    named = {name for run in runs for name in run.spans or ()}
    stocks, cores = stocks_here(runtime, adjustments_of(runtime), named, output)
    made = plan_capacity(runs, until, hours, stocks, cores, smooth)
    if output is TextOrJson.json:
        write_document(capacity_document(made, source))
    else:
        show(lambda theme, width: capacity_screen(made, theme, width), no_color=no_color)


def _hours(horizon: str) -> int:
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.values import duration_ms

    try:
        hours = -(-duration_ms(horizon) // _HOUR)
    except ValueError:
        hours = 0
    if not 1 <= hours <= _FURTHEST:
        raise UsageError(
            f"--horizon {horizon}: this is no time ahead", hint="write it like 12h or 7d, at most 92d"
        )
    return hours


def _smooth(method: Method) -> Any:
    if method is Method.seasonal_naive:
        return None
    from mplp_cli.resources.smoothing import check_statsmodels, holt_winters

    check_statsmodels()
    return holt_winters


def _history(runtime: Runtime, file: str | None) -> tuple[Any, int, str]:
    """Past runs, the moment at which they end, and where they are from."""
    from mplp_cli.cli.history import given_runs, stored_runs
    from mplp_cli.sources import read_source

    if file is None:
        now = runtime.clock.now()
        return stored_runs(runtime, now), now, "store"
    source = read_source(file, sys.stdin.buffer)
    return *given_runs(source.text, source.name), source.name


def stocks_here(
    runtime: Runtime, adjustments: Adjustments, names: Iterable[str], output: TextOrJson
) -> tuple[dict[str, Stock], int]:
    """What there is to scale here, and the cores. Agents are looked for only if one is among `names`."""
    from mplp_cli.cli.agents import registry_of
    from mplp_cli.resources.adjustments import AGENT
    from mplp_cli.resources.machine import detect
    from mplp_cli.resources.pool import make_pool
    from mplp_cli.resources.stock import stocks_of

    place = runtime.existing_state_dir() or runtime.cwd
    pool = make_pool(runtime.settings, place)
    asked = any(name.startswith(AGENT) for name in names)
    agents = [one.agent for one in registry_of(runtime, output).entries()] if asked else []
    stocks = stocks_of(pool, adjustments, lambda kind: detect(kind, place), agents)
    return stocks, max((detect("cpu", place) or 0) // 1_000, 1)


# ---- apply -------------------------------------------------------------------------------------


def apply(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[PLAN]", help="A plan as JSON; - for standard input.", show_default=False),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was applied last.")] = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Carry out a scaling plan, action by action; one that fails keeps no other from being done.

    PLAN is what `mplp capacity plan --output json` prints, or {"actions": [...]}. On this machine there are
    `max-parallel` (1 to 256) and the kinds of the pool: from an eighth of what is configured to what the
    machine has, of custom kinds to 4 times what is configured; and `agent:ID`, the calls that an agent of the
    project takes at once: 1 to 4 times its `max-concurrency`. What is adjusted is kept in the state directory,
    goes before mplp.yaml, and acts on runs that begin later. SCALER:NAME is left to a package.

    Exit codes: 0 every action completed, 1 one failed, or there is nothing to take back, 2 PLAN cannot be read.

    Examples:

      mplp capacity plan --output json | mplp capacity apply -

      mplp capacity apply --undo
    """
    from mplp_cli.cli.showing import show
    from mplp_cli.errors import UsageError
    from mplp_cli.render.capacities import outcomes_document, outcomes_screen
    from mplp_cli.render.machine import write_document
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    if undo == (file is not None):
        said = "either a plan or --undo, not both" if undo else "name a plan, or say --undo"
        raise UsageError(said, hint="`mplp capacity plan --output json` prints a plan")
    if file is None:
        undo_last(runtime, BY, output)
        return
    outcomes = _execute(runtime, _actions(file), output)
    document = outcomes_document(outcomes)
    if output is TextOrJson.json:
        write_document(document)
    else:
        show(lambda theme, width: outcomes_screen(outcomes, theme, width), no_color=no_color)
    raise typer.Exit(0 if document["success"] else 1)


def _actions(file: str) -> list[ScalingAction]:
    """The actions of a plan, on their own or in what `plan` prints. UsageError."""
    from mplp_cli.loading.documents import read_as
    from mplp_cli.resources.scaling import GivenPlan, misplaced
    from mplp_cli.sources import read_source

    source = read_source(file, sys.stdin.buffer)
    return read_as(source.text, source.name, GivenPlan, misplaced, like=_LIKE).listed()


def _execute(runtime: Runtime, actions: list[ScalingAction], output: TextOrJson) -> Any:
    """Carry them out while nobody else adjusts anything, and keep what was done."""
    from mplp_cli.resources.adjustments import with_change
    from mplp_cli.resources.scaling import LocalScaler, execute_plan
    from mplp_cli.store.adjusting import change_adjustments

    if not actions:
        return []
    outcomes, names = [], [action.resource for action in actions]

    def act(adjustments: Adjustments) -> Adjustments:
        local = LocalScaler(stocks_here(runtime, adjustments, names, output)[0])
        outcomes.extend(execute_plan(actions, local))
        return with_change(adjustments, runtime.clock.now(), BY, tuple(local.made))

    change_adjustments(runtime.state_dir, act)
    return outcomes


def undo_last(runtime: Runtime, by: str, output: TextOrJson) -> None:
    """Take back the last change that this command has made. Exit code 1 if there is none."""
    from mplp_cli.protocols.scaling import Change
    from mplp_cli.render.capacities import change_object, change_text
    from mplp_cli.render.machine import write_document
    from mplp_cli.resources.adjustments import without_last
    from mplp_cli.store.adjusting import change_adjustments

    gone: list[Change | None] = [None]

    def act(adjustments: Adjustments) -> Adjustments:
        rest, gone[0] = without_last(adjustments, by)
        return rest

    if (place := runtime.existing_state_dir()) is not None:
        change_adjustments(place, act)
    if output is TextOrJson.json:
        write_document(change_object(gone[0]))
    else:
        sys.stdout.write(f"{change_text(gone[0])}\n")
    if gone[0] is None:
        raise typer.Exit(1)
