"""From bytes to a planned workflow, or to every reason why not, each with its place in the file."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Struct

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.reading import MAX_BYTES, MAX_PROBLEMS, MAX_STEPS, Reading
from mplp_cli.loading.wording import count_of, quoted
from mplp_cli.workflow.model import Workflow
from mplp_cli.workflow.plan import Plan

if TYPE_CHECKING:
    from mplp_cli.loading.agents import Beside, Judged
    from mplp_cli.loading.declared import Declared
    from mplp_cli.loading.including import Read
    from mplp_cli.workflow.planning.asking import CheckOperation
    from mplp_cli.workflow.planning.compiling import AsksAgents, Include
    from mplp_cli.workflow.planning.demands import GivePool
    from mplp_cli.workflow.shapes.schemas import Signatures


#: Keys of a workflow file beside `workflow`.
_OF_AGENTS = ("agents", "budgets", "prices")
#: Keys of a workflow that say something of events.
_OF_EVENTS = ("triggers", "events")
#: The first conversion makes what msgspec knows of the model, and two threads that make it together crash.
_ONE_AT_A_TIME = Lock()


class Loaded(Struct, frozen=True, kw_only=True):
    """What became of a file. `workflow` and `plan` are None if any of the problems is an error."""

    workflow: Workflow | None
    plan: Plan | None
    #: Errors and warnings in the order of the file, each with file, line and column; then those of the files
    #: that it includes.
    problems: list[Problem]
    #: The included files by the name that problems call them.
    texts: dict[str, bytes] = {}


def load_workflow(  # noqa: PLR0913 - whatever loading may not import is handed in, by name
    source: bytes,
    name: str,
    *,
    check_operation: CheckOperation | None = None,
    conditions: Collection[str] = (),
    asks_agents: AsksAgents = lambda module, operation, parameters: False,
    directory: str = "",
    read: Read | None = None,
    signatures: Signatures | None = None,
    beside: Callable[[], Beside] | None = None,
    pool: GivePool | None = None,
) -> Loaded:
    """Read, judge and plan a workflow file. `name` is what messages call it; `.json` names are read as JSON.

    `conditions` are the names of registered condition handlers; `check_operation` and `asks_agents` know
    the module operations; `read` reads the files that it includes, from its `directory` on; `signatures`
    knows what operations take and give (without it nobody asks whether values fit where they are used);
    `beside` gives what definitions of agents in the file are judged by; `pool` is what steps can hold
    (without it nobody asks whether it is enough).
    Nothing is executed, imported or fetched.
    """
    make = _Planning(
        check_operation,
        conditions,
        asks_agents,
        signatures,
        beside=beside,
        read=read,
        directory=directory,
        pool=pool,
    )
    if read is None:
        return _load(source, name, make)
    from mplp_cli.loading.including import Includes

    includes = Includes(
        read,
        lambda text, name, path, include: _load(
            text,
            name,
            replace(make, include=include, directory=os.path.dirname(path)),  # noqa: PTH120
        ),
    )
    loaded = _load(source, name, replace(make, include=includes.of(directory, name)))
    problems = [*loaded.problems, *includes.problems]
    return msgspec.structs.replace(loaded, problems=problems, texts={**includes.texts, **loaded.texts})


def _load(source: bytes, name: str, make: _Planning) -> Loaded:
    with no_collection():
        reading, placeable = read_document(source, name)
        problems = list(reading.problems)
        workflow, plan, agents, declared = None, None, None, None
        if reading.value is not UNSET:
            agents = make.agents(reading, name)
            document, found = _spelled(reading)
            document, declared = make.events(document, reading, agents)
            found, valid = _judged(reading, document, found)
            problems += [
                *found,
                *(agents.problems if agents else ()),
                *(declared.problems if declared else ()),
            ]
            if not valid:
                problems += make.despite(document, problems, agents)
            else:
                workflow, found = make.typed(document)
                # The model has copied what it needs; a large document and a large plan need not be there at once.
                reading.value = document = None
                problems += found
                if workflow is not None:
                    plan, found = make.planned(workflow, agents)
                    problems += found
        texts: dict[str, bytes] = {}
        if agents is not None:
            plan = plan and msgspec.structs.replace(
                plan, agents=agents.file or plan.agents, beside=agents.texts
            )
            texts = agents.named
        if plan is not None and declared is not None:
            plan = msgspec.structs.replace(plan, triggers=declared.triggers, routing=declared.routing)
        placed = [*listed(problems, placeable, name), *(agents.elsewhere if agents else ())]
        if any(p.severity == "error" for p in placed):
            workflow, plan = None, None
        return Loaded(workflow=workflow, plan=plan, problems=placed, texts=texts)


def listed(problems: list[Problem], placeable: Any, name: str) -> list[Problem]:
    """Each problem once and with its place, in the order of the file; not more than are of use."""
    if not problems:
        return []
    from mplp_cli.loading.places import place

    return _capped(place(_distinct(problems), placeable, name))


@contextmanager
def no_collection() -> Iterator[None]:
    """No garbage collection while many objects are made and none become garbage: half of the time otherwise."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# ---- text ----------------------------------------------------------------------------------------


