"""Everything that is wrong with an export, or with documents: by schema, and by the invariants that apply to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from mplp_cli.errors import Problem
from mplp_cli.exchange import invariants as known
from mplp_cli.exchange.documents import INTEGRATION, STREAM, Document, payload_of, schema_of
from mplp_cli.exchange.invariants import Invariant
from mplp_cli.exchange.reading import Material, read_directory, read_file
from mplp_cli.exchange.rules import ABSENT, spots
from mplp_cli.loading.places import place

_SHOWN: Final = 10
_FEW: Final = 3


class Verdict(Struct, frozen=True, kw_only=True):
    """What was found. `texts` are the files that the problems are in."""

    problems: list[Problem]
    texts: dict[str, str]
    documents: int

    @property
    def good(self) -> bool:
        """Whether nothing is wrong; warnings are not."""
        return all(problem.severity != "error" for problem in self.problems)


def verify(paths: Sequence[Path]) -> Verdict:
    """Each path for itself: a directory, whose documents may belong together, or a file.

    UsageError if one cannot be read.
    """
    read = [read_directory(path) if path.is_dir() else read_file(path) for path in paths]
    texts = {name: text for one in read for name, text in one.texts.items()}
    found = [problem for one in read for problem in judge(one)]
    return Verdict(problems=found, texts=texts, documents=sum(len(one.documents) for one in read))


def judge(material: Material) -> list[Problem]:
    """All that is wrong with what was read, with the places in the files."""
    found = list(material.problems)
    for document in material.documents:
        found += _by_schema(document)
    found += _by_invariants(material)
    return [placed for group in _by_text(found) for placed in _placed(group, material.texts)]


# ---- schemas -----------------------------------------------------------------------------------


def _by_schema(document: Document) -> Iterator[Problem]:
    judged = [document, *_payloads([document])]
    for one in judged:
        schema = schema_of(one.kind)
        try:
            if schema is not None and not schema.is_valid(one.body):
                yield from _misfits(one, schema)
        except ValueError as error:  # the validator goes no deeper
            message = f"the {one.kind} cannot be judged: {error}"
            yield Problem(code="file-depth", message=message, path=one.at, file=one.file, line=one.line)


def _misfits(one: Document, schema: Any) -> Iterator[Problem]:
    code = "event-schema" if one.kind in (*STREAM, *INTEGRATION, "object-event") else "object-schema"
    code = "sample-schema" if one.kind.startswith("learning") else code
    for number, error in enumerate(schema.iter_errors(one.body)):
        if number == _SHOWN:
            break
        at = tuple(error.instance_path)
        called = f"`{_written(at)}`" if at else f"the {one.kind}"
        yield Problem(
            code=code,
            message=f"{called}: {error.message}",
            path=(*one.at, *at),
            file=one.file,
            line=one.line,
            hint=f"`mplp schema {one.kind}` prints what a valid one looks like",
        )


def _payloads(documents: Iterable[Document]) -> Iterator[Document]:
    """The events of other systems that events of the stream carry."""
    for document in documents:
        kind = payload_of(document.body)
        if kind is not None:
            at = (*document.at, "payload")
            yield replace(document, kind=kind, body=document.body["payload"], at=at)


# ---- invariants --------------------------------------------------------------------------------


def _by_invariants(material: Material) -> Iterator[Problem]:
    documents = [*material.documents, *_payloads(material.documents)]
    everywhere = (*known.GOLDEN, *known.EVENTS, *known.INTEGRATION, *known.LEARNING)
    yield from _check(everywhere, documents, documents)
    manifest = material.manifest
    if manifest is None or manifest.ended:
        yield from _turns(documents)
        yield from _broadcasts(documents)
    if not material.together:
        return
    kinds = {document.kind for document in documents}
    yield from _check(known.GOLDEN_TOGETHER, documents, documents, only=kinds)
    if manifest is None or manifest.completed:
        yield from _check(known.GOLDEN_AT_THE_END, documents, documents)
    alone = {"context", "plan", "trace"} <= kinds
    if alone and (manifest is None or manifest.single_agent):
        yield from _check(known.SINGLE_AGENT, _of_single_agents(documents), documents)
    yield from _check(known.MULTI_AGENT, documents, documents)


def _of_single_agents(documents: Sequence[Document]) -> list[Document]:
    """The traces of plans, those plans, and the contexts of these; all of a kind if none is tied so."""
    by_kind = {kind: [d for d in documents if d.kind == kind] for kind in ("context", "plan", "trace")}
    traces = [d for d in by_kind["trace"] if d.body.get("plan_id") is not None] or by_kind["trace"]
    plans = _tied(by_kind["plan"], {d.body.get("plan_id") for d in traces if _is_text(d, "plan_id")})
    contexts = _tied(
        by_kind["context"], {d.body.get("context_id") for d in plans if _is_text(d, "context_id")}
    )
    return [*contexts, *plans, *traces]


def _is_text(document: Document, key: str) -> bool:
    return isinstance(document.body.get(key), str)


def _tied(documents: list[Document], wanted: set[Any]) -> list[Document]:
    return [document for document in documents if document.id in wanted] or documents


def _check(
    group: Iterable[Invariant],
    judged: Sequence[Document],
    beside: Sequence[Document],
    *,
    only: set[str] | None = None,
) -> Iterator[Problem]:
    """`only`: leave out an invariant about another object where there is none of that kind."""
    by_scope: dict[str, list[Document]] = {}
    for document in judged:
        for scope in _scopes(document.kind):
            by_scope.setdefault(scope, []).append(document)
    for invariant in group:
        wanted = _wanted(invariant, beside)
        if only is not None and invariant.same_as is not None and invariant.same_as[0] not in only:
            continue
        for document in by_scope.get(invariant.scope, ()):
            if invariant.where(document.body):
                yield from _one(invariant, document, wanted)


def _wanted(invariant: Invariant, beside: Sequence[Document]) -> dict[str, None] | None:
    """The texts of other objects that one of them is to be the same as; None if it is about the value alone."""
    if invariant.same_as is None or invariant.same_as[0] == invariant.scope:
        return None
    kind, key = invariant.same_as
    return _texts(document.body.get(key) for document in beside if document.kind == kind)


def _texts(values: Iterable[Any]) -> dict[str, None]:
    """Those that are texts, in order."""
    return {value: None for value in values if isinstance(value, str)}


def _scopes(kind: str) -> Iterator[str]:
    yield kind
    if kind in STREAM:
        yield "stream"
        if kind not in ("sa-event", "map-event"):
            yield "observability"
    elif kind.startswith("learning"):
        yield "sample"


def _one(invariant: Invariant, document: Document, wanted: dict[str, None] | None) -> Iterator[Problem]:
    if wanted is None and invariant.same_as is not None:
        wanted = _texts([document.body.get(invariant.same_as[1])])
    for at, value in spots(document.body, invariant.path):
        if invariant.test(value) if wanted is None else isinstance(value, str) and value in wanted:
            continue
        yield Problem(
            code=invariant.id,
            message=f"`{_written(at)}` {invariant.needs}; {_shown(value)}",
            path=(*document.at, *at),
            file=document.file,
            line=document.line,
            hint=_there(wanted) or f"`mplp help protocol` says when `{invariant.id}` applies",
        )


def _there(wanted: dict[str, None] | None) -> str | None:
    """Which values would be right, a few at most."""
    if wanted is None:
        return None
    few = ", ".join([*wanted][:_FEW])
    return f"there is {few}{' and more' if len(wanted) > _FEW else ''}" if few else "there is none"


def _turns(documents: Sequence[Document]) -> Iterator[Problem]:
    """Each turn that was given to a role is completed by it."""
    done: dict[tuple[Any, str], int] = {}
    for event in _sessions(documents, "MAPTurnCompleted"):
        key = event.body.get("session_id"), _role(event)
        done[key] = done.get(key, 0) + 1
    for event in _sessions(documents, "MAPTurnDispatched"):
        key = event.body.get("session_id"), _role(event)
        done[key] = done.get(key, 0) - 1
        if done[key] < 0:
            yield _lonely(
                event, known.TURNS, f"the turn of role {key[1]} is never completed", "MAPTurnCompleted"
            )


def _broadcasts(documents: Sequence[Document]) -> Iterator[Problem]:
    """Each session in which something is broadcast has somebody who got it."""
    heard = {event.body.get("session_id") for event in _sessions(documents, "MAPBroadcastReceived")}
    for event in _sessions(documents, "MAPBroadcastSent"):
        if event.body.get("session_id") not in heard:
            yield _lonely(event, known.BROADCASTS, "nobody received the broadcast", "MAPBroadcastReceived")


def _sessions(documents: Sequence[Document], event_type: str) -> Iterator[Document]:
    return (d for d in documents if d.kind == "map-event" and d.body.get("event_type") == event_type)


def _role(event: Document) -> str:
    payload = event.body.get("payload")
    role = payload.get("role_id") if isinstance(payload, dict) else None
    return json.dumps(role)


def _lonely(event: Document, code: str, said: str, wanted: str) -> Problem:
    return Problem(
        code=code,
        message=said,
        path=(*event.at, "event_type"),
        file=event.file,
        line=event.line,
        hint=f"a `{wanted}` of the same session has to follow",
    )


# ---- words and places --------------------------------------------------------------------------


def _written(path: Sequence[str | int]) -> str:
    """`steps[0].step_id` for a path."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _shown(value: Any) -> str:
    """What is there, in short."""
    if value is ABSENT:
        return "it is not there"
    text = json.dumps(value, ensure_ascii=False)
    return f"it is {text if len(text) <= 80 else f'{text[:77]}...'}"


def _by_text(problems: Iterable[Problem]) -> list[list[Problem]]:
    """Problems of one file, or of one line of a stream, together."""
    groups: dict[tuple[str, int], list[Problem]] = {}
    for problem in problems:
        # One with a column has its place; lines of a stream are read apart.
        groups.setdefault((problem.file, problem.line if not problem.column else -1), []).append(problem)
    return list(groups.values())


def _placed(problems: Sequence[Problem], texts: dict[str, str]) -> list[Problem]:
    first = problems[0]
    if first.column or first.file not in texts:
        return list(problems)
    text = texts[first.file]
    if not first.line:
        return place(problems, text, first.file)
    line = text.split("\n")[first.line - 1]
    shift = first.line - 1
    found = place([replace(problem, line=0) for problem in problems], line, first.file)
    return [replace(p, line=p.line + shift, end_line=p.end_line + shift) for p in found]
