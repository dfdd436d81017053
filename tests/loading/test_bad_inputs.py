from __future__ import annotations

import gc
import json
import time
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.loading import Loaded, load_workflow
from tests.loading.samples import ROOT, errors, load, only, shared, steps

BAD = shared("badinputs")
ROWS: list[dict[str, Any]] = json.loads((BAD / "expected.json").read_text()) if BAD else []


def _sound(loaded: Loaded) -> None:
    """What holds of every answer."""
    failed = any(p.severity == "error" for p in loaded.problems)
    assert (loaded.workflow is None) == failed
    assert (loaded.plan is None) == failed
    for problem in loaded.problems:
        assert problem.line > 0
        assert problem.column > 0
        assert (problem.end_line, problem.end_column) > (problem.line, problem.column)
        said = problem.message + (problem.hint or "")
        assert said.isprintable(), said
    assert [(p.line, p.column) for p in loaded.problems] == sorted(
        (p.line, p.column) for p in loaded.problems
    )


@pytest.mark.skipif(not ROWS, reason="the sample of bad inputs is not here")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_a_hostile_file_is_answered_as_its_index_says(row: dict[str, Any]) -> None:
    assert BAD is not None
    source = (BAD / row["file"]).read_bytes()
    before = time.monotonic()
    loaded = load_workflow(source, row["file"])
    assert time.monotonic() - before < 5  # the index says 1 s; the machine may be busy
    _sound(loaded)
    wrong = {p.code for p in loaded.problems if p.severity == "error"}
    match row["outcome"]:
        case "reject":
            assert wrong
        case "warn":
            assert not wrong
            assert loaded.problems
        case "accept":
            assert not wrong
        case "run-ok" | "run-fails":
            assert not wrong


