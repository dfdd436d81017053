"""Driving a run, and what is done meanwhile. What is not declared costs nothing, nor is it imported."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from mplp_cli.sampling import Watch, nobody, sampling

if TYPE_CHECKING:
    from mplp_cli.engine.subruns import Subrun, Subruns
    from mplp_cli.events.dispatch import Scope
    from mplp_cli.protocols import Store
    from mplp_cli.runtime import Run, Runtime
    from mplp_cli.workflow.events.routes import Routing
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.published import Published
    from mplp_cli.workflow.values import RunId

#: Seconds until it is looked again whether another process still delivers.
_AGAIN: Final = 0.5
#: Set when delivering has begun (or another process delivers), and when it is over.
_Moments: TypeAlias = tuple[asyncio.Event, asyncio.Event]
_Work: TypeAlias = Callable[[_Moments], Coroutine[None, None, None]]


async def driven(runtime: Runtime, run: Run, *, project: bool = True) -> RunState:
    """Drive a run to where only a person can take it on, and deliver meanwhile: what is published in the project,
    unless another process does, and for the routes of the run's own workflow and of its sub-workflows what their runs
    tell. What happens is measured. Without `project` a server does for all its runs what is the project's."""
    if not project:
        return await _driven(runtime, run, None, nobody)
    async with sampling(runtime, f"run:{run.state.run_id}") as watch:
        return await _driven(runtime, run, runtime.settings.routing, watch)


async def _driven(runtime: Runtime, run: Run, declared: Routing | None, watch: Watch) -> RunState:
    files = [("", run.plan), *((found.path, found.plan) for found in run.plan.every_included())]
    routings = [(path, plan.routing) for path, plan in files if plan.routing is not None]
    if declared is None and not routings:
        return await run.go()
    begin, secrets = _begin_of(runtime, run), run.drive.world.secrets
    works: list[_Work] = []
    if declared is not None:
        works.append(partial(_for_the_project, runtime, declared, begin, watch))
    if routings:
        family = _Family(runtime.store, run)
        for path, routing in routings:
            works.append(partial(_for_a_file, runtime, routing, family.scope(path, begin), secrets, watch))
    over = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            for work in works:
                opened = asyncio.Event()
                tasks.create_task(work((opened, over)))
                await opened.wait()
            try:
                return await run.go()
            finally:
                over.set()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def _for_the_project(
    runtime: Runtime,
    declared: Routing,
    begin: int | None,
    watch: Watch,
    moments: _Moments,
) -> None:
    """Deliver for the project whenever no other process does, until it is over, and then what is left."""
    from mplp_cli.delivering import delivering
    from mplp_cli.events.dispatch import Scope

    opened, over = moments
    rules = runtime.settings.correlation_rules
    # A route that is new begins with the run that is, not after what the run has told already.
    scope = Scope(begin=begin)
    try:
        while True:
            last = over.is_set()
            async with delivering(runtime, declared, strict=False, scope=scope, rules=rules) as delivers:
                if delivers is not None:
                    watch(delivers.dispatcher, delivers.correlating)
                opened.set()
                await _until(over, None if delivers is not None else _AGAIN)
            if last or (over.is_set() and delivers is not None):
                return
    finally:
        opened.set()


async def _for_a_file(
    runtime: Runtime,
    routing: Routing,
    scope: Scope,
    secrets: Mapping[str, str],
    watch: Watch,
    moments: _Moments,
) -> None:
    """Deliver for the routes of one file of a run, until it is over, and then what is left."""
    from mplp_cli.delivering import delivering

    opened, over = moments
    async with delivering(runtime, routing, strict=False, scope=scope, secrets=secrets) as delivers:
        if delivers is not None:
            watch(delivers.dispatcher, delivers.correlating)
        opened.set()
        await over.wait()


async def _until(moment: asyncio.Event, seconds: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await moment.wait()


def _begin_of(runtime: Runtime, run: Run) -> int | None:
    """The number of the event before the first one that a run tells; None if that is not on the board any more."""
    from mplp_cli.engine.announcing import first_told

    first = first_told(run.state.run_id, next(iter(run.journal.read())))
    told = [number for number, event in runtime.store.board.find(first) if event.source == _source_of(run)]
    return told[0] - 1 if told else None


class _Family:
    """A run and those of its sub-workflows, at any depth: which file the routes for their events stand in."""

    def __init__(self, store: Store, run: Run) -> None:
        self._store, self._root = store, run.state.run_id
        included = list(run.plan.every_included())
        #: The files of each workflow id; none, if none of them has routes.
        self._paths: dict[str, list[str]] = {}
        for one in included if any(one.plan.routing is not None for one in included) else ():
            self._paths.setdefault(one.plan.workflow.id, []).append(one.path)
        #: What a run calls itself as a source -> the path of its file; empty for the root.
        self._files = {_source_of(run): ""}
        known = [self._root] if self._paths else []
        for above in known:
            for child in store.runs(child_of=above):
                known.append(child.id)
                self._add(child.id, child.workflow_id)
        self._follow(run.subruns)

    def scope(self, path: str, begin: int | None) -> Scope:
        """The scope of the routes of one file: what its runs tell."""
        from mplp_cli.events.dispatch import Scope

        files, name = self._files, ""
        if path:
            name = f"{os.path.relpath(path, self._store.definition(self._root).source_dir)}/"

        def is_of_it(event: Published) -> bool:
            # A step that publishes stands behind its run.
            return files.get("/".join(event.source.split("/", 3)[:3])) == path

        return Scope(name=f"run:{self._root}/{name}", only=is_of_it, begin=begin)

    def _follow(self, subruns: Subruns | None) -> None:
        if subruns is not None and self._paths:
            subruns.announce = self._begins

    def _begins(self, child: Subrun) -> None:
        self._add(child.state.run_id, child.state.plan.workflow.id)
        self._follow(child.subruns)

    def _add(self, run_id: RunId, workflow: str) -> None:
        paths = self._paths.get(workflow, ())
        self._files[f"mplp/{workflow}/{run_id}"] = paths[0] if len(paths) == 1 else self._path_of(run_id)

    def _path_of(self, run_id: RunId) -> str:
        stored = self._store.definition(run_id)
        return str(Path(stored.source_dir) / Path(stored.source_name).name)


def _source_of(run: Run) -> str:
    """What a run calls itself in what it tells."""
    return f"mplp/{run.plan.workflow.id}/{run.state.run_id}"
