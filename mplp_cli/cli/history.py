"""The runs that a forecast is made from: of the store, or of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mplp_cli.errors import Path
    from mplp_cli.protocols import RunRecord, Store
    from mplp_cli.resources.usage import PastRun
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.plan import Plan

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
#: Of so many runs, the newest, with so many facts together it is read when they held what.
_READ_RUNS = 2_000
_READ_FACTS = 200_000


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
    from mplp_cli.workflow.amounts import amount_of
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
        basis = dict.fromkeys(held, ("given",))
        runs.append(PastRun(workflow=run.workflow_id, begun=begun, ended=ended, held=held, basis=basis))
    return runs, until


def _wrong(given: GivenHistory) -> Iterator[tuple[Path, str]]:
    """What the shape of a history cannot say."""
    from mplp_cli.workflow.amounts import amount_of
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


def stored_runs(runtime: Runtime, now: int, since: int = 0) -> list[PastRun]:
    """The runs of the store, what sub-workflows have held being held by the runs that they belong to. Of the newest it
    is known when they were at work; earlier ones were as the newest of their workflow. Those that had ended before
    `since` are left out."""
    from mplp_cli.cli.showing import stored

    store = stored(runtime)
    if store is None:
        return []
    found = [run for run in store.runs(limit=_MOST_RUNS) if not run.ended_at or run.ended_at >= since]
    past, facts = _Past(runtime, store, now), 0
    for number, run in enumerate(found):
        if number < _READ_RUNS and facts < _READ_FACTS:
            facts += past.read(run)
        elif run.parent is None:
            past.guess(run)
    return past.runs(found)


def read_runs(runtime: Runtime, now: int, since: int) -> tuple[list[PastRun], int]:
    """The runs at work since a moment, and that moment: a later one if there were more runs than are read."""
    from mplp_cli.cli.showing import stored

    store = stored(runtime)
    if store is None:
        return [], since
    found = store.runs(limit=_READ_RUNS + 1)
    if len(found) > _READ_RUNS:
        since = max(since, found.pop().created_at)
    past, facts, looked = _Past(runtime, store, now), 0, []
    for run in found:
        if run.ended_at and run.ended_at < since:
            continue
        if facts >= _READ_FACTS:
            since = max(since, run.created_at)
            break
        facts += past.read(run)
        looked.append(run)
    made = past.runs(looked)
    return [run for run in made if run.spans is not None and run.ended >= since], since


class Plans:
    """The plans of stored runs, made again from their definitions, each once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._made: dict[tuple[bytes, ...], Plan | None] = {}

    def of(self, run: str) -> Plan | None:
        """None if this version cannot plan it, or if there were too many others."""
        from mplp_cli.errors import MplpError

        source = self._runtime.stored_source(run)
        key = (source.text, *(source.included or {}).values())
        if key not in self._made:
            if len(self._made) >= _MOST_PLANS:
                return None
            try:
                self._made[key] = self._runtime.load(source).plan
            except MplpError:
                self._made[key] = None
        return self._made[key]


class _Past:
    """What is known of runs so far, the newest first."""

    def __init__(self, runtime: Runtime, store: Store, now: int) -> None:
        self._runtime, self._store, self._now = runtime, store, now
        self._plans = Plans(runtime)
        self._rates = {name: kind.per for name, kind in runtime.settings.resources.items() if kind.per}
        self._known: dict[str, PastRun] = {}
        #: By workflow: the most that any of its runs has held, and how long one was at work at most.
        self._usual: dict[str, tuple[dict[str, int], int]] = {}

    def read(self, run: RunRecord) -> int:
        """Read the history of a run; how many facts that were."""
        from mplp_cli.errors import MplpError
        from mplp_cli.resources.attempts import attempts_of, past_run

        try:
            plan = self._plans.of(run.id)
            facts = [fact for _, fact in self._store.history(run.id)]
        except MplpError:
            plan, facts = None, []  # damaged: `mplp doctor` says so
        if plan is None:
            if run.parent is None:
                self.guess(run)
            return len(facts)
        attempts = attempts_of(facts, plan, self._now if run.owned else None)
        self._known[run.id] = made = past_run(run.workflow_id, run.created_at, attempts, plan, self._rates)
        most, longest = self._usual.get(run.workflow_id, ({}, 0))
        peaks = {name: made.most(name) for name in made.spans or ()}
        joined = {name: max(most.get(name, 0), peaks.get(name, 0)) for name in {**most, **peaks}}
        self._usual[run.workflow_id] = joined, max(longest, made.at_work)
        return len(facts)

    def guess(self, run: RunRecord) -> None:
        """A run whose history is not read: as the newest of its workflow, else as it declares."""
        from mplp_cli.resources.adjustments import slots_of
        from mplp_cli.resources.needs import most_held
        from mplp_cli.resources.usage import RUNS, PastRun
        from mplp_cli.runtime import adjustments_of

        if not run.ended_at and not (run.status == "running" and run.owned):
            return
        ended = run.ended_at or self._now
        if run.workflow_id in self._usual:
            held, longest = self._usual[run.workflow_id]
            basis, ended = "guessed", min(ended, run.created_at + longest)
        else:
            plan, basis = self._plans.of(run.id), "declared"
            held = {} if plan is None else most_held(plan, slots_of(plan, adjustments_of(self._runtime)))
        self._known[run.id] = PastRun(
            workflow=run.workflow_id,
            begun=run.created_at,
            ended=ended,
            held={name: amount for name, amount in held.items() if name != RUNS},
            basis=dict.fromkeys(held, (basis,)),
        )

    def runs(self, found: Sequence[RunRecord]) -> list[PastRun]:
        """Each with its sub-workflows."""
        from mplp_cli.resources.usage import together

        above = {run.id: run.parent.run for run in found if run.parent is not None}
        families: dict[str, list[PastRun]] = {}
        for run in reversed(found):  # parents before their children
            top = run.id
            while top in above:
                top = above[top]
            if run.id in self._known:
                families.setdefault(top, []).append(self._known[run.id])
        return [together(family) for family in families.values()]
