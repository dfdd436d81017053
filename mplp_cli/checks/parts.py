"""The checks of what mplp consists of: schemas, modules, agents, and what packages add."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mplp_cli.agents.registry import Registry
from mplp_cli.checks.scene import Scene
from mplp_cli.errors import MplpError, WorkflowValidationError
from mplp_cli.modules.catalogue import all_modules
from mplp_cli.modules.hub import Hub
from mplp_cli.modules.lifecycle import blockers
from mplp_cli.modules.lookup import find_module
from mplp_cli.observe.health import Finding, Wrong, found
from mplp_cli.plugins import Points, installed
from mplp_cli.roster import agent_kinds
from mplp_cli.store.leases import FOLDER
from mplp_cli.store.locks import is_held

_AGAIN: Final = "install mplp again: `pip install --force-reinstall mplp-cli`"


def check_schemas() -> Finding:
    """Every bundled schema can be read and compiled."""
    import msgspec
    from jsonschema_rs import Registry as Schemas
    from jsonschema_rs import validator_for

    from mplp_cli.bundled import bundled

    folder = bundled("schemas")
    paths = sorted(folder.rglob("*.schema.json"))
    try:
        # That of workflows refers to that of agents, and that of settings to both.
        named = [
            msgspec.json.decode((folder / f"{name}.schema.json").read_bytes())
            for name in ("agents", "workflow")
        ]
        known = Schemas([(schema["$id"], schema) for schema in named])
    except (OSError, ValueError) as error:
        raise MplpError(f"the bundled schemas: {error}", hint=_AGAIN) from error
    for path in paths:
        try:
            validator_for(msgspec.json.decode(path.read_bytes()), registry=known, offline=True)
        except (OSError, ValueError) as error:
            raise MplpError(f"{path.name}: {error}", hint=_AGAIN) from error
    return Finding(healthy=True, details={"schemas": len(paths)})


def check_module(scene: Scene, name: str) -> Finding:
    """The module can be put to work: it runs, as all that it needs, and the schema that it writes by can be used.

    One of a package that cannot be loaded says why.
    """
    modules = all_modules()
    module = find_module(modules, name)
    wiring, settings = scene.wiring(), scene.settings.modules
    hub = Hub(modules, list, scene.clock, scene.ids, wiring=lambda: wiring, settings=settings)
    health = hub.health(name)
    if health.status == "error":
        package = modules.package_of(name)
        raise MplpError(
            health.details["error"], hint=f"mend {package}, or uninstall it" if package else _AGAIN
        )
    details = {key: health.details[key] for key in ("state", "operations")}
    first = next(iter(blockers(module, modules, wiring, settings)), name)
    restart = Wrong(health.details["state"], f"`mplp modules restart {first}` starts it")
    return found([restart] if health.status == "unhealthy" else (), details)


def check_kind(name: str) -> Finding:
    """The kind of agents that a package brings along can be used."""
    agent_kinds().check(name)
    return Finding(healthy=True, details={"package": agent_kinds().package_of(name)})


def check_point(group: str, name: str) -> Finding:
    """What a package brings along under a name can be imported, and is the only one of that name."""
    points = Points(lambda: installed(group))
    package, found_ = points.package_of(name), points.by_name.get(name, [])
    hint = f"mend {package or 'the package'}, or uninstall it"
    if len(found_) != 1:
        raise MplpError(f"`{name}` is brought along by {package or 'nobody'}", hint=hint)
    try:
        found_[0].load()
    except (Exception, SystemExit) as error:
        raise MplpError(f"{package}: {type(error).__name__}: {error}", hint=hint) from error
    return Finding(healthy=True, details={"package": package})


def check_agents(scene: Scene) -> Finding:
    """The agents of the project show that they are there, as far as they have to."""
    registry = _registry(scene)
    states = {entry.id: registry.info(entry) for entry in registry.entries()}
    counts = dict.fromkeys(("active", "degraded", "unreachable"), 0)
    wrong = []
    for name, info in states.items():
        counts[info.status] += 1
        if info.status == "unreachable":
            wrong.append(
                Wrong(
                    f"agent {name} is unreachable: it was last seen at {info.last_seen}",
                    f"`mplp agents doctor {name}` says what is missing,"
                    f" `mplp agents heartbeat {name}` that it is there again",
                )
            )
    details: dict[str, Any] = dict(counts)
    if late := [name for name, info in states.items() if info.status == "degraded"]:
        details["late"] = late
    if places := _places(scene.place, [*states]):
        details["placesTaken"] = places
    return found(wrong, details)


def _registry(scene: Scene) -> Registry:
    """The agents of the project. MplpError says where its files are not valid."""
    try:
        return scene.runtime().registry
    except WorkflowValidationError as error:
        first = next((one for one in error.problems if one.severity == "error"), None)
        where = "" if first is None else f"{first.file}:{first.line}:{first.column}: "
        raise MplpError(f"{where}{error.message}", hint="`mplp agents list` shows what is wrong") from error


def _places(place: Path | None, agents: Sequence[str]) -> dict[str, int]:
    """How many calls each agent answers now, of those that take only so many at once."""
    if place is None or not (place / FOLDER).is_dir():
        return {}
    taken: dict[str, int] = {}
    for file in sorted((place / FOLDER).iterdir()):
        name = file.name.rpartition(".")[0]
        if name in agents and is_held(file):
            taken[name] = taken.get(name, 0) + 1
    return taken
