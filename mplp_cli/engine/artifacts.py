"""Files that a step leaves: copied to the run before the end of the attempt is recorded.

    STATE/runs/RUN/artifacts/STEP/path/below/the/working/directory

They are copied byte for byte into a directory of their own, made durable, and only then take the place of what an
earlier attempt had left. Links, devices and pipes are left out, with a remark in the log of the step.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mplp_cli.engine.capture import StepLog
from mplp_cli.engine.matching import Found, Pattern, walk
from mplp_cli.engine.workplace import file_name
from mplp_cli.protocols import Attempt
from mplp_cli.workflow.fold.outcomes import ArtifactError

#: Files and bytes of one attempt.
MOST_FILES: Final = 10_000
MOST_BYTES: Final = 1 << 30
#: Remarks about what was left out.
_REMARKS: Final = 20
_PIECE: Final = 1 << 20
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


async def keep_artifacts(attempt: Attempt, failed: bool, *, log_dir: Path) -> None:
    """Keep the files that an attempt leaves. ArtifactError if they cannot be kept; after a failure that is only
    a remark, because the failure itself is what counts."""
    ended = threading.Event()
    try:
        remarks = await asyncio.to_thread(_keep, attempt, log_dir.parent, ended)
    except asyncio.CancelledError:
        ended.set()
        raise
    except ArtifactError as error:
        if not failed:
            raise
        remarks = [f"its artifacts were not kept: {error.message}"]
    log = StepLog(f"{file_name(log_dir, attempt)}.log")
    for remark in remarks:
        log.remark(remark)
        attempt.output(attempt.step, "note", f"{remark}\n")
    log.close()


def _keep(attempt: Attempt, folder: Path, ended: threading.Event) -> list[str]:
    """Copy the files into `folder` (the run's); what is to be said about them."""
    patterns = [Pattern(text) for text in attempt.artifacts]
    inside = attempt.body.get("cwd") if isinstance(attempt.body, dict) else None
    root = os.path.join(attempt.cwd, inside or "")  # noqa: PTH118 - it is not normalised
    place = folder / "artifacts"
    draft = place / f".{attempt.step}.{attempt.number}.new"
    try:
        _sweep(place, f".{attempt.step}.")
        copies = _Copies(draft, ended.is_set)
        state = folder.parent.parent.stat()
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for found in walk(top, patterns, [(state.st_dev, state.st_ino)]):
                copies.add(found)
        finally:
            os.close(top)
        if not ended.is_set():
            _place(draft, place / attempt.step, copies.files)
    except OSError as error:
        said = error.strerror or str(error)
        raise ArtifactError(f"the artifacts cannot be kept: {said}: {error.filename or root}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    unused = [p.text for n, p in enumerate(patterns) if n not in copies.used]
    return [*copies.remarks(), *(f"no file matches the artifact pattern {text}" for text in unused)]


class _Copies:
    """The copies that one attempt's files get in `draft`; `ended` says whether nobody wants them any more."""

    def __init__(self, draft: Path, ended: Callable[[], bool]) -> None:
        self._draft = draft
        self._ended = ended
        self.files = self._bytes = self._left_out = 0
        self._said: list[str] = []
        #: Patterns that matched a file.
        self.used: set[int] = set()
        draft.mkdir(mode=0o700, parents=True)

    def add(self, found: Found) -> None:
        """Copy one file, or note why it is left out."""
        if self._ended():
            raise ArtifactError("the attempt was stopped while its artifacts were copied")
        what = found.what
        source = -1
        try:
            if not what:
                source = os.open(found.name, _READ, dir_fd=found.above)
                what = "" if stat.S_ISREG(os.fstat(source).st_mode) else "no regular file"
            if what:
                self._leave_out(f"{found.path} was not kept: it is {what}")
                return
            self.used.update(found.patterns)
            self.files += 1
            self._copy(source, found.path)
        except FileNotFoundError:
            return  # gone since it was listed
        except OSError as error:
            if error.filename is None or error.filename != found.name:
                raise
            raise ArtifactError(f"{found.path} cannot be kept: {error.strerror}") from error
        finally:
            if source >= 0:
                os.close(source)

    def _copy(self, source: int, path: str) -> None:
        target = self._draft / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = os.fstat(source)
        self._check(about.st_size)
        executable = about.st_mode & 0o100
        copy = os.open(target, _WRITE, 0o600 | executable)
        try:
            while piece := os.read(source, _PIECE):
                self._bytes += len(piece)
                self._check()
                while piece:
                    piece = piece[os.write(copy, piece) :]
            os.fsync(copy)
        finally:
            os.close(copy)

    def _check(self, coming: int = 0) -> None:
        if self.files > MOST_FILES or self._bytes + coming > MOST_BYTES:
            limit = f"{MOST_FILES:,} files" if self.files > MOST_FILES else f"{MOST_BYTES >> 20:,} MiB"
            raise ArtifactError(
                f"the artifacts are more than {limit}; none of them was kept",
                hint="name fewer files, or pack them",
            )

    def _leave_out(self, remark: str) -> None:
        self._left_out += 1
        if self._left_out <= _REMARKS:
            self._said.append(remark)

    def remarks(self) -> list[str]:
        """What was kept, and what was left out."""
        kept = [f"kept {self.files:,} file{'' if self.files == 1 else 's'}, {self._bytes:,} bytes"]
        more = self._left_out - len(self._said)
        return [*(kept if self.files else []), *self._said, *([f"and {more:,} more"] if more else [])]


def _sweep(place: Path, begins: str) -> None:
    """Remove what a copy that was never finished has left."""
    for draft in place.iterdir() if place.is_dir() else ():
        if draft.name.startswith(begins) and draft.suffix == ".new":
            shutil.rmtree(draft, ignore_errors=True)


def _place(draft: Path, target: Path, files: int) -> None:
    """Put the copies where they belong, durably, in the place of those of an earlier attempt."""
    if target.exists():
        shutil.rmtree(target)
    if files:
        for folder, _, _ in os.walk(draft):
            _sync(folder)
        draft.rename(target)
    _sync(str(target.parent))
    _sync(str(target.parent.parent))


def _sync(folder: str) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
