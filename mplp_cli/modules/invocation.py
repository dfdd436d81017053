"""What an extension does when it is invoked: one of the built-in handlers, named by `config.handler`.

Each is a pure function of the extension's config and the input; nothing from outside is loaded or run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from msgspec import Meta, Struct, ValidationError, convert, defstruct, json

from mplp_cli.errors import OperationError
from mplp_cli.modules.wording import explain, parse_place
from mplp_cli.workflow.suggest import did_you_mean

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

S = TypeVar("S", bound=Struct)

#: Misfits that `json-schema` names at most.
_SHOWN = 100


class Settings(Struct, frozen=True):
    """What any extension's config may have; other keys are its own."""

    handler: Annotated[str, Meta(min_length=1)] | None = None
    permissions: list[Annotated[str, Meta(min_length=1)]] = []


class _Judged(Struct, frozen=True):
    schema: dict[str, Any] | bool


class _Transformed(Struct, frozen=True):
    pick: list[str] | None = None
    rename: dict[str, str] = {}
    defaults: dict[str, Any] = {}


class _Nothing(Struct, frozen=True):
    pass


class _Builtin(Struct, frozen=True):
    #: What the handler reads of the config.
    settings: type[Struct]
    #: (settings, input) -> output.
    run: Callable[[Any, Any], Any]


def settings_of(config: Mapping[str, Any]) -> Settings:
    """What the config says to mplp. OperationError if that is not what it must be."""
    return _read(config, Settings)


def invoke(config: Mapping[str, Any], given: Any) -> tuple[str, Any]:
    """The name of the handler, and its output. OperationError if there is none, or if it refuses."""
    name, builtin = _builtin(config)
    settings = _read(config, builtin.settings)
    try:
        return name, builtin.run(settings, given)
    except UnicodeEncodeError as error:
        raise OperationError(f"the `input` holds something that is not JSON: {error}") from error
    except ValueError as error:  # the validator goes no deeper
        raise OperationError(f"the `input` cannot be judged: {error}") from error


def config_problems(config: Mapping[str, Any]) -> list[str]:
    """Everything that keeps an extension with this config from being invoked."""
    problems = []
    for look in (settings_of, _judge_handler):
        try:
            look(config)
        except OperationError as error:
            problems.append(error.message)
    return list(dict.fromkeys(problems))


def _judge_handler(config: Mapping[str, Any]) -> None:
    _, builtin = _builtin(config)
    settings = _read(config, builtin.settings)
    if isinstance(settings, _Judged):
        _validator(settings.schema)


def _builtin(config: Mapping[str, Any]) -> tuple[str, _Builtin]:
    name = settings_of(config).handler
    builtin = BUILTIN.get(name or "")
    if name is not None and builtin is not None:
        return name, builtin
    said = "`config.handler` names none" if name is None else f"there is no handler `{name}`"
    known = list(BUILTIN)
    hint = did_you_mean(name, known) if name is not None else None
    raise OperationError(
        f"{said}, and only built-in handlers run: {', '.join(known)}",
        hint=hint or "give `config.handler` one of these names",
        details={"handler": name, "known": known},
    )


def _read(config: Mapping[str, Any], kind: type[S]) -> S:
    alone = defstruct("Alone", [("v", kind)])
    try:
        read: S = convert({"v": config}, alone).v  # type: ignore[attr-defined]  # the field of `alone`
    except ValidationError as error:
        said, place = parse_place(str(error))
        raise OperationError(
            explain(said, ("config", *place))[0], details={"path": ["config", *place]}
        ) from error
    return read


def _judge(settings: _Judged, given: Any) -> dict[str, Any]:
    """`{valid, errors: [{path, message}]}`: what is wrong is an answer, not a failure."""
    errors: list[dict[str, str]] = []
    for problem in _validator(settings.schema).iter_errors(given):
        place = "/".join(str(part) for part in problem.instance_path)
        errors.append({"path": place, "message": problem.message})
        if len(errors) == _SHOWN:
            break
    return {"valid": not errors, "errors": errors}


def _validator(schema: dict[str, Any] | bool) -> Draft202012Validator:
    return _compiled(json.encode(schema))


@lru_cache(64)
def _compiled(schema: bytes) -> Draft202012Validator:
    from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions
    from jsonschema_rs import ValidationError as NoSchema

    try:
        # Nothing is fetched, and the time that a pattern takes grows with the text alone.
        return Draft202012Validator(
            json.decode(schema), offline=True, validate_formats=True, pattern_options=RegexOptions()
        )
    except (NoSchema, ReferencingError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise OperationError(f"`config.schema` is not a JSON Schema that can be used: {said}") from error


def _transform(settings: _Transformed, given: Any) -> dict[str, Any]:
    """Picks keys, renames them, and fills in those that are missing, in this order."""
    if not isinstance(given, dict):
        raise OperationError("`transform` takes a map as its `input`")
    kept = given if settings.pick is None else {key: given[key] for key in settings.pick if key in given}
    output: dict[str, Any] = {}
    for key, value in kept.items():
        name = settings.rename.get(key, key)
        if name in output:
            raise OperationError(
                f"`config.rename` makes two keys `{name}`", hint="`config.pick` leaves one of them out"
            )
        output[name] = value
    return {**settings.defaults, **output}


def _checksum(_settings: _Nothing, given: Any) -> dict[str, Any]:
    """SHA-256 of the input as JSON in UTF-8, keys sorted, without spaces."""
    return {"algorithm": "sha256", "digest": hashlib.sha256(json.encode(given, order="sorted")).hexdigest()}


#: The handlers by the name that `config.handler` gives.
BUILTIN: dict[str, _Builtin] = {
    "json-schema": _Builtin(_Judged, _judge),
    "transform": _Builtin(_Transformed, _transform),
    "checksum": _Builtin(_Nothing, _checksum),
}
