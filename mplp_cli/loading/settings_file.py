"""`mplp.yaml` with positions: every problem of the file, and what it declares of events as types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import msgspec
from msgspec import UNSET

from mplp_cli.errors import Problem, UsageError
from mplp_cli.loading.agents import Beside, Reader, judge, own_part
from mplp_cli.loading.events import Around, judge_project
from mplp_cli.loading.explain import reasons
from mplp_cli.loading.including import Read
from mplp_cli.loading.load import listed, read_document
from mplp_cli.loading.schema import verdict
from mplp_cli.loading.spelling import normalise_settings
from mplp_cli.loading.wording import kind_of
from mplp_cli.settings import Settings, complaint
from mplp_cli.workflow.events.rules import CorrelationRule

#: Keys that are not judged by the schema of the whole file, but by those who know them.
_ELSEWHERE = ("events", "agents", "activation")


def with_events(settings: Settings) -> Settings:
    """Settings with what their file declares of events. UsageError with `file:line:column` of the first thing that
    is wrong; `details.problems` has all of it."""
    if settings.file is None:
        return settings
    try:
        source = settings.file.read_bytes()
    except OSError as error:
        raise UsageError(f"{settings.file} cannot be read: {error.strerror}") from error
    name = str(settings.file)
    reading, text = read_document(source, name)
    problems = list(reading.problems)
    made = None
    if isinstance(reading.value, dict):
        document, found = normalise_settings(reading.value)
        problems += found
        made, found = judge_project(
            document.get("events") or {}, ("events",), Around(directory=str(settings.file.parent))
        )
        problems += found
    errors = [one for one in listed(problems, text, name) if one.severity == "error"]
    if errors or made is None:
        raise _refusal(errors, name)
    return msgspec.structs.replace(settings, routing=made[0], correlation_rules=made[1])


def _refusal(errors: list[Problem], name: str) -> UsageError:
    first = errors[0]
    places = [{"line": one.line, "column": one.column, "message": one.message} for one in errors]
    more = f" (and {len(errors) - 1} more; `mplp validate` lists them)" if len(errors) > 1 else ""
    return UsageError(
        f"{name}:{first.line}:{first.column}: {first.message}{more}",
        hint=first.hint,
        details={"file": name, "problems": places},
    )


def judge_settings(
    source: bytes, name: str, *, around: Around, beside: Beside, read: Read | None = None
) -> tuple[list[Problem], dict[str, bytes]]:
    """Everything that is wrong with a settings file, and the files that it defines agents with, by name."""
    reading, text = read_document(source, name)
    problems = [one for one in reading.problems if one.code != "file-empty"]
    reader = Reader(read, around.directory, name)
    elsewhere: list[Problem] = []
    if reading.value is not UNSET and reading.value is not None:
        if not isinstance(reading.value, dict):
            said = f"the settings are a mapping, not {kind_of(reading.value)}"
            problems.append(
                Problem(code="file-root", message=said, hint="begin with a key such as `state-dir:`")
            )
        else:
            document, found = normalise_settings(reading.value)
            problems += found
            problems += _whole({key: held for key, held in document.items() if held is not None}, around)
            own = own_part(reading.value)
            if own:
                judged = judge(own, reader, beside, inside=True)
                problems += judged.problems
                elsewhere = judged.elsewhere
    return [*listed(problems, text, name), *elsewhere], reader.named


def _whole(document: dict[str, Any], around: Around) -> Iterator[Problem]:
    rest = {key: held for key, held in document.items() if key not in _ELSEWHERE}
    refused = [] if verdict("settings-file").is_valid(rest) else reasons("settings-file", rest, ())
    yield from refused
    keys = {one.path[0] for one in refused if one.path}
    file = FilePath(around.directory) / "mplp.yaml"
    for key, held in document.items():
        error = None if key in keys else complaint(file, key, held)
        if error is not None:
            said = error.message.removeprefix(f"{file} ")
            yield Problem(
                code="settings-value", path=(key,), message=f"the file {said}", hint=error.hint, on="key"
            )
    if "events" in document:
        yield from judge_project(document["events"], ("events",), around)[1]


def read_rules(source: bytes, name: str, directory: str) -> tuple[CorrelationRule, ...]:
    """The rules of a file with the key `correlation-rules`, also under `events` as in `mplp.yaml`. UsageError with
    `file:line:column` of the first thing that is wrong. `directory`: what paths in it start from."""
    reading, text = read_document(source, name)
    problems = list(reading.problems)
    made = None
    if isinstance(reading.value, dict):
        inside = "events" in reading.value
        document, found = normalise_settings(reading.value if inside else {"events": reading.value})
        held = document["events"]
        if inside and isinstance(held, dict):
            held = {key: one for key, one in held.items() if key == "correlation-rules"}
        if isinstance(held, dict) and not held.get("correlation-rules"):
            found.append(
                Problem(
                    code="schema-missing-key",
                    path=("events",),
                    message="there are no `correlation-rules` in it",
                    hint="write `correlation-rules: [{id: ..., type: ..., ...}]`; see `mplp help events`",
                )
            )
        made, judged = judge_project(held, ("events",), Around(directory=directory))
        problems += [_moved(one, 0 if inside else 1) for one in (*found, *judged)]
    elif not problems:
        said = "rules are declared in a mapping with the key `correlation-rules`"
        problems.append(Problem(code="file-root", message=said, path=()))
    errors = [one for one in listed(problems, text, name) if one.severity == "error"]
    if errors or made is None:
        raise _refusal(errors, name)
    return made[1]


def _moved(problem: Problem, by: int) -> Problem:
    return msgspec.structs.replace(problem, path=problem.path[by:], related=problem.related[by:])
