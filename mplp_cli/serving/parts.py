"""What the doors of a server work with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mplp_cli.events.bus import Bus
from mplp_cli.protocols import Store
from mplp_cli.runtime import Runtime
from mplp_cli.serving.contract import Catalogue, Fleet
from mplp_cli.serving.refusals import RequestError
from mplp_cli.serving.vitals import Vitals

#: Events that routes may be behind before no more are taken in.
QUEUE = 100_000
#: Streams at the same time.
MOST_STREAMS = 200


@dataclass(kw_only=True)
class Parts:
    """The parts of a running server. `behind`: how many events the slowest route has before it."""

    runtime: Runtime
    bus: Bus
    catalogue: Catalogue
    fleet: Fleet
    behind: Callable[[], int] = field(default=lambda: 0)
    queue: int = QUEUE
    #: Secrets that are not in the environment, by name.
    secrets: Mapping[str, str] = field(default_factory=dict)
    #: Set when the server is about to end: streams end with it.
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    #: Streams that are open.
    streams: int = 0
    vitals: Vitals = field(init=False)

    def __post_init__(self) -> None:
        self.vitals = Vitals(self.runtime)

    @property
    def store(self) -> Store:
        """The store of the runtime."""
        return self.runtime.store

    def secret(self, name: str) -> str:
        """The value of a secret, empty if it is not set."""
        return self.runtime.environ.get(name) or self.secrets.get(name, "")

    def check_room(self) -> None:
        """RequestError (429) if the routes are so far behind that no more events are taken in."""
        if (behind := self.behind()) >= self.queue:
            raise RequestError(
                429,
                f"{behind:,} events wait for their routes; no more than {self.queue:,} may",
                hint="come back later; `mplp events routes` shows which route is slow",
                details={"behind": behind, "queue": self.queue},
                headers={"Retry-After": "5"},
            )
