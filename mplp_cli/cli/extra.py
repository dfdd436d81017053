"""Commands that need packages which are installed on request."""

from __future__ import annotations


def need_extra(extra: str, command: str, *packages: str) -> None:
    """UsageError that says how to install what is missing. Nothing is imported."""
    from importlib.util import find_spec

    from mplp_cli.errors import UsageError

    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"`{command}` needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            hint=f'pip install "mplp-cli[{extra}]"',
            details={"missing": missing},
        )
