"""A module of one's own: a glossary, one object for each term."""

from typing import Annotated

from msgspec import Meta

from mplp_cli.errors import OperationError
from mplp_cli.modules.contract import (
    Configuration,
    Operation,
    Parameters,
    Result,
    make_module,
)
from mplp_cli.modules.records import make_event, make_object
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ObjectId, Text

SCHEMA = {
    "type": "object",
    "required": ["meta", "glossary_id", "term", "meaning"],
    "properties": {
        "meta": {"type": "object"},
        "glossary_id": {"type": "string", "format": "uuid"},
        "term": {"type": "string", "minLength": 1},
        "meaning": {"type": "string", "minLength": 1},
        "events": {"type": "array"},
    },
    "additionalProperties": False,
}


class Settings(Configuration, frozen=True, kw_only=True):
    longest: Annotated[int, Meta(description="characters of a term")] = 80


class DefineTerm(Parameters, frozen=True, kw_only=True):
    term: Text
    meaning: Annotated[Text, Meta(description="in one sentence")]
    glossary_id: ObjectId | None = None


class LookUpTerm(Parameters, frozen=True, kw_only=True):
    term: Text


class Entry(Result, frozen=True, kw_only=True):
    glossary_id: ObjectId
    term: str
    meaning: str


def define_term(given: DefineTerm, session: Session) -> Entry:
    """Refuses a term that has a meaning already."""
    if len(given.term) > session.configuration.longest:
        raise OperationError(f"`{given.term}` is too long for a term")
    if session.find("glossary", term=given.term):
        raise OperationError(
            f"`{given.term}` has a meaning already",
            hint="`glossary/look-up-term` says which",
        )
    event = make_event(session, "glossary", "term.defined")
    body = make_object(
        session,
        "glossary",
        session.new_id("glossary", given.glossary_id),
        [event],
        term=given.term,
        meaning=given.meaning,
    )
    return _entry(session.put("glossary", body))


def look_up_term(given: LookUpTerm, session: Session) -> Entry:
    """Refuses a term that nobody has defined."""
    found = session.find("glossary", term=given.term)
    if not found:
        raise OperationError(f"nobody has defined `{given.term}`")
    return _entry(found[0])


def _entry(body: dict[str, str]) -> Entry:
    return Entry(
        glossary_id=body["glossary_id"],
        term=body["term"],
        meaning=body["meaning"],
    )


MODULE = make_module(
    "glossary",
    "What words mean in a project",
    Operation(
        name="define-term",
        summary="Give a word its meaning",
        parameters=DefineTerm,
        result=Entry,
        handler=define_term,
    ),
    Operation(
        name="look-up-term",
        summary="Say what a word means",
        parameters=LookUpTerm,
        result=Entry,
        handler=look_up_term,
    ),
    configuration=Settings,
    schema=SCHEMA,
)
