"""Where identifiers and chance come from. The only place that asks the system for randomness."""

from __future__ import annotations

import random
import uuid


class RandomIds:
    """Identifiers that nobody can guess."""

    def uuid(self) -> str:
        """A new UUID version 4, lower case."""
        return str(uuid.uuid4())

    def fraction(self) -> float:
        """A random number in [0, 1)."""
        return random.random()
