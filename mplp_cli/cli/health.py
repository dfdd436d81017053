"""`mplp health`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.observe.health import Check, Finding
    from mplp_cli.protocols import Wiring
    from mplp_cli.runtime import Runtime


def main(
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="How long one check may take.")
    ] = 2.0,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Check whether mplp can do its work.

    Checked are the store, the disk, the bundled schemas, the modules, the kinds of agents of packages, the
    packages and Python, each by itself: one that is broken keeps no other from being checked. Any error makes
    the whole critical, more than 3 in 10 unhealthy ones degraded, fewer a warning. The disk is unhealthy with
    less than 256 MiB or 1,000 files free.

    Exit codes: 0 healthy or warning, 1 degraded or critical.

    Examples:

      mplp health

      mplp health --output json
    """
    from mplp_cli.observe.health import check_health
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    report = check_health(_checks(runtime), runtime.clock, timeout)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(report)
    else:
        _show(report, no_color=no_color)
    raise typer.Exit(0 if report["overall"] in ("healthy", "warning") else 1)


def _show(report: dict[str, Any], *, no_color: bool) -> None:
    from mplp_cli.cli.showing import show
    from mplp_cli.render.ink import Line
    from mplp_cli.render.tables import health_table

    styles = {"healthy": "ok-strong", "warning": "warn", "degraded": "warn", "critical": "bad-strong"}
    overall = report["overall"]
    show(
        lambda theme, width: [
            Line("overall: ").add(overall, styles[overall]),
            Line(),
            *health_table(report, theme, width),
        ],
        no_color=no_color,
    )


def _checks(runtime: Runtime) -> dict[str, Check]:
    from mplp_cli.observe.surroundings import check_disk, check_packages, check_platform
    from mplp_cli.roster import agent_kinds

    modules = runtime.modules
    return {
        "store": partial(_check_store, runtime),
        "disk": lambda: check_disk(_place(runtime)),
        "schemas": _check_schemas,
        **{f"module:{name}": partial(_check_module, runtime, name) for name in (*modules, *modules.broken())},
        **{f"agent-kind:{name}": partial(_check_kind, name) for name in agent_kinds().names()},
        "packages": check_packages,
        "platform": check_platform,
    }


def _check_store(runtime: Runtime) -> Finding:
    """The store, opened and closed here: it belongs to one thread."""
    from mplp_cli.observe.health import Finding
    from mplp_cli.store.layout import database_path
    from mplp_cli.store.sqlite import SqliteStore

    place = runtime.existing_state_dir()
    if place is None or not (database_path(place).exists() or (place / "runs").exists()):
        return Finding(healthy=True, details={"state": "none yet"})
    store = SqliteStore(place, runtime.clock)
    try:
        return Finding(healthy=True, details=store.check())
    finally:
        store.close()


def _place(runtime: Runtime) -> Path:
    from mplp_cli.errors import MplpError

    try:
        return runtime.existing_state_dir() or runtime.cwd
    except MplpError:  # the store's own check reports it
        return runtime.cwd


def _check_schemas() -> Finding:
    """Every bundled schema can be read and compiled."""
    import msgspec
    from jsonschema_rs import Registry, validator_for

    from mplp_cli.bundled import bundled
    from mplp_cli.observe.health import Finding

    folder = bundled("schemas")
    paths = sorted(folder.rglob("*.schema.json"))
    # That of workflows refers to that of agents, and that of settings to both.
    named = [
        msgspec.json.decode((folder / f"{name}.schema.json").read_bytes()) for name in ("agents", "workflow")
    ]
    known = Registry([(schema["$id"], schema) for schema in named])
    for path in paths:
        try:
            validator_for(msgspec.json.decode(path.read_bytes()), registry=known, offline=True)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error
    return Finding(healthy=bool(paths), details={"schemas": len(paths)})


def _check_module(runtime: Runtime, name: str) -> Finding:
    """The module can be put to work: it runs, as all that it needs, and the schema that it writes by can be used.

    One of a package that cannot be loaded says why.
    """
    from mplp_cli.modules.hub import Hub
    from mplp_cli.modules.lookup import find_module
    from mplp_cli.observe.health import Finding

    find_module(runtime.modules, name)
    wiring = _wiring(runtime)
    hub = Hub(
        runtime.modules,
        list,
        runtime.clock,
        runtime.ids,
        wiring=lambda: wiring,
        settings=runtime.settings.modules,
    )
    found = hub.health(name)
    if found.status == "error":
        raise ValueError(found.details["error"])
    details = {key: found.details[key] for key in ("operations", "state")}
    return Finding(healthy=found.status == "healthy", details=details)


def _check_kind(name: str) -> Finding:
    """The kind of agents that a package brings along can be used."""
    from mplp_cli.observe.health import Finding
    from mplp_cli.roster import agent_kinds

    why = agent_kinds().broken().get(name)
    if why is not None:
        raise ValueError(why)
    return Finding(healthy=True, details={"package": agent_kinds().package_of(name)})


def _wiring(runtime: Runtime) -> Wiring:
    """The states of the modules; as if nobody had touched them where there is no store, or none that can be read."""
    from mplp_cli.errors import MplpError
    from mplp_cli.protocols import Wiring
    from mplp_cli.store.layout import database_path
    from mplp_cli.store.sqlite import SqliteStore

    try:
        place = runtime.existing_state_dir()
        if place is None or not database_path(place).exists():
            return Wiring()
        store = SqliteStore(place, runtime.clock)
        try:
            return store.switchboard.wiring()
        finally:
            store.close()
    except MplpError:  # the store's own check reports it
        return Wiring()
