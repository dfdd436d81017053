"""`mplp __complete KIND ARGUMENT...`: what completion scripts ask for while somebody types.

Prints one candidate a line, with a description behind a tab. It is asked at every press of a key: it
imports no more than it needs, makes nothing, and says nothing when something is wrong.

    runs COMMAND            ids of runs that the command could mean, newest first
    steps COMMAND RUN       steps of the run; for approve and reject, those that ask
    workflows               ids of workflows that have runs
    examples                names of the bundled workflows; `example:` in front with the argument `run`
    topics                  pages of the reference
    schemas                 names of the bundled schemas
    agents                  ids of the agents of the project
    modules                 names of the modules
    operations              MODULE.OPERATION of every module, and the names of the modules
    interfaces              MODULE.INTERFACE of every reserved one, and the names of the modules
    kinds                   kinds of objects
    objects                 ids of the objects that were changed last
    allocations             ids of what is held by hand
    components              what `mplp health` looks at
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord, Store

#: More than these are nothing to choose from.
_RUNS = 50
_OBJECTS = 50

Pair = tuple[str, str]


def main(arguments: Sequence[str]) -> None:
    """Answer, or be silent."""
    try:
        kind, *rest = arguments
        lines = [f"{_clean(name)}\t{_clean(says)}\n" for name, says in _KINDS[kind](rest)]
        sys.stdout.write("".join(lines))
        sys.stdout.flush()
    except Exception:  # noqa: BLE001, S110 - a prompt is no place for an error
        pass


def _clean(text: str) -> str:
    from mplp_cli.render.theme import safe

    return safe(text)


def _store() -> Store | None:
    from mplp_cli.cli.showing import stored
    from mplp_cli.runtime import Runtime

    return stored(Runtime())


def _runs(rest: Sequence[str]) -> Iterator[Pair]:
    from mplp_cli.render.tables import status_of

    store = _store()
    if store is None:
        return
    fits = _fitting(rest[0] if rest else "", store)
    for run in store.runs(limit=_RUNS):
        if fits(run):
            yield run.id, f"{run.workflow_id}, {status_of(run)}"


def _fitting(command: str, store: Store) -> Callable[[RunRecord], bool]:
    """Whether the command could do anything with a run."""
    match command:
        case "approve" | "reject":
            asking = {asked.run for asked in store.approvals()}
            return lambda run: run.id in asking
        case "pause":
            return lambda run: run.status not in ("paused", "completed", "failed", "cancelled")
        case "cancel" | "kill" | "attach" | "wait":
            return lambda run: run.status not in ("completed", "failed", "cancelled")
        case "retry":
            return lambda run: run.status == "failed" and not run.owned
        case "rerun":
            return lambda run: run.status not in ("pending", "running")
        case "resume":
            return lambda run: (
                run.status not in ("completed", "cancelled") and not run.owned and not run.parent
            )
        case _:
            return lambda run: True


def _steps(rest: Sequence[str]) -> Iterator[Pair]:
    command, name = rest
    store = _store()
    if store is None:
        return
    found = store.find_runs(name)
    if command in ("approve", "reject"):
        runs = {run.id for run in found}
        yield from ((asked.step, asked.message) for asked in store.approvals() if asked.run in runs)
    elif found:
        yield from ((step, "") for step in step_ids(store.definition(found[0].id).plan))


def step_ids(plan: bytes) -> list[str]:
    """The ids in a stored plan, which need not be planned again for that."""
    import msgspec

    document: Any = msgspec.json.decode(plan)
    return [str(row[0]) for row in document["steps"]]


def _workflows(_: Sequence[str]) -> Iterator[Pair]:
    store = _store()
    if store is not None:
        yield from {run.workflow_id: run.name for run in store.runs(limit=_RUNS)}.items()


def _examples(rest: Sequence[str]) -> Iterator[Pair]:
    from mplp_cli.cli.library import called
    from mplp_cli.sources import examples

    prefix = "example:" if rest == ["run"] else ""
    yield from ((f"{prefix}{called(path)}", "") for path in examples())


def _topics(_: Sequence[str]) -> Iterator[Pair]:
    from mplp_cli.cli.library import page, topics
    from mplp_cli.render.pages import page_title

    yield from ((name, page_title(page(name))) for name in topics())


def _schemas(_: Sequence[str]) -> Iterator[Pair]:
    from mplp_cli.cli.library import schemas

    yield from ((name, "") for name in schemas())


def _modules(_: Sequence[str]) -> Iterator[Pair]:
    from mplp_cli.modules.catalogue import all_modules

    yield from ((name, module.summary) for name, module in all_modules().items())


def _agents(_: Sequence[str]) -> Iterator[Pair]:
    from mplp_cli.runtime import Runtime

    yield from ((entry.id, entry.agent.description) for entry in Runtime().registry.entries())


def _operations(_: Sequence[str]) -> Iterator[Pair]:
    from mplp_cli.modules.catalogue import all_modules

    for name, module in all_modules().items():
        yield name, module.summary
        yield from ((f"{name}.{one.name}", one.summary) for one in module.operations.values())


def _interfaces(_: Sequence[str]) -> Iterator[Pair]:
    from mplp_cli.modules.reserved import RESERVED

    for name in dict.fromkeys(one.module for one in RESERVED):
        yield name, ""
    yield from ((one.full_name, one.schema["description"]) for one in RESERVED)


def _kinds(_: Sequence[str]) -> Iterator[Pair]:
    yield from ((name, "") for name, _ in _modules(()))


def _objects(_: Sequence[str]) -> Iterator[Pair]:
    from mplp_cli.cli.kept import kept

    store = _store()
    if store is not None:
        newest = sorted(kept(store, deleted=False), key=lambda one: one.updated_at, reverse=True)
        yield from ((one.id, f"{one.kind} {one.title}".strip()) for one in newest[:_OBJECTS])


def _allocations(_: Sequence[str]) -> Iterator[Pair]:
    from mplp_cli.workflow.amounts import amount_text

    store = _store()
    for one in store.shares.allocations() if store is not None else ():
        held = ", ".join(f"{kind} {amount_text(kind, amount)}" for kind, _, amount in one.parts)
        yield one.id, f"{held}, {one.by}"


def _components(_: Sequence[str]) -> Iterator[Pair]:
    from mplp_cli.checks.table import checks_of
    from mplp_cli.runtime import Runtime

    names = list(checks_of(Runtime(), 1.0))
    yield from ((name, "") for name in dict.fromkeys(name.partition(":")[0] for name in names))
    yield from ((name, "") for name in names if ":" in name)


_KINDS: dict[str, Callable[[Sequence[str]], Iterator[Pair]]] = {
    "runs": _runs,
    "steps": _steps,
    "workflows": _workflows,
    "examples": _examples,
    "topics": _topics,
    "schemas": _schemas,
    "agents": _agents,
    "modules": _modules,
    "operations": _operations,
    "interfaces": _interfaces,
    "kinds": _kinds,
    "objects": _objects,
    "allocations": _allocations,
    "components": _components,
}
