"""What this machine gives to a process: cores, memory, the disk of the state, the fastest link; and limits on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mplp_cli.workflow.amounts import MOST

#: Links that claim more than that do not know their speed.
_FASTEST: Final = 65_535


def detect(kind: str, place: Path, root: Path = Path("/")) -> int | None:
    """How much there is of cpu, memory, network or storage (on the disk of `place`); None if nobody can tell.

    `root` is where the files of the system are.
    """
    found = {"cpu": _cores, "memory": _memory, "network": _link}.get(kind)
    if found is None:
        return _disk(place) if kind == "storage" else None
    amount = found(root)
    return None if amount is None else min(amount, MOST)


def _cores(root: Path) -> int:
    """Thousandths of a core that this process may use."""
    import psutil

    try:
        there = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        there = psutil.cpu_count() or 1
    return max(1, min([there * 1_000, *_quotas(root)]))


def _memory(root: Path) -> int:
    """Bytes, swap not counted."""
    import psutil

    total = int(psutil.virtual_memory().total)
    texts = [*_limits(root, "", "memory.max"), *_limits(root, "memory", "memory.limit_in_bytes")]
    return min([total, *(int(text) for text in texts if text.isdecimal() and int(text) > 0)])


def _link(_root: Path) -> int | None:
    """Bits a second of the fastest link that is up and tells its speed."""
    import psutil

    try:
        links = psutil.net_if_stats().values()
    except OSError:
        return None
    return max(
        (link.speed * 10**6 for link in links if link.isup and 0 < link.speed < _FASTEST), default=None
    )


def _disk(place: Path) -> int | None:
    """Bytes of the file system of `place`, or of its nearest ancestor that is there."""
    import psutil

    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return min(int(psutil.disk_usage(str(place)).total), MOST) or None
    except OSError:
        return None


def _quotas(root: Path) -> Iterator[int]:
    """What groups of processes around this one may use, in thousandths of a core."""
    pairs = [text.split() for text in _limits(root, "", "cpu.max")]
    quotas = _limits(root, "cpu", "cpu.cfs_quota_us")
    pairs += [[*pair] for pair in zip(quotas, _limits(root, "cpu", "cpu.cfs_period_us"), strict=False)]
    for quota, *period in pairs:
        if quota.isdecimal() and period and period[0].isdecimal() and int(period[0]):
            yield int(quota) * 1_000 // int(period[0])


def _limits(root: Path, controller: str, file: str) -> Iterator[str]:
    """The contents of a file of the control groups around this process, the innermost first.

    Without a controller: in the one tree of version 2. In a container the tree begins with its own group.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    tree = root / "sys/fs/cgroup" / controller
    for line in lines:
        _, names, group = (*line.split(":", 2), "", "")[:3]
        if controller not in names.split(","):
            continue
        parts = [part for part in group.split("/") if part not in ("", ".", "..")]
        for depth in range(len(parts), -1, -1):
            try:
                yield tree.joinpath(*parts[:depth], file).read_text().strip()
            except (OSError, UnicodeDecodeError):
                continue
