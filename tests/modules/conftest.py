"""A hub on a stopped clock with ids that count, and the schemas of the protocol where they are present."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry, Resource

from mplp_cli.modules.catalogue import builtin_modules
from mplp_cli.modules.hub import Hub
from mplp_cli.protocols import Caller, ProtocolObject

KINDS = tuple(builtin_modules())


class FakeClock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.ms = 1_767_225_600_000

    def now(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


class CountingIds:
    """UUIDs of version 4 that count."""

    def __init__(self, start: int = 0) -> None:
        self.last = start

    def uuid(self) -> str:
        self.last += 1
        return f"00000000-0000-4000-8000-{self.last:012x}"

    def fraction(self) -> float:
        return 0.5


class World:
    """A hub and the store behind it. `call` does what the engine does: call, store, apply."""

    def __init__(self, stored: Iterable[ProtocolObject] = (), run: str = "run-1") -> None:
        self.clock = FakeClock()
        self.ids = CountingIds()
        self.stored: list[ProtocolObject] = list(stored)
        self.loads = 0
        self.hub = Hub(builtin_modules(), self.load, self.clock, self.ids)
        self.caller = Caller(run=run, workflow="release", step="step-1", description="Ship it")

    def load(self) -> list[ProtocolObject]:
        self.loads += 1
        return list(self.stored)

    def __call__(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """`world("plan/get-plan", planId=...)`"""
        module, name = operation.split("/")
        outcome = self.hub.call(module, name, parameters, self.caller)
        self.stored += outcome.writes
        self.hub.apply(outcome.writes)
        result: dict[str, Any] = outcome.result
        return result

    def newest(self) -> dict[tuple[str, str], ProtocolObject]:
        return {(item.kind, item.id): item for item in sorted(self.stored, key=lambda item: item.version)}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def protocol_problems(shared: Path) -> Callable[[str, dict[str, Any]], list[str]]:
    """What the protocol's own schema says against an object, formats included."""
    folder = shared / "mplp-v1"
    documents = [json.loads(path.read_text()) for path in sorted(folder.rglob("*.schema.json"))]
    registry: Registry[Any] = Registry().with_resources(
        (document["$id"], Resource.from_contents(document)) for document in documents
    )
    judges = {
        kind: Draft7Validator(
            json.loads((folder / f"mplp-{kind}.schema.json").read_text()),
            registry=registry,
            format_checker=FormatChecker(),
        )
        for kind in KINDS
    }
    assert "date-time" in FormatChecker().checkers, "the check of dates needs rfc3339-validator"

    def judge(kind: str, body: dict[str, Any]) -> list[str]:
        return [f"{list(error.absolute_path)}: {error.message}" for error in judges[kind].iter_errors(body)]

    return judge


@pytest.fixture(scope="session")
def new_world() -> type[World]:
    """For tests that need several, or a new one for every example."""
    return World
