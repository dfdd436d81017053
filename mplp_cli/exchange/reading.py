"""Reading what is to be verified: files, directories, and directories with a manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from mplp_cli.errors import Problem, UsageError
from mplp_cli.exchange.bundle import FORMAT_VERSION, MANIFEST, digest
from mplp_cli.exchange.documents import OBJECT_KINDS, Document, kind_of
from mplp_cli.loading.json_reader import read_json

_STREAMS: Final = (".ndjson", ".jsonl")
_FILES: Final = (".json", *_STREAMS)


#: There is no value, which null is not.
NOTHING: Final = object()


class Manifest(Struct, frozen=True, kw_only=True):
    """What the manifest of an export says that matters to its checks."""

    #: Whether the run went through to its end.
    completed: bool
    #: Whether it is over, however it went.
    ended: bool
    #: Whether the profile for one agent applies to it.
    single_agent: bool


class Material(Struct, kw_only=True):
    """What was read. `texts` are the files by name; problems have a file, and a path or a line."""

    documents: list[Document] = []
    problems: list[Problem] = []
    texts: dict[str, str] = {}
    manifest: Manifest | None = None
    #: Whether the documents belong together: one export, or the objects around one context.
    together: bool = False


def read_file(path: Path) -> Material:
    """One file, which stands for itself. UsageError if it cannot be read."""
    found = Material()
    _take(found, str(path), path.name, _bytes(path), unknown="error")
    return found


def read_directory(directory: Path) -> Material:
    """The documents of a directory, which belong together if they are an export or have one context."""
    found = Material()
    try:
        entries = sorted(directory.iterdir())
    except OSError as error:
        raise UsageError(f"cannot read {directory}: {error.strerror or error}") from None
    if any(entry.name == MANIFEST for entry in entries):
        _read_export(found, directory, entries)
        return found
    files = [entry for entry in entries if entry.suffix in _FILES and entry.is_file()]
    if not files:
        raise UsageError(
            f"there is nothing to verify in {directory}",
            hint="documents are .json files, streams .ndjson files",
        )
    for path in files:
        _take(found, str(path), path.name, _bytes(path), unknown="warning")
    found.together = sum(document.kind == "context" for document in found.documents) == 1
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None


# ---- an export ---------------------------------------------------------------------------------


def _read_export(found: Material, directory: Path, entries: Sequence[Path]) -> None:
    name = str(directory / MANIFEST)
    if not (directory / MANIFEST).is_file():
        raise UsageError(f"cannot read {name}: it is no file")
    text = _text(found, name, _bytes(directory / MANIFEST))
    value = NOTHING if text is None else _value(found, name, text)
    if value is NOTHING:
        return
    found.manifest, listed = _manifest(found, name, value)
    found.together = True
    present = {entry.name: entry for entry in entries if entry.name != MANIFEST}
    for number, one in enumerate(listed):
        path = present.pop(one["path"], None)
        if path is None or not path.is_file() or path.is_symlink():
            found.problems.append(
                Problem(
                    code="export-missing-file",
                    message=f"the manifest lists `{one['path']}`, and no such file is there",
                    path=("files", number),
                    file=name,
                    hint="the export is not whole: copy it again, or export the run again",
                )
            )
            continue
        content = _bytes(path)
        if digest(content) != one["sha256"]:
            found.problems.append(
                Problem(
                    code="export-checksum",
                    message="the file is not the one that was exported: its checksum is another",
                    path=(),
                    file=str(path),
                    hint=f"export the run again; the manifest has {one['sha256']}",
                )
            )
        if _of_the_protocol(one):
            _take(found, str(path), path.name, content, unknown="error")
    for extra in present.values():
        found.problems.append(
            Problem(
                code="export-extra-file",
                message="the manifest does not list this file",
                file=str(extra),
                hint="it is not a part of the export: move it elsewhere",
            )
        )


def _manifest(found: Material, name: str, value: Any) -> tuple[Manifest | None, list[dict[str, Any]]]:
    """What the manifest says and the files that it lists. What is wrong with it is noted."""
    wrong = _wrong_with(value)
    if wrong:
        said, at = wrong
        hint = "export the run again"
        found.problems.append(Problem(code="export-manifest", message=said, path=at, file=name, hint=hint))
    listed = value.get("files") if isinstance(value, dict) else None
    files = [one for one in listed if _is_listed(one)] if isinstance(listed, list) else []
    if wrong:
        return None, files
    manifest = Manifest(
        completed=value["status"] == "completed",
        ended=value["endedAt"] is not None,
        single_agent=value["profiles"]["sa"]["status"] != "absent",
    )
    return manifest, files


def _of_the_protocol(one: dict[str, Any]) -> bool:
    """Whether a listed file is to be checked; only its checksum tells of an object of a plug-in."""
    kind = one.get("kind")
    return kind in (*OBJECT_KINDS, "events") or not one["path"].startswith(f"{kind}-")


def _is_listed(one: Any) -> bool:
    """Whether an entry of the list of files can be looked for: a plain name and a checksum."""
    names = isinstance(one, dict) and isinstance(one.get("path"), str) and isinstance(one.get("sha256"), str)
    return names and Path(one["path"]).name == one["path"] and one["path"] not in ("", "..")


def _wrong_with(value: Any) -> tuple[str, tuple[str | int, ...]] | None:
    if not isinstance(value, dict):
        return "a manifest is a JSON object", ()
    version = value.get("formatVersion")
    if version != FORMAT_VERSION:
        return f"this version of mplp reads exports of format {FORMAT_VERSION}, not {version!r}", (
            "formatVersion",
        )
    for key in ("runId", "workflowId", "status"):
        if not isinstance(value.get(key), str):
            return f"the manifest has no `{key}`", (key,)
    if not isinstance(value.get("endedAt", 0), str | None):
        return "`endedAt` is the time at which the run ended, or null", ("endedAt",)
    profiles = value.get("profiles")
    if not isinstance(profiles, dict) or not all(_is_profile(profiles.get(n)) for n in ("sa", "map")):
        return "the manifest does not say how the run followed the profiles `sa` and `map`", ("profiles",)
    if not isinstance(value.get("files"), list):
        return "the manifest lists no files", ("files",)
    for number, one in enumerate(value["files"]):
        if not _is_listed(one):
            return "a file is listed by its `path`, a plain name, and its `sha256`", ("files", number)
    return None


def _is_profile(value: Any) -> bool:
    return isinstance(value, dict) and value.get("status") in ("complete", "incomplete", "absent")


# ---- texts -------------------------------------------------------------------------------------


def _take(found: Material, file: str, name: str, content: bytes, *, unknown: str) -> None:
    """Add the documents of a file. `unknown`: how severe it is if the protocol does not know one."""
    text = _text(found, file, content)
    if text is None:
        return
    if name.endswith(_STREAMS):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                value = _value(found, file, line, number)
                _add(found, file, name, [((), value)], number, unknown="error")
        return
    value = _value(found, file, text)
    items = [((n,), item) for n, item in enumerate(value)] if isinstance(value, list) else [((), value)]
    _add(found, file, name, items, 0, unknown=unknown)


def _add(
    found: Material,
    file: str,
    name: str,
    items: Iterable[tuple[tuple[int, ...], Any]],
    line: int,
    *,
    unknown: str,
) -> None:
    for at, value in items:
        if value is NOTHING:
            continue  # what is wrong with it is noted
        stream = "" if line else name
        kind = kind_of(stream, value) if isinstance(value, dict) else None
        if kind is not None:
            body = {key: item for key, item in value.items() if key != "$comment"}
            found.documents.append(Document(file=file, kind=kind, body=body, line=line, at=at))
        else:
            found.problems.append(
                Problem(
                    code="unknown-document",
                    message="this is no object, event or learning sample of the protocol",
                    path=at,
                    file=file,
                    line=line,
                    column=1 if line else 0,
                    severity="error" if unknown == "error" else "warning",
                    hint="it is told by the file's name, such as context.json, or by its id, such as `context_id`",
                )
            )


def _text(found: Material, file: str, content: bytes) -> str | None:
    try:
        found.texts[file] = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"this is not UTF-8: byte {content[error.start]:#04x}"
        found.texts[file] = content.decode("utf-8", "replace")
        found.problems.append(
            Problem(
                code="file-encoding",
                message=message,
                file=file,
                line=line,
                column=column,
                hint="save the file as UTF-8",
            )
        )
        return None
    return found.texts[file]


class _RefusedError(ValueError):
    """A key stands twice, or a number is none."""


def _value(found: Material, file: str, text: str, line: int = 0) -> Any:
    """The JSON value; NOTHING with a problem if there is none. `line` is that of a stream."""
    try:
        value = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_pairs, parse_constant=_refuse)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
        return value
    except (ValueError, RecursionError):
        found.problems += _syntax(file, text, line)
        return NOTHING


def _syntax(file: str, text: str, line: int) -> Iterator[Problem]:
    from msgspec.structs import replace

    # Text of an object may hold control characters; text of a workflow may not.
    problems = [p for p in read_json(text).problems if p.code != "file-control-character"]
    if not problems:
        halved = "\\ud" in text.lower()
        said = "half of a surrogate pair is no text" if halved else "this is not JSON that can be read"
        problems = [Problem(code="json-syntax", message=said)]
    for problem in problems[:10]:
        shift = line - 1 if line else 0
        first, last = max(problem.line, 1), max(problem.end_line, 1)
        yield replace(
            problem, file=file, line=first + shift, column=max(problem.column, 1), end_line=last + shift
        )


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _RefusedError
    return made


def _refuse(_name: str) -> Any:
    raise _RefusedError
