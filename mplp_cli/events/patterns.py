"""Patterns of paths: `*`, `?` and `[...]` stand for text within a name, `**` for any directories.

As in a shell, a name that begins with a dot is meant only where the pattern begins with a dot, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct

_WILD = re.compile(r"[*?\[]")


class Pattern(Struct, frozen=True):
    """An absolute pattern. `base`: the directory in which everything lies that it means; `inside`: what it says of the
    names from there on; `deep`: whether it means files in directories of the base, too."""

    text: str
    base: str
    inside: tuple[str, ...]
    deep: bool

    def fits(self, path: str) -> bool:
        """Whether it means the path, and the path does not leave the base through a link."""
        start = self.base.rstrip("/") + "/"
        if not path.startswith(start) or not _fits(self.inside, path[len(start) :].split("/")):
            return False
        real, base = os.path.realpath(Path(path).parent), os.path.realpath(self.base)
        return real == base or real.startswith(base.rstrip("/") + "/")

    def mark(self) -> int:
        """What tells the base from another directory of its name; 0 if there is none."""
        try:
            return Path(self.base).stat().st_ino if Path(self.base).is_dir() else 0
        except OSError:
            return 0

    def present(self, place: str = "") -> set[str]:
        """The files there are now that it means, in the base or in a directory inside it."""
        found = set()
        for directory, folders, files in os.walk(place or self.base):
            found |= {path for name in files if self.fits(path := f"{directory.rstrip('/')}/{name}")}
            if not self.deep:
                folders.clear()
        return found


def pattern_of(text: str) -> Pattern:
    """An absolute pattern, ready to be asked."""
    parts = Path(os.path.normpath(text)).parts
    wild = next((i for i, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
    inside = parts[wild:]
    return Pattern(str(Path(*parts)), str(Path(*parts[:wild])), inside, len(inside) > 1 or "**" in inside)


def _fits(wanted: Sequence[str], names: Sequence[str]) -> bool:
    """Whether names, one below the other, are meant; `at` are the places in the pattern where the next one may be."""
    at = _onward({0}, wanted)
    for name in names:
        following = set()
        for place in at:
            if place == len(wanted):
                continue
            if wanted[place] == "**":
                following |= set() if name.startswith(".") else {place}
            elif fnmatchcase(name, wanted[place]) and name.startswith(".") <= wanted[place].startswith("."):
                following.add(place + 1)
        at = _onward(following, wanted)
    return len(wanted) in at


def _onward(at: set[int], wanted: Sequence[str]) -> set[int]:
    """Those places, and those behind a `**`, which may stand for nothing."""
    found = set(at)
    for place in range(len(wanted)):
        if place in found and wanted[place] == "**":
            found.add(place + 1)
    return found
