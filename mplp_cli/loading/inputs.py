"""Inputs of runs and of answers: read from a command line, completed with defaults, judged by what is declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mplp_cli.errors import InputError, Path
from mplp_cli.loading.reading import Reading
from mplp_cli.loading.values import Fragment, takes_text, unfit
from mplp_cli.loading.wording import quoted, shown
from mplp_cli.workflow.model import Workflow
from mplp_cli.workflow.suggest import did_you_mean

#: Name -> JSON Schema; `default` in it makes the input optional.
Declared = Mapping[str, dict[str, Any]]


def parse_input(workflow: Workflow, name: str, text: str) -> Any:
    """The value of `name=text` on a command line, as `parse_value` reads it."""
    return parse_value(workflow.inputs, name, text)


def parse_value(declared: Declared, name: str, text: str, what: str = "input") -> Any:
    """The value of `name=text` on a command line: the text itself where text is declared, else YAML.

    An input that is not declared keeps its text; `resolved` names it. InputError if the text is not a
    YAML value. `what` is what messages call it.
    """
    if not text.isprintable() and any("\ud800" <= char <= "\udfff" for char in text):
        raise _not_a_value(what, name, "it is not UTF-8")
    schema = declared.get(name)
    if schema is None or takes_text(schema):
        return text
    from mplp_cli.loading.yaml_reader import read_yaml

    reading = read_yaml(text) if text.strip() else Reading(value=None)
    wrong = [p for p in reading.problems if p.severity == "error"]
    fragment = Fragment(schema)
    if not wrong and _fits(fragment, reading.value):
        return reading.value
    if _fits(fragment, text):
        return text
    if wrong:
        raise _not_a_value(what, name, wrong[0].message)
    return reading.value  # `resolved` says what is wrong with it


def _not_a_value(what: str, name: str, why: str) -> InputError:
    return InputError(
        f"the {what} {quoted(name)} is not a value: {why}",
        hint="lists and mappings are written as in YAML or JSON: [1, 2], {a: 1}",
        details={"inputs": [{"name": name, "path": [name], "message": why}]},
    )


def _fits(fragment: Fragment, value: Any) -> bool:
    return next(unfit(fragment, value), None) is None


def resolve_inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a run, as `resolved` completes and judges them."""
    return resolved(workflow.inputs, given, "this workflow declares none")


def resolved(declared: Declared, given: Mapping[str, Any], none: str) -> dict[str, Any]:
    """Every declared input with its given value, else its default, in the order of the file.

    `none` is said where something is given and nothing is declared. InputError lists all that is unknown,
    missing or ill-typed: `details.inputs` has name, path and message of each.
    """
    wrong: list[tuple[Path, str]] = []
    for name in given:
        if name not in declared:
            hint = did_you_mean(name, declared) or (f"inputs: {', '.join(declared)}" if declared else none)
            wrong.append(((name,), f"there is no input {quoted(name)}; {hint}"))
    complete: dict[str, Any] = {}
    for name, schema in declared.items():
        if name in given:
            complete[name] = given[name]
            for place, said in unfit(Fragment(schema), given[name]):
                wrong.append(((name, *place), f"{_where(name, place)}: {said}"))
        elif "default" in schema:
            complete[name] = schema["default"]
        else:
            about = f" ({shown(schema['description'])})" if isinstance(schema.get("description"), str) else ""
            wrong.append(((name,), f"the input {quoted(name)} is missing{about}"))
    if wrong:
        first = wrong[0][1]
        raise InputError(
            first if len(wrong) == 1 else "; ".join(said for _, said in wrong),
            hint="give inputs with --input name=value or --inputs FILE",
            details={
                "inputs": [{"name": path[0], "path": list(path), "message": said} for path, said in wrong]
            },
        )
    return complete


def _where(name: str, place: Path) -> str:
    inner = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return f"input {quoted(name + inner)}"
