"""Whether an event is meant, and templates that are filled with events. Pure.

    judged = judge(Match(type="step.*", where="data.attempts > 2"), "route pager")
    judged(event)                              True or False
    template = event_template({"tag": "${event.data.name}"})
    filled(template, {"event": event_value(event)}, "route pager")

What cannot be compiled raises a `DeclarationError`, what cannot be done with a certain event an `EventError`; both are
ValueErrors. An event that lacks a field that a `where` asks for does not match, as in a `wait` step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mplp_cli.errors import ExpressionError, UnresolvedReferenceError
from mplp_cli.workflow.events.routes import Match
from mplp_cli.workflow.language.expressions import (
    Expression,
    ExpressionSyntaxError,
    evaluate_condition,
    parse_expression,
)
from mplp_cli.workflow.language.references import Missing, Names, Reference, ReferenceSyntaxError, follow
from mplp_cli.workflow.language.templates import Compiler, Look, Template, fill
from mplp_cli.workflow.published import Published, as_value, matches
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import Json, rfc3339

#: What a `where` calls the parts of an event, bare or after `event.`.
FIELDS = ("id", "type", "source", "subject", "time", "data")

#: Whether an event is meant. EventError if that cannot be said.
Judge = Callable[[Published], bool]
_Path = tuple[str | int, ...]


class DeclarationError(ValueError):
    """A text that cannot be compiled: `path` leads to it in the value that was given, `offset` counts characters from
    the start of the text. `code` is one of the codes of problems."""

    def __init__(self, code: str, message: str, path: _Path = (), offset: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path
        self.offset = offset
        self.hint = hint


class EventError(ValueError):
    """What was declared cannot be done with this event. `of` says who declared it, `event` is the event's id."""

    def __init__(self, of: str, event: str, reason: str, hint: str = "") -> None:
        super().__init__(": ".join(part for part in (of, event and f"event {event}", reason) if part))
        self.of = of
        self.event = event
        self.reason = reason
        self.hint = hint


def event_value(event: Published) -> dict[str, Json]:
    """An event as templates see it; `subject` only if it has one."""
    made = as_value(event)
    if "subject" in event.more:
        made["subject"] = event.more["subject"]
    return made


# ---- matching ----------------------------------------------------------------------------------


def judge(match: Match, of: str = "") -> Judge:
    """Who asks whether an event fits. `of` is named in errors: `route pager`."""
    type_, source = _glob(match.type), _glob(match.source)
    where = _condition(match.where, of) if match.where else None

    def both(event: Published) -> bool:
        return (
            (type_ is None or type_(event.type))
            and (source is None or source(event.source))
            and (where is None or where(event))
        )

    if source is not None:
        return both
    if type_ is None:
        return where or _any
    if where is None:
        return lambda event: type_(event.type)
    return lambda event: type_(event.type) and where(event)


def _any(_event: Published) -> bool:
    return True


def _glob(wanted: str) -> Callable[[str], bool] | None:
    """Who asks whether a text fits a pattern; None if every text does."""
    start = wanted.rstrip("*")
    if not start:
        return None
    if start == wanted and "*" not in wanted:
        return wanted.__eq__
    if "*" not in start:
        return lambda name: name.startswith(start)
    if "*" not in (end := wanted.lstrip("*")):
        return lambda name: name.endswith(end)
    return lambda name: matches(wanted, name)


_LACKING = Missing("the event does not have it")


def _condition(where: str, of: str) -> Judge:
    expression = _where(where)
    getters = tuple(_getter(name) for name in expression.names)

    def fits(event: Published) -> bool:
        try:
            return evaluate_condition(expression, [get(event) for get in getters])
        except UnresolvedReferenceError:
            return False
        except ExpressionError as error:
            raise EventError(of, event.id, error.message, error.hint or "") from None

    return fits


def _where(where: str) -> Expression:
    """The compiled text of a `where`. DeclarationError if it is not one."""
    try:
        expression = parse_expression(where, _BARE, condition=True)
    except (ExpressionSyntaxError, ReferenceSyntaxError) as error:
        raise _not_grammar(error, ()) from None
    for name in expression.names:
        found = _foreign(name, where, ("event",))
        if found is not None:
            raise found
    return expression


_BARE = Names(())
_BARE.items = frozenset(FIELDS)


