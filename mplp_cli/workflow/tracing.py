"""Where a run stands in a trace: W3C trace context, ids that follow from the run, and who is sampled. Pure."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any, Final

from msgspec import Struct

from mplp_cli.workflow.stated import StatementError
from mplp_cli.workflow.values import Json, RunId, StepId

_PARENT: Final = r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
#: Characters that a tracestate may have, and how many.
_STATE: Final = r"[\x20-\x7e]{1,512}"
_SAMPLED: Final = 1
#: What a ratio of traces is taken of: the last eight bytes of a trace's id.
_SPACE: Final = 1 << 64


class Trace(Struct, frozen=True):
    """One span, as it is handed on. `flags` as in a traceparent; `is_ours`: one of this run, not the one that it was
    started under."""

    trace: str
    span: str
    flags: int = _SAMPLED
    state: str = ""
    is_ours: bool = True

    @property
    def parent(self) -> str:
        """As a traceparent."""
        return f"00-{self.trace}-{self.span}-{self.flags:02x}"

    @property
    def text(self) -> str:
        """As it is stored: the traceparent, and after a blank the tracestate, if there is any."""
        return f"{self.parent} {self.state}".rstrip()

    def headers(self) -> dict[str, str]:
        """For a request, or for the `_meta` of a message."""
        return {"traceparent": self.parent, **({"tracestate": self.state} if self.state else {})}

    def environ(self) -> dict[str, str]:
        """For a process."""
        return {name.upper(): value for name, value in self.headers().items()}

    def call(self, number: int) -> Trace:
        """That of call `number` (from 1) of an agent, where this is an attempt's."""
        if not self.is_ours:
            return self
        return Trace(self.trace, span_id(self.span, "call", number), self.flags, self.state)


class RunTrace(Struct, frozen=True):
    """The trace of a run. `incoming`: the span that it was started under. `is_made`: whether somebody makes spans of
    it; else what it was started under is handed on. `is_kept`: whether they are sampled, too. `since`: when its
    definition was last changed."""

    run: RunId
    trace: str
    incoming: Trace | None = None
    is_made: bool = False
    is_kept: bool = False
    since: int = 0

    def attempt(self, step: StepId, number: int) -> Trace | None:
        """What an attempt hands on; None: nothing."""
        if not self.is_made:
            return self.incoming
        flags = _SAMPLED if self.is_kept else 0
        state = "" if self.incoming is None else self.incoming.state
        return Trace(self.trace, attempt_id(self.run, step, number, self.since), flags, state)


class Sampler(Struct, frozen=True):
    """Which traces are kept: `always_on`, `always_off`, `traceidratio`; `by_parent`: as the incoming span, if any."""

    name: str = "always_on"
    ratio: float = 1.0
    by_parent: bool = True

    def keeps(self, trace: str, incoming: Trace | None) -> bool:
        """Whether a run's spans are kept."""
        if self.by_parent and incoming is not None:
            return bool(incoming.flags & _SAMPLED)
        if self.name == "traceidratio":
            return int(trace[16:], 16) < round(self.ratio * _SPACE)
        return self.name == "always_on"


class TraceSettings(Struct, frozen=True, kw_only=True):
    """What `traces` of `mplp.yaml` says. `results`: whether results of steps and runs are exported, too."""

    endpoint: str = ""
    file: str = ""
    service: str = ""
    results: bool = False


def stated_traces(value: Json) -> TraceSettings:
    """`traces: {endpoint, file, service, results}`. StatementError."""
    if not isinstance(value, dict) or not value:
        raise StatementError("must have a map under `traces`", "The keys are `endpoint` and `file`.")
    said: dict[str, Any] = {}
    for key, stated in value.items():
        if key not in TraceSettings.__struct_fields__:
            known = ", ".join(f"`{name}`" for name in TraceSettings.__struct_fields__)
            raise StatementError(f"has an unknown key {key!r} under `traces`", f"The keys are {known}.")
        if key == "results":
            if not isinstance(stated, bool):
                raise StatementError("must say true or false under `traces.results`")
        elif not isinstance(stated, str) or not stated or "\0" in stated:
            raise StatementError(f"must have text under `traces.{key}`")
        said[key] = stated
    if "endpoint" in said and not re.match(r"https?://[^/\s@]", said["endpoint"]):
        raise StatementError(
            "must have an address under `traces.endpoint`", "Write one such as http://localhost:4318."
        )
    return TraceSettings(**said)


def incoming(parent: str, state: str = "") -> Trace | None:
    """The span that a traceparent and a tracestate name; None if they name none."""
    found = re.fullmatch(_PARENT, parent.strip())
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace, 16) or not int(span, 16):
        return None
    fits = re.fullmatch(_STATE, state.strip()) is not None
    return Trace(trace, span, int(flags, 16), state.strip() if fits else "", is_ours=False)


def stored_trace(text: str) -> Trace | None:
    """What `Trace.text` was."""
    parent, _, state = text.partition(" ")
    return incoming(parent, state)


def trace_of(run: RunId, under: Trace | None, sampler: Sampler | None, since: int = 0) -> RunTrace | None:
    """The trace of a run that was started under a span; None: there is none. Without a sampler nobody makes spans."""
    trace = trace_id(run) if under is None else under.trace
    if sampler is None:
        return None if under is None else RunTrace(run, trace, under)
    return RunTrace(run, trace, under, is_made=True, is_kept=sampler.keeps(trace, under), since=since)


# ---- ids: the same however often the process dies ----------------------------------------------


def _hashed(size: int, *parts: str | int) -> str:
    return blake2b("\0".join(map(str, parts)).encode(), digest_size=size).hexdigest()


def trace_id(run: RunId) -> str:
    """The trace of a run that nobody has started under a span."""
    return _hashed(16, "trace", run)


def span_id(*parts: str | int) -> str:
    """The id of a span that these name."""
    return _hashed(8, *parts)


def run_span(run: RunId, life: int = 0) -> str:
    """The span of a run; `life` counts how often it had ended before, and gone on."""
    return _hashed(8, run, "run", life)


def attempt_id(run: RunId, step: StepId, number: int, since: int = 0) -> str:
    """The span of an attempt. A step that has changed counts its attempts anew: `since` is when the definition did."""
    return _hashed(8, run, "attempt", step, number, since)
