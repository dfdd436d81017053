"""Modules of installed packages: loaded when they are needed, judged, and kept from breaking the rest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from mplp_cli.errors import OperationError, UnknownModuleError
from mplp_cli.modules.catalogue import _governed, all_modules, builtin_modules
from mplp_cli.modules.contract import Module, Operation, Parameters, make_module
from mplp_cli.modules.hub import Hub
from mplp_cli.modules.lookup import find_operation
from mplp_cli.modules.plugged import Modules
from mplp_cli.protocols import Caller
from tests.plugin_example.mplp_glossary import MODULE as GLOSSARY

CALLER = Caller(run="r", workflow="w", step="s")


class Point:
    """An entry point: what its package gives when it is imported."""

    def __init__(self, name: str, load: Callable[[], Any], package: str = "pack") -> None:
        self.name = name
        self.dist = SimpleNamespace(name=package, version="1.2")
        self._load = load
        self.loaded = 0

    def load(self) -> Any:
        self.loaded += 1
        return self._load()


def plugged(*points: Point) -> Modules:
    return Modules(builtin_modules(), _governed, lambda: points)


def gives(value: Any, name: str = "glossary") -> Point:
    return Point(name, lambda: value)


def fails(error: BaseException) -> Callable[[], Any]:
    def load() -> Any:
        raise error

    return load


def test_a_module_of_a_package_stands_beside_the_built_in_ones() -> None:
    modules = plugged(gives(GLOSSARY))
    assert list(modules) == [*builtin_modules(), "glossary"]
    assert len(modules) == len(builtin_modules()) + 1
    assert find_operation(modules, "glossary", "define-term").module == "glossary"
    assert modules.package_of("glossary") == "pack 1.2"
    assert modules.package_of("context") == ""


def test_an_entry_point_may_lead_to_a_function_that_gives_the_module() -> None:
    assert plugged(gives(lambda: GLOSSARY))["glossary"].name == "glossary"


def test_packages_are_looked_up_when_a_name_is_not_built_in_and_imported_when_they_are_named() -> None:
    looked: list[str] = []
    one, other = gives(GLOSSARY), gives(make_module("other", ""), "other")

    def points() -> list[Point]:
        looked.append("up")
        return [one, other]

    modules = Modules(builtin_modules(), _governed, points)
    assert modules["context"].name == "context"
    assert not looked
    assert "glossary" in modules
    assert modules["glossary"] is modules["glossary"]
    assert (looked, one.loaded, other.loaded) == (["up"], 1, 0)
    assert "nothing" not in modules
    assert (looked, other.loaded) == (["up"], 0)
    assert "other" in list(modules)
    assert (looked, one.loaded, other.loaded) == (["up"], 1, 1)


def test_a_run_looks_for_no_packages(tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(
        "workflow:\n  id: w\n  name: W\n  version: 1.0.0\n  steps:\n"
        "    - {id: a, type: module-operation, module: context, operation: create-context,"
        " parameters: {name: a}}\n"
    )
    code = (
        "import sys; sys.argv = ['mplp', 'run', sys.argv[1], '--ephemeral']\n"
        "from mplp_cli.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert 'importlib.metadata' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


class _NoJson(Struct):
    what: type


class _Takes(Parameters, frozen=True, kw_only=True):
    number: int = 1


def with_operation(**changed: Any) -> Module:
    made = Operation(name="do", summary="", parameters=_Takes, result=int, handler=lambda *_: 1)
    operation = replace(made, **changed)
    return replace(make_module("glossary", ""), operations={"do": operation})


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (fails(ImportError("No module named 'x'")), "ImportError: No module named 'x'"),
        (fails(SystemExit(3)), "SystemExit: 3"),
        (fails(RecursionError()), "RecursionError"),
        (lambda: 5, "its entry point leads to int, and not to a Module"),
        (lambda: fails(KeyError("x")), "KeyError: 'x'"),
        (lambda: {"name": "glossary"}, "leads to dict"),
        (lambda: make_module("other", ""), "it calls itself `other`, and its entry point `glossary`"),
        (lambda: replace(GLOSSARY, kind="plan"), "it calls itself `plan`"),
        (lambda: replace(GLOSSARY, schema={"type": "nonsense"}), "the schema of its objects is none"),
        (lambda: replace(GLOSSARY, schema={"$ref": "https://example.org/s"}), "the schema of its objects is none: "),
        (lambda: replace(GLOSSARY, schema=True), "the schema of its objects is no map"),
        (lambda: replace(GLOSSARY, configuration=int), "its configuration is no Configuration"),
        (lambda: replace(GLOSSARY, operations={"do": 1}), "`do` is no Operation"),
        (lambda: with_operation(name="done"), "`do` is no Operation of that name"),
        (lambda: with_operation(parameters=int), "the parameters of `do` are no kind of Parameters"),
        (lambda: with_operation(result=_NoJson), "are not JSON"),
        (lambda: with_operation(any_of=(("numbr",),)), "`do` names a parameter `numbr` that it does not have"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why_and_breaks_nothing(load: Callable[[], Any], why: str) -> None:
    modules = plugged(Point("glossary", load), gives(make_module("other", "fine"), "other"))
    assert list(modules) == [*builtin_modules(), "other"]
    assert "glossary" not in modules
    [(name, said)] = modules.broken().items()
    assert name == "glossary"
    assert why in said
    with pytest.raises(UnknownModuleError, match=r"module `glossary` of pack 1\.2 cannot be used") as caught:
        find_operation(modules, "glossary", "do")
    assert why in caught.value.message


@pytest.mark.parametrize("name", ["context", "network", "core"])
def test_the_names_of_the_protocol_are_taken(name: str) -> None:
    point = Point(name, fails(AssertionError("it is not even imported")))
    modules = plugged(point)
    assert modules.get(name) is builtin_modules().get(name)
    assert modules.broken() == {name: "the name belongs to a module of the protocol"}
    assert list(modules) == list(builtin_modules())
    assert point.loaded == 0


def test_two_packages_cannot_share_a_name() -> None:
    modules = plugged(gives(GLOSSARY), Point("glossary", lambda: GLOSSARY, "copy"))
    assert modules.broken() == {"glossary": "two packages have a module of that name"}
    assert modules.package_of("glossary") == "pack 1.2 and copy 1.2"


@pytest.mark.parametrize("name", ["Glossary", "a.b", "", "1a"])
def test_a_name_must_be_one_that_a_step_can_have(name: str) -> None:
    assert list(plugged(gives(GLOSSARY, name)).broken()) == [name]


def test_governance_is_there_if_the_objects_can_hold_it() -> None:
    assert GLOSSARY.schema is not None
    properties = {**GLOSSARY.schema["properties"], "governance": {"type": "object"}}
    governed = replace(GLOSSARY, schema={**GLOSSARY.schema, "properties": properties})
    assert "set-governance" in plugged(gives(governed))["glossary"].operations
    assert "set-governance" not in plugged(gives(GLOSSARY))["glossary"].operations
    assert "set-governance" not in plugged(gives(replace(GLOSSARY, schema=None)))["glossary"].operations


def hub(world: Any, modules: Mapping[str, Module]) -> Hub:
    return Hub(modules, world.load, world.clock, world.ids)


def test_its_operations_read_and_write_objects_of_its_kind(world: Any) -> None:
    made = hub(world, plugged(gives(GLOSSARY)))
    outcome = made.call("glossary", "define-term", {"term": "run", "meaning": "facts"}, CALLER)
    [written] = outcome.writes
    assert (written.kind, written.id) == ("glossary", outcome.result["glossaryId"])
    made.apply(outcome.writes)
    assert made.call("glossary", "look-up-term", {"term": "run"}, CALLER).result == outcome.result
    with pytest.raises(OperationError, match="has a meaning already"):
        made.call("glossary", "define-term", {"term": "run", "meaning": "steps"}, CALLER)


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (lambda *_: dict[str, int]()["x"], "`glossary/do` failed: KeyError: 'x'"),
        (lambda *_: sys.exit(1), "`glossary/do` failed: SystemExit: 1"),
        (lambda *_: object(), "`glossary/do` failed: TypeError"),
        (lambda *_: "text", "`glossary/do` gave something else than it states: Expected `int`, got `str`"),
        (lambda _, session: session.put("glossary", {"x": 1}), "there is no schema for objects of the kind"),
        (lambda _, session: session.put("plan", {}), "the plan would not be valid"),
    ],
)
def test_what_a_handler_does_wrong_is_a_refusal(world: Any, handler: Any, said: str) -> None:
    made = hub(world, plugged(gives(with_operation(handler=handler))))
    with pytest.raises(OperationError) as caught:
        made.call("glossary", "do", {}, CALLER)
    assert said in caught.value.message
    assert not caught.value.failure().retryable


def test_an_object_without_an_id_is_refused(world: Any) -> None:
    def handler(_: Any, session: Any) -> int:
        session.put("glossary", {"meta": {}})
        return 1

    module = replace(with_operation(handler=handler), schema={"type": "object"})
    with pytest.raises(OperationError, match="the glossary has no id: it stands in `glossary_id`"):
        hub(world, plugged(gives(module))).call("glossary", "do", {}, CALLER)


@pytest.mark.parametrize("events", [{"a": 1}, "text", [1], [{}], [{"event_id": "1", "event_type": 2}]])
def test_events_that_nobody_could_be_told_of_are_refused(world: Any, events: Any) -> None:
    def handler(_: Any, session: Any) -> int:
        session.put("glossary", {"glossary_id": "1", "events": events})
        return 1

    module = replace(with_operation(handler=handler), schema={"type": "object"})
    with pytest.raises(OperationError, match="the glossary 1 holds events that are none"):
        hub(world, plugged(gives(module))).call("glossary", "do", {}, CALLER)


def test_there_is_one_list_of_all_modules() -> None:
    assert all_modules() is all_modules()
    assert set(builtin_modules()) <= set(all_modules())
