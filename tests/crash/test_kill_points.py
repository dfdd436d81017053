"""A run with every step type, killed at a call that changes a file: before it, half-way, after it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML

from mplp_cli.workflow import model
from tests.crash.everything import PARTS
from tests.crash.points import Points, spread, ways
from tests.crash.whole import Everything, Undisturbed, run_with_deaths

read = YAML(typ="safe").load
POINTS_TRIED, PARTS_OF_THEM = 48, 12


def test_the_workflow_that_is_killed_has_every_step_type() -> None:
    """A new step type: give it a line in PARTS."""
    assert set(PARTS) == {kind.__struct_config__.tag for kind in get_args(model.Step)}
    for kind, text in PARTS.items():
        assert read(text)["type"] == kind


def test_the_undisturbed_run_does_what_there_is_to_do(undisturbed: Undisturbed) -> None:
    acts = {
        "each[0].part",
        "each[2].part",
        "again[1].turn",
        "first",
        "posted",
        "called",
        "left",
        "right",
        "taken",
        "flaky",
        "broken",
        "instead",
        "asked",
        "last",
        "told",
        "begun",
        "ended",
        "tidied",
    }
    assert set(undisturbed.effects) >= acts
    assert undisturbed.effects["flaky"] == undisturbed.effects["asked"] == 2
    assert {read(text)["id"] for text in PARTS.values()} <= undisturbed.completed
    assert {"heard", "allowed"} <= undisturbed.completed
    assert ("context", 1) in undisturbed.objects
    assert len(undisturbed.lives) == 2, "it waits for a person once"
    names = {call.name for calls in undisturbed.lives for call in calls}
    assert names >= {"pwrite", "fdatasync", "fsync", "unlink", "rename", "ftruncate"}
    assert len(ways(undisturbed.lives)) >= 500


@pytest.mark.parametrize("part", range(PARTS_OF_THEM))
def test_a_run_killed_at_any_of_a_stride_of_calls_does_everything_once(
    points: Points, tmp_path: Path, everything: Everything, undisturbed: Undisturbed, part: int
) -> None:
    tried = spread(ways(undisturbed.lives), POINTS_TRIED)[part::PARTS_OF_THEM]
    killed = sum(
        run_with_deaths(points, tmp_path / str(number), everything, undisturbed, [at])
        for number, at in enumerate(tried)
    )
    # How many calls a process makes depends on what happens to come into one commit; some points may lie beyond.
    assert killed > len(tried) * 2 // 3


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(40))
def test_a_run_killed_at_any_call_does_everything_once(
    points: Points, tmp_path: Path, everything: Everything, undisturbed: Undisturbed, part: int
) -> None:
    for number, at in enumerate(ways(undisturbed.lives)[part::40]):
        run_with_deaths(points, tmp_path / str(number), everything, undisturbed, [at])


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(20))
def test_a_run_whose_resume_is_killed_too_does_everything_once(
    points: Points, tmp_path: Path, everything: Everything, undisturbed: Undisturbed, part: int
) -> None:
    """500 double kills: every point comes first once, another one second."""
    every = ways(undisturbed.lives)
    pairs = [[every[i * 7 % len(every)], every[i * 31 % len(every)]] for i in range(500)]
    for number, deaths in enumerate(pairs[part::20]):
        run_with_deaths(points, tmp_path / str(number), everything, undisturbed, deaths)
