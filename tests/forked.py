"""Commands without their start: each is a process of its own, and what most of them import is imported once.

A command takes a sixth of a second to import what it is made of, and tests run thousands. Here one process
per tester has imported it already, and each command is a fork of that one: with its own arguments, environment,
directory, standard streams and exit code. What an interpreter does before and after the program is left out;
whatever depends on that starts one (`sys.executable -m mplp_cli`), and with MPLP_EXHAUSTIVE everything does.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import NoReturn

#: What is imported beforehand; commands import the rest, as they would anyway.
PACKAGES = ("cli", "engine", "loading", "modules", "render", "resources", "store", "workflow")
OF_OTHERS = ("jsonschema_rs", "psutil", "rich.cells", "ruamel.yaml")

#: The beginnings of variables that say something to the interpreter, to the linker or to the C library.
TO_OTHERS = ("PYTHON", "LC_", "LANG", "LD_", "TZ", "MALLOC_", "COVERAGE_")

#: As much as a pipe holds, with certainty, before somebody reads.
PIPE = 4096

#: The bytes of a process id or an exit code on the socket, at most.
LINE = 16


class Forker:
    """The process that forks. Any thread may ask it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._asking = threading.Lock()
        self._here, there = socket.socketpair()
        with there:
            fd = there.fileno()
            begin = [sys.executable, "-c", f"from tests.forked import begin; begin({fd})"]
            subprocess.run(begin, env=env, pass_fds=[fd], check=True)

    def close(self) -> None:
        """Let it end, which it does when nobody can ask it any more."""
        self._here.close()

    def start(
        self,
        args: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        streams: Sequence[int],
        first: str = "",
    ) -> Begun:
        """Start `mplp ARGS` on these standard streams. `first` is a `module:function` that it calls before."""
        here, there = socket.socketpair()
        with there, self._asking:
            socket.send_fds(self._here, [b"!"], [*streams, there.fileno()])
        here.sendall(json.dumps([args, str(cwd), dict(env), first]).encode() + b"\n")
        return Begun(int(here.recv(LINE)), here)

    def run(
        self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes, timeout: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `mplp ARGS` to its end, as `subprocess.run` would."""
        (read, write), out, err = os.pipe(), os.pipe(), os.pipe()
        os.write(write, stdin)
        os.close(write)
        begun = self.start(args, cwd=cwd, env=env, streams=[read, out[1], err[1]])
        for fd in (read, out[1], err[1]):
            os.close(fd)
        try:
            told, errors = _read([out[0], err[0]], timeout)
            return subprocess.CompletedProcess(args, begun.wait(timeout), told, errors)
        finally:
            begun.close()
            os.close(out[0])
            os.close(err[0])


@dataclass
class Begun:
    """A command that was forked."""

    pid: int
    _told: socket.socket
    #: As `subprocess` says it; None as long as nobody has waited for it.
    code: int | None = None

    def wait(self, timeout: float) -> int:
        """How it ended."""
        self._told.settimeout(timeout)
        self.code = int(self._told.recv(LINE))
        return self.code

    def close(self) -> None:
        """Kill it, if nobody has waited for its end."""
        self._told.close()
        if self.code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def to_others(env: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """What must be the same for a fork to be as good as a process that is started."""
    return frozenset((name, value) for name, value in env.items() if name.startswith(TO_OTHERS))


def _read(fds: list[int], timeout: float) -> list[bytes]:
    """All that comes out of them, until nobody writes any more."""
    texts: dict[int, bytes] = dict.fromkeys(fds, b"")
    end = time.monotonic() + timeout
    with selectors.DefaultSelector() as ready:
        for fd in fds:
            ready.register(fd, selectors.EVENT_READ)
        while ready.get_map():
            assert time.monotonic() < end, f"it did not end; so far it wrote {texts}"
            for key, _ in ready.select(end - time.monotonic()):
                text = os.read(key.fd, 65_536)
                texts[key.fd] += text
                if not text:
                    ready.unregister(key.fd)
    return list(texts.values())


def begin(asked: int) -> None:
    """Leave a process behind that is nobody's child: some tests look at the children that the tester has."""
    if os.fork() == 0:
        _fork(asked)
    os._exit(0)


def _fork(asked: int) -> None:
    """Fork a command for each request on that socket, until the other side closes it."""
    import mplp_cli

    for package in PACKAGES:
        for module in walk_packages([f"{mplp_cli.__path__[0]}/{package}"], f"mplp_cli.{package}."):
            import_module(module.name)
    for name in OF_OTHERS:
        import_module(name)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=asked) as requests, suppress(KeyboardInterrupt):
        while (got := socket.recv_fds(requests, 1, 4))[0]:
            if os.fork() == 0:
                requests.close()
                _wait_for_command(got[1])
            for fd in got[1]:
                os.close(fd)
            _reap()


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _wait_for_command(fds: list[int]) -> NoReturn:
    """Fork the command, and tell how it ended when it has."""
    with socket.socket(fileno=fds.pop()) as told, told.makefile("rb") as request:
        args, cwd, env, first = json.loads(request.readline())
        command = os.fork()
        if command:
            for fd in (*fds, 0, 1, 2):
                os.close(fd)
            told.sendall(f"{command:<{LINE}}".encode())
            code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
            told.sendall(str(code).encode())
            os._exit(0)
    for standard, fd in enumerate(fds):
        os.dup2(fd, standard)
        os.close(fd)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    if first:
        module, _, function = first.partition(":")
        getattr(import_module(module), function)()
    _be_the_command(args)


def _be_the_command(args: list[str]) -> NoReturn:
    """Run it and end as an interpreter does, but for taking the modules apart, which takes as long as the rest."""
    sys.argv = ["mplp", *args]
    code: object = 0
    try:
        runpy.run_module("mplp_cli", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # an interpreter waits for threads so
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or 120
    os._exit(code if isinstance(code, int) else bool(code))
