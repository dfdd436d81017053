"""What a case expects, held against what its run has come to. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import UNSET, UnsetType

from mplp_cli.errors import Failure, Path, UnresolvedReferenceError
from mplp_cli.workflow.cases.matching import differences, fits, is_literal, is_matcher
from mplp_cli.workflow.cases.model import Mismatch, Outcome, StepOutcome
from mplp_cli.workflow.fold.growth import id_in_file
from mplp_cli.workflow.language.references import follow
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import Json

#: `result`, and a path into it: `result.items[0].name`.
RESULT: Final = re.compile(r"result((?:\.[^.\[\]]+|\[-?[0-9]+\])*)")
_PART: Final = re.compile(r"\.([^.\[\]]+)|\[(-?[0-9]+)\]")
Judge = Callable[[Json, Outcome, Path], Iterator[Mismatch]]


def judge(expect: Mapping[str, Json], outcome: Outcome, path: Path) -> list[Mismatch]:
    """Every expectation that was not met; `path` is that of `expect`. Unless it says how, the run must complete."""
    stated = expect if expect.keys() & {"status", "exit"} else {"status": "completed", **expect}
    return [
        found
        for key, wanted in stated.items()
        for found in JUDGES[key](wanted, outcome, (*path, key) if key in expect else path)
    ]


# ---- the run -------------------------------------------------------------------------------------


def _status(wanted: Json, outcome: Outcome, path: Path) -> Iterator[Mismatch]:
    why = f" ({told(outcome.error)})" if outcome.error is not None else ""
    yield from differences(wanted, outcome.status, path, f"the status of the run{why}")


def _exit(wanted: Json, outcome: Outcome, path: Path) -> Iterator[Mismatch]:
    yield from differences(wanted, outcome.exit, path, "the exit code")


def _error(wanted: Json, outcome: Outcome, path: Path) -> Iterator[Mismatch]:
    yield from _failure(wanted, outcome.error, path, "the error of the run")


def _outputs(wanted: Json, outcome: Outcome, path: Path) -> Iterator[Mismatch]:
    for name, value in wanted.items():
        actual = (outcome.outputs or {}).get(name, UNSET)
        yield from differences(value, actual, (*path, name), f"the output `{name}`")


# ---- steps ---------------------------------------------------------------------------------------


def _steps(wanted: Json, outcome: Outcome, path: Path) -> Iterator[Mismatch]:
    for name, said in wanted.items():
        here = (*path, name)
        found = instances(name, outcome.steps)
        if not found:
            message = f"`{name}` never came to be: nothing around it began"
            yield Mismatch(path=here, said=message, expected=said)
        for step in found:
            yield from _step(said, step, outcome.steps[step], here)


def instances(name: str, steps: Mapping[str, StepOutcome]) -> list[str]:
    """The steps of a run that a name means: that one, or all those of a step inside items."""
    return [name] if name in steps else [step for step in steps if id_in_file(step) == name and "." in step]


def _step(said: Json, name: str, step: StepOutcome, path: Path) -> Iterator[Mismatch]:
    if isinstance(said, str):
        yield from differences(said, step.status, path, _status_of(name, step))
        return
    for key, wanted in said.items():
        here = (*path, key)
        match key:
            case "status":
                yield from differences(wanted, step.status, here, _status_of(name, step))
            case "attempts":
                yield from differences(wanted, step.attempts, here, f"the attempts of `{name}`")
            case "error":
                yield from _failure(wanted, step.error, here, f"the error of `{name}`")
            case _:
                yield from differences(wanted, _inside(step.result, key), here, f"`{name}.{key}`")


def _status_of(name: str, step: StepOutcome) -> str:
    why = f" ({told(step.error)})" if step.error is not None else ""
    return f"the status of `{name}`{why}"


def _inside(result: Json | UnsetType, key: str) -> Json | UnsetType:
    """What lies at `result.a[0]`; UNSET if nothing does."""
    parts = [name or int(index) for name, index in _PART.findall(key.removeprefix("result"))]
    if result is UNSET:
        return UNSET
    try:
        return follow(result, parts, "result")
    except UnresolvedReferenceError:
        return UNSET


def _failure(wanted: Json, error: Failure | None, path: Path, said: str) -> Iterator[Mismatch]:
    """`wanted` is a type or a code; or says what type, code, message and details are to be like."""
    if wanted is None:
        if error is not None:
            yield Mismatch(path=path, said=said, expected=None, actual=_shown(error))
        return
    code = UNSET if error is None else (error.details or {}).get("code", UNSET)
    if isinstance(wanted, str) or is_matcher(wanted):
        names: list[Any] = [] if error is None else [code, error.type]
        if not any(fits(wanted, name) for name in names):
            actual = next((name for name in names if name is not UNSET), UNSET)
            literal = actual is not UNSET and is_literal(wanted)
            yield Mismatch(path=path, said=said, expected=wanted, actual=actual, literal=literal)
        return
    known = {} if error is None else {"code": code, **_shown(error)}
    for key, value in wanted.items():
        yield from differences(value, known.get(key, UNSET), (*path, key), f"{said}: its {key}")


def _shown(error: Failure) -> dict[str, Json]:
    return {"type": error.type, "message": error.message, "details": error.details or {}}


def told(error: Failure) -> str:
    """An error in one line."""
    return f"{error.type}: {error.message}".partition("\n")[0]


# ---- agents --------------------------------------------------------------------------------------


def _called(wanted: Json, outcome: Outcome, path: Path) -> Iterator[Mismatch]:
    actual = sorted(set(outcome.called))
    if sorted(set(wanted)) != actual:
        said = "the agents that were called"
        yield Mismatch(path=path, said=said, expected=wanted, actual=actual, literal=True)


def _sequence(wanted: Json, outcome: Outcome, path: Path) -> Iterator[Mismatch]:
    if wanted != outcome.called:
        said = "the calls of agents in their order"
        yield Mismatch(path=path, said=said, expected=wanted, actual=outcome.called, literal=True)


def _attempts(wanted: Json, outcome: Outcome, path: Path) -> Iterator[Mismatch]:
    counts = Counter(outcome.called)
    for agent, count in wanted.items():
        yield from differences(count, counts[agent], (*path, agent), f"the calls of the agent `{agent}`")


def _budget(wanted: Json, outcome: Outcome, path: Path) -> Iterator[Mismatch]:
    for of, limit in wanted.items():
        yield from differences(
            limit, outcome.spent.get(of, 0), (*path, of), f"the {of} that agents have used"
        )


# ---- what the run has left -----------------------------------------------------------------------


def _events(wanted: Json, outcome: Outcome, path: Path) -> Iterator[Mismatch]:
    for n, entry in enumerate(wanted.get("contains", ())):
        here = (*path, "contains", n)
        kind, count = (entry, None) if isinstance(entry, str) else (entry["type"], entry.get("count"))
        actual = outcome.events.get(kind, 0)
        if count is not None:
            yield from differences(count, actual, (*here, "count"), f"the events of type `{kind}`")
        elif not actual:
            near = did_you_mean(kind, outcome.events)
            said = f"there is no event of type `{kind}`{f'; {near}' if near else ''}"
            yield Mismatch(path=here, said=said, expected=entry)


def _objects(wanted: Json, outcome: Outcome, path: Path) -> Iterator[Mismatch]:
    for key, value in wanted.items():
        here = (*path, key)
        if key == "valid":
            if value != (not outcome.invalid):
                said = "objects that do not fit their schemas" if outcome.invalid else "every object is valid"
                yield Mismatch(path=here, said=said, expected=value, actual=outcome.invalid)
        else:
            count = outcome.objects.get(key, 0)
            yield from differences(value, count, here, f"the objects of kind `{key}`")


#: Key of `expect` -> what judges it.
JUDGES: Final[Mapping[str, Judge]] = {
    "status": _status,
    "exit": _exit,
    "error": _error,
    "outputs": _outputs,
    "steps": _steps,
    "agents-called": _called,
    "sequence": _sequence,
    "attempts": _attempts,
    "budget": _budget,
    "events": _events,
    "objects": _objects,
}
