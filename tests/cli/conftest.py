"""Somebody at a terminal: commands in an empty directory, without a state directory or settings from outside."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.clock import SystemClock
from mplp_cli.store.sqlite import SqliteStore
from tests.conftest import Ended, Mplp

#: Asks a person when it fails, which it does until there is a file called `approved`.
ASK = """\
workflow:
  id: ask
  name: Ask a person
  version: 1.0.0
  steps:
    - id: deploy
      type: shell
      run: cat approved
      fallback-actions: [{condition: any, action: escalate-to-human, message: Deploy anyway?, approvers: [ann]}]
    - {id: after, type: set, values: {seen: "${deploy.result.output}"}}
  outputs: {seen: "${after.result.seen}"}
"""

#: Prints a line, then waits for ever; it also has a step that comes last.
ENDLESS = """\
workflow:
  id: endless
  name: Endless
  version: 1.0.0
  grace: 200ms
  steps:
    - {id: tick, type: shell, run: 'echo "it is up"; echo "to the other" >&2; exec tail -f /dev/null'}
    - {id: never, type: set, dependencies: [tick], values: {}}
  finally:
    - {id: bye, type: shell, run: echo goodbye}
"""

#: Two steps that print, one that is tried twice, one value.
TALKS = """\
workflow:
  id: talks
  name: Talks
  version: 1.0.0
  inputs: {who: {type: string, default: world}}
  steps:
    - {id: hello, type: shell, run: 'echo "hello ${inputs.who}"; printf "no end"'}
    - id: flaky
      type: shell
      dependencies: [hello]
      retry-policy: {max-retries: 1, initial-delay: 10ms}
      run: 'echo "attempt $MPLP_ATTEMPT_NUMBER"; test "$MPLP_ATTEMPT_NUMBER" = 2'
    - {id: silent, type: shell, dependencies: [flaky], run: 'true'}
    - {id: colours, type: shell, dependencies: [silent], run: 'printf "\\033[31mred\\033[0m \\007 [/red]\\n"'}
  outputs: {said: "${hello.result.output}"}
"""


class Terminal(Mplp):
    """Runs commands; `start` leaves one running, `until` waits for something to become true."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        del self.env["MPLP_STATE_DIR"]
        self.started: list[subprocess.Popen[str]] = []

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text, "utf-8")

    def run(self, *command: str) -> Ended:
        """Run another program where the commands run."""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.env,
            capture_output=True,
            encoding="utf-8",
            timeout=100,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def python(self, *args: str) -> Ended:
        return self.run(sys.executable, *args)

    def start(self, *args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "mplp_cli", *args],
            cwd=self.directory,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.started.append(process)
        return process

    def store(self) -> SqliteStore:
        return SqliteStore(self.directory / ".mplp", SystemClock())

    def until_written(self, text: str) -> None:
        """Wait until a log of a step has that text."""
        until(
            lambda: any(
                text in log.read_text("utf-8") for log in self.directory.glob(".mplp/runs/*/logs/*.log")
            )
        )

    def only_run(self) -> str:
        [run] = self("runs", "--output", "json").document["runs"]
        return str(run["runId"])


def until(true: Callable[[], Any], seconds: float = 30) -> None:
    """Look again and again until it is true."""
    end, look = time.monotonic() + seconds, threading.Event()
    while not true():
        assert time.monotonic() < end, "it did not happen"
        look.wait(0.02)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    for name, text in (("ask.yaml", ASK), ("endless.yaml", ENDLESS), ("talks.yaml", TALKS)):
        made.write(name, text)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Installs a package for real, from a copy of it; the directory that it is in then."""

    def installed(package: Path) -> Path:
        for needed in ("pip", "hatchling"):
            if importlib.util.find_spec(needed) is None:
                pytest.skip(f"there is no {needed} here to install a package with")
        source, target = tmp_path_factory.mktemp("source") / "package", tmp_path_factory.mktemp("site")
        shutil.copytree(package, source, ignore=shutil.ignore_patterns("__pycache__"))
        pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "install", "--quiet"]
        offline = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(target)]
        done = subprocess.run([*pip, *offline, str(source)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return target

    return installed
