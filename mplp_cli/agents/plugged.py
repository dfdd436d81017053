"""Kinds of agents that installed packages bring along: the entry-point group `mplp.agents`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, get_args

import msgspec

from mplp_cli.agents.contract import Adapter, AgentRequest, AgentResult, Tell
from mplp_cli.agents.deciding import Misfits
from mplp_cli.agents.workshop import Workshop
from mplp_cli.errors import AgentError, Path
from mplp_cli.plugins import EntryPoint, Points, installed
from mplp_cli.workflow.agents import AgentDefinition, PluggedAgent
from mplp_cli.workflow.values import Json

GROUP: Final = "mplp.agents"
#: The entry points of the group, of every package on the path.
INSTALLED: Final = partial(installed, GROUP)

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
#: Names that definitions cannot give another meaning.
_TAKEN: Final = frozenset({*(str(one.__struct_config__.tag) for one in get_args(AgentDefinition)), "a2a"})
#: Characters of what a plug-in says of its own failure.
_SAID: Final = 300


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of agent. Its entry point leads to one of these, or to a function without parameters that gives one.

    `options` says what the key `options` of a definition holds: a msgspec Struct, or a JSON Schema. `make` gives
    the adapter of a definition; its second argument is the Struct, or the options as they stand.
    """

    name: str
    options: Any
    make: Callable[[PluggedAgent, Any, Workshop], Adapter]


class Kinds:
    """The kinds of installed packages, which are imported when an agent of theirs is judged or asked.

    `misfits` judges options by a JSON Schema.
    """

    def __init__(self, misfits: Misfits, points: Callable[[], Iterable[EntryPoint]] = INSTALLED) -> None:
        self._misfits = misfits
        self._points = Points(points)
        #: What became of those that were asked for: the kind, or why it cannot be used.
        self._known: dict[str, Kind | str] = {}

    def names(self) -> Collection[str]:
        """What definitions call them. Nothing is imported for it."""
        return list(self._points.by_name)

    def package_of(self, kind: str) -> str:
        """The package that brings a kind along, with its version."""
        return self._points.package_of(kind) or "no package"

    def broken(self) -> dict[str, str]:
        """Name -> why it cannot be used. Imports them all."""
        found = {name: self._kind(name) for name in self._points.by_name}
        return {name: why for name, why in found.items() if isinstance(why, str)}

    def check(self, kind: str) -> None:
        """AgentError says why a kind cannot be used. Imports no other."""
        if isinstance(found := self._kind(kind), str):
            raise AgentError(
                "agent.unavailable",
                f"the kind `{kind}` of {self.package_of(kind)} cannot be used: {found}",
                hint="mend the package, or uninstall it; other kinds of agents are not concerned",
            )

    def misfits(self, kind: str, options: Json) -> Sequence[tuple[Path, str]]:
        """Where options are not what the kind takes, and what is wrong there; with an empty place: why the package
        cannot be used at all."""
        found = self._kind(kind)
        if isinstance(found, str):
            of = f" of {self.package_of(kind)}" if kind in self._points.by_name else ""
            return [((), f"the kind `{kind}`{of} cannot be used: {found}")]
        if isinstance(found.options, dict):
            return self._misfits(msgspec.json.encode(found.options), options)
        try:
            msgspec.convert(options, found.options)
        except msgspec.ValidationError as error:
            said, _, place = str(error).partition(" - at ")
            return [(_path(place), said[:1].lower() + said[1:])]
        return []

    def make(self, agent: PluggedAgent, workshop: Workshop) -> Adapter:
        """The adapter of an agent. AgentError if its kind or its options cannot be used."""
        found = self._kind(agent.of)
        wrong = self.misfits(agent.of, agent.options)
        if isinstance(found, str) or wrong:
            said = wrong[0][1]
            hint = f"install or mend the package that brings the kind `{agent.of}` along"
            raise AgentError(
                "agent.unavailable",
                f"agent `{agent.id}`: {said}",
                agent=agent.id,
                hint=hint if isinstance(found, str) else "correct its `options`",
            )
        options: Any = agent.options
        if not isinstance(found.options, dict):
            options = msgspec.convert(options, found.options)
        try:
            return _Guarded(agent.id, found.make(agent, options, workshop))
        except Exception as error:
            raise _failed(agent.id, error) from error

    def _kind(self, name: str) -> Kind | str:
        if name not in self._known:
            self._known[name] = self._loaded(name, self._points.by_name.get(name, []))
        return self._known[name]

    def _loaded(self, name: str, points: list[EntryPoint]) -> Kind | str:
        if not points:
            return "no installed package has a kind of that name"
        if name in _TAKEN:
            return "the name belongs to a kind that is built in"
        if not _NAME.fullmatch(name):
            return "a name has lower-case letters, digits and `-`, and begins with a letter"
        if len(points) > 1:
            return "two packages have a kind of that name"
        try:
            given = points[0].load()
            kind = given if isinstance(given, Kind) or not callable(given) else given()
            return _checked(name, kind)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a package raises is its own
            return f"{type(error).__name__}: {error}"[:_SAID]


def _checked(name: str, kind: Any) -> Kind | str:
    """The kind, or why it is none that can be used."""
    if not isinstance(kind, Kind):
        return f"its entry point leads to {type(kind).__name__}, and not to a Kind"
    if kind.name != name:
        return f"it calls itself `{kind.name}`, and its entry point `{name}`"
    if isinstance(kind.options, dict):
        from jsonschema_rs import Draft202012Validator

        Draft202012Validator(kind.options, offline=True)
    elif not (isinstance(kind.options, type) and issubclass(kind.options, msgspec.Struct)):
        return "its options are neither a Struct nor a JSON Schema"
    return kind


def _path(place: str) -> Path:
    """`$.a[0]`, as msgspec writes it, as a path."""
    parts = re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", place.strip("`"))
    return tuple(int(number) if number else name for name, number in parts)


def _failed(agent: str, error: Exception) -> AgentError:
    said = f"{type(error).__name__}: {error}"[:_SAID]
    return AgentError("agent.remote", f"agent `{agent}`: its kind failed: {said}", agent=agent)


class _Guarded:
    """An adapter of a package, so that what it raises or gives is something that everybody can handle."""

    def __init__(self, agent: str, adapter: Adapter) -> None:
        self._agent = agent
        self._adapter = adapter

    async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:
        try:
            result: Any = await self._adapter.call(request, tell)
            if not isinstance(result, AgentResult):
                raise TypeError(f"the answer is {type(result).__name__}, and not an AgentResult")
            return msgspec.structs.replace(
                result, output=msgspec.json.decode(msgspec.json.encode(result.output))
            )
        except (AgentError, TimeoutError):
            raise
        except Exception as error:
            raise _failed(self._agent, error) from error

    async def probe(self) -> Sequence[str] | None:
        try:
            return await self._adapter.probe()
        except AgentError:
            raise
        except Exception as error:
            raise _failed(self._agent, error) from error

    async def aclose(self) -> None:
        await self._adapter.aclose()
