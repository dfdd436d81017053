"""What a machine does right now, measured over a short while."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from msgspec import Struct

from mplp_cli.protocols import Clock
from mplp_cli.resources.bottlenecks import Metrics, Network, Use

#: Seconds that the processors are looked at.
WINDOW: Final = 0.5
#: Seconds that a probe may take to answer.
PATIENCE: Final = 2.0
#: Connections to each probe; their median counts.
_TRIES: Final = 3


class Measured(Struct, frozen=True, kw_only=True):
    """Metrics, and where they come from."""

    metrics: Metrics
    #: Seconds that the processors were looked at; 0 if the metrics were given.
    window: float = 0.0
    #: What the latency was measured to, and the probes that gave no answer with the reason.
    probes: tuple[str, ...] = ()
    unreachable: dict[str, str] = {}


def measure(place: Path, probes: Sequence[str], clock: Clock, patience: float = PATIENCE) -> Measured:
    """Look at the processors for a while, at the memory, at the disk of `place` and at how far the probes are.

    The latency is the largest of the probes (HOST:PORT); without any it is that of a listener of our own, on
    the loopback interface. `patience`: seconds that each try of a probe may take.
    """
    import psutil

    cpu = psutil.cpu_percent(interval=WINDOW) / 100
    memory = psutil.virtual_memory()
    while not place.exists() and place != place.parent:
        place = place.parent
    disk = psutil.disk_usage(str(place))
    times, unreachable = _latencies(probes, clock, patience)
    return Measured(
        metrics=Metrics(
            cpu=Use(utilization=round(cpu, 4)),
            memory=Use(utilization=round(1 - memory.available / memory.total, 4)),
            storage=Use(utilization=round(disk.percent / 100, 4)),
            network=Network(latency=round(max(times), 3) if times else None),
        ),
        window=WINDOW,
        probes=tuple(probes) or ("loopback",),
        unreachable=unreachable,
    )


def _latencies(probes: Sequence[str], clock: Clock, patience: float) -> tuple[list[float], dict[str, str]]:
    """Milliseconds to each probe that answers, and why the others do not."""
    if not probes:
        with closing(socket.create_server(("127.0.0.1", 0), backlog=_TRIES)) as listener:
            return [_latency(listener.getsockname(), clock, patience)], {}
    times, unreachable = [], {}
    for probe in probes:
        host, _, port = probe.rpartition(":")
        try:
            times.append(_latency((host.strip("[]"), int(port)), clock, patience))
        except OSError as error:
            unreachable[probe] = error.strerror or str(error)
    return times, unreachable


def _latency(address: tuple[str, int], clock: Clock, patience: float) -> float:
    """Milliseconds until a connection stands: the median of a few. OSError."""
    taken = []
    for _ in range(_TRIES):
        begun = clock.monotonic()
        with closing(socket.create_connection(address, patience)):
            taken.append((clock.monotonic() - begun) * 1000)
    return sorted(taken)[_TRIES // 2]
