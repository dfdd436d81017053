"""The house stays fit to live in: rooms for one reader, and names that say something."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mplp_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))

MODULE_LINES, MEDIAN_LINES = 400, 150
FUNCTION_LINES, CLASS_LINES, CLASS_METHODS = 60, 300, 20
SAY_NOTHING = ("Manager", "Processor", "Handler", "Helper", "Factory", "Service", "Util", "Utils")
EMPTY_ROOMS = {"common", "core", "helper", "helpers", "misc", "util", "utils"}

#: `file` or `file:name` -> why it may be larger. One that is no longer needed must go.
EXCEPTIONS: dict[str, str] = {
    "errors.py": "the whole tree of errors is one page to look things up in",
    "workflow/fold/history.py": "every fact on one page",
    "store/memory.py": "the whole contract of a store, without a database",
    "store/memory.py:MemoryStore": "the contract of a store, question by question",
    "protocols/storage.py:Store": "the contract of a store, question by question",
    "store/sqlite.py:SqliteStore": "the contract of a store, question by question",
    "store/schema.py": "every table and statement on one page",
    "render/view.py:RunView": "what drawing reads of a run, one property a line",
    "assembly.py:assemble": "one list of the parts of a run",
}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def definitions() -> Iterator[tuple[str, Definition]]:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, Definition):
                yield f"{place(path)}:{node.name}", node


def length(node: Definition) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def body_length(node: Definition) -> int:
    """Without the signature and the docstring: of a command, those are its help."""
    assert node.end_lineno is not None
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return node.end_lineno - first.lineno + 1


def methods(node: ast.ClassDef) -> int:
    return sum(isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) for inner in node.body)


def too_large() -> dict[str, str]:
    found = {
        place(p): f"{lines(p)} lines, at most {MODULE_LINES}" for p in MODULES if lines(p) > MODULE_LINES
    }
    for name, node in definitions():
        if isinstance(node, ast.ClassDef):
            if length(node) > CLASS_LINES:
                found[name] = f"a class of {length(node)} lines, at most {CLASS_LINES}"
            elif methods(node) > CLASS_METHODS:
                found[name] = f"{methods(node)} methods, at most {CLASS_METHODS}"
        elif (size := (body_length if name.startswith("cli/") else length)(node)) >= FUNCTION_LINES:
            found[name] = f"a function of {size} lines, under {FUNCTION_LINES}"
    return found


def test_every_room_is_for_one_reader() -> None:
    unexplained = {name: size for name, size in too_large().items() if name not in EXCEPTIONS}
    assert not unexplained, "split them by noun, or give the reason in EXCEPTIONS"


def test_no_exception_has_outlived_its_reason() -> None:
    assert set(EXCEPTIONS) <= set(too_large())


def test_half_of_the_modules_are_short() -> None:
    sizes = [lines(path) for path in MODULES if lines(path) > 0]
    assert statistics.median(sizes) <= MEDIAN_LINES


def test_names_of_classes_say_what_they_are() -> None:
    found = [
        name
        for name, node in definitions()
        if isinstance(node, ast.ClassDef) and node.name.endswith(SAY_NOTHING)
    ]
    assert not found


def test_names_of_modules_say_what_is_inside() -> None:
    named_by_the_protocol = {"modules/builtin/core.py"}
    empty = {place(path) for path in MODULES if path.stem in EMPTY_ROOMS}
    assert empty == named_by_the_protocol


def test_only_the_root_of_the_errors_carries_the_name_of_the_product() -> None:
    prefixed = [name for name, node in definitions() if node.name.startswith("Mplp")]
    assert prefixed == ["errors.py:MplpError"]


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_a_module_says_what_it_is(path: Path) -> None:
    module = ast.parse(path.read_text("utf-8"))
    assert not module.body or ast.get_docstring(module), "begin with a docstring"


def test_nothing_is_left_for_later_in_silence() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "Not" + "ImplementedError")
    found = [
        f"{place(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if any(mark in line for mark in marks)
    ]
    assert not found


def test_every_type_ignore_names_its_error() -> None:
    found = [
        f"{place(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if "# type: ignore" in line and "# type: ignore[" not in line
    ]
    assert not found
