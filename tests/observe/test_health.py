"""Health: the table of words, checks that throw, hang and lie, and the checks of the surroundings."""

from __future__ import annotations

import os
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.errors import StoreError
from mplp_cli.observe import surroundings
from mplp_cli.observe.health import Checkup, Finding, Wrong, chosen, found
from mplp_cli.observe.surroundings import (
    LEAST_FILES,
    LEAST_FREE,
    PACKAGES,
    check_disk,
    check_packages,
    check_platform,
    numbers_of,
)
from mplp_cli.workflow.health import Status, overall_of

STATUSES: list[Status] = ["healthy", "unhealthy", "error"]


class Still:
    """A clock that stands still."""

    def now(self) -> int:
        return 1_700_000_000_250

    def monotonic(self) -> float:
        return 0.0


STAMP = "2023-11-14T22:13:20.250Z"


def well() -> Finding:
    return Finding(True)


@pytest.mark.parametrize(
    ("components", "unhealthy", "expected"),
    [
        (0, 0, "healthy"),
        (1, 0, "healthy"),
        (1, 1, "degraded"),
        (3, 1, "degraded"),
        (4, 1, "warning"),
        (4, 2, "degraded"),
        (10, 3, "warning"),
        (10, 4, "degraded"),
        (20, 6, "warning"),
        (20, 7, "degraded"),
        (10, 10, "degraded"),
    ],
)
def test_more_than_three_in_ten_unhealthy_is_degraded(components: int, unhealthy: int, expected: str) -> None:
    checks: dict[str, Callable[[], Finding]] = {str(n): well for n in range(unhealthy, components)}
    checks |= {f"ill{n}": lambda: Finding(False) for n in range(unhealthy)}
    checkup = Checkup(checks, Still(), deadline=30)
    assert checkup.overall == "healthy", "before the first look"
    assert (checkup.look()["overall"], checkup.overall) == (expected, expected)


@given(st.lists(st.sampled_from(STATUSES)), st.integers(min_value=0))
def test_one_error_beats_everything(statuses: list[Status], place: int) -> None:
    statuses.insert(place % (len(statuses) + 1), "error")
    assert overall_of(statuses) == "critical"


@given(st.lists(st.sampled_from(STATUSES)))
def test_the_order_of_components_does_not_matter(statuses: list[Status]) -> None:
    assert overall_of(statuses) == overall_of(sorted(statuses))


def test_a_report_has_exactly_the_keys_that_are_promised() -> None:
    def broken() -> Finding:
        raise OSError("the disk is on fire")

    checks = {
        "disk": lambda: found((), {"free": 1}),
        "net": lambda: found([Wrong("it is far", "`move`")], {"ms": 101}),
        "fire": broken,
    }
    assert Checkup(checks, Still()).look() == {
        "overall": "critical",
        "components": [
            {"component": "disk", "status": "healthy", "details": {"free": 1}, "timestamp": STAMP},
            {
                "component": "net",
                "status": "unhealthy",
                "details": {"problems": [{"message": "it is far", "hint": "`move`"}], "ms": 101},
                "timestamp": STAMP,
            },
            {
                "component": "fire",
                "status": "error",
                "error": "the disk is on fire\n`mplp doctor` looks closer",
                "timestamp": STAMP,
            },
        ],
        "timestamp": STAMP,
    }


class _MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError(), "KeyError"),
        (StoreError("it is\nfull", hint="free some"), "it is full\nfree some"),
        (_MuteError(), "_MuteError"),
        (SystemExit(3), "3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_a_check_that_breaks_is_an_error_and_the_others_are_still_made(
    error: BaseException, said: str
) -> None:
    def broken() -> Finding:
        raise error

    report = Checkup({"first": broken, "second": lambda: Finding(False), "third": well}, Still(), 30).look()
    assert [one["status"] for one in report["components"]] == ["error", "unhealthy", "healthy"]
    assert report["components"][0]["error"].startswith(said)
    assert report["overall"] == "critical"


_CIRCLE: dict[str, Any] = {}
_CIRCLE["again"] = _CIRCLE


