"""What an agent is asked, so that the same question is the same in every run: its normal form, and its key.

Left out is what differs from run to run or from place to place: ids of runs and steps, deadlines, budgets, the
attempt, endpoints, paths of programs, credentials. Ids that a run has made stand as `<id:1>`, `<id:2>`, in the order
in which they come; times that it has made as `<time>`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from mplp_cli.agents.contract import AgentRequest
from mplp_cli.agents.recording.redaction import Redaction
from mplp_cli.workflow.agents import AgentDefinition, kind_of
from mplp_cli.workflow.values import Json

_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: As the engine writes times: to the millisecond, in UTC.
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_MADE = re.compile(rf"(?<![0-9a-fA-F-])(?:{_ID}(?![0-9a-fA-F-])|{_TIME})")
_LABEL = re.compile(r"<id:\d+>")
#: What stands in the place of a time.
_SOME_TIME = "<time>"


class Asked(Struct, frozen=True, kw_only=True):
    """One question. `labels`: what stands in it for which id of this run."""

    key: str
    request: dict[str, Any]
    labels: dict[str, str]

    def labelled(self, value: Json) -> Json:
        """An answer to it with labels in the place of the ids that were asked about."""
        names = {made: label for label, made in self.labels.items()}
        return _texts(value, lambda text: _MADE.sub(lambda found: names.get(found[0], found[0]), text))

    def restored(self, value: Json) -> Json:
        """An answer with the ids of this run in the place of labels."""
        if not self.labels:
            return value
        return _texts(value, lambda text: _LABEL.sub(lambda found: self.labels.get(found[0], found[0]), text))


class Wording:
    """How questions are written down in one run. `given`: texts that came from outside; ids and times in them are
    no ones of the run."""

    def __init__(self) -> None:
        self.redaction = Redaction()
        self._secrets: dict[str, str] = {}
        self._given: frozenset[str] | None = None

    def learn(self, secrets: Mapping[str, str], given: Iterable[str]) -> None:
        """Secrets of a run or of its sub-workflows. What is given is the first run's: what a sub-workflow gets, that
        run has made."""
        for name, value in secrets.items():
            if value not in self._secrets.values():
                self._secrets[f"{name}/{len(self._secrets)}"] = value
        self.redaction = Redaction(self._secrets)
        if self._given is None:
            self._given = frozenset(found for text in given for found in _MADE.findall(text))

    def asked(self, agent: AgentDefinition, request: AgentRequest) -> Asked:
        """A question, in its normal form."""
        fixed = {
            "agent": agent.id,
            "kind": kind_of(agent),
            "model": getattr(agent, "model", ""),
            "tool": getattr(agent, "tool", ""),
            "instructions": getattr(agent, "instructions", ""),
            "params": getattr(agent, "params", {}),
            "schema": agent.output_schema if request.schema is None else request.schema,
            "operation": request.operation,
            "capability": request.capability,
            "repair": request.repair,
        }
        if request.resumed is not None:  # which task goes on with it is the remote agent's business
            fixed["answer"] = request.resumed.answer
        said = {name: value for name, value in fixed.items() if value}
        said |= {
            name: value
            for name, value in (("input", request.input), ("prompt", request.prompt))
            if value is not None
        }
        hidden: Any = self.redaction.value(said)
        made: dict[str, str] = {}
        for name in ("input", "prompt", "repair"):
            if name in hidden:
                hidden[name] = _texts(_sorted(hidden[name]), partial(_MADE.sub, partial(self._label, made)))
        labels = {label: identifier for identifier, label in made.items()}
        return Asked(key=key_of(hidden), request=hidden, labels=labels)

    def _label(self, made: dict[str, str], match: re.Match[str]) -> str:
        found = match[0]
        if found in (self._given or ()):
            return found
        if "T" in found:
            return _SOME_TIME
        return made.setdefault(found, f"<id:{len(made) + 1}>")


def key_of(request: Mapping[str, Any]) -> str:
    """The key of a question in its normal form: the SHA-256 of it as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _texts(value: Json, change: Callable[[str], str]) -> Json:
    """JSON with its texts changed, keys too."""
    match value:
        case str():
            return change(value)
        case dict():
            return {change(key): _texts(inner, change) for key, inner in value.items()}
        case list() | tuple():
            return [_texts(inner, change) for inner in value]
        case _:
            return value


def _sorted(value: Json) -> Json:
    """JSON with its maps in the order of their keys, in which labels are given."""
    match value:
        case dict():
            return {key: _sorted(value[key]) for key in sorted(value)}
        case list() | tuple():
            return [_sorted(inner) for inner in value]
        case _:
            return value
