"""JSON that somebody was given as text, and where it is wrong."""

from __future__ import annotations

from typing import NoReturn

import msgspec

from mplp_cli.errors import OutputFormatError
from mplp_cli.workflow.values import Json


def parse_json(text: str, what: str) -> Json:
    """`text` as a value. OutputFormatError names line and column; `what` is its subject."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # The standard library says where, and reads integers of any size.
        import json

    def no_constant(name: str) -> NoReturn:
        raise OutputFormatError(f"{what} is not JSON: {name} is not a JSON number")

    try:
        return json.loads(text, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        message = f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        if not text.strip():
            message = f"{what} is not JSON: it is empty (line 1, column 1)"
        raise OutputFormatError(message, details={"line": error.lineno, "column": error.colno}) from None
    except ValueError as error:
        raise OutputFormatError(f"{what} is not JSON that can be read: {error}") from None
    except RecursionError:
        raise OutputFormatError(f"{what} is JSON that is too deeply nested") from None
