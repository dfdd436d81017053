"""What a project states that there is: the `resources` of its settings as kinds of a pool."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from mplp_cli.workflow.amounts import MOST, amount_of
from mplp_cli.workflow.resources import KINDS, Kind, Unit
from mplp_cli.workflow.suggest import nearest
from mplp_cli.workflow.values import duration_ms

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,199}", re.ASCII)
_UNIT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}", re.ASCII)
_KEYS: Final = (*KINDS, "custom")
#: Units of one kind.
_MOST_UNITS: Final = 1_000
_LONGEST: Final = 366 * 86_400_000


class StatementError(ValueError):
    """What is stated cannot be: the sentence goes on after the name of the file."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def stated_kinds(value: object) -> dict[str, Kind]:
    """The kinds that `resources` states, in its order, custom ones by their own names. StatementError says what is
    wrong."""
    found: dict[str, Kind] = {}
    for name, said in _mapping(value, "resources").items():
        if name == "custom":
            for own, amount in _mapping(said, "resources.custom").items():
                found[_custom_name(own)] = _custom(own, amount, f"resources.custom.{own}")
        elif name in KINDS:
            found[name] = _kind(name, said, f"resources.{name}")
        else:
            keys = ", ".join(f"`{key}`" for key in _KEYS)
            near = nearest(str(name), _KEYS)
            hint = f"Did you mean `{near}`? " if near else ""
            hint += f"The keys are {keys}; kinds of your own stand under `custom`."
            raise StatementError(f"has an unknown key {name!r} under `resources`", hint)
    return found


def whole(name: str, capacity: int, *, per: int = 0) -> Kind:
    """A kind of one unit, which is called like it."""
    return Kind(name=name, units=(Unit(name, capacity),), per=per)


def _mapping(value: object, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, dict):
        raise StatementError(f"must have a map under `{where}`")
    return value


def _custom_name(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        hint = "A name begins with a letter; then letters, digits, `-` and `_`."
        raise StatementError(f"has a name under `resources.custom` that is none: {name!r}", hint)
    if name in KINDS:
        raise StatementError(f"has `{name}` under `resources.custom`", f"It stands under `resources.{name}`.")
    return name


def _kind(name: str, said: object, where: str) -> Kind:
    if isinstance(said, list):
        return Kind(name=name, units=_units(name, said, where))
    return whole(name, _capacity(name, said, where))


def _custom(name: str, said: object, where: str) -> Kind:
    """As the others, or a rate: `{capacity: 100000, per: 1m}`."""
    if not isinstance(said, dict):
        return _kind(name, said, where)
    _only(said, ("capacity", "per"), where)
    span = _span(said["per"], f"{where}.per") if "per" in said else 0
    return whole(name, _capacity(name, said["capacity"], f"{where}.capacity"), per=span)


def _span(said: object, where: str) -> int:
    try:
        ms = 0 if isinstance(said, bool) or not isinstance(said, int | str) else duration_ms(said)
    except ValueError:
        ms = 0
    if not 0 < ms <= _LONGEST:
        raise StatementError(f"must have a duration of at most a year under `{where}`", "Write 1s, 1m or 1h.")
    return ms


def _units(name: str, said: list[Any], where: str) -> tuple[Unit, ...]:
    if not 0 < len(said) <= _MOST_UNITS:
        raise StatementError(f"must list from 1 to {_MOST_UNITS:,} units under `{where}`")
    units: dict[str, Unit] = {}
    for n, one in enumerate(said):
        if not isinstance(one, dict):
            raise StatementError(f"must have a map for unit {n + 1} of `{where}`", _UNIT)
        _only(one, ("id", "capacity"), where, needed=("id", "capacity"))
        unit = one["id"]
        if not isinstance(unit, str) or not _UNIT_ID.fullmatch(unit):
            hint = "An id is text: letters, digits, `_`, `.`, `:` and `-`."
            raise StatementError(f"has an id under `{where}` that is none: {unit!r}", hint)
        if unit in units:
            raise StatementError(f"has the unit `{unit}` twice under `{where}`", "Each has an id of its own.")
        units[unit] = Unit(unit, _capacity(name, one["capacity"], f"{where}` for `{unit}"))
    if sum(unit.capacity for unit in units.values()) > MOST:
        raise StatementError(f"has more under `{where}` than can be reckoned with")
    return tuple(units.values())


_UNIT: Final = "A unit is written {id: node-a, capacity: 4}."


def _only(
    said: Mapping[Any, Any], keys: tuple[str, ...], where: str, needed: tuple[str, ...] = ("capacity",)
) -> None:
    known = " and ".join(f"`{key}`" for key in keys)
    for key in said:
        if key not in keys:
            raise StatementError(f"has an unknown key {key!r} under `{where}`", f"The keys are {known}.")
    for key in needed:
        if key not in said:
            raise StatementError(f"needs `{key}` under `{where}`", f"The keys are {known}.")


def _capacity(name: str, said: object, where: str) -> int:
    if isinstance(said, dict):
        raise StatementError(f"must have an amount or a list of units under `{where}`, not a map", _NO_RATE)
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        raise StatementError(f"must have an amount under `{where}`", _AMOUNT)
    try:
        return amount_of(name, said)
    except ValueError as error:
        raise StatementError(f"must have an amount under `{where}`: {error}", _AMOUNT) from None


_NO_RATE: Final = "Write `cpu: 4`; only kinds under `custom` may be rates, {capacity: 100, per: 1m}."
_AMOUNT: Final = "What is not there is left out; a list of units is written [{id: node-a, capacity: 4}, ...]."
