"""The runs that a forecast is made from: of the store, or of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from mplp_cli.errors import Path
    from mplp_cli.resources.usage import PastRun
    from mplp_cli.runtime import Runtime

Amount: TypeAlias = int | float | str
#: Milliseconds from the first run of a file to the end of the last: ten years.
_LONGEST: Final = 3_653 * 86_400_000
_LIKE: Final = (
    'a history is {"runs": [{"workflowId": "nightly", "createdAt": "2026-03-01T02:00:00Z",'
    ' "endedAt": "2026-03-01T02:40:00Z"}]}'
)
#: Runs that are looked at, the newest; the definition of so many workflows is planned for what they hold.
_MOST_RUNS = 50_000
_MOST_PLANS = 50


class GivenRun(Struct, frozen=True, kw_only=True, rename="camel"):
    """A run of a file, as `mplp runs --output json` prints them; `slots` and `resources` are what it held at most."""

    created_at: str
    workflow_id: str = ""
    ended_at: str | None = None
    slots: int | None = None
    resources: dict[str, Amount | dict[str, Amount]] = {}

    def amounts(self) -> Iterator[tuple[Path, str, Amount | dict[str, Amount]]]:
        """Place, kind and amount of each resource; kinds of one's own stand under `custom`, as in a step, or beside."""
        for kind, written in self.resources.items():
            if kind == "custom" and isinstance(written, dict):
                yield from ((("resources", kind, name), name, one) for name, one in written.items())
            else:
                yield ("resources", kind), kind, written


class GivenHistory(Struct, frozen=True, kw_only=True):
    """A file of `--history`."""

    runs: list[GivenRun]


def given_runs(source: bytes, name: str) -> tuple[list[PastRun], int]:
    """The runs of a file, and the moment at which it ends. One that has not ended goes on until then. UsageError."""
    from mplp_cli.loading.documents import read_as
    from mplp_cli.resources.usage import SLOTS, PastRun
    from mplp_cli.workflow.resources import amount_of
    from mplp_cli.workflow.values import moment_ms

    given = read_as(source, name, GivenHistory, _wrong, like=_LIKE)
    moments = [moment_ms(one) for run in given.runs for one in (run.created_at, run.ended_at) if one]
    until = max(moments, default=0)
    runs = []
    for run in given.runs:
        held = {kind: amount_of(kind, one) for _, kind, one in run.amounts() if not isinstance(one, dict)}
        if run.slots is not None:
            held[SLOTS] = run.slots
        begun, ended = moment_ms(run.created_at), moment_ms(run.ended_at) if run.ended_at else until
        runs.append(PastRun(workflow=run.workflow_id, begun=begun, ended=ended, held=held))
    return runs, until


def _wrong(given: GivenHistory) -> Iterator[tuple[Path, str]]:
    """What the shape of a history cannot say."""
    from mplp_cli.workflow.resources import amount_of
    from mplp_cli.workflow.values import moment_ms

    first, last = 1 << 62, 0
    for n, run in enumerate(given.runs):
        moments: dict[str, int] = {}
        for key, text in (("createdAt", run.created_at), ("endedAt", run.ended_at)):
            try:
                moments |= {key: moment_ms(text)} if text else {}
            except ValueError as error:
                yield ("runs", n, key), str(error)
        if moments.get("endedAt", 1 << 62) < moments.get("createdAt", 0):
            yield ("runs", n, "endedAt"), "it ends before it begins"
        first, last = min(first, *moments.values(), first), max(last, *moments.values(), last)
        if last - first > _LONGEST:
            yield ("runs", n), "the runs span more than ten years"
            return
        if run.slots is not None and run.slots < 1:
            yield ("runs", n, "slots"), f"{run.slots} is not a number of slots"
        for place, kind, written in run.amounts():
            try:
                if isinstance(written, dict):
                    raise ValueError("only `custom` has a map of kinds")
                amount_of(kind, written)
            except ValueError as error:
                yield ("runs", n, *place), str(error)


def stored_runs(runtime: Runtime, now: int) -> list[PastRun]:
    """The runs of the store, those of sub-workflows left out: their parents are there. One that goes on now does so
    until `now`; one that waits, is paused or was interrupted holds nothing, and is left out."""
    from mplp_cli.cli.showing import stored
    from mplp_cli.resources.usage import PastRun

    store = stored(runtime)
    if store is None:
        return []
    seen: dict[str, dict[str, int]] = {}

    def held(workflow: str, run: str) -> dict[str, int]:
        if workflow not in seen:
            seen[workflow] = _held(runtime, run) if len(seen) < _MOST_PLANS else {}
        return seen[workflow]

    found = store.runs(limit=_MOST_RUNS, children=False)
    return [
        PastRun(
            workflow=run.workflow_id,
            begun=run.created_at,
            ended=run.ended_at or now,
            held=held(run.workflow_id, run.id),
        )
        for run in found
        if run.ended_at or (run.status == "running" and run.owned)
    ]


def _held(runtime: Runtime, run: str) -> dict[str, int]:
    """The most that a run could hold, by its stored definition; nothing if this version cannot plan it."""
    from mplp_cli.errors import MplpError
    from mplp_cli.resources.adjustments import slots_of
    from mplp_cli.resources.needs import most_held
    from mplp_cli.runtime import adjustments_of

    try:
        plan = runtime.load(runtime.stored_source(run)).plan
    except MplpError:
        return {}
    return {} if plan is None else most_held(plan, slots_of(plan, adjustments_of(runtime)))