def _getter(name: Reference) -> Callable[[Published], Json | Missing]:
    """Where the value of a reference in a `where` comes from."""
    whole = (name.step, *name.path) if name.scope == "item" else name.path
    if not whole:
        return event_value
    first, rest = whole[0], whole[1:]
    get = _PARTS[first]  # type: ignore[index]  # `_foreign` has refused all others
    if not rest:
        return get
    if len(rest) == 1 and isinstance(key := rest[0], str):

        def one(event: Published) -> Json | Missing:
            value = get(event)
            return value[key] if type(value) is dict and key in value else _LACKING

        return one

    def deep(event: Published) -> Json | Missing:
        try:
            return follow(get(event), rest, "event")
        except UnresolvedReferenceError:
            return _LACKING

    return deep


_PARTS: Mapping[str, Callable[[Published], Json | Missing]] = {
    "id": lambda event: event.id,
    "type": lambda event: event.type,
    "source": lambda event: event.source,
    "subject": lambda event: event.more.get("subject", _LACKING),
    "time": lambda event: rfc3339(event.at),
    "data": lambda event: event.data,
}


# ---- templates ---------------------------------------------------------------------------------


def event_template(value: Json, roots: tuple[str, ...] = ("event",)) -> Template:
    """`value` with the references in its texts compiled. They begin with one of `roots`. DeclarationError if not."""
    template, faults = compiled(value, roots)
    if faults:
        raise faults[0]
    return template


def compiled(
    value: Json, roots: tuple[str, ...] = ("event",), path: _Path = ()
) -> tuple[Template, list[DeclarationError]]:
    """As `event_template`, with everything that is wrong. `path` is where the value stands."""
    faults: list[DeclarationError] = []
    names = Names(())
    names.items = frozenset(roots)

    def resolve(reference: Reference, at: _Path) -> int:
        found = _foreign(reference, _text_at(value, at[len(path) :]), roots, bare=False)
        if found is not None:
            found.path = at
            faults.append(found)
        return -1

    def refuse(error: ReferenceSyntaxError | ExpressionSyntaxError, at: _Path) -> None:
        faults.append(_not_grammar(error, at))

    template = Compiler(names, resolve, refuse).value(value, path)
    return template, faults


def filled(template: Template, values: Mapping[str, Json], of: str = "") -> Json:
    """A template with its references filled in from `values` (root -> value). EventError says what is not there."""
    try:
        return fill(template, _Values(values))
    except (UnresolvedReferenceError, ExpressionError) as error:
        event = values.get("event")
        name = event.get("id", "") if isinstance(event, dict) else ""
        raise EventError(of, str(name), error.message, error.hint or "") from None


class _Values:
    """A scope of nothing but named values."""

    results: Sequence[Json] = ()

    def __init__(self, values: Mapping[str, Json]) -> None:
        self._values = values

    def look(self, look: Look) -> Json:
        """The value of a reference."""
        root = look.reference.step or look.reference.scope
        if root not in self._values:
            raise UnresolvedReferenceError(f"there is no `{root}` here")
        return follow(self._values[root], look.reference.path, root)

    def why_missing(self, number: int) -> str:
        """No step is referred to."""
        return f"there is no step {number} here"


# ---- what is wrong with a text -----------------------------------------------------------------


def _foreign(
    name: Reference, text: str, roots: tuple[str, ...], *, bare: bool = True
) -> DeclarationError | None:
    """Why a reference cannot be filled in from events; None if it can."""
    root = name.step or name.scope
    if name.scope == "item" and bare:
        return None
    if root in roots:
        first = name.path[0] if name.path else FIELDS[0]
        if root != "event" or first in FIELDS:
            return None
        known = ", ".join(FIELDS)
        hint = did_you_mean(str(first), FIELDS) or f"an event has {known}"
        return DeclarationError(
            "event-reference", f"an event has no `{first}`", (), max(text.find(f"event.{first}"), 0), hint
        )
    known = " and ".join(f"`{one}`" for one in roots)
    near = did_you_mean(root, (*FIELDS, *roots) if bare else roots)
    shown = f"${{{roots[0]}.data.name}}" if roots[0] == "event" else f"${{{roots[0]}.key}}"
    return DeclarationError(
        "event-reference",
        f"`{root}` is not known here; {known} {'is' if len(roots) == 1 else 'are'}",
        (),
        max(text.find(root), 0),
        near or ("write `data.name` or `event.data.name`" if bare else f"write {shown}"),
    )


def _not_grammar(error: ReferenceSyntaxError | ExpressionSyntaxError, path: _Path) -> DeclarationError:
    code = error.code if isinstance(error, ExpressionSyntaxError) else "ref-syntax"
    return DeclarationError(code, error.message, path, error.offset, error.hint or "")


def _text_at(value: Any, path: _Path) -> str:
    for part in path:
        value = value[part]
    return value if isinstance(value, str) else ""
