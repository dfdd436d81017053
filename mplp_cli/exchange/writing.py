"""A directory of files that is there whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mplp_cli.errors import UsageError
from mplp_cli.exchange.bundle import MANIFEST


def write_directory(target: Path, files: Mapping[str, bytes], *, force: bool = False) -> None:
    """Write the files into a new directory, which then takes the name `target`.

    UsageError if something is in it already. With `force` the files of an earlier export are replaced, and what
    else is there stays. UsageError also if the files cannot be written; then all is as it was.
    """
    place = target.resolve() if os.path.isdir(target) else target.absolute()  # noqa: PTH112 - as below
    _check(place, target, force=force)
    draft = place.with_name(f".{place.name}.{os.getpid()}.new")
    old = place.with_name(f".{place.name}.{os.getpid()}.old")
    with _written(target, draft):
        draft.mkdir(mode=0o755)
        for name, text in files.items():
            with (draft / name).open("xb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        _sync(draft)
        if place.exists():
            _swap(draft, place, old, files)
        else:
            draft.rename(place)
        _sync(place.parent)


def _swap(draft: Path, place: Path, old: Path, files: Mapping[str, bytes]) -> None:
    """Give the draft the name, and what was not of an export its place again."""
    gone = {*files, *_of_an_export(place)}
    place.rename(old)
    try:
        draft.rename(place)
    except OSError:
        old.rename(place)
        raise
    for entry in sorted(old.iterdir()):
        if entry.name not in gone:
            entry.rename(place / entry.name)
    shutil.rmtree(old)


def _of_an_export(place: Path) -> list[str]:
    """The names of the files that an earlier export wrote."""
    try:
        listed = json.loads((place / MANIFEST).read_bytes())["files"]
        return [MANIFEST, *(str(one["path"]) for one in listed)]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _check(place: Path, target: Path, *, force: bool) -> None:
    # The functions of `os.path` say no where a name is too long, and writing then says why.
    if not os.path.lexists(place):
        if not os.path.isdir(place.parent):  # noqa: PTH112
            raise UsageError(f"there is no directory {target.parent}", hint="make it first")
        return
    if not place.is_dir():
        raise UsageError(f"{target} is there already, and is no directory", hint="name another directory")
    if place == Path.cwd() or place in Path.cwd().parents:
        raise UsageError(f"{target} is where you are, and cannot be replaced", hint="name a directory in it")
    try:
        empty = not any(place.iterdir())
    except OSError as error:
        raise UsageError(f"cannot look into {target}: {error.strerror or error}") from None
    if not empty and not force:
        raise UsageError(
            f"the directory {target} is not empty",
            hint="name another, or replace an earlier export with --force",
        )


@contextmanager
def _written(target: Path, draft: Path) -> Iterator[None]:
    """Leave no draft behind, and say in words what the system refused."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write {target}: {error.strerror or error}", hint="nothing was left half-written"
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
