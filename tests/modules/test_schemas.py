"""The bundled schemas of objects say what the protocol's own schemas say."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.bundled import bundled
from mplp_cli.errors import OperationError
from mplp_cli.modules.schemas import check_object, validator

KINDS = ("context", "plan", "role", "confirm", "trace", "dialog")
Judge = Callable[[str, dict[str, Any]], list[str]]


def _examples(shared: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((shared / "mplp-v1" / "examples").glob("*.json")):
        kind = path.name.split(".")[0]
        if kind in KINDS:
            body = json.loads(path.read_text())
            body.pop("$comment", None)  # which the schemas themselves do not allow
            yield kind, body


def _nodes(value: Any) -> Iterator[Any]:
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(item)


def _wrong_text(key: str, text: str) -> Iterator[str]:
    if key.endswith("_id"):
        yield from (text.upper().replace("0", "A"), text[:14] + "1" + text[15:], text[:-1], text + "\n", "x")
    elif key in {"created_at", "timestamp", "requested_at"}:
        yield from (
            "yesterday",
            "2025-13-01T00:00:00Z",
            "2025-02-30T00:00:00Z",
            "2025-01-01",
            "2025-01-01T00:00:00",
        )
    elif key in {"status", "target_type"}:
        yield from ("done", text.upper(), "")
    elif key == "protocol_version":
        yield from ("1.0", "v1.0.0")
    elif key == "event_type":
        yield from ("step_started", "step-started", "Step.started", "step..started", ".step")
    elif key in {"title", "objective", "description"}:
        yield ""


def _mutations(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Copies of an object with one thing wrong in each."""
    count = sum(isinstance(node, dict) for node in _nodes(body))
    for index in range(count):

        def same(mutant: dict[str, Any], index: int = index) -> dict[str, Any]:
            found: dict[str, Any] = [node for node in _nodes(mutant) if isinstance(node, dict)][index]
            return found

        node = same(body)
        for key, value in node.items():
            mutant = copy.deepcopy(body)
            same(mutant)[key] = 5
            yield f"{key} is a number", mutant
            if isinstance(value, str):
                for wrong in _wrong_text(key, value):
                    mutant = copy.deepcopy(body)
                    same(mutant)[key] = wrong
                    yield f"{key} is {wrong!r}", mutant
        mutant = copy.deepcopy(body)
        same(mutant)["surprise"] = 1
        yield f"unknown key beside {sorted(node)}", mutant
        for key in node:
            mutant = copy.deepcopy(body)
            del same(mutant)[key]
            yield f"without {key}", mutant


def test_the_protocols_examples_are_valid(shared: Path, protocol_problems: Judge) -> None:
    seen = set()
    for kind, body in _examples(shared):
        assert protocol_problems(kind, body) == []
        check_object(kind, "x", body)
        seen.add(kind)
    assert seen == set(KINDS)


def test_what_is_wrong_for_the_protocol_is_wrong_for_us_and_the_other_way_round(
    shared: Path, protocol_problems: Judge
) -> None:
    refused = 0
    for kind, body in _examples(shared):
        for what, mutant in _mutations(body):
            theirs = bool(protocol_problems(kind, mutant))
            ours = not validator(kind).is_valid(mutant)
            # Python's `$` lets a line break at the end pass; no identifier ends with one.
            assert ours == theirs or (ours and "\\n" in what), (kind, what)
            refused += ours
    assert refused > 300


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("{kind}_id", "550E8400-E29B-41D4-A716-446655440000"),
        ("{kind}_id", "550e8400-e29b-11d4-a716-446655440000"),
        ("{kind}_id", "550e8400-e29b-41d4-a716-446655440000\n"),
        (
            "meta",
            {"protocol_version": "1.0.0", "schema_version": "1.0.0", "created_at": "2025-02-30T00:00:00Z"},
        ),
        ("surprise", 1),
    ],
)
def test_an_object_with_something_wrong_is_refused_and_the_place_named(
    kind: str, key: str, wrong: Any
) -> None:
    key = key.format(kind=kind)
    with pytest.raises(OperationError, match=f"the {kind} would not be valid") as caught:
        check_object(kind, "x", {key: wrong})
    places = {problem["path"].split("/")[0] for problem in caught.value.details["problems"]}
    assert key in places or key == "surprise"
    assert caught.value.details["kind"] == kind


@pytest.mark.parametrize("value", ["\ud800", object()])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(OperationError, match="not JSON"):
        check_object("context", "x", {"root": {"value": value}})


def test_what_the_schemas_have_in_common_is_the_same_in_each() -> None:
    documents = [json.loads((bundled("schemas") / "objects" / f"{k}.schema.json").read_text()) for k in KINDS]
    for name in ("id", "time", "meta", "event", "span", "governance"):
        versions = [document["$defs"][name] for document in documents if name in document["$defs"]]
        assert len(versions) >= 5
        assert all(version == versions[0] for version in versions), name
