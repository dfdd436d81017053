"""What is built is what is needed: in the wheel, in an editable install, from the source archive."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import mplp_cli
from mplp_cli.bundled import bundled

ROOT = Path(__file__).parent.parent
OUTSIDE = ("schemas", "workflows")


def run(*args: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [*map(str, args)], cwd=cwd, env=env, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(source: Path, into: Path, target: str) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into, cwd=source)
    [built] = into.iterdir()
    return built


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive."""
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="module")
def wheel(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from nothing but the source archive."""
    unpacked = tmp_path_factory.mktemp("source")
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
    [source] = unpacked.iterdir()
    return build(source, tmp_path_factory.mktemp("wheel"), "wheel")


class Installation:
    """A fresh virtual environment with mplp in it; the dependencies are borrowed from that of the tests."""

    def __init__(self, home: Path, *what: str | Path) -> None:
        venv.create(home, with_pip=False, symlinks=True)
        self.home = home
        self.python = home / "bin" / "python"
        [packages] = home.glob("lib/python*/site-packages")
        (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "MPLP_STATE_DIR": str(home / "state")}
        pip = ("-m", "pip", "--python", self.python, "--no-input", "install")
        offline = (
            "--quiet",
            "--no-deps",
            "--no-index",
            "--no-build-isolation",
            "--disable-pip-version-check",
        )
        run(sys.executable, *pip, *offline, *what, cwd=home)

    def where(self, kind: str) -> Path:
        """The bundled folder of that kind, as this installation finds it."""
        code = f"from mplp_cli.bundled import bundled; print(bundled({kind!r}))"
        return Path(run(self.python, "-c", code, cwd=self.home, env=self.env).strip())

    def mplp(self, *args: str) -> str:
        """What the installed command prints."""
        return run(self.home / "bin" / "mplp", *args, cwd=self.home, env=self.env)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("installed"), wheel)


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("editable"), "-e", ROOT)


def files(folder: Path) -> set[str]:
    # What an installation compiles is no part of what came.
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert found
    return found


@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_checkout_finds_what_stands_outside_the_package(kind: str) -> None:
    assert bundled(kind) == ROOT / kind


@pytest.mark.parametrize("kind", OUTSIDE)
def test_an_installed_wheel_finds_its_own_copies(installed: Installation, kind: str) -> None:
    found = installed.where(kind)
    assert found.is_relative_to(installed.home)
    assert files(found) == files(ROOT / kind)


@pytest.mark.parametrize("kind", OUTSIDE)
def test_an_editable_install_finds_the_files_of_the_checkout(editable: Installation, kind: str) -> None:
    assert editable.where(kind) == ROOT / kind


def test_the_installed_command_runs_a_bundled_workflow(installed: Installation) -> None:
    assert installed.mplp("--version").split()[-1] == mplp_cli.__version__
    installed.mplp("run", "example:multi-agent-collaboration", "--output", "quiet")
    assert "</html>" in installed.mplp("report", "multi-agent-collaboration", "--html", "-")


def test_the_command_of_an_editable_install_runs_a_bundled_workflow(editable: Installation) -> None:
    editable.mplp("run", "example:multi-agent-collaboration", "--output", "quiet")
    assert "</html>" in editable.mplp("report", "multi-agent-collaboration", "--html", "-")


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        inside = file.namelist()
    tops = {name.split("/")[0] for name in inside}
    assert tops == {"mplp_cli", f"mplp_cli-{mplp_cli.__version__}.dist-info"}
    assert {"mplp_cli/py.typed", "mplp_cli/help/workflow.md"} <= set(inside)
    assert not [name for name in inside if name.endswith((".pth", ".pyc", ".db", ".orig"))]


def test_the_source_archive_holds_what_a_contributor_needs(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        inside = {name.split("/", 1)[1] for name in tar.getnames()}
    assert {"LICENSE", "README.md", ".ci/run", ".github/CONTRIBUTING.md", "tests/conftest.py"} <= inside
    assert not [name for name in inside if name.startswith((".venv", ".mplp", ".git/"))]


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = build(ROOT, tmp_path / "first", "wheel")
    second = build(ROOT, tmp_path / "second", "wheel")
    assert first.read_bytes() == second.read_bytes()
