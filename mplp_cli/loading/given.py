"""A file of run inputs."""

from __future__ import annotations

from typing import Any

from mplp_cli.errors import InputError
from mplp_cli.loading.load import read_document


def read_inputs(source: bytes, name: str) -> dict[str, Any]:
    """The inputs in a YAML or JSON file called `name`; InputError says where it cannot be read."""
    reading, _ = read_document(source, name)
    value = reading.value
    wrong = [p for p in reading.problems if p.severity == "error"]
    if [p.code for p in wrong] == ["file-empty"]:
        return {}
    if wrong:
        first = wrong[0]
        raise InputError(f"{name}:{first.line}:{first.column}: {first.message}", hint=first.hint)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{name}: expected a mapping of input names to values")
    return value
