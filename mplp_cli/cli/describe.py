"""`mplp modules describe`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.modules.contract import Module


def main(
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODULE[.OPERATION]", help="A module, or an operation such as plan.create-plan."
        ),
    ],
    output: Output = TextOrJson.text,
    no_color: NoColor = False,
) -> None:
    """Say what a module is for, or what an operation takes and gives.

    Of an operation there is an example: a step that is valid as it stands. As JSON its parameters and its
    result are JSON Schemas.

    Examples:

      mplp modules describe plan

      mplp modules describe plan.create-plan
    """
    from mplp_cli.cli.call import find_target
    from mplp_cli.cli.showing import show
    from mplp_cli.modules.catalogue import all_modules, describe_operation
    from mplp_cli.modules.describing import describe_module, example_step
    from mplp_cli.render.described import module_screen, operation_screen

    if re.search("[./]", name):
        operation = find_target(name)
        document = {**describe_operation(operation), "example": example_step(operation)}
        screen = operation_screen
    else:
        module = _module(name)
        document = describe_module(module, all_modules().package_of(name))
        screen = module_screen
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(document)
    else:
        show(lambda theme, width: screen(document, theme, width), no_color=no_color)


def _module(name: str) -> Module:
    """Exit code 2 if there is none of that name."""
    from mplp_cli.errors import Exit, OperationError
    from mplp_cli.modules.catalogue import all_modules
    from mplp_cli.modules.lookup import find_module

    try:
        return find_module(all_modules(), name)
    except OperationError as error:
        error.exit_code = Exit.USAGE
        raise
