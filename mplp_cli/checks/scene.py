"""What checks look at. Each has a thread of its own, and opens what it reads itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Generic, TypeVar

from mplp_cli.errors import MplpError, StoreError
from mplp_cli.protocols import Clock, Wiring
from mplp_cli.roster import project_settings
from mplp_cli.runtime import Runtime
from mplp_cli.settings import Settings
from mplp_cli.store.database import Database
from mplp_cli.store.layout import database_path
from mplp_cli.store.sqlite import SqliteStore

T = TypeVar("T")
#: Seconds for which what several checks need is not asked for again.
_FRESH = 1.0
#: Statuses of processes that do nothing until somebody lets them.
STILL: Final = frozenset({"stopped", "tracing-stop", "zombie"})


class Once(Generic[T]):
    """A value that several threads ask for at about the same time, made by the first. What it raises, all get."""

    def __init__(self, make: Callable[[], T], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()
        self._made: tuple[T | None, Exception | None] = (None, None)
        self._until = float("-inf")

    def __call__(self) -> T:
        """The value. Whatever making it raises."""
        with self._lock:
            if self._clock.monotonic() >= self._until:
                try:
                    self._made = self._make(), None
                except Exception as error:  # noqa: BLE001 - kept for everybody who asks
                    self._made = None, error
                self._until = self._clock.monotonic() + _FRESH
            value, failure = self._made
        if failure is not None:
            raise failure
        return value  # type: ignore[return-value]  # None stands there beside a failure only


class Scene:
    """A project and its state. `deadline`: seconds in which a check must have answered."""

    def __init__(self, runtime: Runtime, deadline: float) -> None:
        self.clock = runtime.clock
        self.ids = runtime.ids
        self.deadline = deadline
        self._runtime = runtime
        self._settings = Once(lambda: project_settings(runtime.cwd), self.clock)
        self._place = Once(lambda: self._made().existing_state_dir(), self.clock)
        self._wiring = Once(self._read_wiring, self.clock)

    def _made(self, state_dir: str | None = None) -> Runtime:
        old = self._runtime
        return Runtime(start=old.cwd, state_dir=state_dir or old.explicit_state_dir, environ=old.environ)

    @property
    def settings(self) -> Settings:
        """What the project's `mplp.yaml` says. UsageError."""
        return self._settings()

    @property
    def place(self) -> Path | None:
        """Where the state is; None if nothing was ever stored. StoreError, UsageError."""
        return self._place()

    def disk(self) -> Path:
        """Where the state is, or would be."""
        try:
            return self.place or self._runtime.cwd
        except MplpError:  # the store's own check reports it
            return self._runtime.cwd

    def runtime(self) -> Runtime:
        """The parts of the project, for the check that asks. StoreError, UsageError."""
        place = self.place
        return self._made(None if place is None else str(place))

    def is_stored(self) -> bool:
        """Whether there is a store, or what is left of one."""
        place = self.place
        return place is not None and (database_path(place).exists() or (place / "runs").exists())

    @contextmanager
    def database(self) -> Iterator[Database | None]:
        """The file of the store; None if nothing was ever stored. StoreError says why it cannot be used."""
        if not self.is_stored():
            yield None
            return
        assert self.place is not None
        database = Database(database_path(self.place))
        try:
            yield database
        finally:
            database.close()

    @contextmanager
    def store(self) -> Iterator[SqliteStore | None]:
        """The store, for a check of what is in it; None if nothing was ever stored."""
        try:
            place = self.place if self.is_stored() else None
            store = None if place is None else SqliteStore(place, self.clock)
        except StoreError as error:
            raise StoreError(
                "this is not known, since the store cannot be used", hint="`mplp health store` says why"
            ) from error
        try:
            yield store
        finally:
            if store is not None:
                store.close()

    def wiring(self) -> Wiring:
        """The states of the modules; as if nobody had touched them where there is no store, or none that can be
        read."""
        return self._wiring()

    def _read_wiring(self) -> Wiring:
        try:
            with self.store() as store:
                return Wiring() if store is None else store.switchboard.wiring()
        except MplpError:  # the store's own check reports it
            return Wiring()


def counted(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def process_status(pid: int) -> str:
    """What a process does, as psutil calls it; "" if it is gone or not ours to see."""
    import psutil

    try:
        return str(psutil.Process(pid).status())
    except psutil.Error:
        return ""
