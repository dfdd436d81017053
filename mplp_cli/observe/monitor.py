"""Watching: one look after the other at the store and the machine, each judged together with those before it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Final

from mplp_cli.observe.analysis import Failing, Full, Load, analyse
from mplp_cli.observe.metering import counted_by, measured, rate, series
from mplp_cli.observe.seen import Doing, Latency, Rate, Seen, SeenAgent, SeenAlert, SeenKind, SeenRun
from mplp_cli.observe.trends import Reading
from mplp_cli.protocols import RunRecord, Standing, Store
from mplp_cli.workflow.bottlenecks import Metrics
from mplp_cli.workflow.metrics import Sample
from mplp_cli.workflow.resources import Amounts, Pool, Share, in_use

#: Ms of samples that are looked at, in parts of that many ms.
WINDOW: Final = 600_000
PART: Final = 10_000
#: Samples come that much (ms) after what they tell of; so the last part is whole.
_DELAY: Final = 5_000
#: Runs that ended count for that long (ms).
LATELY: Final = 3_600_000
#: Runs whose steps are looked at, and that are counted, at most.
_FOLLOWED: Final = 40
_COUNTED: Final = 500
_FAILED: Final = 5
_GOING: Final = ("running", "waiting", "paused", "pending")

#: Metric of a rate, and of a latency, by the name that people see.
RATES: Final = {"steps": "mplp_steps_total", "events": "mplp_events_total"}
LATENCIES: Final = {
    "step": "mplp_step_duration_seconds",
    "slot wait": "mplp_slot_wait_seconds",
    "commit": "mplp_commit_seconds",
    "delivery": "mplp_event_delivery_seconds",
    "agent": "mplp_agent_call_seconds",
}


class Monitor:
    """Looks when told to. `follow` says how far runs are, `asks` how questions of runs are answered, each by the id of
    the run; `readers` are the declared readers of events, `alerts` says how alerts stand."""

    def __init__(
        self,
        store: Callable[[], Store | None],
        pool: Pool,
        *,
        follow: Callable[[Sequence[RunRecord]], Mapping[str, Doing]],
        asks: Callable[[Store], Mapping[str, str]],
        readers: Sequence[str] = (),
        alerts: Callable[[], Sequence[SeenAlert]] = tuple,
    ) -> None:
        self._store = store
        self._pool = pool
        self._follow = follow
        self._asks = asks
        self._readers = readers
        self._alerts = alerts
        #: What this has read itself, of the last window.
        self._machine: deque[tuple[int, Metrics]] = deque()
        self._backlog: deque[Reading] = deque()

    def look(self, now: int, machine: Metrics, cores: int = 0, memory: int = 0) -> Seen:
        """See how all stands at `now`; `machine` was measured just before."""
        self._machine.append((now, machine))
        while self._machine[0][0] <= now - WINDOW:
            self._machine.popleft()
        store = self._store()
        if store is None:
            seen = Seen(
                at=now, window=WINDOW, part=PART, lately=LATELY, machine=machine, cores=cores, memory=memory
            )
            return self._judged(seen, (), Load(machine=machine))
        samples = store.samples.between(now - WINDOW, now)
        records = _records(store, now)
        shares = store.shares.all()
        runs = tuple(self._runs(store, records, shares))
        kinds = tuple(self._kinds(store, shares, records, now))
        behind, retrying, dead = self._events(store)
        self._backlog.append((now, float(max(behind.values(), default=0))))
        while self._backlog[0][0] <= now - WINDOW:
            self._backlog.popleft()
        latencies = {name: _latency(samples, metric) for name, metric in LATENCIES.items()}
        slot, commit = latencies["slot wait"], latencies["commit"]
        load = Load(
            machine=machine,
            slot_wait=None if slot is None else slot.p95,
            commit=None if commit is None else commit.p95,
            queued=sum(run.doing.queued for run in runs),
            full=tuple(_full(kinds, shares)),
            dead=dead,
            behind={reader: count for reader, count in behind.items() if not reader.startswith("trigger:")},
            failing=tuple(_failing(records)),
        )
        seen = Seen(
            at=now,
            window=WINDOW,
            part=PART,
            lately=LATELY,
            stored=True,
            measured=bool(samples),
            machine=machine,
            cores=cores,
            memory=memory,
            counts=_counts(records),
            runs=runs,
            rates={name: _rate(samples, metric, now) for name, metric in RATES.items()},
            latencies=latencies,
            resources=kinds,
            behind=behind,
            retrying=retrying,
            dead=dead,
            agents=tuple(_agents(samples)),
        )
        return self._judged(seen, samples, load)

    def _judged(self, seen: Seen, samples: Sequence[Sample], load: Load) -> Seen:
        from msgspec.structs import replace

        past = {name: self._past(name, samples, seen.at) for name in ("cpu", "memory", "storage")}
        readings: dict[str, Sequence[Reading]] = {
            name: [(at, value) for at, value in found if value is not None] for name, found in past.items()
        }
        for name, of in seen.rates.items():
            end = _end(seen.at)
            begin = end - PART * len(of.past)
            measured_ones = [
                (begin + n * PART, value) for n, value in enumerate(of.past) if value is not None
            ]
            readings[name] = measured_ones
        readings["step time"] = _step_times(samples, seen.at)
        readings["backlog"] = list(self._backlog)
        return replace(
            seen,
            machine_past={name: tuple(value for _, value in found) for name, found in past.items()},
            analysis=analyse(load, readings),
            alerts=tuple(self._alerts()),
        )

    def _past(self, name: str, samples: Sequence[Sample], now: int) -> list[tuple[int, float | None]]:
        """The middle of what was read of the machine in each part of the window, by us or by who took samples."""
        parts: defaultdict[int, list[float]] = defaultdict(list)
        for at, metrics in self._machine:
            if (value := getattr(metrics, name).utilization) is not None:
                parts[at // PART].append(value)
        for sample in samples:
            if (found := _machine_part(sample, name)) is not None:
                parts[sample.at // PART].append(found)
        last = now // PART
        return [
            ((n + 1) * PART, median(parts[n]) if n in parts else None)
            for n in range(last - WINDOW // PART + 1, last + 1)
        ]

    def _runs(self, store: Store, records: Sequence[RunRecord], shares: Sequence[Share]) -> Iterator[SeenRun]:
        going = [run for run in records if run.status in _GOING]
        order = {"running": 0, "waiting": 1, "paused": 2, "pending": 3}
        going.sort(key=lambda run: (order[run.status], -run.created_at))
        times = {one.last: one.failed for one in _failing(records)}
        failed = sorted((run for run in records if run.id in times), key=lambda run: -(run.ended_at or 0))
        shown = [*going[:_FOLLOWED], *failed[:_FAILED]]
        doing = self._follow(shown)
        asks = self._asks(store) if going else {}
        turns = store.turns.standings() if going else {}
        wanted = {one.run: one.wanted for one in shares}
        for run in shown:
            yield SeenRun(
                id=run.id,
                workflow=run.workflow_id,
                status=_status(run, turns.get(run.id)),
                since=run.created_at,
                ended=run.ended_at or 0,
                doing=doing.get(run.id, Doing()),
                ask="" if run.id in times else asks.get(run.id, ""),
                place=_place(turns.get(run.id), wanted.get(run.id, {})),
                times=times.get(run.id, 0),
            )

    def _kinds(
        self, store: Store, shares: Sequence[Share], records: Sequence[RunRecord], now: int
    ) -> Iterator[SeenKind]:
        allocations = store.shares.allocations()
        used = in_use(shares, allocations, now)
        names = {run.id: run.workflow_id for run in records}
        who = [(f"{names.get(one.run, 'run')} {one.run[:8]}", in_use([one], (), now)) for one in shares]
        who += [(_by_hand(one.by), in_use((), [one], now)) for one in allocations]
        for name, kind in self._pool.kinds.items():
            held: defaultdict[str, int] = defaultdict(int)
            for holder, amounts in who:
                if amount := sum(amounts.get(name, {}).values()):
                    held[holder] += amount
            yield SeenKind(
                name=name,
                capacity=kind.capacity,
                taken=sum(used.get(name, {}).values()),
                holders=tuple(sorted(held.items(), key=lambda one: (-one[1], one[0]))),
                waiting=sum(1 for one in shares if sum(one.wanted.get(name, {}).values())),
            )

    def _events(self, store: Store) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """Events not dealt with by reader; deliveries to be tried again, and dead letters, by route."""
        last, readers = store.board.last(), store.deliveries.readers()
        behind = {
            reader: max(last - number, 0)
            for reader, number in readers.items()
            if reader in self._readers or reader.startswith("trigger:")
        }
        counts = store.deliveries.counts()
        retrying = {route: of["retrying"] for route, of in counts.items() if of.get("retrying")}
        dead = {route: of["dead"] for route, of in counts.items() if of.get("dead")}
        return behind, retrying, dead


# ---- runs --------------------------------------------------------------------------------------


def _records(store: Store, now: int) -> list[RunRecord]:
    """Runs that go on, and those that ended lately; without those of sub-workflows."""
    going = [run for status in _GOING for run in store.runs(status=status, limit=_COUNTED, children=False)]
    ended = [
        run
        for status in ("failed", "completed", "cancelled")
        for run in store.runs(status=status, limit=_COUNTED, children=False)
        if (run.ended_at or 0) > now - LATELY
    ]
    return [*going, *ended]


def _status(run: RunRecord, standing: Standing | None) -> str:
    """As people see it: a run that waits for its turn is queued, one that nobody drives and should is interrupted."""
    if run.status in ("running", "pending") and not run.owned:
        return "interrupted"
    queued = run.status == "pending" or (standing is not None and standing.position > 0)
    return "queued" if queued and run.status in ("pending", "running") else run.status


def _counts(records: Sequence[RunRecord]) -> dict[str, int]:
    counts: defaultdict[str, int] = defaultdict(int)
    for run in records:
        counts[_status(run, None)] += 1
    return dict(counts)


def _place(standing: Standing | None, wanted: Amounts) -> str:
    if standing is not None and standing.position:
        return f'{standing.position} in the queue for "{standing.key}"'
    kinds = [kind for kind, units in wanted.items() if any(units.values())]
    return f"waits for {', '.join(kinds)}" if kinds else ""


def _by_hand(by: str) -> str:
    run = by.removeprefix("run:")
    return by if run == by else f"run {run[:8]}"


def _failing(records: Sequence[RunRecord]) -> Iterator[Failing]:
    """Workflows with failed runs, the most failed first."""
    ended: defaultdict[str, list[RunRecord]] = defaultdict(list)
    for run in records:
        if run.status in ("completed", "failed"):
            ended[run.workflow_id].append(run)
    found = []
    for workflow, runs in ended.items():
        failed = [run for run in runs if run.status == "failed"]
        if failed:
            last = max(failed, key=lambda run: run.ended_at or 0)
            found.append(Failing(workflow, len(failed), len(runs), last.id))
    yield from sorted(found, key=lambda one: (-one.failed, one.workflow))


def _full(kinds: Sequence[SeenKind], shares: Sequence[Share]) -> Iterator[Full]:
    """Kinds that have less left than somebody waits for."""
    for kind in kinds:
        free = kind.capacity - kind.taken
        if any(sum(one.wanted.get(kind.name, {}).values()) > max(free, 0) for one in shares):
            yield Full(kind.name, kind.waiting, kind.holders[0][0] if kind.holders else "")


# ---- samples -----------------------------------------------------------------------------------


def _end(now: int) -> int:
    """The end of the last part that is whole."""
    return (now - _DELAY) // PART * PART


def _rate(samples: Sequence[Sample], metric: str, now: int) -> Rate:
    end = _end(now)
    found = series(samples, end - WINDOW, end, PART, lambda inside, a, b: rate(inside, metric, a, b))
    past = tuple(value for _, value in found)
    return Rate(past[-1], past)


def _latency(samples: Sequence[Sample], metric: str) -> Latency | None:
    found = measured(samples, metric)
    p50, p95, p99 = (found.quantile(q) for q in (0.5, 0.95, 0.99))
    if p50 is None or p95 is None or p99 is None:
        return None
    return Latency(p50, p95, p99, found.count)


def _step_times(samples: Sequence[Sample], now: int) -> list[Reading]:
    end = _end(now)
    found = series(
        samples,
        end - WINDOW,
        end,
        PART,
        lambda inside, _a, _b: measured(inside, LATENCIES["step"]).quantile(0.95),
    )
    return [(at, value) for at, value in found if value is not None]


def _machine_part(sample: Sample, name: str) -> float | None:
    """What a sample says of the cores or of the memory; what it says of disks counts what only the system may use."""
    if name == "cpu":
        return next(iter(sample.gauges.get("system_cpu_utilization_ratio", {}).values()), None)
    used, there = (
        sum(sample.gauges.get(f"system_memory_{what}_bytes", {}).values()) for what in ("usage", "limit")
    )
    return used / there if name == "memory" and there else None


def _agents(samples: Sequence[Sample]) -> Iterator[SeenAgent]:
    calls = counted_by(samples, "mplp_agent_calls_total", "agent")
    fine = counted_by(samples, "mplp_agent_calls_total", "agent", {"code": "ok"})
    asked = counted_by(samples, "mplp_agent_tokens_total", "agent", {"direction": "input"})
    said = counted_by(samples, "mplp_agent_tokens_total", "agent", {"direction": "output"})
    cost = counted_by(samples, "mplp_agent_cost_usd_total", "agent")
    for name, count in calls.items():
        yield SeenAgent(
            name=name,
            calls=round(count),
            failed=round(count - fine.get(name, 0.0)),
            tokens_in=round(asked.get(name, 0.0)),
            tokens_out=round(said.get(name, 0.0)),
            cost=cost.get(name, 0.0),
        )
