"""How long a commit waits for the facts of claimed steps."""

from __future__ import annotations

import pytest

from mplp_cli.engine.claiming import patience


@pytest.mark.parametrize(("took", "waits"), [(0, 0.005), (0.0001, 0.005), (0.001, 0.019), (3, 0.05)])
def test_a_commit_waits_longer_where_commits_take_long_but_never_for_long(took: float, waits: float) -> None:
    assert patience(0.005, took) == waits