def read_document(source: bytes, name: str) -> tuple[Reading, Any]:
    """A file as plain data, and what `places.place` can walk over again. `.json` names are read as JSON."""
    text, refused = _decoded(source)
    return _read(text, name) if refused is None else (Reading(problems=[refused]), "")


def _decoded(source: bytes) -> tuple[str, Problem | None]:
    if len(source) > MAX_BYTES:
        limit = MAX_BYTES // 1024 // 1024
        return "", Problem(
            code="file-too-large",
            message=f"the file is larger than {limit} MiB",
            line=1,
            column=1,
            hint="keep data in files of their own and let a step read them",
        )
    try:
        return source.decode("utf-8"), None
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        begin = source.rfind(b"\n", 0, error.start) + 1
        column = len(source[begin : error.start].decode("utf-8", "replace")) + 1
        utf16 = source[:2] in (b"\xff\xfe", b"\xfe\xff")
        return "", Problem(
            code="file-encoding", line=line, column=column, end_line=line, end_column=column + 1,
            message=f"the file is not UTF-8: byte {error.start} (0x{source[error.start]:02x}) begins no character",
            hint="it looks like UTF-16; save it as UTF-8" if utf16 else "save it as UTF-8",
        )  # fmt: skip


def _read(text: str, name: str) -> tuple[Reading, Any]:
    from mplp_cli.loading.json_reader import read_json

    lower = name.lower()
    if not text.strip("\ufeff \t\r\n"):
        empty = Problem(
            code="file-empty",
            message="the file is empty",
            line=1,
            column=1,
            hint="`mplp init` writes a workflow to start from",
        )
        return Reading(problems=[empty]), ""
    if lower.endswith(".json"):
        return read_json(text), text
    if not lower.endswith((".yaml", ".yml")) and text.lstrip("\ufeff \t\r\n")[:1] == "{":
        reading = read_json(text)
        if not any(p.code == "json-syntax" for p in reading.problems):
            return reading, text
    from mplp_cli.loading.yaml_events import YamlText
    from mplp_cli.loading.yaml_reader import read_yaml

    reading = read_yaml(text)
    return reading, reading.mended or YamlText(text)


# ---- judging -------------------------------------------------------------------------------------


def _spelled(reading: Reading) -> tuple[Any, list[Problem]]:
    """The document in the format's spelling."""
    from mplp_cli.loading.spelling import normalise

    return normalise(reading.value, reading.keys)


def _judged(reading: Reading, document: Any, found: list[Problem]) -> tuple[list[Problem], bool]:
    """What the schema and the rules say of a document, added to what was `found`, and whether it can be planned."""
    from mplp_cli.loading.rules import check_rules, count_steps
    from mplp_cli.loading.schema import verdict

    if count_steps(document) > MAX_STEPS:
        found.append(
            Problem(
                code="file-steps",
                message=f"the workflow has more than {MAX_STEPS:,} steps",
                hint="split it into several workflows",
                path=("workflow", "steps"),
                on="key",
            )
        )
        return found, False
    valid = bool(verdict().is_valid(document))
    if not valid:
        from mplp_cli.loading.explain import explain

        # What the reader refused stands in the document as text: the schema's word about it is noise.
        settled = {p.path for p in reading.problems if p.severity == "error" and p.path}
        found += [p for p in explain(document) if p.path not in settled or p.on == "key"]
    found += check_rules(document)
    return found, valid


