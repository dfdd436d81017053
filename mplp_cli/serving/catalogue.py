"""The workflows that are served: which files they are in, and what of them is valid."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from mplp_cli.errors import UnknownWorkflowError, UsageError, WorkflowValidationError
from mplp_cli.protocols import Clock
from mplp_cli.serving.contract import Served
from mplp_cli.sources import Source, read_source
from mplp_cli.workflow.suggest import did_you_mean

if TYPE_CHECKING:
    from mplp_cli.loading import Loaded

#: Seconds between two looks at the files.
LOOK = 1.0
_ENDINGS = (".yaml", ".yml", ".json")
#: Every workflow file has this key at its top; other files of the same directories do not.
_IS_WORKFLOW = re.compile(rb"""(?m)^(?:workflow|"workflow"|'workflow')\s*:|^\s*\{?\s*"workflow"\s*:""")
#: What tells that a file has changed: path, inode, size, time of the last change.
_Stamp = tuple[tuple[str, int, int, int], ...]


class _Kept(Struct):
    """A file as it was when it was last read. `read` are all files that it was made of."""

    stamp: _Stamp
    served: Served | None
    #: Why it is not served as it is now.
    problem: Exception | None = None


def default_places(directory: Path) -> list[Path]:
    """Where workflows are looked for if nobody says where: `workflows` beside `mplp.yaml`, or here; else the files
    here."""
    from mplp_cli.settings import FILE

    project = next((one for one in (directory, *directory.parents) if (one / FILE).is_file()), directory)
    folder = project / "workflows"
    return [folder if folder.is_dir() else directory]


class Files:
    """The `Catalogue` of files and of directories (their files that are workflows, not those further down).

    A file that has changed is read again; one that is not valid any more is served as it was before.
    """

    def __init__(self, places: Sequence[Path], load: Callable[[Source], Loaded], clock: Clock) -> None:
        """UsageError if a place is not there, or two files have workflows of the same id; WorkflowValidationError if
        a file is not valid."""
        self._places = [place.absolute() for place in places]
        self._load = load
        self._clock = clock
        self._kept: dict[Path, _Kept] = {}
        self._by_id: dict[str, Served] = {}
        self._looked = clock.monotonic()
        for file in self._files(strict=True):
            self._kept[file] = kept = self._read(file, None)
            if kept.problem is not None:
                raise kept.problem
        self._index()
        for served in self._by_id.values():
            if served.broken:
                raise UsageError(served.broken, hint="give one of them another id")

    def all(self) -> Sequence[Served]:
        """In the order of their ids."""
        self._look()
        return [self._by_id[one] for one in sorted(self._by_id)]

    def find(self, workflow_id: str) -> Served:
        """UnknownWorkflowError names the nearest."""
        self._look()
        if workflow_id not in self._by_id:
            near = did_you_mean(workflow_id, self._by_id)
            raise UnknownWorkflowError(
                f"no workflow {workflow_id!r} is served",
                hint=near or "`mplp serve` names what it serves when it starts",
                details={"workflowId": workflow_id},
            )
        return self._by_id[workflow_id]

    def at(self, file: Path) -> Served:
        """The workflow of a file, also one that is not served by id. UsageError, WorkflowValidationError."""
        file = file.absolute()
        kept = self._kept.get(file)
        if kept is None or kept.stamp != _stamp(file, kept.served):
            self._kept[file] = kept = self._read(file, kept)
        if kept.served is None:
            assert kept.problem is not None
            raise kept.problem
        return kept.served

    def _look(self) -> None:
        """Read what has changed since the last look, if that was a while ago."""
        now = self._clock.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        there = list(self._files(strict=False))
        for file in there:
            kept = self._kept.get(file)
            if kept is None or kept.stamp != _stamp(file, kept.served):
                self._kept[file] = self._read(file, kept)
        for file in [file for file in self._kept if not file.exists()]:
            del self._kept[file]
        self._index()

    def _files(self, *, strict: bool) -> list[Path]:
        found: dict[Path, None] = {}
        for place in self._places:
            if place.is_dir():
                inside = sorted(one for one in place.iterdir() if one.suffix in _ENDINGS and one.is_file())
                found.update((one, None) for one in inside if _is_workflow(one))
            elif place.exists():
                found[place] = None
            elif strict:
                raise UsageError(f"cannot read {place}: no such file or directory")
        return list(found)

    def _read(self, file: Path, before: _Kept | None) -> _Kept:
        last = before.served if before is not None else None
        try:
            source = read_source(str(file))
            loaded = self._load(source)
            if loaded.workflow is None or loaded.plan is None:
                invalid = WorkflowValidationError(loaded.problems)
                invalid.details["file"] = str(file)
                raise invalid
        except (UsageError, WorkflowValidationError) as problem:
            if last is not None:
                last = replace(last, broken=f"{file}: {problem.message}")
            return _Kept(_stamp(file, last), last, problem)
        served = Served(
            id=loaded.workflow.id,
            file=file,
            source=source,
            plan=loaded.plan,
            triggers=loaded.plan.triggers,
        )
        return _Kept(_stamp(file, served), served)

    def _index(self) -> None:
        """Find out who is served by which id: the first file that has it."""
        self._by_id = {}
        files = set(self._files(strict=False))
        for file, kept in sorted(self._kept.items()):
            if kept.served is None or file not in files:
                continue
            first = self._by_id.get(kept.served.id)
            if first is None:
                self._by_id[kept.served.id] = kept.served
            else:
                said = f"{first.file} and {file} both have a workflow `{first.id}`"
                self._by_id[first.id] = replace(first, broken=said)


def _is_workflow(file: Path) -> bool:
    try:
        return bool(_IS_WORKFLOW.search(file.read_bytes()))
    except OSError:
        return False


def _stamp(file: Path, served: Served | None) -> _Stamp:
    included = served.plan.included_texts() if served is not None else ()
    found = []
    for path in (str(file), *included):
        try:
            known = Path(path).stat()
        except OSError:
            found.append((path, 0, 0, 0))
        else:
            found.append((path, known.st_ino, known.st_size, known.st_mtime_ns))
    return tuple(found)
