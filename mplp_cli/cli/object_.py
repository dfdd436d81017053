"""`mplp objects show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols import ProtocolObject
    from mplp_cli.render.objects import Kept


def main(
    name: Annotated[str, typer.Argument(metavar="OBJECT", help="The id of an object, or how it begins.")],
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="The kind it is of.", show_default=False)
    ] = None,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", min=1, help="This version, not the last.", show_default=False),
    ] = None,
    versions: Annotated[bool, typer.Option("--versions", help="List the versions instead.")] = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Print an object, or the list of its versions.

    Every change makes a version. Of a deleted object the last version that it had is shown. `mplp runs prune`
    deletes earlier versions with the runs that wrote them, never the last.

    Examples:

      mplp objects show 3f2a

      mplp objects show 3f2a --versions

      mplp objects show 3f2a --version 1 --output json
    """
    from mplp_cli.cli.kept import check_kind, one_kept
    from mplp_cli.cli.showing import note, show, stored
    from mplp_cli.render.objects import object_document, versions_document, versions_table
    from mplp_cli.render.values import value_lines
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    store = stored(runtime)
    check_kind(kind, () if store is None else {one.kind for one in store.objects(kind)})
    found = one_kept(store, name, kind)
    assert store is not None
    there = store.object_versions(found.kind, found.id)
    if versions and output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(versions_document(found, there))
    elif versions:
        show(lambda theme, width: versions_table(there, theme, width), no_color=no_color)
    else:
        shown = _version(found, there, version)
        if output is TextOrJson.json:
            from mplp_cli.render.machine import write_document

            write_document(object_document(found, shown))
            return
        show(lambda _theme, _width: value_lines(shown.body), no_color=no_color)
        note(_said(found, shown))


def _version(found: Kept, there: list[ProtocolObject], wanted: int | None) -> ProtocolObject:
    """The version to be shown. UsageError if it is not there."""
    from mplp_cli.errors import UsageError

    whole = [one for one in there if one.body]
    if wanted is None and whole:
        return whole[-1]
    for one in whole:
        if one.version == wanted:
            return one
    listed = ", ".join(str(one.version) for one in whole)
    if found.deleted and wanted in (None, found.version):
        raise UsageError(
            f"the {found.kind} {found.id} was deleted", hint=f"versions: {listed}" if listed else None
        )
    raise UsageError(f"the {found.kind} {found.id} has no version {wanted}", hint=f"versions: {listed}")


def _said(found: Kept, shown: ProtocolObject) -> str:
    called = f"{found.kind} {found.id}, version {shown.version}"
    if found.deleted:
        return f"{called}; deleted with version {found.version}"
    return called if shown.version == found.version else f"{called} of {found.version}"
