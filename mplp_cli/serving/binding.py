"""Where a server listens, under which names, and who may talk to it."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from mplp_cli.errors import UsageError

VARIABLE: Final = "MPLP_SERVE_TOKEN"
#: Characters of the shortest token that is accepted.
SHORTEST: Final = 16
_FILE: Final = "serve.token"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. UsageError if it cannot."""
    try:
        [found, *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"{host} is no address of this machine: {error}", hint="name one with --host"
        ) from None
    family, kind, protocol, _, address = found
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(512)
        listening.setblocking(False)
    except (OSError, OverflowError) as error:
        listening.close()
        said = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"cannot listen on {host} port {port}: {said}", hint="`--port 0` takes a free one"
        ) from None
    return listening


def address_of(listening: socket.socket) -> tuple[str, int]:
    """Address and port of a socket."""
    host, port = listening.getsockname()[:2]
    return str(host), int(port)


def url_of(host: str, port: int) -> str:
    """The address as people write it."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def token_of(
    state_dir: Path, environ: Mapping[str, str], host: str, new: Callable[[], str]
) -> tuple[str, Path | None]:
    """The token, and the file that it stands in: that of the environment, else the one of the state directory, which is
    made once. UsageError if the server is reached from other machines and the environment names none."""
    given = environ.get(VARIABLE, "")
    if given:
        if len(given) < SHORTEST or not (given.isascii() and given.isprintable() and " " not in given):
            raise UsageError(
                f"{VARIABLE} has no usable token",
                hint=f"give it {SHORTEST} visible ASCII characters or more, such as `openssl rand -hex 32` prints",
            )
        return given, None
    if not is_loopback(host):
        raise UsageError(
            f"{host} can be reached from other machines, and no token was chosen",
            hint=f"set {VARIABLE}, or listen on 127.0.0.1",
        )
    path = state_dir / _FILE
    return _kept(path, new), path


def _kept(path: Path, new: Callable[[], str]) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return _made(path, new())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    with os.fdopen(fd) as file:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise UsageError(f"others can read or have written {path}", hint=f"remove it: rm {path}")
        token = file.read(1_000).strip()
    if len(token) < SHORTEST:
        raise UsageError(f"{path} has no usable token", hint=f"remove it: rm {path}")
    return token


def _made(path: Path, token: str) -> str:
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(f"{token}\n")
    draft.rename(path)
    return token
