"""Writing what came out into a file of test cases, in the place of what was expected. Comments stay."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO
from typing import Any

from mplp_cli.loading.spelling import canonical
from mplp_cli.workflow.cases.model import Mismatch


def rewritten(text: str, mismatches: Sequence[Mismatch]) -> tuple[str, int]:
    """The text with the actual values of those expectations that are plain values, and how many there were."""
    from ruamel.yaml import YAML

    those = [one for one in mismatches if one.literal]
    if not those:
        return text, 0
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    if re.search(r"^cases:[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\n)* +- ", text, re.MULTILINE):
        yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    done = sum(_put(document, one) for one in those)
    written = StringIO()
    yaml.dump(document, written)
    return written.getvalue(), done


def _put(document: Any, one: Mismatch) -> bool:
    """Put one value into its place; False if the place is not written there."""
    node = document
    for part in one.path[:-1]:
        node = _inside(node, part)
        if node is None:
            return False
    last = _key(node, one.path[-1])
    if last is None:
        return False
    node[last] = one.actual
    return True


def _inside(node: Any, part: str | int) -> Any:
    key = _key(node, part)
    return None if key is None else node[key]


def _key(node: Any, part: str | int) -> Any:
    """The key as the file spells it."""
    if isinstance(node, list):
        return part if isinstance(part, int) and part < len(node) else None
    if not isinstance(node, dict):
        return None
    return part if part in node else next((key for key in node if canonical(str(key)) == part), None)
