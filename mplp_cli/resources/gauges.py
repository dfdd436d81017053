"""How a machine and a process stand right now, as gauges. psutil is imported when somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from mplp_cli.resources.machine import detect
from mplp_cli.workflow.metrics import Labels

Gauges: TypeAlias = dict[str, dict[Labels, float]]


class Looks:
    """Looks at the machine (the file system is that of `place`) and at this process, one after the other."""

    def __init__(self, place: Path) -> None:
        self._place = place
        #: Seconds of all cores at the last look: those in which they worked, and all.
        self._cpu: tuple[float, float] | None = None

    def machine(self) -> Gauges:
        """How the machine stands. What cannot be told is not there; how busy the cores are, only from the second
        look on."""
        import psutil

        found: dict[str, float] = {"system_cpu_logical_count": psutil.cpu_count() or 1}
        busy = self._busy(psutil.cpu_times())
        if busy is not None:
            found["system_cpu_utilization_ratio"] = busy
        memory = psutil.virtual_memory()
        limit = min(detect("memory", self._place) or memory.total, memory.total)
        found["system_memory_limit_bytes"] = limit
        found["system_memory_usage_bytes"] = min(memory.total - memory.available, limit)
        place = self._place
        while not place.exists() and place != place.parent:
            place = place.parent
        disk = psutil.disk_usage(str(place))
        found["system_filesystem_limit_bytes"] = disk.total
        found["system_filesystem_usage_bytes"] = disk.total - disk.free
        gauges: Gauges = {name: {(): float(number)} for name, number in found.items()}
        io = psutil.disk_io_counters()
        if io is not None:
            gauges["system_disk_io_bytes_total"] = _directions(read=io.read_bytes, write=io.write_bytes)
        net = psutil.net_io_counters()
        if net is not None:
            gauges["system_network_io_bytes_total"] = _directions(
                receive=net.bytes_recv, transmit=net.bytes_sent
            )
        return gauges

    def both(self) -> tuple[Gauges, Gauges]:
        """How the machine and this process stand; nothing of what cannot be looked at."""
        import psutil

        found: list[Gauges] = []
        for look in (self.machine, process_gauges):
            try:
                found.append(look())
            except (OSError, RuntimeError, psutil.Error):
                found.append({})
        return found[0], found[1]

    def _busy(self, times: Any) -> float | None:
        parts: Mapping[str, float] = times._asdict()
        # Guests are part of the time of users.
        total = sum(parts.values()) - parts.get("guest", 0.0) - parts.get("guest_nice", 0.0)
        now = total - parts["idle"] - parts.get("iowait", 0.0), total
        before, self._cpu = self._cpu, now
        if before is None or now[1] <= before[1]:
            return None
        return round(min(max((now[0] - before[0]) / (now[1] - before[1]), 0.0), 1.0), 4)


def process_gauges() -> Gauges:
    """How this process stands."""
    import psutil

    own = psutil.Process()
    with own.oneshot():
        cpu = own.cpu_times()
        found: dict[str, float] = {
            "process_cpu_seconds_total": cpu.user + cpu.system,
            "process_resident_memory_bytes": own.memory_info().rss,
            "process_threads": own.num_threads(),
            "process_start_time_seconds": own.create_time(),
            "process_open_fds": own.num_fds(),
        }
    return {name: {(): float(number)} for name, number in found.items()}


def _directions(**numbers: float) -> dict[Labels, float]:
    return {(("direction", name),): float(number) for name, number in numbers.items()}
