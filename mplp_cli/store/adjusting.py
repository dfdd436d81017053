"""What has been adjusted on this machine: `adjustments.json` of the state directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from mplp_cli.errors import StoreError
from mplp_cli.protocols.scaling import Adjustments
from mplp_cli.store.layout import NO_ROOM
from mplp_cli.store.wholefiles import alone, put

FILE: Final = "adjustments.json"
LOCK: Final = "adjustments.lock"


def read_adjustments(state_dir: Path | None) -> Adjustments:
    """What is adjusted now; nothing without a state directory. StoreError if the file cannot be read."""
    if state_dir is None:
        return Adjustments()
    path = state_dir / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Adjustments)
    except FileNotFoundError:
        return Adjustments()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            hint="It was changed by hand, or by a newer version; move it away, and what mplp.yaml says holds again.",
            details={"path": str(path), "cause": "adjustments"},
        ) from error


def change_adjustments(state_dir: Path, act: Callable[[Adjustments], Adjustments]) -> Adjustments:
    """Keep what `act` makes of what is adjusted; durable when it returns. Nobody else writes meanwhile."""
    path = state_dir / FILE
    try:
        with alone(state_dir / LOCK):
            before = read_adjustments(state_dir)
            after = act(before)
            if after is not before:
                put(path, msgspec.json.format(msgspec.json.encode(after)) + b"\n")
    except OSError as error:
        full = error.errno in NO_ROOM
        raise StoreError(
            f"{path} cannot be written: {'the disk is full' if full else error.strerror}",
            details={"path": str(path), "cause": "full" if full else "io"},
        ) from error
    return after
