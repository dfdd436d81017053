"""What installed packages add through entry points; looked up when something built in does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mplp_cli.workflow.language.conditions import Handler


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
    def _entry_points(self) -> dict[str, Any]:
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group="mplp.conditions")}

    @cached_property
    def _plugins(self) -> dict[str, Handler]:
        return {name: point.load() for name, point in self._entry_points.items()}
