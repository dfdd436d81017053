"""Programs that nobody here wrote, to talk to: installed once on a machine, started on a free port, always ended.

The fixtures are those of `tests/counterparts/conftest.py`; a test elsewhere may import what it needs from here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
LISTS = ("package.json", "package-lock.json", ".npmrc")
#: Ends a Node program when whoever started it is gone, however that went.
ENDS_WITH_US = "data:text/javascript,process.stdin.resume().on('end',()=>process.exit())"
#: The variables of a proxy as they were before the tests took them away: only npm needs them.
PROXY = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


def node() -> str:
    """Where Node is; skips the test where it is not."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        pytest.skip("no Node here: node and npm run the programs that these tests talk to")
    return found


def node_modules() -> Path:
    """The folder with the packages of the lock file, which is filled once on a machine; skips the test where that
    cannot be done."""
    node()
    of_lists = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LISTS)).hexdigest()[:16]
    home = Path(tempfile.gettempdir()) / f"mplp-counterparts-{os.getuid()}-{of_lists}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid != os.getuid():
        pytest.skip(f"{home} belongs to somebody else")
    whole = home / "whole"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            _install(home)
            whole.touch()
    return home / "node_modules"


def _install(home: Path) -> None:
    for name in LISTS:
        shutil.copy(HERE / name, home)
    command = [
        "npm",
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--fetch-retries=1",
        "--loglevel=error",
    ]
    try:
        done = subprocess.run(
            command,
            cwd=home,
            env=os.environ | PROXY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=100,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the Node programs could not be installed within 100 s")
    if done.returncode != 0:
        said = "ENOTFOUND EAI_AGAIN ECONNREFUSED ECONNRESET ETIMEDOUT ENETUNREACH network".split()
        if any(word in done.stderr for word in said):
            pytest.skip(f"no network to install the Node programs: {done.stderr.strip()[-300:]}")
        pytest.fail(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@dataclass(frozen=True)
class Program:
    """A program that answers on `url`; `process` leads its group."""

    url: str
    port: int
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> Any:
        """The JSON document at a path."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def end(self) -> None:
        """End it, and all that it has started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@contextmanager
def started(
    command: Sequence[str | Path], directory: Path, *, env: dict[str, str] | None = None, ready: str = "/"
) -> Iterator[Program]:
    """A program in `directory` until the block ends; `{port}` in its arguments stands for its port, which `PORT` of
    its environment has too. It is there when it answers a GET of the path `ready`, whatever it answers."""
    log = directory / "program.log"
    for left in (2, 1, 0):  # somebody else may take the port first
        port = free_port()
        with log.open("wb") as out:
            process = subprocess.Popen(
                [str(argument).replace("{port}", str(port)) for argument in command],
                cwd=directory,
                env=os.environ | {"PORT": str(port)} | (env or {}),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        program = Program(f"http://127.0.0.1:{port}", port, process)
        try:
            if not _answers(program, ready) and left:
                continue
            assert process.poll() is None, f"{command!r} has ended: {log.read_text('utf-8')[-2000:]}"
            yield program
            return
        finally:
            program.end()
            assert process.stdin is not None
            process.stdin.close()


def _answers(program: Program, path: str) -> bool:
    """Wait until a program answers; False if it has ended."""
    look = threading.Event()
    for _ in range(1500):
        if program.process.poll() is not None:
            return False
        try:
            urllib.request.urlopen(program.url + path, timeout=10).close()
            return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            look.wait(0.02)
    raise AssertionError(f"{program.process.args!r} does not answer")


def by_node(script: Path, *arguments: str | Path) -> list[str | Path]:
    """The command that runs a script with Node: one of a package (`modules / "@copilotkit/aimock/dist/cli.js"`), or
    one of `placed`. It ends with the tests, however they end."""
    return [node(), "--import", ENDS_WITH_US, script, *arguments]


def placed(name: str, modules: Path, directory: Path) -> Path:
    """A script of this folder, put where it finds the packages that it imports."""
    (directory / "node_modules").symlink_to(modules)
    return Path(shutil.copy(HERE / name, directory))
