"""The newest version of every protocol object, read from the store on first use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mplp_cli.protocols import ProtocolObject


def labels_of(body: dict[str, Any]) -> set[str]:
    """What an object can be found by: its tags (`run:...`, `context:...`) and the context it belongs to."""
    labels = set(body.get("meta", {}).get("tags", ()))
    if "context_id" in body:
        labels.add(f"context:{body['context_id']}")
    return labels


#: (kind, id, version) -> the last version of an object if it is later than that.
Newer = Callable[[str, str, int], ProtocolObject | None]


class Objects:
    """Objects by kind, id and label. `load` gives the store's; of two versions the later one counts."""

    def __init__(self, load: Callable[[], Iterable[ProtocolObject]], newer: Newer | None = None) -> None:
        self._load = load
        self._newer = newer
        self._loaded = False
        self._by_kind: dict[str, dict[str, ProtocolObject]] = {}
        #: (kind, label) -> ids in the order in which they came; follows `_by_kind`.
        self._labelled: dict[tuple[str, str], dict[str, None]] = {}

    def get(self, kind: str, identifier: str) -> ProtocolObject | None:
        """The newest version, or None."""
        if not self._loaded:
            self.refresh()
        return self._by_kind.get(kind, {}).get(identifier)

    def find(self, kind: str, label: str | None = None) -> Iterator[ProtocolObject]:
        """All of a kind, or those with a label, in the order in which they came."""
        if not self._loaded:
            self.refresh()
        known = self._by_kind.get(kind, {})
        if label is None:
            yield from known.values()
        else:
            for identifier in self._labelled.get((kind, label), ()):
                yield known[identifier]

    def look_again(self, kind: str, identifier: str) -> None:
        """Take in what another process has made of an object that is known."""
        known = self.get(kind, identifier)
        if known is not None and self._newer is not None:
            later = self._newer(kind, identifier, known.version)
            if later is not None:
                self.keep([later])

    def kinds_of(self, identifier: str) -> list[str]:
        """The kinds that have an object of that id."""
        return [kind for kind, known in self._by_kind.items() if identifier in known]

    def refresh(self) -> None:
        """Take in what the store has by now; another run may have written since."""
        self._loaded = True
        self.keep(self._load())

    def keep(self, objects: Iterable[ProtocolObject]) -> None:
        """Make these visible, unless a later version is known."""
        for item in objects:
            known = self._by_kind.setdefault(item.kind, {})
            old = known.get(item.id)
            if old is not None and old.version >= item.version:
                continue
            labels = labels_of(item.body)
            for label in labels_of(old.body) - labels if old else ():
                del self._labelled[item.kind, label][item.id]
            known[item.id] = item
            for label in labels:
                self._labelled.setdefault((item.kind, label), {})[item.id] = None
