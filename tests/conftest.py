"""What all tests share: hypothesis profiles, the long versions, the reference folder, the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.forked import PIPE, Forker, to_others

ROOT = Path(__file__).parent.parent

# The services that tests talk to are here; a proxy of the machine's own would be asked for them.
for _name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[_name]

# Hundreds of tests start the command; without compiled files each of them would compile all of it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

EXHAUSTIVE = os.environ.get("MPLP_EXHAUSTIVE") == "1"

_slow_machine = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("local", deadline=None, suppress_health_check=_slow_machine)
settings.register_profile(
    "ci", deadline=None, suppress_health_check=_slow_machine, derandomize=True, database=None
)
settings.register_profile(
    "exhaustive", deadline=None, suppress_health_check=_slow_machine, max_examples=2_000
)
settings.load_profile("exhaustive" if EXHAUSTIVE else "ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the long versions unless asked for, and measurements where they would mean nothing."""
    beside = "PYTEST_XDIST_WORKER" in os.environ or "COVERAGE_PROCESS_START" in os.environ
    for item in items:
        if item.get_closest_marker("exhaustive") and not EXHAUSTIVE:
            item.add_marker(pytest.mark.skip(reason="the long version; MPLP_EXHAUSTIVE=1 runs it"))
        if item.get_closest_marker("timing") and beside:
            item.add_marker(pytest.mark.skip(reason="measures time; `pytest -m timing` runs it alone"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the protocol's schemas and a corpus of bad files, where it is present."""
    folder = Path(os.environ.get("MPLP_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip("no reference folder here; MPLP_SHARED names one")
    return folder


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


#: Whether commands that run to their end are forks of a process that has imported what they are made of.
FORKS = sys.platform == "linux" and not EXHAUSTIVE and "COVERAGE_PROCESS_START" not in os.environ
_forkers: dict[frozenset[tuple[str, str]], Forker] = {}
_making = threading.Lock()


def forker_for(env: Mapping[str, str]) -> Forker | None:
    """What forks commands with such an environment; None if they are to be started."""
    key = to_others(env)
    with _making:
        if FORKS and key not in _forkers:
            _forkers[key] = Forker(dict(key))  # of the rest each command has its own
        return _forkers.get(key)


def pytest_unconfigure() -> None:
    """End what forks."""
    while _forkers:
        _forkers.popitem()[1].close()


class Mplp:
    """The command as a user runs it: its own process and state directory, no settings from outside."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        outside: tuple[str, ...] = ("MPLP_", "GITHUB_", "PYTEST_")
        if not os.environ.get("PYTEST_CURRENT_TEST", "").startswith("tests/cli/"):
            outside += (
                "COVERAGE_",
            )  # where the commands are not the matter, measuring them costs and adds nothing
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(outside) and k not in _LOOKS}
        self.env |= {
            "HOME": str(directory),
            "MPLP_STATE_DIR": str(directory / "state"),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            "PYTHONSAFEPATH": "1",
        }
        self._usual = to_others(self.env)

    def __call__(
        self, *args: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, stdin: str = ""
    ) -> Ended:
        """Run `mplp ARGS` to its end, in the directory of the test if no other is named."""
        words, cwd, env = list(map(str, args)), cwd or self.directory, self.env | (env or {})
        usual = to_others(env) == self._usual and len(stdin) < PIPE // 4
        if usual and (forker := forker_for(env)):
            done = forker.run(words, cwd=cwd, env=env, stdin=stdin.encode(), timeout=100)
        else:
            done = subprocess.run(
                [sys.executable, "-m", "mplp_cli", *words],
                cwd=cwd,
                env=env,
                input=stdin.encode(),
                capture_output=True,
                timeout=100,
                check=False,
            )
        # As it was written: text mode would make one kind of line end of all.
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


_LOOKS = {"CI", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"}


@pytest.fixture
def mplp(tmp_path: Path) -> Callable[..., Ended]:
    """The command, in an empty directory."""
    return Mplp(tmp_path)
