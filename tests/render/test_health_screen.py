"""The screen of `mplp health`, once and over and over."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from mplp_cli.render.health import health_frame, health_screen
from mplp_cli.render.steady import Steady
from mplp_cli.render.theme import PLAIN

STAMP = "2026-11-23T12:00:05.250Z"


def component(name: str, status: str = "healthy", **said: Any) -> dict[str, Any]:
    return {"component": name, "status": status, "timestamp": STAMP, **said}


def problem(message: str, hint: str) -> dict[str, str]:
    return {"message": message, "hint": hint}


UNKNOWN = "this is not known, since the store cannot be used\n`mplp health store` says why"
REPORT = {
    "overall": "critical",
    "components": [
        component("engine", "error", error=UNKNOWN),
        component("store", "error", error="it is damaged\nrestore a copy; `mplp doctor` explains more"),
        component("events", "error", error=UNKNOWN),
        component(
            "resources", details={"kinds": {"cpu": {"total": "2", "held": "0"}}, "late": [], "by": None}
        ),
        component(
            "disk",
            "unhealthy",
            details={
                "problems": [
                    problem(
                        "12 MiB are free at /srv/[red]\x1b[31m, and 256 MiB are needed", "free some space"
                    ),
                    problem(
                        "7 more files fit on the disk", "`mplp runs prune --keep-days 30` deletes old runs"
                    ),
                ]
            },
        ),
        component("module:a-module-with-a-very-long-name-indeed", details={"state": "running"}),
    ],
    "timestamp": STAMP,
}


def test_what_is_wrong_stands_first_and_is_said_once(snapshot: SnapshotAssertion) -> None:
    screens = [health_screen(REPORT, PLAIN, width) for width in (40, 80, 140)]
    for screen, width in zip(screens, (40, 80, 140), strict=True):
        assert all(line.width <= width for line in screen)
    assert "\n".join(screen.plain for screen in screens) == snapshot


@pytest.mark.parametrize("height", [2, 6, 12, 99])
def test_a_frame_is_no_higher_than_the_terminal(height: int) -> None:
    frame = health_frame(REPORT, 5, PLAIN, 80, height)
    assert len(frame) <= height
    assert "12:00:05 UTC, every 5 s" in frame.lines[0].plain
    whole = len(health_screen(REPORT, PLAIN, 80))
    assert ("more lines" in frame.lines[-1].plain) is (whole > height)


def test_a_steady_screen_is_never_empty_between_two_frames() -> None:
    stream = StringIO()
    frame = health_frame(REPORT, 5, PLAIN, 80, 24).lines
    with Steady(stream, PLAIN) as screen:
        screen.draw(frame)
        begun = stream.tell()
        screen.draw(frame[:3])
        second = stream.getvalue()[begun:]
    assert "\x1b[2J" not in stream.getvalue(), "nothing is cleared before it is written over"
    assert second.startswith("\x1b[H")
    assert second.endswith("\x1b[K\x1b[J"), "what was below is cleared behind the last line"
    assert second.count("\x1b[K") == 3
    left = stream.getvalue().rpartition("\x1b[?1049l")[2]
    assert left.startswith("overall: critical"), "the last frame stays when it ends"
