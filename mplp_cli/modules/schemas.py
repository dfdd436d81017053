"""The bundled JSON Schemas of the protocol's objects, asserted with formats on every write."""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from mplp_cli.bundled import bundled
from mplp_cli.errors import OperationError

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

_SHOWN = 10


@cache
def object_schema(kind: str) -> dict[str, Any] | None:
    """The bundled schema of objects of that kind as data; None if there is none."""
    from msgspec import json

    try:
        text = (bundled("schemas") / "objects" / f"{kind}.schema.json").read_bytes()
    except FileNotFoundError:
        return None
    return dict(json.decode(text))


@cache
def validator(kind: str) -> Draft202012Validator:
    """Checks objects of that kind. FileNotFoundError or ValueError if the bundled schema cannot be used."""
    return _validator_of((bundled("schemas") / "objects" / f"{kind}.schema.json").read_bytes())


@cache
def _validator_of(schema: bytes) -> Draft202012Validator:
    import jsonschema_rs
    import msgspec

    return jsonschema_rs.Draft202012Validator(
        msgspec.json.decode(schema), validate_formats=True, offline=True
    )


def usable(kind: str, schema: dict[str, Any] | None = None) -> None:
    """FileNotFoundError or ValueError if the schema of a kind of objects cannot be used."""
    if schema is None:
        validator(kind)
    else:
        import msgspec

        _validator_of(msgspec.json.encode(schema))


def check_object(
    kind: str, identifier: str, body: dict[str, Any], schema: dict[str, Any] | None = None
) -> None:
    """OperationError that names places (a few at most) where `body` is not a valid object of that kind.

    `schema` is that of a plug-in's object; those of the protocol are bundled.
    """
    from msgspec import json

    try:
        json.encode(body)
    except (TypeError, UnicodeEncodeError, RecursionError) as error:
        raise OperationError(
            f"the {kind} would hold something that is not JSON: {error}",
            details={"kind": kind, "id": identifier},
        ) from error
    try:
        judge = validator(kind) if schema is None else _validator_of(json.encode(schema))
    except FileNotFoundError as error:
        raise OperationError(f"there is no schema for objects of the kind `{kind}`") from error
    try:
        found = [] if judge.is_valid(body) else _misfits(judge, body)
    except ValueError as error:  # the validator goes no deeper
        raise OperationError(
            f"the {kind} cannot be judged: {error}", details={"kind": kind, "id": identifier}
        ) from error
    if found:
        said = "; ".join(f"`{item['path'] or kind}`: {item['message']}" for item in found)
        raise OperationError(
            f"the {kind} would not be valid: {said}",
            details={"kind": kind, "id": identifier, "problems": found},
        )


def _misfits(judge: Draft202012Validator, body: dict[str, Any]) -> list[dict[str, str]]:
    """Where a body does not fit, a few places at most."""
    found = []
    for problem in islice(judge.iter_errors(body), _SHOWN):
        place = "/".join(str(part) for part in problem.instance_path)
        found.append({"path": place, "message": problem.message})
    return found
