"""Health: the table of words, broken and slow checks, and the checks of the surroundings."""

from __future__ import annotations

import threading
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.observe import surroundings
from mplp_cli.observe.health import Finding, check_health
from mplp_cli.observe.surroundings import (
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
    statuses: list[Status] = ["healthy"] * (components - unhealthy)
    statuses += ["unhealthy"] * unhealthy
    assert overall_of(statuses) == expected


@given(st.lists(st.sampled_from(STATUSES)), st.integers(min_value=0))
def test_one_error_beats_everything(statuses: list[Status], place: int) -> None:
    statuses.insert(place % (len(statuses) + 1), "error")
    assert overall_of(statuses) == "critical"


@given(st.lists(st.sampled_from(STATUSES)))
def test_the_order_of_components_does_not_matter(statuses: list[Status]) -> None:
    assert overall_of(statuses) == overall_of(sorted(statuses))


def test_a_report_has_exactly_the_keys_that_are_promised() -> None:
    report = check_health({"disk": lambda: Finding(True, {"free": 1})}, Still())
    assert report == {
        "overall": "healthy",
        "components": [
            {
                "component": "disk",
                "status": "healthy",
                "details": {"free": 1},
                "timestamp": "2023-11-14T22:13:20.250Z",
            }
        ],
        "timestamp": "2023-11-14T22:13:20.250Z",
    }


def test_a_check_that_breaks_is_an_error_and_the_others_are_still_made() -> None:
    def broken() -> Finding:
        raise OSError("the disk is on fire")

    report = check_health(
        {"first": broken, "second": lambda: Finding(False), "third": lambda: Finding(True)}, Still()
    )
    assert [component["status"] for component in report["components"]] == ["error", "unhealthy", "healthy"]
    assert report["components"][0]["error"] == "the disk is on fire"
    assert "details" not in report["components"][0]
    assert "error" not in report["components"][1]
    assert report["overall"] == "critical"


def test_an_error_without_words_is_told_by_its_kind() -> None:
    def broken() -> Finding:
        raise KeyError

    [component] = check_health({"odd": broken}, Still())["components"]
    assert component["error"] == "KeyError"


def test_a_check_that_hangs_is_left_behind() -> None:
    over = threading.Event()

    def hangs() -> Finding:
        over.wait(30)
        return Finding(True)

    report = check_health({"net": hangs, "other": lambda: Finding(True)}, Still(), deadline=0.05)
    over.set()
    assert [component["status"] for component in report["components"]] == ["error", "healthy"]
    assert report["components"][0]["error"] == "no answer within 0.05 s"


def test_a_full_disk_is_unhealthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_disk(tmp_path).healthy
    monkeypatch.setattr(surroundings, "LEAST_FREE", 1 << 62)
    assert not check_disk(tmp_path).healthy


def test_a_disk_that_takes_no_more_files_is_unhealthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "LEAST_FILES", 1 << 62)
    found = check_disk(tmp_path)
    limited = found.details["freeFiles"] > 0
    assert found.healthy is not limited


def test_the_disk_of_a_directory_that_is_not_there_is_that_of_its_ancestor(tmp_path: Path) -> None:
    assert check_disk(tmp_path / "not" / "there").details["path"] == str(tmp_path)


def test_the_packages_that_are_installed_will_do() -> None:
    found = check_packages()
    assert found.healthy, found.details
    assert found.details["sqlite"].startswith("3.")


def test_a_package_of_another_version_is_unhealthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES, "rich", ("rich", "99", "100"))
    found = check_packages()
    assert not found.healthy
    assert "rich" in found.details["problems"][0]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_package_that_is_missing_is_named(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES, "rich", ("no_such_package", "1", "2"))
    monkeypatch.setattr(surroundings, "COMPILED", {"no_such_package"} if compiled else set())
    [component] = check_health({"packages": check_packages}, Still(), deadline=60)["components"]
    assert component["status"] == "error"
    assert "rich" in component["error"]


def test_the_packages_are_those_that_the_project_requires() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    known = {f"{name}>={first},<{last}" for name, (_, first, last) in PACKAGES.items()}
    assert known == set(project["dependencies"])


def test_this_platform_will_do() -> None:
    assert check_platform().healthy


@pytest.mark.parametrize(
    ("version", "numbers"), [("3.54.1.0", (3, 54, 1, 0)), ("2.0rc1", (2,)), ("1.0.post1", (1, 0)), ("", ())]
)
def test_versions_compare_as_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert numbers_of(version) == numbers
