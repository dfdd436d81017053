"""The agents that are there: those that files define and those that were registered, as one list.

Whether one can be reached is not kept but worked out, from when it was seen last and from the clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct, structs

from mplp_cli.agents.deciding import Standing
from mplp_cli.errors import AgentError, StoreError, UnknownAgentError, UsageError
from mplp_cli.protocols import AgentRecords, Clock, Ids
from mplp_cli.workflow.agents import AgentDefinition, KeptAgents, Registered, endpoints_of, kind_of
from mplp_cli.workflow.suggest import did_you_mean, nearest
from mplp_cli.workflow.values import rfc3339

Status = Literal["active", "degraded", "unreachable"]
_GLOB = frozenset("*?[")


class Entry(Struct, frozen=True, kw_only=True):
    """One agent of the list. Relative paths of its definition start from `directory`.

    `source` is the file that defines it, for people; empty if it was registered.
    """

    agent: AgentDefinition
    directory: str
    source: str = ""
    registered: Registered | None = None

    @property
    def id(self) -> str:
        return self.agent.id


class Registration(Struct, frozen=True, kw_only=True, rename="camel"):
    """What registering gives. `endpoints` are `{url}`; an agent without an address of its own has one by its kind."""

    id: str
    agent_id: str
    capabilities: list[str]
    endpoints: list[dict[str, str]]
    registered_at: str
    status: Literal["active"] = "active"


class AgentInfo(Struct, frozen=True, kw_only=True, rename="camel"):
    """What discovering tells of an agent. `last_seen` is None if it was never seen."""

    id: str
    capabilities: list[str]
    status: Status
    last_seen: str | None


class Criteria(Struct, frozen=True, kw_only=True):
    """What an agent is to be like; everything that is stated must hold. Capabilities may be globs: `plan.*`."""

    all_of: Sequence[str] = ()
    any_of: Sequence[str] = ()
    tags: Sequence[str] = ()
    kind: str = ""
    status: str = ""
    #: Part of its id, name or description, in any case.
    text: str = ""


class Registry:
    """The list, over what `records` keeps. `defined` are the agents of files; their ids win over registered ones."""

    def __init__(self, records: AgentRecords, clock: Clock, ids: Ids, defined: Iterable[Entry] = ()) -> None:
        self._records = records
        self._clock = clock
        self._ids = ids
        self._defined: dict[str, Entry] = {}
        for entry in defined:
            self._defined.setdefault(entry.id, entry)
        #: What the tables below were made of.
        self._kept = KeptAgents()
        self._entries: dict[str, Entry] = dict(self._defined)
        #: Capability -> ids of those that offer it, in order.
        self._offering = _offering(self._entries)

    # ---- the list

    def entries(self) -> list[Entry]:
        """All of them, those of files first, in the order in which they came."""
        self._look()
        return list(self._entries.values())

    def find(self, agent: str) -> Entry:
        """The agent with that id. UnknownAgentError if there is none."""
        self._look()
        if agent not in self._entries:
            raise _unknown(agent, self._entries)
        return self._entries[agent]

    def register(self, agent: AgentDefinition, directory: str) -> Registration:
        """Add an agent, durably; one with the same id is replaced, in its place. UsageError if a file defines it."""
        if agent.id in self._defined:
            source = self._defined[agent.id].source
            raise UsageError(
                f"`{agent.id}` is defined in {source}", hint=f"change it there: what {source} says counts"
            )
        now = self._clock.now()
        made = Registered(id=self._ids.uuid(), agent=agent, registered_at=now, directory=directory)

        def add(kept: KeptAgents) -> KeptAgents:
            listed = {other.agent.id: other for other in kept.registered} | {agent.id: made}
            seen = {**kept.seen, agent.id: now}
            offered = {name: said for name, said in kept.offered.items() if name != agent.id}
            return structs.replace(kept, registered=list(listed.values()), seen=seen, offered=offered)

        self._records.change(add)
        return registration_of(made)

    def unregister(self, agent: str) -> None:
        """Take a registered agent off the list, durably. UnknownAgentError if it is not registered."""
        if agent in self._defined:
            source = self._defined[agent].source
            raise UsageError(
                f"`{agent}` was not registered: {source} defines it", hint=f"take it out of {source}"
            )

        def remove(kept: KeptAgents) -> KeptAgents:
            left = [other for other in kept.registered if other.agent.id != agent]
            if len(left) == len(kept.registered):
                raise _unknown(agent, [other.agent.id for other in kept.registered])
            seen = {name: at for name, at in kept.seen.items() if name != agent}
            offered = {name: said for name, said in kept.offered.items() if name != agent}
            return structs.replace(kept, registered=left, seen=seen, offered=offered)

        self._records.change(remove)

    def heartbeat(self, agent: str) -> AgentInfo:
        """The agent shows that it is there, now. UnknownAgentError if there is none with that id."""
        entry, now = self.find(agent), self._clock.now()
        self._records.change(lambda kept: structs.replace(kept, seen={**kept.seen, agent: now}))
        return self.info(entry)

    def discovered(self, agent: str, capabilities: Sequence[str]) -> None:
        """Keep what an agent that discovers its capabilities has said that it offers."""
        said = list(capabilities)
        self._look()
        entry = self._entries.get(agent)
        if entry is not None and entry.agent.discovers and self._kept.offered.get(agent) != said:
            self._records.change(lambda kept: structs.replace(kept, offered={**kept.offered, agent: said}))

    # ---- what is told of them

    def info(self, entry: Entry) -> AgentInfo:
        """How an agent stands now."""
        self._look()
        return self._info(entry)

    def _info(self, entry: Entry) -> AgentInfo:
        seen = self._kept.seen.get(entry.id)
        return AgentInfo(
            id=entry.id,
            capabilities=list(entry.agent.capabilities),
            status=self._status(entry),
            last_seen=None if seen is None else rfc3339(seen),
        )

    def status(self, entry: Entry) -> Status:
        """Whether it can be reached, as far as heartbeats tell: one that owes none, or was never seen, is active."""
        self._look()
        return self._status(entry)

    def _status(self, entry: Entry) -> Status:
        seen, owed = self._kept.seen.get(entry.id), entry.agent.heartbeat
        if seen is None or owed is None:
            return "active"
        misses = max(self._clock.now() - seen, 0) // owed.interval
        if misses < 1:
            return "active"
        return "unreachable" if misses >= owed.stale_after else "degraded"

    def standing(self, agent: AgentDefinition) -> Standing:
        """As `status`; `unknown` is one that owes a heartbeat and was never seen. Agents of a workflow owe none."""
        if agent.heartbeat is None:
            return "active"
        self._look()
        entry = self._entries.get(agent.id)
        if entry is None or entry.agent != agent:
            return "active"
        return "unknown" if agent.id not in self._kept.seen else self._status(entry)

    def saw(self, agent: AgentDefinition) -> None:
        """The agent has answered: its heartbeat, written down once an interval at most. Nothing depends on it, so
        what cannot be written is left."""
        entry, now = self._entries.get(agent.id), self._clock.now()
        if entry is None or entry.agent != agent or agent.heartbeat is None:
            return
        if abs(now - self._kept.seen.get(agent.id, 0)) >= agent.heartbeat.interval:
            with suppress(StoreError):
                self._records.change(lambda kept: structs.replace(kept, seen={**kept.seen, agent.id: now}))
                self._look()

    def capabilities(self, agent: str) -> list[str]:
        """What it offers. UnknownAgentError if there is none with that id."""
        return list(self.find(agent).agent.capabilities)

    def discover(self, criteria: Criteria) -> list[AgentInfo]:
        """Those that fit, in the order of the list."""
        return [self._info(entry) for entry in self.matching(criteria)]

    def matching(self, criteria: Criteria) -> list[Entry]:
        """Those that fit, in the order of the list."""
        self._look()
        fitting: set[str] | None = None
        for wanted in criteria.all_of:
            offering = self._offer(wanted)
            fitting = offering if fitting is None else fitting & offering
        if criteria.any_of:
            either = set().union(*(self._offer(wanted) for wanted in criteria.any_of))
            fitting = either if fitting is None else fitting & either
        return [
            entry
            for name, entry in self._entries.items()
            if (fitting is None or name in fitting) and self._fits(entry, criteria)
        ]

    def choose(self, criteria: Criteria, inflight: Mapping[str, int]) -> Entry:
        """The one to ask: the least loaded of the best, and always the same one in the same situation.

        Active goes before degraded; who offers the very word before who is found by a glob; then the share of
        `max-concurrency` that is in use, the calls in flight, and the order of the list. `inflight` has the
        calls that each answers now. UnknownAgentError if nobody fits; AgentError `agent.unavailable` if none
        of those that fit can be reached.
        """
        found = self.matching(structs.replace(criteria, status=""))
        if not found:
            missing = [name for name in (*criteria.all_of, *criteria.any_of) if not self._offer(name)]
            raise _nobody(criteria, missing, self._offering)
        reachable = [entry for entry in found if (now := self._status(entry)) != "unreachable"
                     and criteria.status in ("", now)]  # fmt: skip
        if not reachable:
            names = ", ".join(f"`{entry.id}`" for entry in found[:8])
            raise AgentError(
                "agent.unavailable",
                f"none of the agents that fit can be reached: {names}",
                retryable=True,
                hint="`mplp agents doctor` says why; `mplp agents heartbeat ID` tells that one is there",
                details={"agents": [entry.id for entry in found]},
            )

        def rank(entry: Entry) -> tuple[bool, bool, float, int]:
            calls, most = inflight.get(entry.id, 0), entry.agent.limits.max_concurrency
            share = calls / most if most else 0.0
            return self._status(entry) == "degraded", not _exactly(entry, criteria), share, calls

        return min(reachable, key=rank)

    # ---- inside

    def _look(self) -> None:
        """Make the tables anew if another process, or this one, has changed what is kept."""
        kept = self._records.read()
        if kept is self._kept:
            return
        self._kept = kept
        self._entries = dict(self._defined)
        for one in kept.registered:
            entry = Entry(agent=one.agent, directory=one.directory, registered=one)
            self._entries.setdefault(entry.id, entry)
        for name, offered in kept.offered.items():
            if name in self._entries and self._entries[name].agent.discovers:
                agent = structs.replace(self._entries[name].agent, capabilities=offered)
                self._entries[name] = structs.replace(self._entries[name], agent=agent)
        self._offering = _offering(self._entries)

    def _offer(self, wanted: str) -> set[str]:
        """The ids of those that offer a capability, or one that a glob fits."""
        if _GLOB.isdisjoint(wanted):
            return set(self._offering.get(wanted, ()))
        return {
            name
            for capability, names in self._offering.items()
            if fnmatchcase(capability, wanted)
            for name in names
        }

    def _fits(self, entry: Entry, criteria: Criteria) -> bool:
        agent = entry.agent
        if not set(criteria.tags) <= set(agent.tags) or criteria.kind not in ("", kind_of(agent)):
            return False
        said = f"{agent.id}\n{agent.name}\n{agent.description}".casefold()
        return criteria.text.casefold() in said and criteria.status in ("", self._status(entry))


def _nobody(criteria: Criteria, missing: Sequence[str], offered: Iterable[str]) -> UnknownAgentError:
    wanted = [*criteria.all_of, *criteria.any_of]
    known = list(offered)
    said = "no agent offers " + " and ".join(f"`{name}`" for name in missing or wanted)
    near = next((found for name in missing if (found := nearest(name, known))), None)
    hint = f"did you mean `{near}`?" if near else "`mplp agents list` shows what they offer"
    said = said if wanted else "no agent fits"
    return UnknownAgentError(said, hint=hint, details={"capabilities": wanted})


def registration_of(made: Registered) -> Registration:
    """A registration, as it was answered when it was made."""
    return Registration(
        id=made.id,
        agent_id=made.agent.id,
        capabilities=list(made.agent.capabilities),
        endpoints=endpoints_of(made.agent),
        registered_at=rfc3339(made.registered_at),
    )


def _offering(entries: Mapping[str, Entry]) -> dict[str, list[str]]:
    made: dict[str, list[str]] = {}
    for name, entry in entries.items():
        for capability in entry.agent.capabilities:
            made.setdefault(capability, []).append(name)
    return made


def _exactly(entry: Entry, criteria: Criteria) -> bool:
    """Whether what is wanted is offered by its very name, not found by a glob."""
    offered = set(entry.agent.capabilities)
    return set(criteria.all_of) <= offered and (
        not criteria.any_of or not offered.isdisjoint(criteria.any_of)
    )


def _unknown(agent: str, known: Iterable[str]) -> UnknownAgentError:
    names = list(known)
    listing = (
        f"the agents are {', '.join(names[:20])}" if names else "`mplp help agents` says how to define one"
    )
    hint = did_you_mean(agent, names) or listing
    return UnknownAgentError(f"there is no agent {agent!r}", agent=agent, hint=hint)
