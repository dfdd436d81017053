"""Every check, by the name of its component."""

from __future__ import annotations

from functools import partial
from typing import Final

from mplp_cli.checks.delivered import check_events
from mplp_cli.checks.parts import check_agents, check_kind, check_module, check_point, check_schemas
from mplp_cli.checks.pooled import check_machine, check_resources
from mplp_cli.checks.scene import Scene
from mplp_cli.checks.served import check_serve
from mplp_cli.checks.stored import check_engine, check_store
from mplp_cli.modules.catalogue import all_modules
from mplp_cli.observe.health import Check
from mplp_cli.observe.surroundings import check_disk, check_packages, check_platform
from mplp_cli.plugins import Points, installed
from mplp_cli.roster import agent_kinds
from mplp_cli.runtime import Runtime

#: What else packages add: the first part of the component's name -> entry-point group.
_GROUPS: Final = {"condition": "mplp.conditions", "scaler": "mplp.scalers"}


def checks_of(runtime: Runtime, deadline: float) -> dict[str, Check]:
    """All of them. Each must have answered within `deadline` seconds."""
    scene = Scene(runtime, deadline)
    kinds = {f"agent-kind:{name}": partial(check_kind, name) for name in agent_kinds().names()}
    return {
        "engine": partial(check_engine, scene),
        "store": partial(check_store, scene),
        **_of_state(scene),
        "schemas": check_schemas,
        "disk": lambda: check_disk(scene.disk()),
        "serve": partial(check_serve, scene),
        "packages": check_packages,
        "platform": check_platform,
        **kinds,
        **_plugged(),
    }


def checks_inside(runtime: Runtime, deadline: float) -> dict[str, Check]:
    """Those of a server, which makes them again and again: without what cannot change as long as it runs, and without
    reading the whole store."""
    scene = Scene(runtime, deadline)
    return {
        "engine": partial(check_engine, scene),
        "store": partial(check_store, scene, whole=False),
        **_of_state(scene),
        "disk": lambda: check_disk(scene.disk()),
    }


def _of_state(scene: Scene) -> dict[str, Check]:
    return {
        "events": partial(check_events, scene),
        "resources": partial(check_resources, scene),
        "machine": partial(check_machine, scene),
        **{f"module:{name}": partial(check_module, scene, name) for name in all_modules().names()},
        "agents": partial(check_agents, scene),
    }


def _plugged() -> dict[str, Check]:
    found: dict[str, Check] = {}
    for word, group in _GROUPS.items():
        for name in Points(partial(installed, group)).by_name:
            found[f"{word}:{name}"] = partial(check_point, group, name)
    return found
