"""What any step may say beside its work: the schema of its result, its default, its cache, what it keeps."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from msgspec import UNSET, Struct, json, to_builtins

from mplp_cli.errors import Path
from mplp_cli.workflow import model
from mplp_cli.workflow.bodies import Values
from mplp_cli.workflow.language.references import Bracket, ReferenceSyntaxError, split_text
from mplp_cli.workflow.language.templates import Template
from mplp_cli.workflow.values import Json, duration_ms

#: Keys of a step that do not change what its work gives.
_BESIDE: Final = frozenset({
    "id", "name", "description", "tags", "dependencies", "when", "join", "priority", "timeout", "retry-policy",
    "fallback-actions", "default", "cache", "once", "artifacts",
    "resources",
})  # fmt: skip


class CacheRule(Struct, frozen=True):
    """`key` is a template; `ttl` is milliseconds, 0 for ever; `work` is the digest of what the step does."""

    key: Template
    ttl: int
    work: str


def common_keys(step: Any, workflow: model.Workflow, path: Path, make: Values) -> dict[str, Any]:
    """The fields of a `PlanStep` that come from these keys, as far as the step has them."""
    made: dict[str, Any] = {}
    if step.result_schema is not None:
        made["result_schema"] = json.encode(step.result_schema)
    if step.default is not UNSET:
        made["default"] = literal(step.default)
    if getattr(step, "once", False):
        made["once"] = True
    if (cache := getattr(step, "cache", None)) is not None:
        made["cache"] = CacheRule(
            make.values(cache.key, (*path, "cache", "key")),
            0 if cache.ttl is None else duration_ms(cache.ttl),
            _work(step, workflow),
        )
    if patterns := getattr(step, "artifacts", None):
        made["artifacts"] = make.values(patterns, (*path, "artifacts"))
    return made


def literal(value: Json) -> Json:
    """A value without references, `$${` and `$$<` read as the openings that they stand for."""
    if isinstance(value, str) and "$" in value:
        try:
            pieces = split_text(value)
        except ReferenceSyntaxError:
            return value
        return value if any(isinstance(p, Bracket) for p in pieces) else "".join(map(str, pieces))
    if isinstance(value, list):
        return [literal(item) for item in value]
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    return value


def _work(step: Any, workflow: model.Workflow) -> str:
    """The digest of what the step does, as the file says it."""
    said = {key: value for key, value in to_builtins(step).items() if key not in _BESIDE}
    if isinstance(step, model.ShellStep | model.PythonStep):
        said["workflow-env"] = workflow.env
    return hashlib.sha256(json.encode(said, order="deterministic")).hexdigest()[:32]
