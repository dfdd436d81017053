"""Values with references in them, compiled once per step and filled in once per attempt.

A template is a small record (100,000 steps keep hundreds of thousands of them; closures cost four
times the memory); a value without references is its own template. `fill` is the only reader.

    Ref      exactly `${step.result.path}`: keeps the type of what it names
    Look     any other plain reference (`${inputs.x}`, `${step.status}`, `${run.id}`)
    Formula  an expression, evaluated by `expressions`
    Text     literal text with any of these in it
    Items, Tree   a list or a mapping with templates inside
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any, Protocol, TypeAlias

from msgspec import UNSET, Struct

from mplp_cli.errors import UnresolvedReferenceError
from mplp_cli.workflow.language.expressions import (
    Expression,
    ExpressionSyntaxError,
    Missing,
    evaluate,
    evaluate_condition,
    parse_expression,
)
from mplp_cli.workflow.language.references import (
    Bracket,
    Reference,
    ReferenceSyntaxError,
    follow,
    parse_reference,
    split_text,
    text_of,
)
from mplp_cli.workflow.values import Json


class Ref(Struct, frozen=True, gc=False):
    """`${step.result.path}` of the step with that number."""

    number: int
    path: tuple[str | int, ...]


class Look(Struct, frozen=True, gc=False):
    """A plain reference that is not a step's result. `number` is the step's, -1 without one."""

    reference: Reference
    number: int


class Formula(Struct, frozen=True):
    """An expression and, for each of its names, where the value comes from."""

    expression: Expression
    names: tuple[Ref | Look, ...]


class Text(Struct, frozen=True):
    pieces: tuple[Any, ...]


class Items(Struct, frozen=True):
    items: tuple[Any, ...]


class Tree(Struct, frozen=True):
    """A mapping: `fixed` has every key in order; the values of `moving` are templates."""

    fixed: dict[str, Any]
    moving: tuple[tuple[str, Any], ...]


#: A compiled value: one of the records above, or plain JSON that stands for itself.
Template: TypeAlias = Any
_RECORDS = (Ref, Look, Formula, Text, Items, Tree)


class Scope(Protocol):
    """What references are filled from."""

    #: By step number; UNSET where there is none.
    results: Sequence[Json]

    def look(self, look: Look) -> Json:
        """The value of a reference that is not a step's result, its path followed."""
        ...

    def why_missing(self, number: int) -> str:
        """Why that step has no result, for people."""
        ...


# ---- compiling ---------------------------------------------------------------------------------

#: Called for every reference: says which step it names (-1: none), or raises to refuse it.
Resolve: TypeAlias = Callable[[Reference, tuple[str | int, ...]], int]
#: Takes a text that is not in the grammar, and where it stands.
Refuse: TypeAlias = Callable[[ReferenceSyntaxError | ExpressionSyntaxError, tuple[str | int, ...]], None]
#: Takes what a text with references was compiled to, and where it stands.
Note: TypeAlias = Callable[[Any, tuple[str | int, ...]], None]
Path: TypeAlias = tuple[str | int, ...]


