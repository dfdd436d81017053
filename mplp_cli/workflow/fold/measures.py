"""What is known of attempts besides their outcome: when they began, how long they had waited, what they used."""

from __future__ import annotations

from msgspec import Struct

from mplp_cli.workflow.resources import Usage


class Measures(Struct):
    """Of steps with effects, by number: when the last attempt began (ms since the epoch), how many ms it had waited
    for its slot, and what an attempt has used that succeeded."""

    begun: dict[int, int] = {}
    waited: dict[int, int] = {}
    used: dict[int, Usage] = {}

    def forget(self, i: int) -> None:
        """What step `i` had done does not count."""
        self.begun.pop(i, None)
        self.used.pop(i, None)
