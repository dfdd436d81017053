"""Bottlenecks: measurements that are above a limit, each with what may be done about it; those of a machine here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from mplp_cli.errors import Path

Language: TypeAlias = Literal["en", "zh"]

#: A measurement that is exactly at its limit is no bottleneck.
CPU_LIMIT: Final = 0.8
MEMORY_LIMIT: Final = 0.9
#: Milliseconds.
LATENCY_LIMIT: Final = 100


class Use(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of something is in use, from 0 to 1. None: not known."""

    utilization: float | None = None


class Network(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long it takes to reach others, in milliseconds. None: not known."""

    latency: float | None = None


class Metrics(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is measured of a machine."""

    cpu: Use = Use()
    memory: Use = Use()
    storage: Use = Use()
    network: Network = Network()


class Bottleneck(Struct, frozen=True, kw_only=True):
    """One bottleneck, told in one language."""

    type: Literal[
        "cpu", "memory", "network", "slots", "resource", "dead-letters", "backlog", "workflow", "journal"
    ]
    severity: Literal["medium", "high", "critical"]
    description: str
    recommendations: tuple[str, ...]


_CPU: Final[dict[Language, tuple[str, tuple[str, ...]]]] = {
    "en": ("high CPU utilisation detected", ("scale horizontally", "optimise algorithms")),
    "zh": ("检测到高CPU利用率", ("水平扩展", "优化算法")),
}
_MEMORY: Final[dict[Language, tuple[str, tuple[str, ...]]]] = {
    "en": ("memory pressure detected", ("increase memory allocation", "optimise memory use")),
    "zh": ("检测到内存压力", ("增加内存分配", "优化内存使用")),
}
_NETWORK: Final[dict[Language, tuple[str, tuple[str, ...]]]] = {
    "en": ("network latency is high", ("optimise network topology", "use caching")),
    "zh": ("网络延迟较高", ("优化网络拓扑", "使用缓存")),
}

#: What a bottleneck of the machine asks of a person, beside its own words.
HINTS: Final = {
    "cpu": "`max-parallel` of a workflow bounds its attempts at once; `mplp capacity plan` says what is required",
    "memory": "`resources: {memory: ...}` of a step keeps others from starting that would not fit",
    "network": "`cache` of a step keeps its result; `probes` of mplp.yaml name what is measured",
}


def bottlenecks_of(metrics: Metrics, language: Language = "en") -> list[Bottleneck]:
    """Every bottleneck, in the order cpu, memory, network. What was not measured is none."""
    return list(_found(metrics, language))


def _found(metrics: Metrics, language: Language) -> Iterator[Bottleneck]:
    if (metrics.cpu.utilization or 0) > CPU_LIMIT:
        said, advice = _CPU[language]
        yield Bottleneck(type="cpu", severity="high", description=said, recommendations=advice)
    if (metrics.memory.utilization or 0) > MEMORY_LIMIT:
        said, advice = _MEMORY[language]
        yield Bottleneck(type="memory", severity="critical", description=said, recommendations=advice)
    if (metrics.network.latency or 0) > LATENCY_LIMIT:
        said, advice = _NETWORK[language]
        yield Bottleneck(type="network", severity="medium", description=said, recommendations=advice)


def misfits(metrics: Metrics) -> Iterator[tuple[Path, str]]:
    """What is wrong with metrics of the right shape: where, and what."""
    for name, use in (("cpu", metrics.cpu), ("memory", metrics.memory), ("storage", metrics.storage)):
        part = use.utilization
        if part is not None and not 0 <= part <= 1:
            yield (name, "utilization"), f"a utilization is a part of 1, from 0 to 1; {part:g} is none"
    latency = metrics.network.latency
    if latency is not None and not 0 <= latency < math.inf:
        yield ("network", "latency"), f"a latency is a number of milliseconds; {latency:g} is none"
    if metrics == Metrics():
        yield (), "there are no metrics in it"
