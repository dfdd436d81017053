"""What one call of an operation may do: read objects, put new versions, ask for ids and the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mplp_cli.clock import rfc3339
from mplp_cli.errors import DuplicateObjectError, LockedObjectError, OperationError, UnknownObjectError
from mplp_cli.modules.contract import Module
from mplp_cli.modules.objects import Objects, labels_of
from mplp_cli.modules.reservations import Reservations
from mplp_cli.modules.schemas import check_object
from mplp_cli.protocols import Caller, Clock, Ids, ProtocolObject

#: Calls an operation inside a session.
Call = Callable[["Session", str, str, Mapping[str, Any]], Any]


class Session:
    """Reads see the session's own writes; nobody else does until they are committed.

    Bodies that come out of a session are not to be changed in place: a changed object is a new body.
    """

    def __init__(
        self, objects: Objects, caller: Caller, clock: Clock, ids: Ids, module: Module, configuration: Any
    ) -> None:
        self.caller = caller
        #: The module's `Configuration`.
        self.configuration = configuration
        self._module = module
        self._call: Call | None = None
        self.reservations = Reservations(caller, None)
        self._objects = objects
        self._clock = clock
        self._ids = ids
        self._now = rfc3339(clock.now())
        #: (kind, id) -> the one new version of it; each is valid.
        self._writes: dict[tuple[str, str], ProtocolObject] = {}
        #: Ids made here, which the store cannot know.
        self._made: set[str] = set()
        #: (kind, id) -> the version that was read first, on which a write rests.
        self._read: dict[tuple[str, str], int] = {}

    @property
    def module(self) -> str:
        """The module whose operation is called."""
        return self._module.name

    def connect(self, call: Call, reservations: Reservations | None = None) -> None:
        """Let the operation call others, and hold something of the pool of resources."""
        self._call = call
        self.reservations = reservations or self.reservations

    def call(self, module: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        """The result of an operation of any module; what it writes belongs to this call if it does not refuse."""
        assert self._call is not None
        return self._call(self, module, operation, parameters)

    def nested(self, module: Module, configuration: Any) -> Session:
        """The session of a call inside this one: it sees what this one has written."""
        inner = Session(self._objects, self.caller, self._clock, self._ids, module, configuration)
        inner._call, inner._writes, inner._made = self._call, dict(self._writes), set(self._made)
        inner._read = self._read
        inner.reservations = self.reservations
        return inner

    def absorb(self, inner: Session) -> None:
        """Take over what a call inside this one has written."""
        self._writes, self._made = inner._writes, inner._made

    def uuid(self) -> str:
        """A new UUID version 4, lower case."""
        return self._ids.uuid()

    def now(self) -> str:
        """The time of the call, RFC 3339 UTC."""
        return self._now

    def new_id(self, kind: str, wanted: str | None = None) -> str:
        """The id of an object to be made: a new one, or `wanted`. DuplicateObjectError if that is taken."""
        if wanted is None:
            made = self._ids.uuid()
            self._made.add(made)
            return made
        if self._look(kind, wanted) is not None:
            raise DuplicateObjectError(
                f"there is a {kind} with the id {wanted} already",
                hint="leave the id out and one is made",
                details={"kind": kind, "id": wanted},
            )
        return wanted

    def get(self, kind: str, identifier: str) -> dict[str, Any]:
        """The object's body. UnknownObjectError if there is none."""
        found = self._look(kind, identifier)
        if found is None:
            self._objects.refresh()
            found = self._look(kind, identifier)
        if found is None or not found.body:
            raise UnknownObjectError(
                f"there is no {kind} with the id {identifier}",
                hint=self._hint(kind, identifier) if found is None else "it has been deleted",
                details={"kind": kind, "id": identifier},
            )
        return found.body

    def peek(self, kind: str, identifier: str) -> dict[str, Any] | None:
        """The object's body, or None if there is none."""
        found = self._look(kind, identifier)
        return found.body or None if found is not None else None

    def find(
        self, kind: str, *, context: str | None = None, run: str | None = None, **fields: Any
    ) -> list[dict[str, Any]]:
        """Bodies of a kind, oldest first: of a context, made by a run, with these fields (None: any)."""
        wanted = {name: value for name, value in fields.items() if value is not None}
        named = {"context": context, "run": run}
        labels = {f"{key}:{value}" for key, value in named.items() if value is not None}
        found = {item.id: item for item in self._objects.find(kind, min(labels, default=None))}
        for identifier, item in found.items():
            self._read.setdefault((kind, identifier), item.version)
        for (written_kind, identifier), item in self._writes.items():
            if written_kind == kind:
                found[identifier] = item
        bodies = [
            item.body
            for item in found.values()
            if item.body
            and labels <= labels_of(item.body)
            and all(item.body.get(name) == value for name, value in wanted.items())
        ]
        # The store gives objects in the order of their ids.
        return sorted(bodies, key=lambda body: str(body.get("meta", {}).get("created_at", "")))

    def put(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Accept a new version of an object and return it.

        OperationError names what makes it invalid. LockedObjectError if the object was locked before the call and
        more changes than its governance.
        """
        identifier = str(body.get(f"{kind}_id") or "")
        if kind == self._module.kind and self._module.schema is not None:
            check_object(kind, identifier, body, self._module.schema)
        else:
            check_object(kind, identifier, body)
        if not identifier:
            raise OperationError(f"the {kind} has no id: it stands in `{kind}_id`")
        self._write(kind, identifier, body)
        return body

    def remove(self, kind: str, identifier: str) -> None:
        """Delete an object. UnknownObjectError if there is none, LockedObjectError if it is locked."""
        self.get(kind, identifier)
        self._write(kind, identifier, {})

    def writes(self) -> list[ProtocolObject]:
        """The new versions, in the order in which the objects were first put."""
        return list(self._writes.values())

    def _write(self, kind: str, identifier: str, body: dict[str, Any]) -> None:
        before = None if identifier in self._made else self._objects.get(kind, identifier)
        if before is not None and _is_locked(before.body) and not _only_governs(before.body, body):
            raise LockedObjectError(
                f"the {kind} {identifier} is locked",
                hint=f"`{kind}/set-governance` with `locked: false` unlocks it",
                details={"kind": kind, "id": identifier},
            )
        # Whoever has written since the object was read is noticed when this is stored.
        version = self._read.get((kind, identifier), before.version) + 1 if before else 1
        self._writes[kind, identifier] = ProtocolObject(kind, identifier, version, body)

    def _look(self, kind: str, identifier: str) -> ProtocolObject | None:
        written = self._writes.get((kind, identifier))
        if written is not None:
            return written
        if identifier in self._made:
            return None
        if (kind, identifier) not in self._read:
            self._objects.look_again(kind, identifier)
        found = self._objects.get(kind, identifier)
        if found is not None:
            self._read.setdefault((kind, identifier), found.version)
        return found

    def _hint(self, kind: str, identifier: str) -> str | None:
        other = self._objects.kinds_of(identifier)
        if other:
            return f"that is the id of a {other[0]}"
        mine = [body[f"{kind}_id"] for body in self.find(kind, run=self.caller.run)]
        if len(mine) == 1:
            return f"did you mean {mine[0]}, the {kind} of this run?"
        return None if mine else f"this run has made no {kind} yet"


#: What a change of an object's governance may change beside it.
_GOVERNING = {"governance", "meta", "events", "updated_at"}


def _is_locked(body: dict[str, Any]) -> bool:
    return bool(body.get("governance", {}).get("locked"))


def _only_governs(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a new version differs in its governance and in what goes with every change."""
    differs = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    return "governance" in differs and differs <= _GOVERNING
