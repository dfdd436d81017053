"""Run inputs: read from a command line, completed with defaults, judged by what the workflow declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mplp_cli.errors import InputError, Path
from mplp_cli.loading.reading import Reading
from mplp_cli.loading.values import Fragment, takes_text, unfit
from mplp_cli.loading.wording import quoted, shown
from mplp_cli.workflow.model import Workflow
from mplp_cli.workflow.suggest import did_you_mean


def parse_input(workflow: Workflow, name: str, text: str) -> Any:
    """The value of `name=text` on a command line: the text itself where the workflow wants text, else YAML.

    An input that is not declared keeps its text; `resolve_inputs` names it. InputError if the text is
    not a YAML value.
    """
    if not text.isprintable() and any("\ud800" <= char <= "\udfff" for char in text):
        raise _not_a_value(name, "it is not UTF-8")
    schema = workflow.inputs.get(name)
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
        raise _not_a_value(name, wrong[0].message)
    return reading.value  # `resolve_inputs` says what is wrong with it


def _not_a_value(name: str, why: str) -> InputError:
    return InputError(
        f"the input {quoted(name)} is not a value: {why}",
        hint="lists and mappings are written as in YAML or JSON: [1, 2], {a: 1}",
        details={"inputs": [{"name": name, "path": [name], "message": why}]},
    )


def _fits(fragment: Fragment, value: Any) -> bool:
    return next(unfit(fragment, value), None) is None


def resolve_inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every declared input with its given value, else its default, in the order of the file.

    InputError lists all that is unknown, missing or ill-typed: `details.inputs` has name, path and
    message of each.
    """
    wrong: list[tuple[Path, str]] = []
    for name in given:
        if name not in workflow.inputs:
            hint = did_you_mean(name, workflow.inputs) or _declared(workflow)
            wrong.append(((name,), f"there is no input {quoted(name)}; {hint}"))
    resolved: dict[str, Any] = {}
    for name, schema in workflow.inputs.items():
        if name in given:
            resolved[name] = given[name]
            for place, said in unfit(Fragment(schema), given[name]):
                wrong.append(((name, *place), f"{_where(name, place)}: {said}"))
        elif "default" in schema:
            resolved[name] = schema["default"]
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
    return resolved


def _declared(workflow: Workflow) -> str:
    return f"inputs: {', '.join(workflow.inputs)}" if workflow.inputs else "this workflow declares none"


def _where(name: str, place: Path) -> str:
    inner = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return f"input {quoted(name + inner)}"
