"""Where the state of a project is found, and what is refused."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from mplp_cli.errors import Exit, StoreError, UnknownRunError
from mplp_cli.settings import Settings
from mplp_cli.store import layout
from mplp_cli.store.layout import find_state_dir, lock_path, log_dir


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory three levels down, with a state directory at the top."""
    deep = tmp_path / "project" / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "project" / ".mplp").mkdir()
    return deep


def test_the_nearest_ancestor_that_has_one_wins(project: Path) -> None:
    assert find_state_dir(project, None, {}, create=False) == project.parents[1] / ".mplp"
    (project.parent / ".mplp").mkdir()
    assert find_state_dir(project, None, {}, create=True) == project.parent / ".mplp"


def test_without_any_it_is_created_where_the_command_was_started(tmp_path: Path) -> None:
    assert find_state_dir(tmp_path, None, {}, create=False) is None
    assert list(tmp_path.iterdir()) == []
    found = find_state_dir(tmp_path, None, {}, create=True)
    assert found == tmp_path / ".mplp"
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert (found / ".gitignore").read_text() == "*\n"


def test_git_sees_nothing_of_it(tmp_path: Path) -> None:
    found = find_state_dir(tmp_path, None, {}, create=True)
    assert found is not None
    (found / "state.db").write_text("x")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    seen = subprocess.run(
        ["git", "-C", tmp_path, "status", "--porcelain"], check=True, capture_output=True, text=True
    )
    assert seen.stdout == ""


def test_the_command_line_goes_before_the_environment_before_the_settings(project: Path) -> None:
    (project / "mplp.yaml").write_text("state-dir: from-file")
    environ = {"MPLP_STATE_DIR": "from-environment"}
    assert find_state_dir(project, "given", environ, create=True) == project / "given"
    assert find_state_dir(project, None, environ, create=True) == project / "from-environment"
    assert find_state_dir(project, None, {}, create=True) == project / "from-file"
    (project / "mplp.yaml").unlink()
    assert find_state_dir(project, None, {}, create=True) == project.parents[1] / ".mplp"


def test_settings_that_were_read_already_are_not_read_again(project: Path) -> None:
    (project / "mplp.yaml").write_text("nonsense: 1")
    settings = Settings(state_dir=project / "elsewhere")
    assert find_state_dir(project, None, {}, create=True, settings=settings) == project / "elsewhere"


def test_a_named_directory_may_be_absolute_or_deep_or_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, expected in (
        (str(tmp_path / "x"), tmp_path / "x"),
        ("a/b/c", tmp_path / "a/b/c"),
        ("~/state", tmp_path / "home/state"),
    ):
        assert find_state_dir(tmp_path, name, {}, create=True) == expected
        assert (expected / ".gitignore").exists()


def test_a_directory_that_is_there_gets_nothing_put_into_it(tmp_path: Path) -> None:
    assert find_state_dir(tmp_path, ".", {}, create=True) == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".mplp").write_text("")
    with pytest.raises(StoreError, match="is not a directory") as refused:
        find_state_dir(tmp_path, None, {}, create=False)
    assert refused.value.exit_code == Exit.STORE


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(StoreError, match="is not a directory"):
        find_state_dir(tmp_path, "link", {}, create=True)


def test_what_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be created"):
        find_state_dir(tmp_path, "file/state", {}, create=True)


def test_what_cannot_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The superuser may write everywhere, so the answer of the system is replaced.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StoreError, match="cannot be written to") as refused:
        find_state_dir(tmp_path, ".", {}, create=False)
    assert refused.value.details["cause"] == "read-only"


def test_the_directory_of_another_user_above_is_passed_over(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only the superuser can give files away")
    os.chown(project.parents[1] / ".mplp", 12345, 12345)
    assert find_state_dir(project, None, {}, create=False) is None
    # Unless the whole project is theirs: a directory that is mounted into a container.
    os.chown(project, 12345, 12345)
    assert find_state_dir(project, None, {}, create=False) == project.parents[1] / ".mplp"


def test_files_of_a_run_lie_under_its_id(tmp_path: Path) -> None:
    assert lock_path(tmp_path, "0a-1") == tmp_path / "runs" / "0a-1.lock"
    assert log_dir(tmp_path, "0a-1") == tmp_path / "runs" / "0a-1" / "logs"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\0", "-x", "a\n", "x" * 65, "%2e%2e"])
def test_what_is_no_id_never_becomes_a_path(tmp_path: Path, name: str) -> None:
    for place in (layout.lock_path, layout.log_dir):
        with pytest.raises(UnknownRunError):
            place(tmp_path, name)
