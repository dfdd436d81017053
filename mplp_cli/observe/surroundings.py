"""Checks of what mplp stands on: the disk, Python and the platform, the packages it needs."""

from __future__ import annotations

import os
import platform
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from mplp_cli.errors import MplpError
from mplp_cli.observe.health import Finding, Wrong, found

#: Bytes and files that must be free where the state is, so that a run can be recorded to its end.
LEAST_FREE: Final = 256 * 1024 * 1024
LEAST_FILES: Final = 1_000
OLDEST_PYTHON: Final = (3, 11)
#: From here on a write-ahead log survives every order of resets and checkpoints.
OLDEST_SQLITE: Final = (3, 51, 3)

_ROOM: Final = "free some space; `mplp runs prune --keep-days 30` deletes old runs with what they have left"

#: Distribution -> module to import, first version that will do, first version that will not.
PACKAGES: Final[dict[str, tuple[str, str, str]]] = {
    "apsw": ("apsw", "3.54", "4"),
    "cronsim": ("cronsim", "2.6", "3"),
    "httpx2": ("httpx2", "2.16", "3"),
    "jinja2": ("jinja2", "3.1.6", "4"),
    "jsonschema": ("jsonschema", "4.23", "5"),
    "jsonschema-rs": ("jsonschema_rs", "0.60", "0.70"),
    "msgspec": ("msgspec", "0.20", "1"),
    "networkx": ("networkx", "3.4", "4"),
    "psutil": ("psutil", "6", "8"),
    "python-dotenv": ("dotenv", "1.1", "2"),
    "rich": ("rich", "14", "16"),
    "ruamel.yaml": ("ruamel.yaml", "0.18.15", "0.20"),
    "ruamel.yaml.clib": ("_ruamel_yaml", "0.2.14", "0.3"),
    "typer": ("typer", "0.20", "0.29"),
}
#: Modules that may be there and not load: built for another Python or system. Loading them all would take seconds
#: where nothing is compiled yet.
COMPILED: Final = frozenset({"_ruamel_yaml", "apsw", "jsonschema_rs", "msgspec"})


def check_disk(place: Path) -> Finding:
    """Room on the disk of `place`, or of its nearest ancestor that exists."""
    while not place.exists() and place != place.parent:
        place = place.parent
    disk = os.statvfs(place)
    free, files = disk.f_bavail * disk.f_frsize, disk.f_favail
    wrong = []
    if free < LEAST_FREE:
        wrong.append(
            Wrong(f"{free >> 20:,} MiB are free at {place}, and {LEAST_FREE >> 20} MiB are needed", _ROOM)
        )
    # A file system without a fixed number of files says that it has none in all.
    if disk.f_files > 0 and files < LEAST_FILES:
        wrong.append(
            Wrong(f"{files:,} more files fit on the disk of {place}, and {LEAST_FILES:,} are needed", _ROOM)
        )
    details = {"freeMiB": free >> 20, "neededMiB": LEAST_FREE >> 20, "freeFiles": files, "path": str(place)}
    return found(wrong, details)


def check_platform() -> Finding:
    """The Python and the system that run this."""
    system = platform.system()
    wrong = []
    if sys.version_info[:2] < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        wrong.append(
            Wrong(
                f"Python {platform.python_version()} is older than {needed}",
                f"run mplp with Python {needed} or newer",
            )
        )
    if system not in {"Linux", "Darwin"}:
        wrong.append(Wrong(f"mplp is not made for {system}", "run it on Linux or macOS (on Windows in WSL)"))
    return found(
        wrong, {"python": platform.python_version(), "system": system, "machine": platform.machine()}
    )


def check_packages() -> Finding:
    """Every package that mplp needs is there in a version that it knows, and so is SQLite."""
    versions: dict[str, str] = {}
    wrong: list[Wrong] = []
    for name, (module, first, last) in PACKAGES.items():
        versions[name] = version = _version(name, module)
        if not numbers_of(first) <= numbers_of(version) < numbers_of(last):
            said = f"{name} {version} is there, and {first} or newer before {last} is needed"
            wrong.append(Wrong(said, f"`pip install '{name}>={first},<{last}'`"))
    import apsw

    versions["sqlite"] = sqlite = apsw.sqlite_lib_version()
    if numbers_of(sqlite) < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        wrong.append(
            Wrong(
                f"SQLite {sqlite} is older than {needed}", "`pip install --upgrade apsw` brings a newer one"
            )
        )
    return found(wrong, versions)


def _version(name: str, module: str) -> str:
    """The version of a package that can be imported. MplpError names the one that cannot."""
    from importlib.metadata import version  # noqa: TID251 - of a dependency; our own is in the package

    try:
        if module in COMPILED:
            import_module(module)
        elif find_spec(module) is None:
            raise ImportError(f"there is no module {module}")
        return version(name)
    except ImportError as error:
        raise MplpError(
            f"{name} cannot be used: {error}", hint=f"`pip install --force-reinstall {name}`"
        ) from error


def numbers_of(version: str) -> tuple[int, ...]:
    """A version as numbers to compare; what follows its last plain number is left out."""
    numbers = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)
