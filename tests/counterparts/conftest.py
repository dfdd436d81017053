"""Fixtures around programs that nobody here wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import terminal as terminal
from tests.counterparts import programs


@pytest.fixture(scope="session")
def modules() -> Path:
    """The folder `node_modules` with the packages of the lock file; skips where there is no Node or no network."""
    return programs.node_modules()
