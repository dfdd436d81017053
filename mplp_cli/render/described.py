"""`mplp modules describe`: modules and operations as screens. The documents are those that machines get."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from mplp_cli.modules.describing import Field, fields_of, type_words
from mplp_cli.render.grid import grid, joined, wrapped
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.theme import Theme
from mplp_cli.render.values import value_lines


def module_screen(told: Mapping[str, Any], theme: Theme, width: int) -> Screen:
    """A module."""
    return Screen(_module(told, theme, width))


def _module(told: Mapping[str, Any], theme: Theme, width: int) -> Iterator[Line]:
    yield Line(told["module"], "strong").add(f"  {told['summary']}")
    if told["package"]:
        yield Line(f"from the package {told['package']}", "dim")
    if told["needs"]:
        yield Line(f"needs {', '.join(told['needs'])}")
    yield from _title("Operations")
    rows = [
        (Line(one["operation"], "key"), Line(one["summary"], "dim" if one["reserved"] else ""))
        for one in told["operations"]
    ]
    yield from grid(("OPERATION", "WHAT IT DOES"), rows, theme=theme, width=width)
    if told["transitions"]:
        yield from _title("Statuses of its objects")
        arrow = f" {theme.glyph('arrow')} "
        longest = max(map(len, told["transitions"]))
        for status, after in told["transitions"].items():
            yield from joined(
                list(after) or ["final"],
                ", ",
                width,
                first=f"{status:>{longest}}{arrow if after else '   '}",
                rest=" " * (longest + len(arrow)),
            )
    yield from _title(f"Configuration, under modules.{told['module']} in mplp.yaml")
    yield from _fields("KEY", fields_of(told["configuration"]), theme, width)


def operation_screen(told: Mapping[str, Any], theme: Theme, width: int) -> Screen:
    """An operation."""
    return Screen(_operation(told, theme, width))


def _operation(told: Mapping[str, Any], theme: Theme, width: int) -> Iterator[Line]:
    yield Line(f"{told['module']}.{told['operation']}", "strong").add(f"  {told['summary']}")
    if told["reserved"]:
        yield Line(f"also called {told['reserved']}", "dim")
    yield from _title("Parameters")
    parameters = fields_of(told["parameters"])
    if parameters:
        yield from _fields("NAME", parameters, theme, width, needed=True)
        for group in told["anyOf"]:
            yield from wrapped(Line(f"At least one of {', '.join(group)} is needed."), width)
    else:
        yield Line("none")
    yield from _title("Result")
    result = fields_of(told["result"])
    if result:
        yield from _fields("NAME", result, theme, width)
    else:
        yield Line(type_words(told["result"], told["result"].get("$defs", {})))
    yield from _title("Example")
    yield from value_lines([told["example"]], "  ")


def _title(text: str) -> Iterator[Line]:
    yield Line()
    yield Line(text, "strong")


def _fields(
    head: str, fields: Sequence[Field], theme: Theme, width: int, *, needed: bool = False
) -> Iterator[Line]:
    rows = []
    for field in fields:
        required = (Line("required" if field.required else "", "strong"),) if needed else ()
        rows.append((Line(field.name, "key"), *required, Line(_about(field))))
    yield from grid((head, *(("",) if needed else ()), "TYPE"), rows, theme=theme, width=width)


def _about(field: Field) -> str:
    said = [field.description] if field.description else []
    if field.default is not UNSET and field.default not in (None, [], {}):
        said.append(f"default {json.dumps(field.default)}")
    return f"{field.type} ({'; '.join(said)})" if said else field.type