@dataclass(frozen=True)
class _Planning:
    check_operation: CheckOperation | None
    conditions: Collection[str]
    asks_agents: AsksAgents
    signatures: Signatures | None = None
    include: Include | None = None
    beside: Callable[[], Beside] | None = None
    read: Read | None = None
    directory: str = ""
    pool: GivePool | None = None

    def agents(self, reading: Reading, name: str) -> Judged | None:
        """What the file says of agents, which is taken out of it; None if that is nothing."""
        if not isinstance(reading.value, dict) or reading.keys.isdisjoint(_OF_AGENTS):
            return None
        said = {key: reading.value[key] for key in _OF_AGENTS if key in reading.value}
        if not said:
            return None
        from mplp_cli.loading.agents import Beside, Reader, judge

        reading.value = {key: held for key, held in reading.value.items() if key not in said}
        reader = Reader(self.read, self.directory, name)
        beside = self.beside() if self.beside else Beside()
        workflow = reading.value.get("workflow")
        secrets = workflow.get("secrets") if isinstance(workflow, dict) else None
        if isinstance(secrets, dict | list):  # they are given to the run
            is_set = beside.is_set
            beside = replace(beside, is_set=lambda name: name in secrets or is_set(name))
        return judge(said, reader, beside, inside=True)

    def events(self, document: Any, reading: Reading, agents: Judged | None) -> tuple[Any, Declared | None]:
        """The document without what it says of events, and what became of that; None if it says nothing."""
        workflow = document.get("workflow") if isinstance(document, dict) else None
        if not isinstance(workflow, dict) or reading.keys.isdisjoint(_OF_EVENTS):
            return document, None
        said = {key: workflow[key] for key in _OF_EVENTS if key in workflow}
        if not said:
            return document, None
        from mplp_cli.loading.declared import judge_workflow

        bare = {key: held for key, held in workflow.items() if key not in said}
        beside = self.beside() if self.beside else None
        own = agents.file if agents is not None else None
        there = [agent.id for agent in own.agents] if own is not None else []
        return {**document, "workflow": bare}, judge_workflow(said, bare, self.directory, beside, there)

    def typed(self, document: Any) -> tuple[Workflow | None, list[Problem]]:
        """The document as the model, or the reason why it is none."""
        try:
            with _ONE_AT_A_TIME:
                return msgspec.convert(document["workflow"], Workflow), []
        except msgspec.ValidationError as error:
            # The schema takes 3.0 for a whole number, as JSON Schema says; the model does not.
            said, _, place = str(error).rpartition(" - at ")
            path = _model_path(place)
            return None, [
                Problem(
                    code="schema-type",
                    message=f"{quoted(path[-1])}: {said or error}",
                    path=path,
                    hint="a whole number is written without a point: 3",
                )
            ]

    def planned(self, workflow: Workflow, judged: Judged | None) -> tuple[Plan | None, list[Problem]]:
        """The plan, or the reasons why there is none."""
        from mplp_cli.workflow.planning.make import make_plan

        return make_plan(
            workflow,
            check_operation=self.check_operation,
            conditions=self.conditions,
            asks_agents=self.asks_agents,
            include=self.include,
            signatures=self.signatures,
            agents=None if judged and judged.file is None else partial(self._capabilities, judged),
            pool=self.pool,
        )

    def _capabilities(self, judged: Judged | None) -> dict[str, list[str] | None] | None:
        """What the agents offer that steps may ask, as far as it is known; None: nobody is to ask."""
        made: dict[str, list[str] | None] = {}
        if self.beside is not None:
            beside = self.beside()
            if beside.stored:
                return None
            made.update(dict.fromkeys(beside.known().agents))
        if judged is not None and judged.file is not None:
            own = judged.file.agents
            made.update({agent.id: None if agent.discovers else agent.capabilities for agent in own})
        return made

    def despite(self, document: Any, problems: list[Problem], agents: Judged | None) -> list[Problem]:
        """What the plan has to say about a file that is not valid: about its sound parts only."""
        from mplp_cli.loading.repair import repaired

        mended = repaired(document, problems)
        if mended is None:
            return []
        workflow, found = self.typed(mended.document)
        if workflow is not None:
            # What was mended gives other values than its writer has in mind.
            found = replace(self, signatures=None).planned(workflow, agents)[1]
        return mended.sound(found)


def _model_path(place: str) -> Path:
    """`$.steps[3].timeout` of the model as a path of the document."""
    import re

    parts = re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", place)
    return ("workflow", *(int(index) if index else name for name, index in parts))


def _distinct(problems: list[Problem]) -> list[Problem]:
    seen: dict[tuple[Any, ...], Problem] = {}
    for p in problems:
        seen.setdefault((p.code, p.path, p.on, p.line, p.column, p.message), p)
    return list(seen.values())


def _capped(problems: list[Problem]) -> list[Problem]:
    """The first problems of each severity, and a word about the rest."""
    kept: list[Problem] = []
    for severity in ("error", "warning"):
        those = [p for p in problems if p.severity == severity and p.code != "more-problems"]
        kept += [p for p in problems if p.severity == severity and p.code == "more-problems"]
        kept += those[:MAX_PROBLEMS]
        if len(those) > MAX_PROBLEMS:
            more = count_of(len(those) - MAX_PROBLEMS, f"more {severity}")
            rest = {
                "code": "more-problems",
                "message": f"and {more} from here on",
                "hint": "mend those listed first",
            }
            kept.append(msgspec.structs.replace(those[MAX_PROBLEMS], **rest, related=(), related_line=0))
    return sorted(kept, key=lambda p: (p.line, p.column))
