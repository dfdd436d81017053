"""What is wrong with the parameters of a call, all of it at once.

The same definition (`Operation.parameters`) judges a call when it is made and, as far as values do not
depend on references, when its file is validated.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import NODEFAULT, Struct

from mplp_cli.errors import OperationError
from mplp_cli.errors import Path as Place
from mplp_cli.modules.contract import Operation, Parameters
from mplp_cli.modules.wording import explain, parse_place
from mplp_cli.workflow.suggest import did_you_mean


class Issue(Struct, frozen=True, kw_only=True):
    """One thing that is wrong. `path` starts at the parameters; it may end at a key that is not there."""

    code: Literal["op-unknown-parameter", "op-missing-parameter", "op-repeated-parameter", "op-wrong-type"]
    message: str
    path: Place = ()
    hint: str | None = None
    on: Literal["key", "value"] = "value"


class _Parameter(Struct, frozen=True):
    type: Any
    #: A struct with the one field `v` of this parameter's type, for converting values alone.
    alone: type[Struct]
    #: The struct that the value, or the items of the value, may be.
    inner: type[Parameters] | None


class _Shape(Struct, frozen=True):
    parameters: dict[str, _Parameter]
    #: Every accepted spelling to the canonical one.
    spellings: dict[str, str]
    required: tuple[str, ...]


@cache
def _shape(parameters: type[Parameters]) -> _Shape:
    known: dict[str, _Parameter] = {}
    spellings: dict[str, str] = {}
    required: list[str] = []
    for field in msgspec.structs.fields(parameters):
        alone = msgspec.defstruct("Alone", [("v", field.type)])
        inner = next(
            (t for t in _parts(field.type) if isinstance(t, type) and issubclass(t, Parameters)), None
        )
        known[field.encode_name] = _Parameter(field.type, alone, inner)
        spellings[field.name] = spellings[field.encode_name] = field.encode_name
        if field.default is NODEFAULT and field.default_factory is NODEFAULT:
            required.append(field.encode_name)
    return _Shape(known, spellings, tuple(required))


def _parts(kind: Any) -> Iterator[Any]:
    yield kind
    for argument in typing.get_args(kind):
        yield from _parts(argument)


def asks_agents(operation: Operation, given: Mapping[str, Any]) -> bool:
    """Whether a call with these parameters (in either spelling) asks agents first."""
    if operation.consult is None:
        return bool(operation.reserved) and given.get("answer") is None
    spellings = _shape(operation.parameters).spellings
    return not operation.asks or any(spellings.get(key) in operation.asks for key in given)


def convert_parameters(operation: Operation, given: Mapping[str, Any]) -> Parameters:
    """The parameters as the handler gets them. OperationError names everything that is wrong with them."""
    values, issues = _normalise(operation, given)
    if not issues:
        try:
            return msgspec.convert(values, operation.parameters)
        except msgspec.ValidationError:
            pass
    issues += _wrong_types(operation, values, static=False)
    raise OperationError(
        "; ".join(issue.message for issue in issues),
        hint=next((issue.hint for issue in issues if issue.hint), None),
        details={
            "module": operation.module,
            "operation": operation.name,
            "problems": [{"code": i.code, "path": list(i.path), "message": i.message} for i in issues],
        },
    )


def static_issues(operation: Operation, given: Mapping[str, Any]) -> list[Issue]:
    """What is wrong whatever the references in `given` turn out to be."""
    values, issues = _normalise(operation, given)
    return issues + _wrong_types(operation, values, static=True)


def _normalise(operation: Operation, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Issue]]:
    shape = _shape(operation.parameters)
    called = f"{operation.module}/{operation.name}"
    values: dict[str, Any] = {}
    issues: list[Issue] = []
    for key, value in given.items():
        name = shape.spellings.get(key)
        if name is None:
            issues.append(_unknown(called, shape, str(key)))
        elif name in values:
            message = f"`{name}` is given twice, as `{name}` and as `{key}`"
            issues.append(Issue(code="op-repeated-parameter", message=message, path=(key,), on="key"))
        else:
            inner = shape.parameters[name].inner
            values[name] = value if inner is None else _respell(value, _shape(inner).spellings)
    issues += [
        Issue(code="op-missing-parameter", message=f"`{called}` needs `{name}`", path=(name,))
        for name in shape.required
        if name not in values
    ]
    for group in operation.any_of:
        if not any(name in values for name in group):
            names = " or ".join(f"`{name}`" for name in group)
            issues.append(
                Issue(code="op-missing-parameter", message=f"`{called}` needs {names}", path=(group[0],))
            )
    return values, issues


def _unknown(called: str, shape: _Shape, key: str) -> Issue:
    known = list(shape.parameters)
    hint = did_you_mean(key, known) or (f"it takes {', '.join(known)}" if known else "it takes none")
    message = f"`{called}` has no parameter `{key}`"
    return Issue(code="op-unknown-parameter", message=message, path=(key,), hint=hint, on="key")


def _respell(value: Any, spellings: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_respell(item, spellings) for item in value]
    if isinstance(value, dict):
        named = {spellings.get(key, key): item for key, item in value.items()}
        return named if len(named) == len(value) else value
    return value


def _wrong_types(operation: Operation, values: Mapping[str, Any], *, static: bool) -> list[Issue]:
    shape = _shape(operation.parameters)
    issues = []
    for name, value in values.items():
        if static and isinstance(value, str) and value[:2] in {"${", "$<"}:
            continue
        parameter = shape.parameters[name]
        try:
            msgspec.convert({"v": value}, parameter.alone)
        except msgspec.ValidationError as error:
            said, place = parse_place(str(error))
            if static and not _certain(said, value, place):
                continue
            message, hint = explain(said, (name, *place), parameter.type if not place else None)
            issues.append(Issue(code="op-wrong-type", message=message, path=(name, *place), hint=hint))
    return issues


def _certain(said: str, value: Any, place: Place) -> bool:
    """Whether an error stays one whatever the references in `value` turn out to be."""
    if said.startswith("Object "):
        return True  # about keys, which references cannot change
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False  # an item of a mapping, of which only the type is known
    if isinstance(value, str) and ("${" in value or "$<" in value):
        # Text around a reference stays text; what it says is not known yet.
        return not value.startswith(("${", "$<")) and "got `str`" in said
    return "got `" in said or not _has_reference(value)


def _has_reference(value: Any) -> bool:
    if isinstance(value, str):
        return "${" in value or "$<" in value
    if isinstance(value, dict):
        return any(_has_reference(item) for item in value.values())
    return isinstance(value, list) and any(_has_reference(item) for item in value)