def _cut(source: bytes, name: str) -> None:
    for end in range(0, len(source), 50 if len(source) < 20_000 else len(source) // 100):
        _sound(load_workflow(source[:end], name))


@pytest.mark.skipif(BAD is None, reason="the sample of bad inputs is not here")
@pytest.mark.parametrize("name", [row["file"] for row in ROWS])
def test_a_hostile_file_cut_anywhere_is_answered(name: str) -> None:
    assert BAD is not None
    _cut((BAD / name).read_bytes(), name)


@pytest.mark.parametrize(
    "path", sorted(p for p in (ROOT / "workflows").iterdir() if p.is_file()), ids=lambda p: p.name
)
def test_a_bundled_workflow_cut_anywhere_is_answered(path: Path) -> None:
    _cut(path.read_bytes(), path.name)


@pytest.mark.parametrize(
    "path", sorted(p for p in (ROOT / "workflows").iterdir() if p.is_file()), ids=lambda p: p.name
)
def test_bundled_workflows_have_no_problems(path: Path) -> None:
    loaded = load_workflow(path.read_bytes(), path.name)
    assert loaded.problems == []
    assert loaded.plan is not None


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "brackets": ("[" * 200_000, "file-depth"),
    "braces": ("{a: " * 50_000, "file-depth"),
    "dashes": ("- " * 100_000, "file-depth"),
    "questions": ("? " * 100_000, "yaml-key"),
    "python tag": (steps("{id: a, type: shell, run: !!python/object/apply:os.system [ls]}"), "yaml-tag"),
    "local tag": (steps("{id: a, type: shell, run: !secret x}"), "yaml-tag"),
    "binary": (steps("{id: a, type: shell, run: !!binary dG91Y2g=}"), "yaml-tag"),
    "cycle": (steps("&s {id: a, type: shell, run: x, description: *s}"), "yaml-alias-cycle"),
    "laughs": (
        "a: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
        "yaml-alias-budget",
    ),
    "many aliases": ("a: &a [x, y]\nb: [" + "*a, " * 100_000 + "]", "yaml-alias-budget"),
    "deep by aliases": (
        "a: &a0 [x]\n" + "".join(f"b{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 80)), "file-depth",
    ),
    "NUL": (steps(r'{id: a, type: shell, run: "a\0b"}'), "file-control-character"),
    "escape": (steps(r'{id: a, type: shell, run: x, name: "\e[2J"}'), "file-control-character"),
    "raw control": (steps("{id: a, type: shell, run: x\x07}"), "file-control-character"),
    "latin-1": (b"workflow: {name: \xff}", "file-encoding"),
    "utf-16": ("workflow: {}".encode("utf-16"), "file-encoding"),
    "empty": ("", "file-empty"),
    "comments only": ("# nothing\n\n", "file-empty"),
    "list": ("- a", "file-root"),
    "text": ("hello", "file-root"),
    "two documents": (steps("{id: a, type: shell, run: x}") + "---\nb: 1\n", "yaml-documents"),
    "not a number": (steps("{id: a, type: set, values: {x: .nan}}"), "file-number"),
    "infinite": (steps("{id: a, type: set, values: {x: -.inf}}"), "file-number"),
    "overflow": (steps("{id: a, type: set, values: {x: 1e999}}"), "file-number"),
    "digits": (steps("{id: a, type: set, values: {x: " + "9" * 5000 + "}}"), "file-number"),
    "list as key": ("? [a, b]\n: c\n", "yaml-key"),
    "alias as key": ("a: &x y\n*x : 1\n", "yaml-key"),
    "no such anchor": (steps("{id: a, type: shell, run: *nope}"), "yaml-unknown-anchor"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_refused_by_name(name: str) -> None:
    text, code = HOSTILE[name]
    before = time.monotonic()
    loaded = load(text)
    assert time.monotonic() - before < 5
    _sound(loaded)
    assert code in {p.code for p in loaded.problems if p.severity == "error"}


def test_two_hundred_kilobytes_of_brackets_take_no_second() -> None:
    before = time.process_time()
    problem = only("[" * 200_000)
    assert time.process_time() - before < 1
    assert (problem.line, problem.column) == (1, 65)


def test_a_file_above_the_limit_is_refused_unread() -> None:
    assert only(b" " * (64 * 1024 * 1024 + 1)).code == "file-too-large"


def test_twenty_thousand_keys_and_one_twin_are_read() -> None:
    keys = "".join(f"          k{n}: {n}\n" for n in range(20_000))
    text = steps("id: a", head="workflow:\n  id: d\n  name: d\n  version: 1.0.0\n")
    text += "      type: set\n      values:\n" + keys + "          k7: again\n"
    problem = only(text)
    assert problem.code == "yaml-duplicate-key"
    assert problem.line == 20_009
    assert problem.related_line == 16


def test_more_steps_than_the_limit_are_refused() -> None:
    text = steps("&s {id: a, type: set, values: {}}")
    text += "    - &t {id: p, type: parallel, steps: [" + "*s, " * 400 + "]}\n" + "    - *t\n" * 200
    assert "file-steps" not in codes_of(text)
    many = "\n".join("- {id: a, type: wait}" for _ in range(200_001))
    assert codes_of("workflow:\n  steps:\n" + "\n".join("  " + line for line in many.split("\n"))) == [
        "file-steps"
    ]


def codes_of(text: str) -> list[str]:
    return [p.code for p in load(text).problems]


def test_a_very_broken_file_lists_a_hundred_problems_and_counts_the_rest() -> None:
    text = steps(*(f"{{id: s{n}, type: set, valeus: {{}}}}" for n in range(3_000)))
    problems = errors(text)
    assert len(problems) == 101
    assert {p.code for p in problems} == {"schema-unknown-key", "more-problems"}
    assert problems[-1].code == "more-problems"
    assert "2900 more steps" in problems[-1].message
    assert problems[-1].line == 106


def test_values_are_repeated_in_forty_characters_at_most() -> None:
    for text in (
        steps("{id: " + "x" * 300 + "!, type: set, values: {}}"),
        steps("{id: a, type: " + "y" * 300 + "}"),
        steps("{id: a, type: set, " + "z" * 300 + ": 1, values: {}}"),
        steps("{id: a, type: set, values: {}, join: " + "w" * 300 + "}"),
    ):
        said = " ".join(p.message for p in load(text).problems)
        assert not any(char * 41 in said for char in "xyzw")


def test_garbage_collection_is_on_again_after_loading() -> None:
    assert gc.isenabled()
    load(steps("{id: a, type: set, values: {}}"))
    load("[")
    assert gc.isenabled()
    gc.disable()
    try:
        load("[")
        assert not gc.isenabled()
    finally:
        gc.enable()
