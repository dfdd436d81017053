"""Findings as SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mplp_cli import __version__
from mplp_cli.errors import Problem
from mplp_cli.render.problems import SEE_ALSO, ordered

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_PLAIN_URI = re.compile(r"[\ud800-\udfff]")


def sarif_document(
    problems: Sequence[Problem], help_texts: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """One SARIF log with one run. `help_texts` explain codes; columns are counted in Unicode code points."""
    texts = help_texts or {}
    found = ordered(problems)
    codes = sorted({p.code for p in found})
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "mplp",
                        "semanticVersion": __version__,
                        "rules": [_rule(code, texts.get(code)) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(p, codes.index(p.code)) for p in found],
            }
        ],
    }


def _rule(code: str, text: str | None) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": code, "shortDescription": {"text": code.replace("-", " ")}}
    if text:
        rule["fullDescription"] = {"text": text}
        rule["help"] = {"text": text}
    return rule


def _result(problem: Problem, rule: int) -> dict[str, Any]:
    text = f"{problem.message}\n{problem.hint}" if problem.hint else problem.message
    result: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity,
        "message": {"text": _text(text)},
        "locations": [_location(problem.file, *_span(problem))],
    }
    if problem.related_line:
        span = problem.related_line, problem.related_column, 0, problem.related_end_column
        result["relatedLocations"] = [_location(problem.file, *span) | {"message": {"text": SEE_ALSO}}]
    return result


def _span(problem: Problem) -> tuple[int, int, int, int]:
    return problem.line, problem.column, problem.end_line, problem.end_column


def _location(file: str, line: int, column: int, end_line: int, end_column: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(file)}}
    if line > 0:
        region = {"startLine": line}
        if column > 0:
            region["startColumn"] = column
        if end_line > line:
            region["endLine"] = end_line
        # A region that ends before it begins is none.
        if end_column > 0 and (end_line > line or end_column >= column):
            region["endColumn"] = end_column
        place["region"] = region
    return {"physicalLocation": place}


def _text(text: str) -> str:
    return _PLAIN_URI.sub("\ufffd", text)


def _uri(file: str) -> str:
    """A file's name as a relative (or file:) URI."""
    path = (file or "-").replace("\\", "/")
    quoted = quote(path.encode("utf-8", "surrogateescape"), safe="/~+,=@!$&'()*;-._")
    return f"file://{quoted}" if path.startswith("/") else quoted
