"""Patterns of files below a directory, and a walk by them that never follows a link.

    report.json   dist/*.whl   logs/[a-z]?.txt     `*`, `?` and `[...]` stand for parts of one name
    coverage/**   **/*.xml                         `**` stands for any directories, or none
    dist                                           a directory: everything in it

Names that begin with a dot are matched only by patterns that say the dot. Every directory is opened by its name
in the one above, with O_NOFOLLOW: what is a link at that moment is not gone through, wherever it leads.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from mplp_cli.workflow.fold.outcomes import ArtifactError

#: Entries that are looked at, and levels that are gone down.
LOOKED: Final = 200_000
DEEPEST: Final = 64
_ANY: Final = "**"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


#: Where in a pattern a path may stand: how many of its names are used up; one more than it has: at its end, but
#: what is below is not meant.
Places = frozenset[int]


class Pattern:
    """One pattern, followed name by name. ArtifactError if it leads out of the directory, or nowhere."""

    def __init__(self, text: object) -> None:
        if not isinstance(text, str):
            raise ArtifactError(f"a file pattern is text, not {text!r:.40}")
        self.text = text
        self._names = [name for name in text.split("/") if name not in ("", ".")]
        if not self._names or ".." in self._names or "\0" in text or text.startswith(("/", "~")):
            raise ArtifactError(f"the file pattern `{text:.80}` does not stay in the working directory")
        self.start = self._with_none({0})

    def follow(self, places: Places, name: str) -> Places:
        """The places after one more name; empty if nothing there or below is meant."""
        names, after = self._names, set()
        for at in places:
            if at == len(names):
                after.add(at)  # below a directory that is meant as a whole
            elif at > len(names):
                continue
            elif names[at] != _ANY:
                if fnmatchcase(name, names[at]) and (name[0] != "." or names[at][0] == "."):
                    after.add(at + 1)
            elif name[0] != ".":
                after |= {at, len(names) + 1} if at == len(names) - 1 else {at}
        return self._with_none(after)

    def ends(self, places: Places) -> bool:
        """Whether a file at these places is meant."""
        return any(at >= len(self._names) for at in places)

    def _with_none(self, places: set[int]) -> Places:
        """`**` may stand for nothing, unless it is the last."""
        for at, name in enumerate(self._names[:-1]):
            if name == _ANY and at in places:
                places.add(at + 1)
        return frozenset(places)


class Found(Struct, frozen=True):
    """Something that patterns match: `name` in the open directory `above`. `what` is empty for a file."""

    above: int
    name: str
    path: str
    #: Which patterns.
    patterns: list[int]
    what: str = ""


def walk(top: int, patterns: Sequence[Pattern], without: Collection[tuple[int, int]] = ()) -> Iterator[Found]:
    """Everything below the open directory `top` that a pattern matches, in order of its names.

    `without` are directories (device, inode) that are passed over. ArtifactError if there is too much to look
    at, OSError if a directory cannot be read.
    """
    looked = 0

    def directory(opened: int, above: str, depth: int, reached: list[Places]) -> Iterator[Found]:
        nonlocal looked
        if depth > DEEPEST:
            raise ArtifactError(f"directories are nested deeper than {DEEPEST} levels: {above[:80]}")
        for name in sorted(os.listdir(opened)):
            looked += 1
            if looked > LOOKED:
                raise ArtifactError(
                    f"the file patterns lead through more than {LOOKED:,} files and directories",
                    hint="name the directory that the files are in",
                )
            places = [pattern.follow(at, name) for pattern, at in zip(patterns, reached, strict=True)]
            if not any(places):
                continue
            path = f"{above}{name}"
            with suppress(FileNotFoundError):  # gone since it was listed
                found = os.stat(name, dir_fd=opened, follow_symlinks=False)
                if not stat.S_ISDIR(found.st_mode):
                    hits = [n for n, at in enumerate(places) if patterns[n].ends(at)]
                    if hits:
                        yield Found(opened, name, path, hits, _kind(found.st_mode))
                elif (found.st_dev, found.st_ino) not in without and (inner := _open(name, opened)) >= 0:
                    try:
                        yield from directory(inner, f"{path}/", depth + 1, places)
                    finally:
                        os.close(inner)

    yield from directory(top, "", 0, [pattern.start for pattern in patterns])


def _open(name: str, above: int) -> int:
    """A directory; -1 if it has become something else since."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=above)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            return -1
        raise


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return ""
    return "a link" if stat.S_ISLNK(mode) else "no regular file"
