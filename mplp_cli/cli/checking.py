"""Showing what is wrong with a workflow file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from mplp_cli.errors import Problem
from mplp_cli.sources import Source


def show_problems(
    problems: Sequence[Problem],
    sources: Sequence[Source],
    included: Mapping[str, bytes] | None = None,
    *,
    no_color: bool,
) -> None:
    """Findings as text on stderr, with the lines they are about; `included` has more files by name."""
    files = {source.name: source.text for source in sources} | dict(included or {})
    texts = {name: text.decode("utf-8", "replace") for name, text in files.items()}
    show_texts(problems, texts, no_color=no_color)


def show_texts(problems: Sequence[Problem], texts: Mapping[str, str], *, no_color: bool) -> None:
    """The same, of files by name whose text is known."""
    from mplp_cli.render.console import screen_width
    from mplp_cli.render.ink import write
    from mplp_cli.render.problems import problem_lines
    from mplp_cli.render.theme import make_theme

    theme = make_theme(sys.stderr, no_color=no_color)
    width = screen_width(sys.stderr)
    write(sys.stderr, problem_lines(problems, texts, theme, width), theme)
