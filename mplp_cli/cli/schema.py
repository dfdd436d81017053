"""`mplp schema`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def main(
    name: Annotated[str, typer.Argument(metavar="[SCHEMA]", help="Which schema.")] = "workflow",
    list_names: Annotated[
        bool, typer.Option("--list", help="Print the names of the schemas and stop.")
    ] = False,
) -> None:
    """Print a JSON Schema that comes with mplp.

    That of workflow files, of agents files, of the settings `mplp.yaml`, or of an object that a module writes.

    Editors with a YAML language server complete and check a workflow by it. Save it, and put this line at
    the top of the workflow:

      # yaml-language-server: $schema=workflow.schema.json

    Examples:

      mplp schema > workflow.schema.json

      mplp schema agents > agents.schema.json

      mplp schema --list
    """
    from mplp_cli.cli.library import schemas
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.suggest import did_you_mean

    paths = schemas()
    if list_names:
        sys.stdout.write("".join(f"{known}\n" for known in paths))
        return
    if name not in paths:
        hint = did_you_mean(name, paths) or "`mplp schema --list` names them"
        raise UsageError(f"there is no schema {name!r}", hint=hint)
    if name not in ("workflow", "settings"):
        sys.stdout.write(paths[name].read_text("utf-8"))
        return
    from msgspec import json

    from mplp_cli.loading.schema import settings_schema, workflow_schema

    # With what it refers to, so that it can be saved and used by itself.
    made = workflow_schema() if name == "workflow" else settings_schema()
    sys.stdout.write(json.format(json.encode(made)).decode() + "\n")
