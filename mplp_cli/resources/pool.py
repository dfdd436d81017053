"""The pool: what the settings state, and of the other kinds what the machine has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mplp_cli.protocols.scaling import NOTHING_ADJUSTED, Adjustments
from mplp_cli.resources.adjustments import overlaid
from mplp_cli.resources.machine import detect
from mplp_cli.settings import Settings
from mplp_cli.workflow.resources import KINDS, Kind, Pool
from mplp_cli.workflow.stated import whole

#: How much there is of a kind; None: nobody can tell, and the pool has none of it.
Detect = Callable[[str], int | None]


def make_pool(settings: Settings, state_dir: Path, adjustments: Adjustments = NOTHING_ADJUSTED) -> Pool:
    """What steps can hold. What was adjusted here goes before what the settings state, and that before the machine,
    kind by kind; a kind is looked for when it is asked for."""
    stated = overlaid(settings.resources, adjustments)
    return Pool(Kinds(stated, lambda kind: detect(kind, state_dir)))


class Kinds(Mapping[str, Kind]):
    """The kinds of a pool by name: cpu, memory, network and storage, as far as they are there, then custom ones."""

    def __init__(self, stated: Mapping[str, Kind], look: Detect) -> None:
        self._stated = stated
        self._look = look
        self._found: dict[str, Kind | None] = dict(stated)

    def __getitem__(self, name: str) -> Kind:
        if name not in self._found:
            amount = self._look(name) if name in KINDS else None
            self._found[name] = None if amount is None else whole(name, amount)
        kind = self._found[name]
        if kind is None:
            raise KeyError(name)
        return kind

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in KINDS if name in self)
        yield from (name for name in self._stated if name not in KINDS)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def is_stated(self, name: str) -> bool:
        """Whether the settings say how much there is, and not the machine."""
        return name in self._stated