class Compiler:
    """Compiles values. `resolve` maps a reference to a step's number; `refuse` takes what is not grammar.

    `note` is told of every text with references.

    Every text of a value is judged, also after one was refused; a refused one compiles to None.
    """

    def __init__(
        self, ids: Container[str], resolve: Resolve, refuse: Refuse, note: Note | None = None
    ) -> None:
        self._ids = ids
        self._resolve = resolve
        self._refuse = refuse
        self._note = note

    def value(self, value: Json, path: Path) -> Template:
        """`value` as a template. `path` is where it stands in the document (for the refusals)."""
        kind = type(value)
        if kind is str:
            return self.text(value, path) if "$" in value else value
        if kind is dict:
            moving = []
            for key, inner in value.items():
                if type(inner) in _CONSTANT:
                    continue
                made = self.value(inner, (*path, key))
                if made is not inner:
                    moving.append((key, made))
            return Tree(value, tuple(moving)) if moving else value
        if kind is list:
            made_items = [self.value(inner, (*path, n)) for n, inner in enumerate(value)]
            if all(made is inner for made, inner in zip(made_items, value, strict=True)):
                return value
            return Items(tuple(made_items))
        return value

    def text(self, text: str, path: Path) -> Template:
        """Text: one reference alone keeps its type, otherwise the pieces are joined."""
        try:
            pieces = split_text(text)
        except ReferenceSyntaxError as error:
            self._refuse(error, path)
            return None
        if len(pieces) == 1:
            only = pieces[0]
            if isinstance(only, Bracket):
                return self.noted(only.source, path)
            return only if only != text else text
        made = Text(tuple(self.source(p.source, path) if isinstance(p, Bracket) else p for p in pieces))
        if self._note is not None and len(pieces) > 1:
            self._note(made, path)
        return made

    def noted(self, source: str, path: Path) -> Ref | Look | Formula | None:
        """What stands between brackets that are all of a text."""
        made = self.source(source, path)
        if self._note is not None and made is not None:
            self._note(made, path)
        return made

    def source(self, source: str, path: Path) -> Ref | Look | Formula | None:
        """What stands between the brackets."""
        plain = parse_reference(source, self._ids)
        if plain is not None:
            return self._place(plain, path)
        return self._formula(source, path, condition=False)

    def condition(self, source: str, path: Path) -> Formula | None:
        """The whole text is an expression that must give a boolean."""
        made = self._formula(source, path, condition=True)
        if self._note is not None and made is not None:
            self._note(made, path)
        return made

    def _formula(self, source: str, path: Path, *, condition: bool) -> Formula | None:
        try:
            expression = parse_expression(source, self._ids, condition=condition)
        except (ReferenceSyntaxError, ExpressionSyntaxError) as error:
            self._refuse(error, path)
            return None
        return Formula(expression, tuple(self._place(name, path) for name in expression.names))

    def _place(self, reference: Reference, path: Path) -> Ref | Look:
        number = self._resolve(reference, path)
        if reference.scope == "step" and reference.field == "result":
            return Ref(number, reference.path)
        return Look(reference, number)


_CONSTANT = frozenset({int, float, bool, type(None)})


# ---- filling -----------------------------------------------------------------------------------


def fill(template: Template, scope: Scope) -> Json:
    """The value of a template. UnresolvedReferenceError and ExpressionError say what is wrong."""
    kind = type(template)
    if kind is Tree:
        return {**template.fixed, **{key: fill(inner, scope) for key, inner in template.moving}}
    if kind is Ref:
        value = scope.results[template.number]
        if value is UNSET:
            raise UnresolvedReferenceError(scope.why_missing(template.number))
        for key in template.path:
            if type(value) is dict and key in value:
                value = value[key]
            else:
                return follow(scope.results[template.number], template.path, "result")
        return value
    if kind is Text:
        return "".join([p if type(p) is str else text_of(fill(p, scope)) for p in template.pieces])
    if kind is Items:
        return [fill(inner, scope) for inner in template.items]
    if kind is Look:
        return scope.look(template)
    if kind is Formula:
        return evaluate(template.expression, operands(template, scope))
    return template


def holds(condition: Formula, scope: Scope) -> bool:
    """Whether a condition is true; ExpressionError if it is not a boolean."""
    return evaluate_condition(condition.expression, operands(condition, scope))


def operands(formula: Formula, scope: Scope) -> list[Json | Missing]:
    """The values of a formula's names; what is not there is `Missing`, with the reason."""
    found: list[Json | Missing] = []
    for name in formula.names:
        try:
            found.append(fill(name, scope))
        except UnresolvedReferenceError as error:
            found.append(Missing(error.message))
    return found


def is_template(value: Template) -> bool:
    """Whether filling would do anything."""
    return isinstance(value, _RECORDS)
