"""Definitions of agents: from text, or from a part of a workflow file, to `AgentFile` or to every reason why not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.agent_kinds import BUILT_IN, DISCOVERING, why_not
from mplp_cli.loading.explain import reasons
from mplp_cli.loading.including import Read
from mplp_cli.loading.load import listed, read_document
from mplp_cli.loading.schema import verdict
from mplp_cli.loading.spelling import normalise_agents
from mplp_cli.loading.wording import count_of, kind_of, quoted
from mplp_cli.protocols import AgentKinds
from mplp_cli.workflow.agents import AgentFile
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import duration_ms

_FROM_FILES = ("instructions", "input-schema", "output-schema")


class Known(Struct, frozen=True):
    """What definitions may name though it stands elsewhere: ids of agents, and budgets."""

    agents: frozenset[str] = frozenset()
    budgets: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Beside:
    """What definitions are judged by beside their file. Both are asked only if something depends on it."""

    known: Callable[[], Known] = Known
    #: (program, working directory relative to the definitions) -> whether the program can be found.
    is_program: Callable[[str, str], bool] = lambda program, cwd: True
    #: Whether the file was judged before, so that nobody asks whether its agents are still there.
    stored: bool = False
    #: A kind of agent -> what must be installed before agents of it can be called, and how; None: nothing.
    missing: Callable[[str], tuple[str, str] | None] = lambda kind: None
    #: The kinds that installed packages bring along; None: nobody has looked.
    kinds: AgentKinds | None = None
    #: Whether a variable is set, or may be by the time an agent is called.
    is_set: Callable[[str], bool] = lambda name: True


@dataclass
class Reader:
    """Reads the files that definitions name, relative to `directory`; `name` is their file's for messages.

    `texts` has what was read by path, `named` by the names that problems call the files.
    """

    read: Read | None
    directory: str
    name: str
    texts: dict[str, bytes] = field(default_factory=dict)
    named: dict[str, bytes] = field(default_factory=dict)

    def text(self, file: str) -> tuple[bytes, str]:
        """A file and what messages call it. OSError if it cannot be read."""
        path = os.path.normpath(os.path.join(self.directory, file))  # noqa: PTH118
        shown = os.path.normpath(os.path.join(os.path.dirname(self.name), file))  # noqa: PTH118, PTH120
        if self.read is None:
            raise OSError(0, "files are not read here")
        self.named[shown] = self.texts[path] = text = self.read(path)
        return text, shown

    def inside(self, file: str) -> Reader:
        """A reader for what that file names."""
        path = os.path.dirname(os.path.join(self.directory, file))  # noqa: PTH118, PTH120
        shown = os.path.join(os.path.dirname(self.name), file)  # noqa: PTH118, PTH120
        return Reader(self.read, path, shown, self.texts, self.named)


class Judged(Struct, kw_only=True):
    """What became of definitions. `problems` are about their file; those `elsewhere` have their places already."""

    file: AgentFile | None = None
    problems: list[Problem] = []
    elsewhere: list[Problem] = []
    texts: dict[str, bytes] = {}
    named: dict[str, bytes] = {}


def load_agents(
    source: bytes,
    name: str,
    *,
    directory: str = "",
    read: Read | None = None,
    beside: Beside | None = None,
    alone: bool = False,
    inside: bool = False,
) -> tuple[AgentFile | None, list[Problem]]:
    """The agents that a file defines (None if any problem is an error), and every problem with its place.

    `alone`: the file is the definition of one agent, which must have capabilities. `inside`: only the keys
    `agents`, `budgets`, `prices` and `activation` of the file are looked at. `read` reads the files that it names.
    """
    reader = Reader(read, directory, name)
    judged = _load(source, reader, beside or Beside(), alone=alone, inside=inside)
    return judged.file, [*judged.problems, *judged.elsewhere]


def _load(
    source: bytes, reader: Reader, beside: Beside, *, alone: bool = False, inside: bool = False
) -> Judged:
    """As `judge`, of a text; the problems have their places."""
    reading, placeable = read_document(source, reader.name)
    judged = Judged()
    if reading.value is not UNSET:
        value = reading.value
        if inside and isinstance(value, dict):
            value = own_part(value)
        judged = judge(value, reader, beside, alone=alone, inside=inside)
    placed = listed([*reading.problems, *judged.problems], placeable, reader.name)
    failed = any(p.severity == "error" for p in (*placed, *judged.elsewhere))
    return msgspec.structs.replace(judged, file=None if failed else judged.file, problems=placed)


def own_part(value: dict[str, Any]) -> dict[str, Any]:
    """What a file with other things in it says of agents itself, without the names of files that say it."""
    agents = value.get("agents")
    named = isinstance(agents, str) or (
        isinstance(agents, list) and bool(agents) and all(isinstance(one, str) for one in agents)
    )
    said = ("agents", "budgets", "prices", "activation")
    return {key: value[key] for key in said if key in value and not (named and key == "agents")}


def judge(value: Any, reader: Reader, beside: Beside, *, alone: bool = False, inside: bool = False) -> Judged:
    """Definitions as plain data, in the spelling of their file."""
    document, problems = normalise_agents(value, alone=alone)
    made = Judged(texts=reader.texts, named=reader.named, problems=problems)
    if not isinstance(document, dict):
        what = "the definition of an agent" if alone else "an agents file"
        said = f"{what} is a mapping, not {kind_of(document)}"
        hint = "begin with `id:` and `kind:`" if alone else "begin with `agents:`"
        problems.append(Problem(code="file-root", message=said, hint=hint))
        return made
    if alone:
        _judge_one(document, reader, beside, made)
        return made
    document = {"agents": [], **document} if inside else document
    named = document["agents"] if inside and isinstance(document["agents"], dict) else None
    _check_shape(document, made, named)
    if named is not None:
        _judge_named(named, document, reader, beside, made)
        return made
    agents = document.get("agents")
    placed: list[tuple[Path, Any]] = [
        (("agents", n), a) for n, a in enumerate(agents if isinstance(agents, list) else ())
    ]
    _judge_list(document, placed, reader, beside, made)
    return made


def _judge_one(document: dict[str, Any], reader: Reader, beside: Beside, made: Judged) -> None:
    if "agents" in document:
        said = "this is a list of agents; one definition is wanted"
        hint = "write the keys of the agent at the top of the file: `id:`, `kind:`, `capabilities:`"
        made.problems.append(Problem(code="file-root", message=said, hint=hint, path=("agents",), on="key"))
        return
    if not document.get("capabilities") and document.get("kind") not in DISCOVERING:
        said = "an agent that is registered needs the key `capabilities`"
        hint = "say what it can do, such as [plan.create]: others find it by that"
        made.problems.append(Problem(code="schema-missing-key", message=said, hint=hint))
    _judge_list({"agents": [document]}, [((), document)], reader, beside, made)


def _judge_named(
    named: dict[str, Any], document: dict[str, Any], reader: Reader, beside: Beside, made: Judged
) -> None:
    """The agents of `agents: {file: path}`, with the budgets and prices of both."""
    file = named.get("file")
    if not isinstance(file, str):
        return
    own = Judged()
    _judge_list({**document, "agents": []}, [], reader, beside, own)
    made.problems += own.problems
    text = _read_named(file, ("agents", "file"), reader, made)
    if text is None:
        return
    known = beside.known
    more = frozenset(document["budgets"]) if isinstance(document.get("budgets"), dict) else frozenset()
    widened = replace(beside, known=lambda: Known(known().agents, known().budgets | more))
    there = _load(text[0], reader.inside(file), widened)
    made.elsewhere += [*there.problems, *there.elsewhere]
    errors = sum(p.severity == "error" for p in made.elsewhere)
    if errors:
        said = f"{quoted(text[1])} is not valid: {count_of(errors, 'problem')}"
        made.problems.append(_wrong("agent-file-invalid", said, "mend that file first", ("agents", "file")))
    elif there.file is not None and own.file is not None:
        made.file = msgspec.structs.replace(
            there.file,
            budgets={**there.file.budgets, **own.file.budgets},
            prices={**there.file.prices, **own.file.prices},
            activation=own.file.activation or there.file.activation,
        )


def _judge_list(
    document: dict[str, Any],
    placed: list[tuple[Path, Any]],
    reader: Reader,
    beside: Beside,
    made: Judged,
) -> None:
    """Judge each agent, and turn the whole into the model if nothing is wrong with it."""
    from mplp_cli.loading.agent_rules import check_agents

    for path, agent in placed:
        made.problems += why_not(agent, path, beside)
    made.problems += check_agents(document, placed, beside)
    filled = [_with_files(agent, path, reader, made) for path, agent in placed]
    if any(p.severity == "error" for p in (*made.problems, *made.elsewhere)):
        return
    try:
        made.file = msgspec.convert(_in_milliseconds({**document, "agents": filled}), AgentFile)
    except msgspec.ValidationError as error:
        # The schema takes 3.0 for a whole number, as JSON Schema says; the model does not.
        said = str(error).rpartition(" - at ")[0] or str(error)
        hint = "a whole number is written without a point: 3"
        made.problems.append(Problem(code="schema-type", message=said, hint=hint))


# ---- the schema ----------------------------------------------------------------------------------


def _check_shape(document: dict[str, Any], made: Judged, named: Any) -> None:
    """What the schema says of all but the agents themselves."""
    bare = {**document, "agents": []} if isinstance(document.get("agents"), list) or named else document
    if not verdict("agents-file").is_valid(bare):
        made.problems += reasons("agents-file", bare, ())
    if named is not None and not verdict("agents").is_valid(named):
        made.problems += reasons("agents", named, ("agents",))


# ---- files that definitions name -----------------------------------------------------------------


def _with_files(agent: Any, path: Path, reader: Reader, made: Judged) -> Any:
    """An agent with what its `{file: path}` lead to in their places."""
    if not isinstance(agent, dict):
        return agent
    filled = dict(agent)
    for key in _FROM_FILES:
        held = agent.get(key)
        if isinstance(held, dict) and set(held) == {"file"} and isinstance(held["file"], str):
            read = _read_named(held["file"], (*path, key, "file"), reader, made)
            if read is not None:
                filled[key] = _content(key, *read, path, made)
    return filled


def _content(key: str, text: bytes, shown: str, path: Path, made: Judged) -> Any:
    """What a file holds: text for instructions, else a JSON Schema in YAML or JSON."""
    from mplp_cli.loading.agent_rules import check_schema

    where = (*path, key, "file")
    if key == "instructions":
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError:
            made.problems.append(
                _wrong("agent-file", f"{quoted(shown)} is not UTF-8", "save it as UTF-8", where)
            )
            return ""
    reading, placeable = read_document(text, shown)
    found = list(reading.problems)
    if not isinstance(reading.value, dict) and reading.value is not UNSET:
        found.append(
            Problem(code="file-root", message=f"a schema is a mapping, not {kind_of(reading.value)}")
        )
    elif reading.value is not UNSET:
        found += check_schema(key, reading.value, ())
    if any(p.severity == "error" for p in found):
        said = f"{quoted(shown)} is not a JSON Schema that can be used"
        made.problems.append(_wrong("agent-file-invalid", said, "mend that file first", where))
    made.elsewhere += listed(found, placeable, shown)
    return reading.value


def _read_named(file: str, path: Path, reader: Reader, made: Judged) -> tuple[bytes, str] | None:
    if file.startswith(("/", "~")) or "${" in file:
        said = f"{quoted(file)} is not a path relative to this file"
        made.problems.append(_wrong("agent-file", said, "write it from the directory of this file", path))
        return None
    try:
        return reader.text(file)
    except OSError as error:
        directory = os.path.dirname(os.path.join(reader.directory, file))  # noqa: PTH118, PTH120
        near = did_you_mean(os.path.basename(file), _names(directory)) if reader.read else None  # noqa: PTH119
        hint = near or f"{quoted(file)} is looked for in the directory of this file"
        said = f"cannot read {quoted(file)}: {error.strerror or error}"
        made.problems.append(_wrong("agent-file", said, hint, path))
        return None


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory or ".")  # noqa: PTH208
    except OSError:
        return []


def _wrong(code: str, message: str, hint: str | None, path: Path) -> Problem:
    return Problem(code=code, message=message, hint=hint, path=path)


# ---- into the model ------------------------------------------------------------------------------


def _in_milliseconds(document: dict[str, Any]) -> dict[str, Any]:
    """The document with every duration as a number, and with what the model has and files do not."""
    made = {**document, "agents": [_agent(agent) for agent in document["agents"]]}
    if "budgets" in document:
        made["budgets"] = {
            name: dict(_spans(held, ("max-time",))) for name, held in document["budgets"].items()
        }
    if "activation" in document:
        bindings = {name: held for name, held in document["activation"].items() if name != "mode"}
        mode = document["activation"].get("mode", "auto")
        made["activation"] = {"mode": mode, "bindings": bindings}
    return made


def _agent(agent: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(_spans(agent, ("timeout", "connect-timeout")))
    if "heartbeat" in made:
        made["heartbeat"] = dict(_spans(made["heartbeat"], ("interval",)))
    if made.get("capabilities", "auto" if agent["kind"] in DISCOVERING else "") == "auto":
        made.pop("capabilities", None)
        made["discovers"] = True
    if agent["kind"] not in BUILT_IN:
        made |= {"kind": "plugged", "of": agent["kind"]}
    if agent["kind"] == "mock":
        made["has-default"] = "default" in agent
        made["script"] = [_answer(entry) for entry in agent.get("script", ())]
    return made


def _answer(entry: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(_spans(entry, ("delay",)))
    if "error" in made:
        made["error"] = dict(_spans(made["error"], ("retry-after",)))
    return made


def _spans(held: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for key, value in held.items():
        yield key, duration_ms(value) if key in keys else value
