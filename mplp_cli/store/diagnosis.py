"""What `mplp doctor` found, and what it means that a store cannot be used."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from mplp_cli.errors import StoreError
from mplp_cli.store.inspection import Finding

#: Cause of a StoreError -> what it means, and what to do, in order.
CAUSES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "full": (
        "The disk has no room left. A run stops at the fact it could not store; nothing before that is lost.",
        ("Free some space on that disk (`mplp runs prune` needs a little itself).",
         "Resume the runs: `mplp resume RUN`."),
    ),
    "read-only": (
        "The file or its directory may not be written to by this user, or the disk is mounted read-only.",
        ("Look at the owner and the rights of the directory, `state.db`, `state.db-wal` and `state.db-shm`.",
         "Or name another state directory: --state-dir, MPLP_STATE_DIR or `state-dir` in mplp.yaml."),
    ),
    "not-a-directory": (
        "Something that is no directory stands where the state directory should be.",
        ("Name another one: --state-dir, MPLP_STATE_DIR or `state-dir` in mplp.yaml.",),
    ),
    "cannot-open": (
        "The system refuses to open the file.",
        ("Look at the rights of every directory on the way, and at the number of open files.",),
    ),
    "corrupt": (
        "Pages or rows are not what was written: the disk, a copy made while runs went on, or another program.",
        ("Stop the runs that go on, and copy the whole state directory before anything else.",
         "Restore the newest copy that `mplp backup` made; runs that were in it can be resumed.",
         "Without one: `sqlite3 state.db .recover` may save rows; put them into another directory.",
         "`mplp doctor --state-dir DIR` tells whether they are whole."),
    ),
    "empty": (
        "The file has no bytes: something has truncated it. What it held is gone.",
        ("Restore the newest copy that `mplp backup` made.",
         "Or move the state directory away; the next run starts a new one."),
    ),
    "foreign": (
        "The file is no store of mplp: another program has written it, or its first page is damaged.",
        ("If it was a store: restore the newest copy that `mplp backup` made.",
         "Else name another state directory: --state-dir, MPLP_STATE_DIR or `state-dir` in mplp.yaml."),
    ),
    "newer": (
        "A later version of mplp has written this store. This version would not understand all of it.",
        ("Upgrade mplp.", "Or use another state directory with this version."),
    ),
    "missing": (
        "`state.db` is gone, but its log or the lock files of its runs are there. A new one would hide the loss.",
        ("Put the file back, or restore the newest copy that `mplp backup` made as `state.db`.",
         "Or move the state directory away; the next run starts a new one."),
    ),
    "busy": (
        "Another process has been writing for longer than any write takes: it is stopped, or the disk is very slow.",
        ("Let it go on (`kill -CONT PID`) or end it; the lock goes with the process.",),
    ),
    "io": (
        "The system could not read or write: a failing disk, a network share that is gone, or a limit of the system.",
        ("Look at the system's log (`dmesg`).", "Copy the state directory to a sound local disk and use it there."),
    ),
    "adjustments": (
        "What was adjusted by `mplp optimize` or `mplp capacity apply` is not known; the runs are as they were.",
        ("Move `adjustments.json` away; what mplp.yaml says holds again.",),
    ),
    "memory": ("There is no memory left.", ("Free some, then try again.",)),
    "old-sqlite": ("The SQLite that is linked in is too old to be safe.", ("Install the package `apsw` anew.",)),
}  # fmt: skip
_OTHER: Final = ("The store cannot be used.", ("Look at the disk and the system's log, then try again.",))


class Diagnosis(Struct, frozen=True, kw_only=True):
    """The state directory ("" if there is none yet), what is in it, and what was found."""

    state_dir: str = ""
    counts: dict[str, Any] = {}
    findings: list[Finding] = []
    #: Where the store was copied to before it was mended.
    backup: str = ""
    #: Set if the store cannot be used.
    error: StoreError | None = None

    @property
    def problems(self) -> list[Finding]:
        """What keeps it from being healthy."""
        return [found for found in self.findings if found.severity == "problem" and not found.mended]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong, or nothing any more."""
        return self.error is None and not self.problems


def meaning(error: StoreError) -> tuple[str, tuple[str, ...]]:
    """What an unusable store means, and what to do."""
    return CAUSES.get(str(error.details.get("cause", "")), _OTHER)
