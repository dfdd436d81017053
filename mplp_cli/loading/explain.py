"""Why the schema says no: every problem of the file, each as a sentence about one node.

A step is judged alone, against the branch of its type, with placeholders for the steps inside it, so
that no error speaks of branches the author never meant. Steps that the fast validator accepts are
not looked at again.
"""

from __future__ import annotations

from typing import Any

from mplp_cli.errors import Path, Problem
from mplp_cli.loading import later
from mplp_cli.loading.nesting import alone, every_step, without_steps
from mplp_cli.loading.reading import MAX_PROBLEMS
from mplp_cli.loading.schema import PLACEHOLDER, explainer, step_types, verdict
from mplp_cli.loading.sentences import sentence
from mplp_cli.loading.wording import count_of, kind_of, quoted
from mplp_cli.workflow.suggest import nearest

#: Keys that every step has.
_COMMON = ("id", "name", "dependencies", "timeout", "when", "join", "priority")


def explain(document: Any) -> list[Problem]:
    """Every reason why a document is not valid, at most 100 and a count of the steps that hold more."""
    problems: list[Problem] = []
    if not isinstance(document, dict):
        said = f"a workflow file is a mapping with the key `workflow`, not {kind_of(document)}"
        return [Problem(code="file-root", message=said, hint="begin with `workflow:`")]
    unlisted: list[Path] = []
    problems += reasons("", without_steps(document), ())
    for path, step in every_step(document.get("workflow")):
        if verdict("step").is_valid(step):
            continue
        bare = alone(step)
        if not verdict("step").is_valid(bare):
            if len(problems) >= MAX_PROBLEMS:
                unlisted.append(path)
            else:
                problems += _step_problems(bare, path)
    del problems[MAX_PROBLEMS:]
    if unlisted:
        said = f"{count_of(len(unlisted), 'more step')} from here on also have problems"
        problems.append(
            Problem(code="more-problems", message=said, hint="mend those listed first", path=unlisted[0])
        )
    return problems or [_unexplained(document)]


def _step_problems(step: Any, path: Path) -> list[Problem]:
    kind = step.get("type") if isinstance(step, dict) else None
    if isinstance(kind, str) and kind in step_types():
        return reasons(f"{kind}-step", step, path)
    found = [p for p in reasons("step", step, path) if p.path != (*path, "type")]
    if isinstance(step, dict) and "type" in step:
        found.append(_wrong_type(kind, (*path, "type")))
        found += _common_problems(step, path)
    return found


def _wrong_type(kind: Any, path: Path) -> Problem:
    known = step_types()
    listed = f"step types: {', '.join(known)}"
    if not isinstance(kind, str):
        return Problem(
            code="schema-type", message=f"`type` takes text, not {kind_of(kind)}", path=path, hint=listed
        )
    near = later.TYPE_WORDS.get(kind) or nearest(kind, known)
    return Problem(
        code="schema-unknown-step-type",
        message=f"there is no step type {quoted(kind)}",
        path=path,
        hint=f"did you mean `{near}`? {listed}" if near else listed,
    )


def _common_problems(step: dict[str, Any], path: Path) -> list[Problem]:
    """What can be said about a step whose type is not known: the keys that every step has."""
    common = {key: step[key] for key in _COMMON if key in step}
    return reasons("set-step", {**PLACEHOLDER, **common}, path)


def reasons(name: str, instance: Any, path: Path) -> list[Problem]:
    """Why one part of the schema refuses a value, as sentences; one for each place and kind of trouble."""
    made: dict[tuple[Any, ...], Problem] = {}
    for error in explainer(name).iter_errors(instance):
        for problem in sentence(error, path):
            several = problem.message if problem.code == "schema-missing-key" else ""
            made.setdefault((problem.path, problem.on, problem.code, several), problem)
    typed = {p.path for p in made.values() if p.code == "schema-type"}
    return [p for p in made.values() if p.code == "schema-type" or p.path not in typed or p.on == "key"]


def _unexplained(document: Any) -> Problem:
    """The fast validator refuses what the other accepts: say what it says rather than nothing."""
    error = next(iter(verdict().iter_errors(document)), None)
    place = tuple(error.instance_path) if error is not None else ()
    said = error.kind.name if error is not None else "schema"
    return Problem(
        code="schema-other", message=f"the schema refuses this value (keyword `{said}`)", path=place
    )
