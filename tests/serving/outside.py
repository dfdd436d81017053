"""A real `mplp serve`, in its own process, and somebody who writes to its socket what no library would."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Mplp


@dataclass
class Reply:
    """What came back: status, headers by lower-case name, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


def until(true: Callable[[], Any], seconds: float = 60) -> None:
    end, look = time.monotonic() + seconds, threading.Event()
    while not true():
        assert time.monotonic() < end, "it did not happen"
        look.wait(0.05)


class Outside:
    """A server on a free port. `begin` waits until it listens."""

    def __init__(self, directory: Path) -> None:
        self.mplp = Mplp(directory)
        self.directory = directory
        self.process: subprocess.Popen[str] | None = None
        self.told: Any = None

    def begin(self, *options: str) -> None:
        command = [sys.executable, "-m", "mplp_cli", "serve", "--port", "0", "--output", "json", *options]
        with (self.directory / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=self.mplp.env,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.directory / "server.log").read_text()
        self.told = json.loads(line)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the code that the server ends with."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code

    @property
    def port(self) -> int:
        return int(self.told["url"].rpartition(":")[2])

    @property
    def token(self) -> str:
        return Path(self.told["tokenFile"]).read_text().strip()

    def write(self, text: bytes) -> Reply:
        """Send bytes as they are; the answer. Status 0 if there is none."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as line:
            line.sendall(text)
            got = b""
            try:
                while b"\r\n\r\n" not in got or not _whole(got):
                    more = line.recv(65_536)
                    if not more:
                        break
                    got += more
            except ConnectionResetError:
                pass
        return _reply(got)

    def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Reply:
        """One request, as a program sends it that has the token."""
        sent = {
            "host": f"127.0.0.1:{self.port}",
            "authorization": f"Bearer {self.token}",
            "connection": "close",
        }
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if method == "POST":
            sent |= {"content-length": str(len(raw)), "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        return self.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + raw)


def _reply(got: bytes) -> Reply:
    head, _, body = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = int(first.split()[1]) if first else 0
    headers = dict(line.split(": ", 1) for line in lines)
    return Reply(status, headers, body)


def _whole(got: bytes) -> bool:
    reply = _reply(got)
    return len(reply.body) >= int(reply.headers.get("content-length", 1 << 30))
