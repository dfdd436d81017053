"""Times that commands take."""

from __future__ import annotations


def begin_of(since: str, now: int) -> int:
    """The first moment that `--since` means, in ms since the epoch: so long ago (`30m`), or a time. UsageError if it
    is neither."""
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.values import duration_ms, moment_ms

    try:
        if "-" in since:
            return moment_ms(since)
        if ago := duration_ms(since):
            return now - ago
    except ValueError:
        pass
    raise UsageError(
        f"--since {since}: this is no time", hint="write it like 90s, 30m, 12h, 2d or 2030-01-31T09:00:00Z"
    )


def moment_of(text: str) -> int:
    """The moment of `--at`, in ms since the epoch. UsageError if it is none."""
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.values import moment_ms

    try:
        return moment_ms(text)
    except ValueError:
        raise UsageError(f"--at {text}: this is no time", hint="write it like 2030-01-31T09:00:00Z") from None
