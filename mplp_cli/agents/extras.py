"""Kinds of agents that need a package which is installed on request."""

from __future__ import annotations

from typing import Final

#: Kind -> its package, and the lowest version that is understood.
EXTRAS: Final = {"mcp": ("mcp", (2, 3)), "a2a": ("a2a-sdk", (1, 3))}


def missing_extra(kind: str) -> tuple[str, str] | None:
    """What a kind lacks, and the command that installs it; None if it has all it needs. Nothing is imported."""
    if kind not in EXTRAS:
        return None
    from importlib.metadata import PackageNotFoundError, distribution

    package, lowest = EXTRAS[kind]
    command = f'pip install "mplp-cli[{kind}]"'
    try:
        found = distribution(package).version
    except PackageNotFoundError:
        return f"agents of kind `{kind}` need the package `{package}`, which is not installed", command
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if numbers < lowest:
        wanted = ".".join(map(str, lowest))
        return f"agents of kind `{kind}` need `{package}` {wanted} or later; this is {found}", command
    return None
