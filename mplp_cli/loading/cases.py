"""Files of test cases: from text to `CaseFile`, or to every reason why not, each with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.explain import reasons
from mplp_cli.loading.load import listed, read_document
from mplp_cli.loading.places import place
from mplp_cli.loading.schema import verdict
from mplp_cli.loading.spelling import normalise_cases
from mplp_cli.loading.wording import count_of, kind_of, quoted
from mplp_cli.workflow.cases.matching import unusable
from mplp_cli.workflow.cases.model import CaseFile, Mismatch
from mplp_cli.workflow.fold.growth import id_in_file
from mplp_cli.workflow.plan import CONTAINERS
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import duration_ms


class Tested(Struct, frozen=True, kw_only=True):
    """A workflow as far as its cases speak of it. `wrong` says why it cannot be run, empty if it can."""

    #: Type by id, of the steps as the file has them.
    steps: dict[str, str] = {}
    agents: list[str] = []
    secrets: list[str] = []
    wrong: str = ""
    hint: str = "mend that file first: `mplp validate` says what is wrong with it"


class Cases(Struct, frozen=True, kw_only=True):
    """What became of a file of test cases. `file` is None if any of the problems is an error."""

    file: CaseFile | None
    problems: list[Problem]
    #: What `placed` walks over for the places of expectations, and what messages call the file.
    text: Any
    name: str

    def placed(self, path: Path) -> tuple[int, int]:
        """Line and column of what stands at that path."""
        [found] = place([Problem(code="", message="", path=path)], self.text, self.name)
        return found.line, found.column

    def all_placed(self, mismatches: list[Mismatch]) -> list[Mismatch]:
        """Expectations that were not met, each with line and column."""
        return [
            msgspec.structs.replace(one, line=line, column=column)
            for one in mismatches
            for line, column in [self.placed(one.path)]
        ]


def load_cases(
    source: bytes, name: str, find: Callable[[str], Tested], there: Callable[[str], bool]
) -> Cases:
    """Read and judge a file of test cases; `name` is what messages call it.

    `find` knows the workflow at a path relative to the file, `there` whether there is a file at one.
    """
    reading, text = read_document(source, name)
    problems, document = list(reading.problems), reading.value
    if document is not UNSET:
        document, found = normalise_cases(document)
        problems += [*found, *_judged(document), *_rules(document, find, there)]
    placed = listed(problems, text, name)
    made = None
    if not any(p.severity == "error" for p in placed):
        try:
            made = msgspec.convert(_as_model(document), CaseFile)
        except msgspec.ValidationError as error:
            # The schema takes 3.0 for a whole number, as JSON Schema says; the model does not.
            said = str(error).rpartition(" - at ")[0] or str(error)
            hint = "a whole number is written without a point: 3"
            placed += place([Problem(code="schema-type", message=said, hint=hint)], text, name)
    return Cases(file=made, problems=placed, text=text, name=name)


def _judged(document: Any) -> list[Problem]:
    """What the schema says."""
    if not isinstance(document, dict):
        said = f"a test file is a mapping with the keys `workflow` and `cases`, not {kind_of(document)}"
        return [Problem(code="file-root", message=said, hint="begin with `workflow:`")]
    return [] if verdict("test-file").is_valid(document) else reasons("test-file", document, ())


# ---- rules that the schema cannot say ------------------------------------------------------------


def _rules(document: Any, find: Callable[[str], Tested], there: Callable[[str], bool]) -> Iterator[Problem]:
    if not isinstance(document, dict) or not isinstance(document.get("workflow"), str):
        return
    tested = find(document["workflow"])
    if tested.wrong:
        yield Problem(code="test-workflow", message=tested.wrong, hint=tested.hint, path=("workflow",))
    names: dict[str, Path] = {}
    cases = document.get("cases")
    for n, case in enumerate(cases if isinstance(cases, list) else ()):
        if not isinstance(case, dict):
            continue
        path: Path = ("cases", n)
        name = case.get("name")
        if isinstance(name, str) and names.setdefault(name, path) != path:
            yield Problem(
                code="test-duplicate-name",
                message=f"two cases are called {quoted(name)}",
                hint="give one of them another name: cases are chosen and reported by it",
                path=(*path, "name"),
                related=(*names[name], "name"),
            )
        yield from _case(case, path, tested, there)


def _case(
    case: Mapping[str, Any], path: Path, tested: Tested, there: Callable[[str], bool]
) -> Iterator[Problem]:
    mocks, expect = _mapping(case.get("mocks")), _mapping(case.get("expect"))
    if not tested.wrong:
        yield from _unknown_steps(case, mocks, expect, path, tested)
        yield from _unknown_agents(mocks, expect, path, tested)
        for name in _mapping(case.get("secrets")):
            if name not in tested.secrets:
                hint = did_you_mean(name, tested.secrets) or "the workflow declares it under `secrets`"
                said = f"the workflow has no secret {quoted(name)}"
                yield _unknown("test-unknown-secret", said, hint, (*path, "secrets", name))
    cassette = case.get("cassette")
    if isinstance(cassette, str) and not there(cassette):
        hint = "`mplp run FILE --record` makes one; the path starts from the directory of this file"
        said = f"there is no file {quoted(cassette)}"
        yield Problem(code="test-cassette", message=said, hint=hint, path=(*path, "cassette"))
    for where, said, hint in unusable(expect, (*path, "expect")):
        yield Problem(code="test-matcher", message=said, hint=hint, path=where)


def _unknown_steps(
    case: Mapping[str, Any], mocks: dict[str, Any], expect: dict[str, Any], path: Path, tested: Tested
) -> Iterator[Problem]:
    """Steps that the workflow does not have, or that cannot be mocked like that."""
    named = [(name, (*path, "expect", "steps", name)) for name in _mapping(expect.get("steps"))]
    named += [(name, (*path, "mocks", "steps", name)) for name in _mapping(mocks.get("steps"))]
    for name, where in named:
        if id_in_file(name) not in tested.steps:
            yield _no_step(name, where, tested, on="key")
    answers = case.get("approvals")
    for n, answer in enumerate(answers if isinstance(answers, list) else ()):
        step = _mapping(answer).get("step")
        # A step of a sub-workflow may ask too: those are not known here.
        if (
            isinstance(step, str)
            and id_in_file(step) not in tested.steps
            and "workflow" not in tested.steps.values()
        ):
            yield _no_step(step, (*path, "approvals", n, "step"), tested, on="value")
    for name, turns in _mapping(mocks.get("steps")).items():
        kind = tested.steps.get(id_in_file(name))
        for turn in turns if isinstance(turns, list) else [turns]:
            if kind in CONTAINERS and isinstance(turn, dict) and "result" in turn:
                yield Problem(
                    code="test-mock",
                    message=f"`{name}` is a {kind} step: its result comes from the steps in it",
                    hint="mock those steps, or let it `fail`",
                    path=(*path, "mocks", "steps", name),
                )
                break


def _no_step(name: str, path: Path, tested: Tested, *, on: Any) -> Problem:
    known = list(tested.steps)
    hint = did_you_mean(id_in_file(name), known) or f"its steps are {', '.join(known[:20])}"
    said = f"the workflow has no step {quoted(name)}"
    return Problem(code="test-unknown-step", message=said, hint=hint, path=path, on=on)


def _unknown_agents(
    mocks: dict[str, Any], expect: dict[str, Any], path: Path, tested: Tested
) -> Iterator[Problem]:
    named: list[tuple[Any, Path, str]] = [
        (name, (*path, "mocks", "agents", name), "key") for name in _mapping(mocks.get("agents"))
    ]
    named += [(name, (*path, "expect", "attempts", name), "key") for name in _mapping(expect.get("attempts"))]
    for key in ("agents-called", "sequence"):
        listing = expect.get(key)
        for n, name in enumerate(listing if isinstance(listing, list) else ()):
            named.append((name, (*path, "expect", key, n), "value"))
    for name, where, on in named:
        if isinstance(name, str) and name not in tested.agents:
            listing = f"the agents are {', '.join(tested.agents[:20])}" if tested.agents else "there are none"
            hint = did_you_mean(name, tested.agents) or listing
            yield _unknown("test-unknown-agent", f"there is no agent {quoted(name)}", hint, where, on=on)


def _unknown(code: str, said: str, hint: str, path: Path, on: Any = "key") -> Problem:
    return Problem(code=code, message=said, hint=hint, path=path, on=on)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def invalid(count: int, workflow: str) -> str:
    """What is said of a workflow with so many problems."""
    return f"{quoted(workflow)} is not valid: {count_of(count, 'problem')}"


# ---- into the model ------------------------------------------------------------------------------


def _as_model(document: dict[str, Any]) -> dict[str, Any]:
    """The document with every mock as a list, and every duration as a number."""
    cases = []
    for case in document["cases"]:
        mocks = case.get("mocks", {})
        made = {
            kind: {
                name: [_turn(turn) for turn in (turns if isinstance(turns, list) else [turns])]
                for name, turns in held.items()
            }
            for kind, held in mocks.items()
        }
        cases.append({**case, **({"mocks": made} if made else {})})
    return {**document, "cases": cases}


def _turn(turn: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(turn)
    if "delay" in made:
        made["delay"] = duration_ms(made["delay"])
    if "retry-after" in made.get("error", ()):
        made["error"] = {**made["error"], "retry-after": duration_ms(made["error"]["retry-after"])}
    return made
