"""Changes of files, published as events: those that come one after the other within a moment are one event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from mplp_cli.events.bus import Bus
from mplp_cli.events.patterns import Pattern, pattern_of
from mplp_cli.protocols import Clock, Ids
from mplp_cli.workflow.events.arming import CHANGED
from mplp_cli.workflow.events.triggers import FileTrigger, trigger_source
from mplp_cli.workflow.published import Published, enriched

#: Changes that an event names; it tells how many more there are.
MOST = 1_000
#: Ms between two looks at whether the directory that is watched is still there.
_LOOK = 1_000
#: Seconds after which changes are told although they do not cease; and those before a watch that failed is tried again.
_LONGEST = 10.0
_AGAIN = 30.0

Kind = Literal["added", "modified", "deleted"]


class Watching:
    """Watches the files of one trigger."""

    def __init__(
        self,
        workflow: str,
        trigger: FileTrigger,
        bus: Bus,
        clock: Clock,
        ids: Ids,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`tell`: what is said if files cannot be watched."""
        self._workflow = workflow
        self._trigger = trigger
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._tell = tell
        #: Path -> what has happened to it since the last event.
        self._seen: dict[str, set[str]] = {}
        self._news = asyncio.Event()

    async def work(self) -> None:
        """Watch, until cancelled."""
        from anyio.to_thread import current_default_thread_limiter

        limiter = current_default_thread_limiter()
        limiter.total_tokens += len(self._trigger.paths)  # each watch takes up a thread
        try:
            async with asyncio.TaskGroup() as tasks:
                for path in self._trigger.paths:
                    tasks.create_task(self._keep_watching(pattern_of(path)))
                await self._publish()
        finally:
            limiter.total_tokens -= len(self._trigger.paths)

    async def _publish(self) -> None:
        """An event whenever files have changed, and then not any more for the time to settle."""
        settle = self._trigger.settle / 1000
        while True:
            await self._news.wait()
            begun = self._clock.monotonic()
            while self._news.is_set() and self._clock.monotonic() - begun < max(_LONGEST, 2 * settle):
                self._news.clear()
                await asyncio.sleep(settle)
            seen, self._seen = self._seen, {}
            told = [(path, _outcome(path, kinds)) for path, kinds in sorted(seen.items())]
            changes = [{"path": path, "change": kind} for path, kind in told if kind in self._trigger.changes]
            if changes:
                await self._bus.publish(self._event(changes))

    def _event(self, changes: list[dict[str, str]]) -> Published:
        now = self._clock.now()
        data: dict[str, Any] = {"workflow": self._workflow, "trigger": self._trigger.id}
        data["changes"] = changes[:MOST]
        if len(changes) > MOST:
            data["more"] = len(changes) - MOST
        source = trigger_source(self._workflow, self._trigger.id)
        event = Published(id=self._ids.uuid(), type=CHANGED, source=source, at=now, data=data)
        return enriched(event, now)

    # ---- watching

    async def _keep_watching(self, pattern: Pattern) -> None:
        """Watch the directory of a pattern whenever it is there; what stands in one that comes is new."""
        known: set[str] | None = None
        failed = ""
        while True:
            try:
                mark = pattern.mark()
                if mark:
                    known = await asyncio.to_thread(pattern.present) if known is None else set()
                    await self._watch(pattern, known, mark)
                known = set()
            except (OSError, RuntimeError) as error:
                if failed != str(error):
                    failed = str(error)
                    whose = f"trigger `{self._trigger.id}` of {self._workflow}"
                    self._tell(f"{whose} cannot watch {pattern.text}: {failed}")
                await asyncio.sleep(_AGAIN)
            await asyncio.sleep(_LOOK / 1000)

    async def _watch(self, pattern: Pattern, known: set[str], mark: int) -> None:
        """Watch until the directory is not there any more, or is another. `known`: files that are not new."""
        from watchfiles import awatch

        is_fresh = True
        async for changes in awatch(
            pattern.base,
            watch_filter=None,
            debounce=200,
            step=20,
            rust_timeout=_LOOK,
            yield_on_timeout=True,
            recursive=pattern.deep,
            ignore_permission_denied=True,
        ):
            self._note((change.raw_str(), path) for change, path in changes if pattern.fits(path))
            come = [path for change, path in changes if change.raw_str() == "added"]
            if is_fresh:  # what came before the watch began
                is_fresh, come = False, [pattern.base]
            for place in come if pattern.deep or come == [pattern.base] else ():
                # Files may be in a directory before the watch is on it.
                there = await asyncio.to_thread(pattern.present, place)
                self._note(("added", path) for path in there - known)
            if pattern.mark() != mark:
                return

    def _note(self, changes: Iterable[tuple[str, str]]) -> None:
        for kind, path in changes:
            self._seen.setdefault(path, set()).add(kind)
            self._news.set()


def _outcome(path: str, kinds: set[str]) -> Kind | None:
    """What has become of a file in the end; None if it came and went, or is a directory."""
    if Path(path).is_dir():
        return None
    if not Path(path).exists() and not Path(path).is_symlink():
        return None if "added" in kinds and "deleted" not in kinds else "deleted"
    if "added" in kinds:
        return "modified" if "deleted" in kinds else "added"
    return "modified"
