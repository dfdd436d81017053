"""What goes around the calls of a run: a recording of them, or a recording in their place."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from msgspec import to_builtins
from msgspec.structs import replace

from mplp_cli.agents.boundary import Call
from mplp_cli.agents.contract import AgentRequest, AgentResult
from mplp_cli.agents.recording.asked import Asked, Wording
from mplp_cli.agents.recording.cassette import Cassette, parse, read_bytes, read_cassette
from mplp_cli.agents.recording.differences import differences, nearest
from mplp_cli.agents.recording.entries import (
    Entry,
    Header,
    error_of,
    line_of,
    refusal_of,
    response_of,
    result_of,
)
from mplp_cli.errors import AgentError, MplpError, RunBusyError, StepTimeoutError, UsageError
from mplp_cli.protocols import Clock
from mplp_cli.workflow.agents import AgentDefinition

#: Differences that an error shows.
_SHOWN = 3
#: The code of an entry whose call took longer than its step may, and how long before that it is taken for it (s).
_STEP_TIMEOUT, _SOON = "step.timeout", 0.02


class Tape(Protocol):
    """What is around the calls of a run and of its sub-workflows."""

    @property
    def looks(self) -> bool:
        """Whether those that say themselves what they offer may be asked it."""
        ...

    def knows(self, secrets: Mapping[str, str], given: Iterable[str]) -> None:
        """Told of every run before its first call: its secrets, and the texts that came from outside."""
        ...

    def order(self, request: AgentRequest, agents: Sequence[AgentDefinition]) -> list[AgentDefinition]:
        """Who is asked, in this order, of those that could be."""
        ...

    async def carry(self, agent: AgentDefinition, request: AgentRequest, call: Call, /) -> AgentResult:
        """Make the call, or answer in its place. AgentError."""
        ...

    def end(self, *, over: bool) -> str:
        """Give it up; `over`: the run has come to its end. What is to be told of it. UnservedError."""
        ...


class UnservedError(MplpError):
    """A strict replay has not asked for everything that was recorded."""


class Replay:
    """Answers from a cassette. Without an entry a call fails with `replay.miss`, and is never made.

    Of several entries with one key each is given once, in the order in which they were asked for, then the last one
    again and again; with `strict` not even that.
    """

    looks = False  # nobody is asked anything

    def __init__(self, cassette: Cassette, *, strict: bool = False) -> None:
        self.cassette = cassette
        self.strict = strict
        self.wording = Wording()
        self._served: Counter[str] = Counter()
        self._entries: dict[str, list[Entry]] = {}
        for entry in cassette.entries:
            self._entries.setdefault(entry.key, []).append(entry)

    def knows(self, secrets: Mapping[str, str], given: Iterable[str]) -> None:
        """Secrets and given texts of a run."""
        self.wording.learn(secrets, given)

    def order(self, request: AgentRequest, agents: Sequence[AgentDefinition]) -> list[AgentDefinition]:
        """First those for which there is an entry that was not given yet, then those with any.

        Where several agents could be asked, the one that is depends on what they do at the time, and nobody does
        anything in a replay.
        """
        if len(agents) < 2:
            return list(agents)

        def rank(agent: AgentDefinition) -> int:
            key = self.wording.asked(agent, replace(request, agent=agent.id)).key
            there = len(self._entries.get(key, ()))
            return 0 if self._served[key] < there else 1 if there else 2

        return sorted(agents, key=rank)

    async def carry(self, agent: AgentDefinition, request: AgentRequest, _call: Call) -> AgentResult:
        """The recorded answer or error."""
        asked = self.wording.asked(agent, request)
        entry = self.take(asked)
        if entry is None:
            raise self._miss(agent, request, asked)
        return answer(entry, asked, request)

    def take(self, asked: Asked) -> Entry | None:
        """The entry that a question gets, which counts as given then."""
        there = self._entries.get(asked.key)
        if not there:
            return None
        given = self._served[asked.key]
        if given >= len(there) and self.strict:
            return None
        self._served[asked.key] += 1
        return there[min(given, len(there) - 1)]

    def unserved(self) -> list[Entry]:
        """Entries that nobody has asked for."""
        return [entry for key, entries in self._entries.items() for entry in entries[self._served[key] :]]

    def end(self, *, over: bool) -> str:
        """UnservedError if it is strict and something was not asked for in a run that is over."""
        left = self.unserved() if self.strict and over else []
        if left:
            named = ", ".join(f"{entry.n} (`{entry.agent}`)" for entry in left[:5])
            more = f" and {len(left) - 5} more" if len(left) > 5 else ""
            what = f"entry {named} was" if len(left) == 1 else f"entries {named}{more} were"
            raise UnservedError(
                f"{self.cassette.name}: {what} not asked for",
                hint="without --strict that is no failure",
                details={"cassette": self.cassette.name, "unserved": [entry.n for entry in left]},
            )
        return ""

    def _miss(self, agent: AgentDefinition, request: AgentRequest, asked: Asked) -> AgentError:
        name, own = self.cassette.name, [e for e in self.cassette.entries if e.agent == agent.id]
        details: dict[str, object] = {"cassette": name, "step": request.step}
        again = f"record it again: `mplp run FILE --record {name}`, or only what is missing: --record-missing"
        if asked.key in self._entries:
            count = len(self._entries[asked.key])
            times = "once" if count == 1 else f"{count} times"
            message = (
                f"`{agent.id}` was asked this {times} when {name} was recorded, and is asked once more now"
            )
        elif (near := nearest(own, asked.request, request.step)) is None:
            known = (
                ", ".join(f"`{one}`" for one in sorted({e.agent for e in self.cassette.entries})) or "nobody"
            )
            message = f"{name} has no answer of `{agent.id}`: it has some of {known}"
        else:
            found = differences(near.request, asked.request)
            said = "; ".join(map(str, found[:_SHOWN]))
            more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            message = (
                f"{name} has no answer of `{agent.id}` to this; the nearest is entry {near.n}: {said}{more}"
            )
            details |= {
                "nearest": {"n": near.n, "line": self.cassette.lines.get(near.n), "step": near.step},
                "differences": to_builtins(found[:20]),
            }
        return AgentError("replay.miss", message, agent=agent.id, hint=again, details=details)


def _step_timeout(request: AgentRequest) -> AgentError:
    """What ends a call that takes longer than its step may, as an entry has it."""
    limit = round(request.timeout * 1000)
    return AgentError(_STEP_TIMEOUT, f"the step took longer than {limit} ms", retryable=True)


def answer(entry: Entry, asked: Asked, request: AgentRequest) -> AgentResult:
    """What an entry answers to a question, with the ids of this run; or its error."""
    if entry.error is not None:
        if entry.error.code == _STEP_TIMEOUT:
            raise StepTimeoutError(request.step, round(request.timeout * 1000))
        message = str(asked.restored(entry.error.message))
        details = asked.restored(entry.error.details)
        raise error_of(replace(entry.error, message=message, details=details), entry.agent)
    assert entry.response is not None
    result = result_of(entry.response)
    text = None if result.text is None else str(asked.restored(result.text))
    return replace(result, output=asked.restored(result.output), text=text)


class Recording:
    """Writes what is asked and answered, line by line, to `PATH.partial`; `close` makes it the cassette.

    `goes_on`: what is there already is kept, in the partial file if there is one, else in the cassette.
    `missing`: what is there is given again, and only what is not is asked. RunBusyError if somebody records to it.
    """

    looks = True

    def __init__(
        self, path: str | Path, header: Header, clock: Clock, *, goes_on: bool = False, missing: bool = False
    ) -> None:
        self.path = Path(path)
        self.partial = self.path.with_name(f"{self.path.name}.partial")
        self.wording = Wording()
        self._clock = clock
        self._file = _opened(self.partial)
        try:
            kept = self._kept(goes_on=goes_on, missing=missing)
            #: Whether something of a recording that did not end was dropped.
            self.dropped = kept is None and self._file.seek(0, os.SEEK_END) > 0
            self._replay = Replay(kept) if missing and kept is not None else None
            self._next = max((entry.n for entry in kept.entries), default=0) if kept else 0
            self.before = len(kept.entries) if kept else 0
            self._file.seek(0)
            lines = [line_of(header if kept is None else kept.header)]
            lines += [line_of(entry) for entry in (kept.entries if kept else ())]
            self._file.write(b"".join(lines))
            self._file.truncate()
            self._file.flush()
        except BaseException:
            if self._file.seek(0, os.SEEK_END) == 0:
                self.partial.unlink()
            self._file.close()
            raise
        #: Calls that were written down.
        self.written = 0

    def knows(self, secrets: Mapping[str, str], given: Iterable[str]) -> None:
        """Secrets and given texts of a run."""
        given = list(given)
        self.wording.learn(secrets, given)
        if self._replay is not None:
            self._replay.knows(secrets, given)

    def order(self, request: AgentRequest, agents: Sequence[AgentDefinition]) -> list[AgentDefinition]:
        """As they come; with `missing` as a replay has it."""
        return list(agents) if self._replay is None else self._replay.order(request, agents)

    async def carry(self, agent: AgentDefinition, request: AgentRequest, call: Call) -> AgentResult:
        """The answer of the agent, which is written down before anybody has it."""
        asked = self.wording.asked(agent, request)
        if self._replay is not None and (known := self._replay.take(asked)) is not None:
            return answer(known, asked, request)
        self._next += 1
        number, began = self._next, self._clock.monotonic()
        try:
            result = await call()
        except AgentError as error:
            self._write(number, asked, request, error, began)
            raise
        except asyncio.CancelledError:
            if self._clock.monotonic() - began >= request.timeout - _SOON > 0:
                self._write(number, asked, request, _step_timeout(request), began)
            raise
        self._write(number, asked, request, result, began)
        return result

    def end(self, *, over: bool) -> str:
        """Make it the cassette if the run has come to its end; else it stays the partial file."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            if over:
                self.partial.replace(self.path)
            self._file.close()
        calls = f"{self.written} call{'' if self.written == 1 else 's'}"
        if over:
            return f"{calls} recorded: {self.path}"
        kept = f"the recording has not come to its end: {calls} recorded in {self.partial}"
        return f"{kept}; `mplp resume RUN --record {self.path}` goes on with it"

    def _write(
        self,
        number: int,
        asked: Asked,
        request: AgentRequest,
        outcome: AgentResult | AgentError,
        began: float,
    ) -> None:
        hide = self.wording.redaction
        response = response_of(outcome) if isinstance(outcome, AgentResult) else None
        error = refusal_of(outcome) if isinstance(outcome, AgentError) else None
        if response is not None:
            text = None if response.text is None else str(asked.labelled(hide.text(response.text)))
            output = asked.labelled(hide.value(response.output))
            response = replace(response, output=output, text=text)
        if error is not None:
            message = str(asked.labelled(hide.text(error.message)))
            error = replace(error, message=message, details=asked.labelled(hide.value(error.details)))
        entry = Entry(
            n=number,
            agent=str(asked.request["agent"]),
            step=request.step,
            key=asked.key,
            request=asked.request,
            response=response,
            error=error,
            duration_ms=max(0, round((self._clock.monotonic() - began) * 1000)),
        )
        self._file.write(line_of(entry))
        self._file.flush()
        self.written += 1

    def _kept(self, *, goes_on: bool, missing: bool) -> Cassette | None:
        """What the recording begins with."""
        if goes_on:
            data = read_bytes(str(self.partial))
            if data:
                return parse(data, str(self.partial), cut=True)
        if (goes_on or missing) and self.path.exists():
            return read_cassette(self.path)
        return None


def _opened(partial: Path) -> IO[bytes]:
    """The partial file, held against others. RunBusyError, UsageError."""
    import fcntl

    try:
        file = os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b")
    except OSError as error:
        raise UsageError(f"cannot record to {partial}: {error.strerror or error}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise RunBusyError(f"another process records to {partial}", hint="record to another file") from None
    with suppress(OSError):
        if partial.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
    file.close()
    raise RunBusyError(f"another process has just ended its recording to {partial}", hint="try again")
