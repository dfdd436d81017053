"""A file of run inputs."""

from __future__ import annotations

from typing import Any

from mplp_cli.errors import InputError
from mplp_cli.loading.load import _decoded, _read


def read_inputs(source: bytes, name: str) -> dict[str, Any]:
    """The inputs in a YAML or JSON file called `name`; InputError says where it cannot be read."""
    reading, _ = _read(_decoded(source)[0], name)
    value, problems = reading.value, reading.problems
    wrong = [p for p in problems if p.severity == "error"]
    if wrong:
        first = wrong[0]
        raise InputError(f"{name}:{first.line}:{first.column}: {first.message}", hint=first.hint)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{name}: expected a mapping of input names to values")
    return value
