"""Looking over a state directory, and mending it: what `mplp doctor` does before it draws."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime
    from mplp_cli.store.database import Database
    from mplp_cli.store.diagnosis import Diagnosis
    from mplp_cli.store.inspection import Finding

_ALL = 1 << 31
_RUN_OF_MARK = re.compile(r"(?:^|;)([0-9a-z-]{36})/")


def diagnose(runtime: Runtime, *, repair: bool) -> Diagnosis:
    """Look, with `repair` also mend. A store that cannot be used is an answer, not an error."""
    from mplp_cli.cli.keeping import opened
    from mplp_cli.errors import StoreError
    from mplp_cli.store.diagnosis import Diagnosis

    place = ""
    try:
        with opened(runtime) as found:
            if found is None:
                return Diagnosis(findings=[*_adjustments(runtime), *_modules()])
            place = str(found[0])
            return _diagnose(runtime, *found, repair=repair)
    except StoreError as error:
        return Diagnosis(state_dir=place or str(error.details.get("path", "")), error=error)


def _diagnose(runtime: Runtime, place: Path, database: Database, *, repair: bool) -> Diagnosis:
    from mplp_cli.store.diagnosis import Diagnosis
    from mplp_cli.store.inspection import check_integrity, counts_of, inspect

    check_integrity(database)
    runs = {run.id: run for run in runtime.store.runs(limit=_ALL)}
    findings = [
        *inspect(database, place, runtime.clock.now()),
        *_survivors(runs),
        *_unfinished(runtime, list(runs.values())),
        *_adjustments(runtime),
        *_modules(),
    ]
    backup = ""
    if repair:
        findings, backup = _repair(runtime, place, database, findings)
    return Diagnosis(state_dir=str(place), counts=counts_of(database), findings=findings, backup=backup)


def _repair(
    runtime: Runtime, place: Path, database: Database, findings: list[Finding]
) -> tuple[list[Finding], str]:
    """The findings, those that are mended marked, and where the copy is that was made before."""
    from mplp_cli.store.backup import back_up
    from mplp_cli.workflow.values import rfc3339

    now, backup = runtime.clock.now(), ""
    if any(
        found.code in ("rows-of-no-run", "stale-place", "stale-share", "projection", "stale-request")
        for found in findings
    ):
        target = place / f"before-repair-{re.sub('[-:.]', '', rfc3339(now))}.db"
        back_up(database, target)
        backup = str(target)
    done = [
        msgspec.structs.replace(found, mended=_mend(place, database, found, now)) if found.mend else found
        for found in findings
    ]
    return done, backup


def _mend(place: Path, database: Database, finding: Finding, now: int) -> bool:
    from mplp_cli.engine.survivors import end_marked, find_marked
    from mplp_cli.engine.workplace import attempt_mark
    from mplp_cli.store.mending import held, mend

    if finding.code != "survivors":
        return mend(database, place, finding, now)
    mark = attempt_mark(finding.run)
    return held(place, finding.run, now, lambda: end_marked(mark)) and not find_marked(mark)


def _survivors(runs: dict[str, RunRecord]) -> Iterator[Finding]:
    """Processes of steps whose run nobody drives."""
    from mplp_cli.engine.survivors import find_marked
    from mplp_cli.store.inspection import Finding

    lost: dict[str, list[int]] = {}
    for pid in sorted(find_marked("")):
        marked = [run for run in _RUN_OF_MARK.findall(_mark_of(pid)) if run in runs]
        # Inside a run that goes on everything is that run's business.
        if marked and not any(runs[run].owned for run in marked):
            lost.setdefault(marked[-1], []).append(pid)
    for run, pids in lost.items():
        listed = ", ".join(map(str, pids[:5])) + (" ..." if len(pids) > 5 else "")
        yield Finding(
            code="survivors",
            severity="problem",
            message=f"{len(pids)} processes of run {run} still live, and nobody drives it (pid {listed})",
            hint="`mplp resume` ends them, too",
            run=run,
            mend="ends them",
        )


def _mark_of(pid: int) -> str:
    try:
        settings = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    found = (one for one in settings if one.startswith(b"MPLP_ATTEMPT="))
    return next(found, b"").partition(b"=")[2].decode("utf-8", "replace")


def _unfinished(runtime: Runtime, runs: list[RunRecord]) -> Iterator[Finding]:
    """Runs that could go on: which wait for somebody, and which this version cannot take up."""
    from mplp_cli.errors import MplpError, RunStateError
    from mplp_cli.recorded import recorded
    from mplp_cli.render.tables import status_of
    from mplp_cli.render.view import short_id
    from mplp_cli.store.inspection import Finding

    for run in runs:
        if run.owned or run.status in ("completed", "failed", "cancelled"):
            continue
        try:
            told = recorded(runtime, run)
            if told.warning:
                raise RunStateError(told.warning)
        except (MplpError, KeyError, ValueError, IndexError) as error:
            said = error.message if isinstance(error, MplpError) else f"{type(error).__name__}: {error}"
            yield Finding(
                code="not-resumable",
                severity="problem",
                message=f"run {run.id} of {run.workflow_id} cannot be taken up by this version ({said})",
                hint="finish it with the version that began it, or start it anew",
                run=run.id,
            )
            continue
        status = status_of(run)
        if status == "interrupted":
            yield Finding(
                code="interrupted",
                severity="notice",
                message=f"run {run.id} of {run.workflow_id} was interrupted",
                hint=f"mplp resume {short_id(run.id)}",
                run=run.id,
            )


def _adjustments(runtime: Runtime) -> Iterator[Finding]:
    """What is otherwise here than mplp.yaml and the machine say."""
    from mplp_cli.render.capacities import adjusted_text
    from mplp_cli.runtime import adjustments_of
    from mplp_cli.store.inspection import Finding

    made = adjustments_of(runtime)
    by = {one.resource: change.by for change in made.changes for one in change.adjustments}
    for name, one in made.in_force().items():
        yield Finding(
            code="adjusted",
            severity="notice",
            message=adjusted_text(name, one.before, one.after),
            hint=f"`{by[name]} --undo` takes it back",
        )


def _modules() -> Iterator[Finding]:
    """Modules of installed packages that cannot be used."""
    from mplp_cli.modules.catalogue import all_modules
    from mplp_cli.store.inspection import Finding

    modules = all_modules()
    for name, why in modules.broken().items():
        yield Finding(
            code="broken-module",
            severity="problem",
            message=f"the module {name} of {modules.package_of(name)} cannot be used: {why}",
            hint="mend the package, or uninstall it; steps of other modules are not concerned",
        )
