"""Rules about one node that the schema cannot say: inputs are schemas, directories stay inside, names of errors.

They look at plain data, valid or not, so that their findings come in the same pass as the schema's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from mplp_cli import errors
from mplp_cli.errors import Path, Problem
from mplp_cli.loading.awaited import check_waiting
from mplp_cli.loading.reading import MAX_STEPS
from mplp_cli.loading.results import check_result, references_out
from mplp_cli.loading.values import Fragment, unfit
from mplp_cli.loading.wording import quoted
from mplp_cli.workflow.suggest import nearest

#: Headers that say what the connection does.
OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "connection", "upgrade"})
#: Conditions that are not the type of an error.
_GROUPS = ("timeout", "error", "resource", "any")


def check_rules(document: Any) -> list[Problem]:
    """Findings about single nodes of a document in the format's spelling."""
    workflow = document.get("workflow") if isinstance(document, dict) else None
    if not isinstance(workflow, dict):
        return []
    found = list(_inputs(workflow.get("inputs"), ("workflow", "inputs")))
    found += _policies(workflow.get("error-handling"), ("workflow", "error-handling"))
    found += _policies(workflow.get("defaults"), ("workflow", "defaults"))
    for key in ("steps", "finally"):
        _steps(workflow.get(key), ("workflow", key), found)
    return found


def count_steps(document: Any) -> int:
    """Mappings with a `type` in the step lists of a document, at any depth; it stops at the limit."""
    workflow = document.get("workflow") if isinstance(document, dict) else None
    waiting = [workflow.get("steps"), workflow.get("finally")] if isinstance(workflow, dict) else []
    count = 0
    while waiting and count <= MAX_STEPS:
        steps = waiting.pop()
        for step in steps if isinstance(steps, list) else [steps]:
            if isinstance(step, dict):
                count += 1
                waiting += [step[key] for key in ("steps", "then", "else") if key in step]
    return count


# ---- inputs --------------------------------------------------------------------------------------


