"""What `verify` says of files that are no documents, and where."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.errors import UsageError
from mplp_cli.exchange.verifying import verify
from tests.exchange.flow import EVENTS, OBJECTS, Flow


def only(path: Path) -> tuple[str, int, int]:
    """The code, line and column of the one problem."""
    [problem] = verify([path]).problems
    return problem.code, problem.line, problem.column


def test_an_object_that_is_not_valid_is_shown_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "context.json"
    path.write_text(json.dumps(OBJECTS["context"] | {"language": 7}, indent=2))
    [problem] = verify([path]).problems
    line = path.read_text().splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith("7")
    assert (problem.code, problem.path) == ("object-schema", ("language",))
    assert "mplp schema context" in (problem.hint or "")


def test_the_kind_is_told_by_the_name_or_by_the_id(tmp_path: Path) -> None:
    for kind, body in OBJECTS.items():
        (tmp_path / "something.json").write_text(json.dumps(body))
        (tmp_path / f"{kind}.with-events.json").write_text(json.dumps(body))
        (tmp_path / f"{kind}-1.json").write_text(json.dumps(body))
        for name in ("something.json", f"{kind}.with-events.json", f"{kind}-1.json"):
            verdict = verify([tmp_path / name])
            assert (verdict.problems, verdict.documents) == ([], 1), (kind, name)
    (tmp_path / "role.json").write_text(json.dumps(OBJECTS["context"]))
    assert {problem.code for problem in verify([tmp_path / "role.json"]).problems} == {"object-schema"}


def test_a_comment_at_the_top_is_no_part_of_a_document(tmp_path: Path) -> None:
    path = tmp_path / "context.json"
    path.write_text(json.dumps({"$comment": "an example", **OBJECTS["context"]}))
    assert verify([path]).problems == []


def test_a_list_of_events_is_read_like_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text(json.dumps(list(EVENTS.values()), indent=1))
    assert verify([path]).problems == []
    path.write_text(json.dumps([*EVENTS.values(), EVENTS["stage"] | {"stage_id": ""}], indent=1))
    [problem] = verify([path]).problems
    assert problem.code == "obs_pipeline_stage_id_non_empty"
    assert problem.path == (len(EVENTS), "stage_id")


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ('{"context_id": }', "json-syntax", 1, 16),
        ("", "json-syntax", 1, 1),
        ("7", "unknown-document", 1, 1),
        ('{"name": "package"}', "unknown-document", 1, 1),
        ('{"context_id": NaN}', "json-syntax", 1, 16),
        ('{\n"title": "a",\n"title": "b"}', "json-duplicate-key", 3, 1),
    ],
)
def test_what_is_no_document_is_said_at_its_place(
    text: str, code: str, line: int, column: int, tmp_path: Path
) -> None:
    path = tmp_path / "what.json"
    path.write_text(text)
    assert only(path) == (code, line, column)


def test_deep_nesting_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "context.json"
    path.write_text("[" * 100_000)
    assert only(path)[:2] == ("file-depth", 1)
    path.write_bytes(b'{\n"title": "\xff"}')
    assert only(path) == ("file-encoding", 2, 11)


def test_what_no_schema_can_judge_is_said(tmp_path: Path) -> None:
    path = tmp_path / "context.json"
    deep: Any = 1
    for _ in range(600):
        deep = {"a": deep}
    untitled = {key: value for key, value in OBJECTS["context"].items() if key != "title"}
    path.write_text(json.dumps(untitled | {"constraints": deep}))
    assert only(path)[:2] == ("file-depth", 1)
    path.write_text('{"title": "\\uD800"}')
    assert only(path)[:2] == ("json-syntax", 1)
    path.write_text(json.dumps(OBJECTS["context"] | {"summary": "\U0001f600"}))
    assert verify([path]).problems == []


def test_null_is_no_document(tmp_path: Path) -> None:
    path = tmp_path / "context.json"
    for text in ("null", "[null]"):
        path.write_text(text)
        assert only(path)[0] == "unknown-document"


def test_a_manifest_that_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(UsageError):
        verify([tmp_path])


def test_a_line_of_a_stream_that_is_none_is_shown_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    lines = [json.dumps(event) for event in EVENTS.values()]
    path.write_text("\n".join([*lines, "", lines[0][:-1], "7"]))
    codes = [(p.code, p.line) for p in verify([path]).problems]
    assert codes == [("json-syntax", len(lines) + 2), ("unknown-document", len(lines) + 3)]


def test_text_of_an_object_may_hold_anything(tmp_path: Path) -> None:
    path = tmp_path / "context.json"
    path.write_text(json.dumps(OBJECTS["context"] | {"summary": "\x1b[31mred \x00 [/red] \u2028"}))
    assert verify([path]).problems == []


def test_a_stranger_in_a_directory_is_a_warning(tmp_path: Path) -> None:
    directory = Flow().write(tmp_path / "flow")
    (directory / "package.json").write_text("{}")
    verdict = verify([directory])
    assert [(p.code, p.severity) for p in verdict.problems] == [("unknown-document", "warning")]
    assert verdict.good


def test_what_cannot_be_read_is_an_error_of_use(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "none.json", tmp_path / "empty"):
        with pytest.raises(UsageError):
            verify([path])
