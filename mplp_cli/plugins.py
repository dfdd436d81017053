"""What installed packages add through entry points; looked up when something built in does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mplp_cli.workflow.language.conditions import Handler


class EntryPoint(Protocol):
    """What `importlib.metadata` knows of one."""

    @property
    def name(self) -> str: ...
    @property
    def dist(self) -> Any: ...
    def load(self) -> Any: ...


def installed(group: str) -> Iterable[EntryPoint]:
    """The entry points of a group, of every package on the path."""
    from importlib.metadata import entry_points

    return entry_points(group=group)


class Points:
    """Entry points by name. `look_up` is called on first use."""

    def __init__(self, look_up: Callable[[], Iterable[EntryPoint]]) -> None:
        self._look_up = look_up

    @cached_property
    def by_name(self) -> dict[str, list[EntryPoint]]:
        """Those of each name, in the order of the names; several packages may have the same."""
        found: dict[str, list[EntryPoint]] = {}
        for point in self._look_up():
            found.setdefault(point.name, []).append(point)
        return dict(sorted(found.items()))

    def package_of(self, name: str) -> str:
        """The packages that bring a name along, with their versions; "" if there is none."""
        dists = [point.dist for point in self.by_name.get(name, ())]
        return " and ".join(f"{dist.name} {dist.version}" if dist else "an unnamed package" for dist in dists)


class ConditionHandlers(Mapping[str, "Handler"]):
    """Condition handlers by name: the built-in ones, then the entry-point group `mplp.conditions` on first need."""

    def __getitem__(self, name: str) -> Handler:
        from mplp_cli.workflow.language.conditions import BUILTIN_CONDITIONS

        return BUILTIN_CONDITIONS.get(name) or self._plugins[name]

    def __contains__(self, name: object) -> bool:
        from mplp_cli.workflow.language.conditions import BUILTIN_CONDITIONS

        return name in BUILTIN_CONDITIONS or name in self._entry_points

    def __iter__(self) -> Iterator[str]:
        from mplp_cli.workflow.language.conditions import BUILTIN_CONDITIONS

        return iter([*BUILTIN_CONDITIONS, *self._entry_points])

    def __len__(self) -> int:
        return len(list(iter(self)))

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in installed("mplp.conditions")}

    @cached_property
    def _plugins(self) -> dict[str, Handler]:
        return {name: point.load() for name, point in self._entry_points.items()}
