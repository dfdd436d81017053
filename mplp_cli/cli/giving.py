"""Inputs on a command line: `--input NAME=VALUE` and `--inputs FILE`, of runs and of answers."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any


def given_inputs(
    declared: Mapping[str, dict[str, Any]], pairs: Sequence[str] | None, inputs_file: str | None
) -> dict[str, Any]:
    """What was given, read as `declared` asks for; single inputs win over the file.

    InputError if it cannot be read.
    """
    from mplp_cli.errors import InputError
    from mplp_cli.loading.given import read_inputs
    from mplp_cli.loading.inputs import parse_value
    from mplp_cli.sources import read_source

    given: dict[str, Any] = {}
    if inputs_file:
        source = read_source(inputs_file, sys.stdin.buffer)
        given = read_inputs(source.text, source.name)
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--input {pair}: write NAME=VALUE")
        given[name] = parse_value(declared, name, text)
    return given
