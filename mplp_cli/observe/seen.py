"""What somebody who watches sees at one moment: runs, how fast things go and how long they take, who holds what."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from mplp_cli.observe.analysis import PerformanceAnalysis
from mplp_cli.workflow.bottlenecks import Metrics


class Doing(Struct, frozen=True, kw_only=True):
    """How far a run is: steps that have ended of all there are, the ids of those at work, how many are queued, and
    what it waits for or why it failed, in a line."""

    ended: int = 0
    total: int = 0
    working: tuple[str, ...] = ()
    queued: int = 0
    said: str = ""


class SeenRun(Struct, frozen=True, kw_only=True):
    """A run that is not over, or that failed lately. `ask` is the command that answers its question; `place` where it
    stands in a queue, or what of the pool it waits for. `times`: how many runs of its workflow have failed lately, if
    it is the last of these. Times are ms since the epoch, `ended` 0 if it has not."""

    id: str
    workflow: str
    status: str
    since: int
    ended: int = 0
    doing: Doing = Doing()
    ask: str = ""
    place: str = ""
    times: int = 0


class Rate(Struct, frozen=True):
    """How often something happens a second: now, and before, the oldest first; None where nothing was measured."""

    now: float | None
    past: tuple[float | None, ...] = ()


class Latency(Struct, frozen=True):
    """Seconds that half, 19 of 20, and 99 of 100 stay within, and how many there were."""

    p50: float
    p95: float
    p99: float
    count: int


class SeenKind(Struct, frozen=True, kw_only=True):
    """One kind of the pool, in what it is reckoned in; who holds how much of it, the most first."""

    name: str
    capacity: int
    taken: int
    holders: tuple[tuple[str, int], ...] = ()
    waiting: int = 0


class SeenAgent(Struct, frozen=True, kw_only=True):
    """Calls of an agent in the time that is looked at."""

    name: str
    calls: int
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


class SeenAlert(Struct, frozen=True, kw_only=True):
    """An alert that is pending or fires, or was resolved lately."""

    name: str
    status: str
    severity: str
    since: int
    message: str
    silenced: bool = False


class Seen(Struct, frozen=True, kw_only=True):
    """A moment (ms since the epoch). Latencies are those of the last `window` ms, and what was before is told of each
    `part` of it; runs that ended count if they did so in the last `lately` ms."""

    at: int
    window: int
    part: int
    lately: int
    #: Whether anything was ever stored here, and measured in the window.
    stored: bool = False
    measured: bool = False
    machine: Metrics = Metrics()
    #: By metric: `cpu`, `memory`; parts of 1, the oldest first.
    machine_past: Mapping[str, tuple[float | None, ...]] = {}
    cores: int = 0
    #: Bytes.
    memory: int = 0
    #: Runs by status.
    counts: Mapping[str, int] = {}
    #: Those that go on, and then the last failed one of each workflow.
    runs: tuple[SeenRun, ...] = ()
    rates: Mapping[str, Rate] = {}
    latencies: Mapping[str, Latency | None] = {}
    resources: tuple[SeenKind, ...] = ()
    #: By reader and by route.
    behind: Mapping[str, int] = {}
    retrying: Mapping[str, int] = {}
    dead: Mapping[str, int] = {}
    agents: tuple[SeenAgent, ...] = ()
    analysis: PerformanceAnalysis = PerformanceAnalysis(overall=100)
    alerts: tuple[SeenAlert, ...] = ()
