"""What the hub keeps, in SQLite and in memory: the `Switchboard` of `protocols`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
import msgspec
from msgspec.structs import replace

from mplp_cli.protocols import Communication, ModuleState, Subscription, Switched, Wiring
from mplp_cli.store import schema
from mplp_cli.store.database import UNREADABLE, Database, corrupt

_encode: Final = msgspec.json.Encoder().encode
_communication: Final = msgspec.json.Decoder(Communication).decode


class SqliteSwitchboard:
    """The tables `module`, `subscription`, `active` and `communication`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._change: tuple[int, int, int] | None = None
        self._wiring = Wiring()

    def wiring(self) -> Wiring:
        # Read before the rows: a change in between is seen at the next look.
        change = self._database.change()
        if change != self._change:
            self._wiring = Wiring(
                {name: ModuleState(status, at, by) for name, status, at, by in self._rows(schema.MODULES)},
                [Subscription(*row) for row in self._rows(schema.SUBSCRIPTIONS)],
                {name: Switched(at, by) for name, at, by in self._rows(schema.ACTIVE)},
            )
            self._change = change
        return self._wiring

    def set_state(self, module: str, state: ModuleState) -> None:
        self._change = None
        with self._database.writing() as db:
            db.execute(schema.SET_MODULE, (module, state.status, state.at, state.by))

    def subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        self._write(schema.ADD_SUBSCRIPTION, subscriptions)

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> None:
        self._write(schema.DROP_SUBSCRIPTION, subscriptions)

    def activate(self, interfaces: Sequence[str], switched: Switched) -> None:
        self._change = None
        with self._database.writing() as db:
            db.executemany(schema.ACTIVATE, ((name, switched.at, switched.by) for name in interfaces))

    def deactivate(self, interfaces: Sequence[str]) -> None:
        self._change = None
        with self._database.writing() as db:
            db.executemany(schema.DEACTIVATE, ((name,) for name in interfaces))

    def log(self, limit: int, module: str | None = None) -> list[Communication]:
        found = []
        for (body,) in self._rows(schema.LOG, (module, limit)):
            try:
                found.append(_communication(body))
            except UNREADABLE as error:
                raise corrupt(self._database.path, f"the log of the hub: {error}") from error
        return found[::-1]

    def _rows(self, query: str, bindings: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._database.rows(query, bindings)

    def _write(self, statement: str, subscriptions: Sequence[Subscription]) -> None:
        self._change = None
        with self._database.writing() as db:
            db.executemany(statement, ((s.subscriber, s.publisher, s.type) for s in subscriptions))


def add_communications(db: apsw.Connection, said: Sequence[Communication]) -> None:
    """Log these in the transaction at hand."""
    db.executemany(schema.ADD_COMMUNICATION, ((c.source, c.target, _encode(c)) for c in said))


class MemorySwitchboard:
    """The same in this process."""

    def __init__(self) -> None:
        self._wiring = Wiring()
        self._log: list[Communication] = []

    def wiring(self) -> Wiring:
        return self._wiring

    def set_state(self, module: str, state: ModuleState) -> None:
        self._wiring = replace(self._wiring, states={**self._wiring.states, module: state})

    def subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        everybody = sorted({*self._wiring.subscriptions, *subscriptions}, key=_order)
        self._wiring = replace(self._wiring, subscriptions=everybody)

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> None:
        others = [s for s in self._wiring.subscriptions if s not in subscriptions]
        self._wiring = replace(self._wiring, subscriptions=others)

    def activate(self, interfaces: Sequence[str], switched: Switched) -> None:
        self._wiring = replace(self._wiring, active=dict.fromkeys(interfaces, switched) | self._wiring.active)

    def deactivate(self, interfaces: Sequence[str]) -> None:
        left = {name: on for name, on in self._wiring.active.items() if name not in interfaces}
        self._wiring = replace(self._wiring, active=left)

    def log(self, limit: int, module: str | None = None) -> list[Communication]:
        return [c for c in self._log if module in (None, c.source, c.target)][-limit:]

    def add(self, said: Sequence[Communication]) -> None:
        """Log these."""
        self._log += said


def _order(subscription: Subscription) -> tuple[str, str, str]:
    return subscription.publisher, subscription.type, subscription.subscriber
