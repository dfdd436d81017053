"""Where identifiers and chance come from. The only place that asks the system for randomness."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections import Counter
from collections.abc import Callable, Collection

from mplp_cli.errors import DuplicateObjectError


class RandomIds:
    """Identifiers that nobody can guess."""

    def uuid(self) -> str:
        """A new UUID version 4, lower case."""
        return str(uuid.uuid4())

    def fraction(self) -> float:
        """A random number in [0, 1)."""
        return random.random()


class SeededIds:
    """Identifiers that follow from a seed: those of each name are the same every time, in their order.

    `taken` gives the ids that somebody has had before; it is asked once, before the first id is given.
    """

    def __init__(self, seed: int, taken: Callable[[], Collection[str]] = frozenset) -> None:
        self._seed = seed
        self._taken = taken
        self._gone: Collection[str] | None = None
        self._given: Counter[str] = Counter()

    def of(self, name: str) -> Seeded:
        """The ids of what has that name."""
        return Seeded(self, name)

    def next(self, name: str) -> str:
        """The next UUID (version 4 by its form) of that name. DuplicateObjectError if somebody has had it before."""
        if self._gone is None:
            self._gone = self._taken()
        self._given[name] += 1
        digest = hashlib.sha256(f"{self._seed}/{self._given[name]}/{name}".encode()).digest()
        made = str(uuid.UUID(bytes=digest[:16], version=4))
        if made in self._gone:
            raise DuplicateObjectError(
                f"the seed {self._seed} gives the id {made}, which an object here has already",
                hint="a run with a seed is to be the only one of its state directory: use --ephemeral or --state-dir",
                details={"id": made, "seed": self._seed},
            )
        return made


class Seeded:
    """The ids of one name, and no chance."""

    def __init__(self, ids: SeededIds, name: str) -> None:
        self._ids = ids
        self._name = name

    def uuid(self) -> str:
        """The next one. DuplicateObjectError."""
        return self._ids.next(self._name)

    def fraction(self) -> float:
        """Always the middle."""
        return 0.5
