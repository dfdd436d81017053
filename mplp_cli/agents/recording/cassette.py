"""Reading a cassette: its entries, or everything that is wrong with it, with places."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from mplp_cli.agents.recording.asked import key_of
from mplp_cli.agents.recording.entries import VERSION, Entry, Header
from mplp_cli.agents.recording.redaction import credentials_in
from mplp_cli.errors import Problem, UsageError

T = TypeVar("T")
_AGAIN = "record it again: `mplp run FILE --record CASSETTE`"


class Cassette(Struct, frozen=True, kw_only=True):
    """A recording. Entries are in the order of their numbers; `lines` has the line of each number."""

    name: str
    header: Header
    entries: list[Entry]
    lines: dict[int, int] = {}


class CassetteError(UsageError):
    """A cassette cannot be used. `problems` has all that was found, `text` what was read."""

    def __init__(self, problems: list[Problem], text: str = "") -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{first.file}:{first.line}:{first.column}: {first.message}{more}", hint=first.hint)
        self.problems = problems
        self.text = text


def read_cassette(path: str | Path) -> Cassette:
    """The recording in a file. UsageError if it cannot be read, CassetteError if it is no good recording."""
    name = str(path)
    return parse(read_bytes(name), name)


def read_bytes(name: str) -> bytes:
    """What is in a file. UsageError if it cannot be read."""
    try:
        return Path(name).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        hint = f"record it: `mplp run FILE --record {name}`" if isinstance(error, FileNotFoundError) else None
        raise UsageError(f"cannot read {name}: {why}", hint=hint) from None


def parse(data: bytes, name: str, *, cut: bool = False) -> Cassette:
    """The recording in these bytes. CassetteError; with `cut` a last line that is not whole is left out."""
    problems: list[Problem] = []
    header: Header | None = None
    entries: list[Entry] = []
    lines: dict[int, int] = {}
    written = data.split(b"\n")
    if cut:
        written = written[:-1]
    for number, line in enumerate(written, 1):
        if not line.strip():
            continue
        found = _line(line, name, number, Header if header is None else Entry, problems)
        if header is None:
            if not isinstance(found, Header):
                break
            header = found
        elif isinstance(found, Entry):
            if found.n in lines:
                message = f"the number {found.n} is taken by line {lines[found.n]}"
                problems.append(_problem(name, number, line, "cassette-number", message, "n"))
            lines.setdefault(found.n, number)
            entries.append(found)
    if header is None and not problems:
        message = 'it is empty: a cassette begins with a line `{"mplpCassette": 1, ...}`'
        problems.append(_problem(name, 1, b"", "cassette-header", message))
    if problems or header is None:
        raise CassetteError(problems, data.decode("utf-8", "replace"))
    return Cassette(name=name, header=header, entries=sorted(entries, key=lambda entry: entry.n), lines=lines)


def check(data: bytes, name: str) -> list[Problem]:
    """Everything that is wrong with a cassette: its format, keys that are not those of their requests, credentials."""
    try:
        cassette = parse(data, name)
    except CassetteError as error:
        return error.problems
    written = data.split(b"\n")
    found: list[Problem] = []
    for entry in cassette.entries:
        line = cassette.lines[entry.n]
        found += _wrong(entry, name, line, written[line - 1])
    return sorted(found, key=lambda problem: problem.line)


def _wrong(entry: Entry, name: str, number: int, line: bytes) -> Iterator[Problem]:
    if key_of(entry.request) != entry.key:
        message = f"the key of entry {entry.n} is not that of its request: nothing will ever match it"
        yield _problem(name, number, line, "cassette-key", message, "key")
    if entry.request.get("agent") != entry.agent:
        message = (
            f"entry {entry.n} is of agent `{entry.agent}`, its request is of `{entry.request.get('agent')}`"
        )
        yield _problem(name, number, line, "cassette-agent", message, "agent")
    answer = msgspec.to_builtins(entry.response or entry.error)
    for part, value in (("request", entry.request), ("response" if entry.response else "error", answer)):
        for path, what in credentials_in(value, f".{part}"):
            message = f"entry {entry.n} holds {what} at {path}"
            hint = "revoke it, and record again: credentials are left out then"
            key = re.split(r"[.\[]", path)[-1] if not path.endswith("]") else part
            yield _problem(name, number, line, "cassette-secret", message, key, hint)


def _line(
    line: bytes, name: str, number: int, of: type[Header | Entry], problems: list[Problem]
) -> Header | Entry | None:
    """One line, or what is wrong with it among `problems`."""
    what = "cassette-header" if of is Header else "cassette-entry"
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError as error:
        problems.append(_at(name, number, error.start + 1, "cassette-json", "the line is not UTF-8", _AGAIN))
        return None
    except json.JSONDecodeError as error:
        message = f"the line is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        problems.append(_at(name, number, error.colno, "cassette-json", message, _AGAIN))
        return None
    except RecursionError:
        problems.append(_at(name, number, 1, "cassette-json", "the line is nested too deeply", _AGAIN))
        return None
    if of is Header and (not isinstance(value, dict) or "mplpCassette" not in value):
        message = 'it is no cassette: its first line is not `{"mplpCassette": 1, ...}`'
        problems.append(_at(name, number, 1, what, message, None))
        return None
    if of is Header and value["mplpCassette"] != VERSION:
        message = (
            f"it is of version {value['mplpCassette']!r} of the format; this mplp reads version {VERSION}"
        )
        problems.append(_problem(name, number, line, "cassette-version", message, "mplpCassette"))
        return None
    try:
        return msgspec.convert(value, of)
    except msgspec.ValidationError as error:
        said = str(error)
        place = re.search(r" - at `\$\.?([A-Za-z]*)", said)
        named = re.search(r"field `([A-Za-z]+)`", said)
        key = (place and place[1]) or (named and named[1]) or ""
        problems.append(_problem(name, number, line, what, f"{said[:1].lower()}{said[1:]}", key))
        return None


def _problem(
    name: str, number: int, line: bytes, code: str, message: str, key: str = "", hint: str | None = _AGAIN
) -> Problem:
    """A problem at a key of a line, if it has it."""
    at = line.find(f'"{key}"'.encode()) if key else 0
    return _at(name, number, len(line[: max(0, at)].decode("utf-8", "replace")) + 1, code, message, hint)


def _at(name: str, number: int, column: int, code: str, message: str, hint: str | None) -> Problem:
    return Problem(code=code, message=message, hint=hint, file=name, line=number, column=column)