def _inputs(inputs: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(inputs, dict):
        return
    for name, fragment in inputs.items():
        if isinstance(fragment, dict):
            yield from _input(fragment, (*path, name))


def _input(schema: dict[str, Any], path: Path) -> Iterator[Problem]:
    outside = next(references_out(schema, path), None)
    if outside is not None:
        place, target = outside
        yield Problem(
            code="rule-input-reference",
            path=place,
            hint="write it out; nothing is fetched",
            message=f"the schema of an input cannot refer to {quoted(target)}",
        )
        return
    fragment = Fragment(schema)
    if fragment.error is not None:
        place, said = fragment.error
        hint = "an input is a JSON Schema, such as {type: integer, minimum: 1, default: 3}"
        if place[:1] == ("required",):
            hint = "an input without `default` is required by itself; remove `required`"
        yield Problem(
            code="rule-input-schema",
            message=f"the input {quoted(path[-1])} is not a JSON Schema: {said}",
            path=(*path, *place),
            hint=hint,
        )
    elif "default" in schema:
        for place, said in unfit(fragment, schema["default"]):
            yield Problem(
                code="rule-input-default",
                path=(*path, "default", *place),
                message=f"the default of the input {quoted(path[-1])} does not fit its schema: {said}",
                hint="correct the default, or the schema",
            )


# ---- steps ---------------------------------------------------------------------------------------


def _steps(steps: Any, path: Path, found: list[Problem]) -> None:
    if isinstance(steps, list):
        for n, step in enumerate(steps):
            if isinstance(step, dict):
                _step(step, path, n, found)


def _step(step: dict[str, Any], path: Path, part: int | str, found: list[Problem]) -> None:
    if "cwd" in step:
        found += _directory(step["cwd"], (*path, part, "cwd"))
    if "artifacts" in step:
        found += _artifacts(step["artifacts"], (*path, part, "artifacts"))
    if "result-schema" in step or "default" in step:
        found += check_result(step, (*path, part))
    match step.get("type"):
        case "http":
            found += _request(step, (*path, part))
        case "agent":
            found += _question(step, (*path, part))
        case "wait" | "emit":
            found += check_waiting(step, (*path, part))
        case "approval":
            found += _inputs(step.get("inputs"), (*path, part, "inputs"))
    if "retry-policy" in step or "fallback-actions" in step:
        found += _policies(step, (*path, part))
        for n, action in _mappings(step.get("fallback-actions")):
            if isinstance(action.get("step"), dict):
                _step(action["step"], (*path, part, "fallback-actions", n), "step", found)
    for key in ("steps", "then", "else"):
        inner = step.get(key)
        if isinstance(inner, dict):
            _step(inner, (*path, part), key, found)
        elif inner is not None:
            _steps(inner, (*path, part, key), found)


def _directory(cwd: Any, path: Path) -> Iterator[Problem]:
    """Absolute directories and those that climb out of the start directory."""
    if not isinstance(cwd, str):
        return
    depth = 0
    for part in cwd.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            break
    # What a reference holds is judged when it is known; what stands before it is judged here.
    if depth < 0 or cwd.startswith(("/", "~")):
        said = f"the working directory {quoted(cwd)} is outside the one the run starts in"
        yield Problem(
            code="rule-cwd",
            message=said,
            path=path,
            hint="write a directory below it; a script can `cd` where it needs to",
        )


def _artifacts(patterns: Any, path: Path) -> Iterator[Problem]:
    """File patterns that lead out of the working directory, as far as they are known before references are."""
    for n, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
        if not isinstance(pattern, str):
            continue
        known = pattern.partition("${")[0].partition("$<")[0]
        names = [name for name in pattern.split("/") if name not in ("", ".")]
        if known.startswith(("/", "~")) or ".." in names or not names:
            yield Problem(
                code="rule-artifact",
                message=f"the file pattern {quoted(pattern)} does not stay in the working directory",
                path=(*path, n),
                hint="write a path below it, such as dist/*.whl or reports/**",
            )


def _request(step: dict[str, Any], path: Path) -> Iterator[Problem]:
    """What can be said of a request before its references are filled in."""
    url = step.get("url")
    if isinstance(url, str):
        known = url.partition("${")[0].partition("$<")[0]
        if known and not known.lower().startswith(("http://", "https://")):
            yield Problem(
                code="rule-url",
                path=(*path, "url"),
                hint="begin with http:// or https://",
                message=f"no request can be sent to {quoted(url)}",
            )
        elif "@" in known.partition("//")[2].replace("?", "/").partition("/")[0]:
            yield Problem(
                code="rule-url",
                path=(*path, "url"),
                message="the URL holds credentials",
                hint="declare a secret, and hand it over in the header `Authorization`",
            )
    headers = step.get("headers")
    for name in headers if isinstance(headers, dict) else ():
        if isinstance(name, str) and name.lower() in OWN_HEADERS:
            yield Problem(
                code="rule-header",
                path=(*path, "headers", name),
                on="key",
                hint="remove it",
                message=f"the header {quoted(name)} is set by the connection itself",
            )
    stated = step.get("expect-status")
    for n, one in enumerate(stated if isinstance(stated, list) else [stated]):
        first, _, last = one.partition("-") if isinstance(one, str) else ("", "", "")
        if last and last < first:
            where = ("expect-status", n) if isinstance(stated, list) else ("expect-status",)
            yield Problem(
                code="rule-status",
                path=(*path, *where),
                hint=f"write {last[:3]}-{first[:3]}",
                message=f"the range {quoted(one)} ends before it begins",
            )


def _question(step: dict[str, Any], path: Path) -> Iterator[Problem]:
    """An agent is asked something."""
    if "input" not in step and "prompt" not in step:
        yield Problem(
            code="rule-agent",
            path=path,
            message="an agent step needs `input`, `prompt` or both",
            hint="`input` is data for a program or a function, `prompt` is text for a model",
        )


def _mappings(items: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    if isinstance(items, list):
        for n, item in enumerate(items):
            if isinstance(item, dict):
                yield n, item


def _policies(holder: Any, path: Path) -> Iterator[Problem]:
    """Error types in a retry policy and in fallback actions that look misspelled."""
    if not isinstance(holder, dict):
        return
    policy = holder.get("retry-policy")
    retried = policy.get("retry-on") if isinstance(policy, dict) else None
    if isinstance(retried, list):
        for n, name in enumerate(retried):
            yield from _error_type(name, (*path, "retry-policy", "retry-on", n))
    for n, action in _mappings(holder.get("fallback-actions")):
        yield from _error_type(action.get("condition"), (*path, "fallback-actions", n, "condition"))


def _error_type(name: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(name, str) or name in _GROUPS or name in error_types() or not name[:1].isupper():
        return
    near = name.lower() if name.lower() in _GROUPS else nearest(name[:200], error_types())
    if near is not None:
        yield Problem(
            code="rule-error-type",
            severity="warning",
            path=path,
            hint=f"did you mean `{near}`?",
            message=f"no error of mplp is called {quoted(name)}; only a plug-in's could be",
        )


@cache
def error_types() -> frozenset[str]:
    """The names of all errors that the work of a step can fail with."""
    from mplp_cli.workflow.fold import outcomes  # noqa: F401 - defines some of them

    waiting: list[type[errors.StepError]] = [errors.StepError]
    names = set()
    while waiting:
        kind = waiting.pop()
        names.add(kind.machine_name or kind.__name__)
        waiting += kind.__subclasses__()
    return frozenset(names)