LIES: dict[str, Any] = {
    "nothing": None,
    "a-word": "healthy",
    "a-map": {"healthy": True},
    "a-text-for-healthy": Finding("no"),  # type: ignore[arg-type]  # the lie
    "a-number-for-healthy": Finding(1),  # type: ignore[arg-type]  # the lie
    "a-list-for-details": Finding(True, ["fine"]),  # type: ignore[arg-type]  # the lie
    "no-json": Finding(True, {"at": object()}),
    "a-circle": Finding(True, _CIRCLE),
    "healthy-with-problems": Finding(True, {"problems": [{"message": "it burns"}]}),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_check_that_lies_is_an_error(lie: Any) -> None:
    report = Checkup({"liar": lambda: lie, "other": well}, Still(), deadline=30).look()
    assert [one["status"] for one in report["components"]] == ["error", "healthy"]
    assert report["components"][0].keys() == {"component", "status", "error", "timestamp"}


def test_checks_that_hang_are_left_behind_together_and_made_once() -> None:
    over, begun = threading.Event(), []

    def hangs() -> Finding:
        begun.append(1)
        over.wait(60)
        return Finding(True, {"late": True})

    checkup = Checkup({**{f"net{n}": hangs for n in range(40)}, "other": well}, Still(), deadline=0.05)
    for report in [checkup.look() for _ in range(3)]:
        statuses = [one["status"] for one in report["components"]]
        assert (statuses[:40], statuses[40], report["overall"]) == (["error"] * 40, "healthy", "critical")
        error = report["components"][0]["error"]
        assert error == "no answer within 0.05 s\n`mplp health net0 --timeout 0.25` waits longer"
    assert len(begun) == 40, "one that hangs is not made again"
    over.set()
    until = time.monotonic() + 30
    while checkup.look()["overall"] != "healthy" and time.monotonic() < until:
        pass
    assert checkup.overall == "healthy", "once they have answered, that counts"


def test_components_are_chosen_by_name_or_by_family() -> None:
    checks = dict.fromkeys(("store", "module:plan", "module:core"), well)
    assert list(chosen(checks, ())) == list(checks)
    assert list(chosen(checks, ["module", "store"])) == list(checks)
    assert list(chosen(checks, ["module:core"])) == ["module:core"]
    with pytest.raises(KeyError, match="plan"):
        chosen(checks, ["store", "plan"])


# ---- the surroundings --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "files", "all_files", "problems"),
    [
        (LEAST_FREE, LEAST_FILES, 10_000, 0),
        (LEAST_FREE - 1, LEAST_FILES, 10_000, 1),
        (LEAST_FREE, LEAST_FILES - 1, 10_000, 1),
        (0, 0, 10_000, 2),
        (LEAST_FREE, 0, 0, 0),
    ],
)
def test_a_disk_is_full_below_its_thresholds_and_not_at_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, files: int, all_files: int, problems: int
) -> None:
    disk = SimpleNamespace(f_bavail=free, f_frsize=1, f_favail=files, f_files=all_files)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    told = check_disk(tmp_path / "not" / "there")
    assert (told.healthy, len(told.details.get("problems", ()))) == (problems == 0, problems)
    assert told.details["path"] == str(tmp_path), "that of the nearest directory that is there"


def test_the_packages_that_are_installed_will_do() -> None:
    told = check_packages()
    assert told.healthy, told.details
    assert told.details["sqlite"].startswith("3.")


def test_a_package_of_another_version_is_unhealthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES, "rich", ("rich", "99", "100"))
    told = check_packages()
    assert not told.healthy
    assert told.details["problems"][0]["hint"] == "`pip install 'rich>=99,<100'`"


@pytest.mark.parametrize("compiled", [False, True])
def test_a_package_that_is_missing_is_named(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES, "rich", ("no_such_package", "1", "2"))
    monkeypatch.setattr(surroundings, "COMPILED", {"no_such_package"} if compiled else set())
    [component] = Checkup({"packages": check_packages}, Still(), deadline=60).look()["components"]
    assert component["status"] == "error"
    assert "rich" in component["error"]


def test_the_packages_are_those_that_the_project_requires() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    known = {f"{name}>={first},<{last}" for name, (_, first, last) in PACKAGES.items()}
    assert known == set(project["dependencies"])


def test_this_platform_will_do_and_an_old_python_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_platform().healthy
    monkeypatch.setattr(surroundings, "OLDEST_PYTHON", (99, 0))
    assert not check_platform().healthy


@pytest.mark.parametrize(
    ("version", "numbers"), [("3.54.1.0", (3, 54, 1, 0)), ("2.0rc1", (2,)), ("1.0.post1", (1, 0)), ("", ())]
)
def test_versions_compare_as_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert numbers_of(version) == numbers
