"""What a path reaches in a value of some shape, and whether a value of one shape fits where another is wanted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from mplp_cli.workflow.shapes.algebra import (
    UNKNOWN,
    Case,
    Cases,
    ListOf,
    MapOf,
    OneOf,
    Plain,
    Shape,
    Unknown,
    cases,
    one_of,
)

Path = tuple[str | int, ...]


class Gap(Struct, frozen=True):
    """The path leads nowhere: `holder` has nothing at `path[depth]`. With a `case`: only in that one."""

    depth: int
    holder: Shape
    case: Case | None = None


def select(shape: Shape, path: Sequence[str | int], depth: int = 0) -> tuple[Shape, Gap | None]:
    """What lies at path[depth:] of a value of that shape, and why nothing may be there."""
    while depth < len(path):
        key = path[depth]
        inner: Shape | None = None
        match shape:
            case Unknown():
                return UNKNOWN, None
            case Cases():
                return _in_cases(shape, path, depth)
            case OneOf():
                return _in_members(shape, path, depth)
            case MapOf() if isinstance(key, str):
                inner = shape.fields.get(key, shape.extra)
            case ListOf() if isinstance(key, int):
                inner = shape.items
        if inner is None:
            return UNKNOWN, Gap(depth, shape)
        shape, depth = inner, depth + 1
    return shape, None


def _in_cases(shape: Cases, path: Sequence[str | int], depth: int) -> tuple[Shape, Gap | None]:
    reached: list[Case] = []
    lost: list[Gap] = []
    for case in shape.cases:
        inner, gap = select(case.shape, path, depth)
        if gap is None or gap.case is not None:
            reached.append(Case(inner, case.when, case.step))
        if gap is not None:
            lost.append(gap if gap.case is not None else Gap(gap.depth, gap.holder, case))
    if not reached:
        return UNKNOWN, _nearest(lost)
    # The way that a step takes when all goes well is no news: it says what lacks a field in the others.
    return cases(reached), next((gap for gap in lost if gap.case), None)


def _in_members(shape: OneOf, path: Sequence[str | int], depth: int) -> tuple[Shape, Gap | None]:
    reached: list[Shape] = []
    lost: list[Gap] = []
    for member in shape.members:
        inner, gap = select(member, path, depth)
        if gap is None:
            reached.append(inner)
        else:
            lost.append(gap)
    return (one_of(reached), None) if reached else (UNKNOWN, _nearest(lost))


def _nearest(lost: list[Gap]) -> Gap:
    """The gap that says most: the deepest, in a map if there is one."""
    gap = max(lost, key=lambda gap: (gap.depth, isinstance(gap.holder, MapOf)))
    return Gap(gap.depth, gap.holder)


# ---- fitting -------------------------------------------------------------------------------------


class Misfit(Struct, frozen=True):
    """What lies at `path` of the value is `given`, and `wanted` is what fits. With a `case`: only in that one.

    `missing` and `unknown` are a key that the map lacks, or has and must not have.
    """

    given: Shape
    wanted: Shape
    path: Path = ()
    missing: str = ""
    unknown: str = ""
    case: Case | None = None


def fits(given: Shape, wanted: Shape, path: Path = ()) -> Misfit | None:
    """Why no value of the shape `given` fits `wanted`; None if one may."""
    match given, wanted:
        case (Unknown(), _) | (_, Unknown()):
            return None
        case Cases(), _:
            return _cases_fit(given, wanted, path)
        case OneOf(), _:
            found = [fits(member, wanted, path) for member in given.members]
            whole = Misfit(given, wanted, path)
            return None if None in found else found[0] if len(found) == 1 else whole
        case _, OneOf() | Cases():
            members = wanted.members if isinstance(wanted, OneOf) else [c.shape for c in wanted.cases]
            found = [fits(given, member, path) for member in members]
            if None in found:
                return None
            same = [m for m, member in zip(found, members, strict=True) if type(member) is type(given)]
            return same[0] if len(same) == 1 and not isinstance(given, Plain) else Misfit(given, wanted, path)
        case Plain(), Plain():
            return None if _plain_fits(given, wanted) else Misfit(given, wanted, path)
        case ListOf(), ListOf():
            return fits(given.items, wanted.items, (*path, 0))
        case MapOf(), MapOf():
            return _map_fits(given, wanted, path)
    return Misfit(given, wanted, path)


def _cases_fit(given: Cases, wanted: Shape, path: Path) -> Misfit | None:
    found = [(case, fits(case.shape, wanted, path)) for case in given.cases]
    wrong = [(case, misfit) for case, misfit in found if misfit is not None]
    certain = [misfit for _, misfit in wrong if misfit.case is None]
    if len(certain) == len(found):
        return certain[0]
    for case, misfit in wrong:
        if misfit.case is not None or case.when:
            return Misfit(misfit.given, misfit.wanted, misfit.path, case=misfit.case or case)
    return None


_NUMBERS: Final = {"integer", "number"}


def _plain_fits(given: Plain, wanted: Plain) -> bool:
    # 3.0 may pass for a whole number: only what is no number at all is certain.
    if given.kind != wanted.kind and not {given.kind, wanted.kind} <= _NUMBERS:
        return False
    if not given.options:
        return True
    if wanted.options and set(wanted.options).isdisjoint(given.options):
        return False
    return not wanted.pattern or any(re.search(wanted.pattern, str(option)) for option in given.options)


def _map_fits(given: MapOf, wanted: MapOf, path: Path) -> Misfit | None:
    spelled = {camel(key): key for key in given.fields if camel(key) in wanted.fields} | {
        key: key for key in given.fields
    }
    if given.extra is None:
        for key in sorted(wanted.required):
            if key not in spelled:
                return Misfit(given, wanted, path, missing=key)
    for key in given.required:
        inner = wanted.fields.get(key, wanted.fields.get(camel(key), wanted.extra))
        if inner is None:
            return Misfit(given, wanted, path, unknown=key)
        if (misfit := fits(given.fields.get(key, UNKNOWN), inner, (*path, key))) is not None:
            return misfit
    return None


def wanted_at(shape: Shape, path: Sequence[str | int]) -> Shape:
    """What is wanted at a path into a value that is to have this shape."""
    for key in path:
        match shape:
            case MapOf() if isinstance(key, str):
                shape = shape.fields.get(key, shape.fields.get(camel(key), shape.extra or UNKNOWN))
            case ListOf() if isinstance(key, int):
                shape = shape.items
            case OneOf():
                kind = MapOf if isinstance(key, str) else ListOf
                inner = [wanted_at(member, (key,)) for member in shape.members if isinstance(member, kind)]
                shape = one_of(inner)
            case _:
                return UNKNOWN
    return shape


def camel(key: str) -> str:
    """`plan_id` as `planId`."""
    first, *rest = key.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
