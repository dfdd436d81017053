"""The memory that attempts hold while they run: a few looks a second, for all attempts of a run at once.

Counted are the processes of an attempt: those of its session, those that one of them has started, and those
that carry its mark. Where there is no /proc nobody looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mplp_cli.engine.survivors import MARK, living, read_proc
from mplp_cli.engine.usage import own_part, resident

#: Seconds from the start of an attempt to the first look, and between looks.
FIRST, PAUSE = 0.02, 0.1
#: Looks may take that part of the time (one in so many), whatever there is to look at.
_PART = 20
#: Looks at a process that does not show its environment, before it is taken for a stranger.
_LOOKS = 3
_MARK_SETTING = f"{MARK}=".encode()


class Watched:
    """An attempt that may hold `limit` bytes. `peak` is the most that was seen; `tell` is called with the first that
    is too much."""

    def __init__(self, leader: int, mark: str, limit: int, tell: Callable[[int], None]) -> None:
        self.leader, self.limit = leader, limit
        self.mark = mark.encode("utf-8", "surrogateescape")
        self.since = stat[2] if (stat := _stat(leader)) else 0
        self.members = {leader}
        self.peak = 0
        self._tell: Callable[[int], None] | None = tell

    def look(self) -> None:
        """Add up what its processes hold."""
        held = {pid: resident(pid) for pid in self.members}
        if sum(held.values()) > self.limit:
            # What several share was counted several times.
            held = {pid: all_ if (part := own_part(pid)) is None else part for pid, all_ in held.items()}
        total = sum(held.values())
        self.peak = max(self.peak, total)
        if total > self.limit and self._tell is not None:
            self._tell(total)
            self._tell = None


class MemoryWatch:
    """Looks at the attempts that are watched, from the event loop."""

    def __init__(self) -> None:
        self._watched: dict[int, Watched] = {}
        #: Processes that are nobody's, with the looks that it took to know; `_LOOKS` is enough.
        self._strangers: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def over(self, leader: int, mark: str, limit: int, tell: Callable[[int], None]) -> Iterator[Watched]:
        """Look at the processes of an attempt while the context lasts; see `Watched`."""
        watched = self._watched[leader] = Watched(leader, mark, limit, tell)
        loop = asyncio.get_running_loop()
        self._look_in(loop, FIRST)
        try:
            yield watched
        finally:
            del self._watched[leader]
            if not self._watched and self._timer is not None:
                self._timer.cancel()
                self._timer = None
                self._strangers.clear()

    def _look_in(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Look then, unless a look is due before."""
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        began = loop.time()
        self._find()
        for watched in list(self._watched.values()):
            watched.look()
        self._look_in(loop, max(PAUSE, (loop.time() - began) * _PART))

    def _find(self) -> None:
        """Sort the processes that have come since the last look."""
        here = set(living())
        owners: dict[int, Watched] = {}
        for watched in self._watched.values():
            watched.members &= here
            owners.update(dict.fromkeys(watched.members, watched))
        self._strangers = {pid: looks for pid, looks in self._strangers.items() if pid in here}
        oldest = min((watched.since for watched in self._watched.values()), default=0)
        new: dict[int, int] = {}
        for pid in here - owners.keys():
            if self._strangers.get(pid, 0) < _LOOKS and (stat := _stat(pid)) is not None:
                parent, session, since = stat
                if since < oldest:
                    self._strangers[pid] = _LOOKS
                elif (owner := self._watched.get(session) or self._marking(pid)) is not None:
                    owners[pid] = owner
                else:
                    new[pid] = parent
        while found := [pid for pid, parent in new.items() if parent in owners]:
            for pid in found:
                owners[pid] = owners[new.pop(pid)]
                self._strangers.pop(pid, None)
        for pid, owner in owners.items():
            owner.members.add(pid)

    def _marking(self, pid: int) -> Watched | None:
        """The attempt whose mark a process carries. One that carries none counts as a stranger from now on."""
        settings = read_proc(pid, "environ").split(b"\0")
        for setting in settings:
            if setting.startswith(_MARK_SETTING):
                for watched in self._watched.values():
                    if watched.mark in setting:
                        return watched
        # A process that is just being started has no environment for a moment, nor has one of somebody else ever.
        self._strangers[pid] = _LOOKS if settings != [b""] else self._strangers.get(pid, 0) + 1
        return None


def _stat(pid: int) -> tuple[int, int, int] | None:
    """Parent, session and start (in ticks since the machine's) of a process; None if it is gone."""
    fields = read_proc(pid, "stat").rpartition(b")")[2].split()
    return (int(fields[1]), int(fields[3]), int(fields[19])) if fields else None
