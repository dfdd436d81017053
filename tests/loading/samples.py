"""Files and words that the tests of loading share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mplp_cli.errors import Problem
from mplp_cli.loading import Loaded, load_workflow

ROOT = Path(__file__).resolve().parents[2]
HEAD = "workflow:\n  id: demo\n  name: Demo\n  version: 1.0.0\n"


def shared(folder: str) -> Path | None:
    """A folder of the material that stands beside the repository, if it does."""
    base = Path(os.environ.get("MPLP_SHARED") or ROOT.parent / "shared")
    return base / folder if (base / folder).is_dir() else None


def load(text: str | bytes, name: str = "flow.yaml", **more: Any) -> Loaded:
    return load_workflow(text.encode() if isinstance(text, str) else text, name, **more)


def steps(*lines: str, head: str = HEAD) -> str:
    """A workflow with these steps, one a line in flow style; the first stands on line 6."""
    return head + "  steps:\n" + "".join(f"    - {line}\n" for line in lines)


def errors(text: str | bytes, name: str = "flow.yaml") -> list[Problem]:
    return [p for p in load(text, name).problems if p.severity == "error"]


def only(text: str | bytes, name: str = "flow.yaml") -> Problem:
    """The one problem of a text."""
    problems = load(text, name).problems
    assert len(problems) == 1, [(p.code, p.message) for p in problems]
    return problems[0]


def codes(text: str | bytes, name: str = "flow.yaml") -> list[str]:
    return [p.code for p in load(text, name).problems]


def marked(text: str, problem: Problem) -> str:
    """What the problem's columns enclose."""
    assert problem.line == problem.end_line
    return text.splitlines()[problem.line - 1][problem.column - 1 : problem.end_column - 1]
