"""Did-you-mean."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint naming the nearest known word, or None if nothing is near."""
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near else None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, or None."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
