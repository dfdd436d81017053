"""Both stores, behind one fixture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mplp_cli.protocols import Store
from mplp_cli.store.memory import MemoryStore
from mplp_cli.store.sqlite import SqliteStore
from tests.store.sample import FixedClock


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = (
        MemoryStore(FixedClock()) if request.param == "memory" else SqliteStore(tmp_path, FixedClock())
    )
    yield made
    made.close()


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path, FixedClock())
    yield made
    made.close()
