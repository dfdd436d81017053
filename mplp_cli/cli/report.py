"""`mplp report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import StateDir

if TYPE_CHECKING:
    from collections.abc import Callable

    from mplp_cli.protocols import RunRecord
    from mplp_cli.render.report.gathered import Reported
    from mplp_cli.runtime import Runtime

#: Bytes of a log that are read from its end, and lines that are shown.
_BEHIND = 32_768
_LINES = 15


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    html: Annotated[
        str | None,
        typer.Option(
            "--html", metavar="FILE", help="Write one page of HTML; `-` prints it.", show_default=False
        ),
    ] = None,
    svg: Annotated[
        str | None,
        typer.Option(
            "--svg", metavar="FILE", help="Write one picture in SVG; `-` prints it.", show_default=False
        ),
    ] = None,
    state_dir: StateDir = None,
) -> None:
    """Make a page or a picture of a run.

    Timeline with waits, attempts and the critical path; graph; resources over time; what failed and why; people,
    agents and cost; events. The page loads nothing and runs no script: it can be mailed, printed or kept. Inputs
    whose names or schemas say that they are secret are masked.

    `mplp help report` says what is in it. It does not change the run, and works while it goes on.

    Examples:

      mplp report 3f2a --html run.html

      mplp report my-workflow --svg - > run.svg
    """
    from mplp_cli.errors import UsageError
    from mplp_cli.render.report.page import page
    from mplp_cli.render.report.sheet import run_sheet
    from mplp_cli.runtime import Runtime

    wanted = [(path, draw) for path, draw in ((html, page), (svg, run_sheet)) if path is not None]
    if not wanted:
        raise UsageError("name what to write", hint="--html FILE or --svg FILE; `-` prints it")
    if html == svg:
        raise UsageError("a page and a picture cannot go to the same place", hint="name two files")
    runtime = Runtime(state_dir=state_dir)
    made = _gathered(runtime, runtime.find_run(run))
    for path, draw in wanted:
        write_text(path, draw(made, runtime.clock.now()))


def _gathered(runtime: Runtime, record: RunRecord) -> Reported:
    from mplp_cli.recorded import recorded
    from mplp_cli.render.report.gathered import gathered
    from mplp_cli.sources import SHORTEST_SECRET
    from mplp_cli.workflow.masking import Masker

    told = recorded(runtime, record)
    facts = [fact for _, fact in runtime.store.history(record.id)]
    environ = runtime.environ
    secrets = {
        name: environ[name] for name in told.plan.secrets if len(environ.get(name, "")) >= SHORTEST_SECRET
    }
    return gathered(
        told.first,
        told.state,
        facts,
        status=told.status,
        now=told.now,
        cause=record.cause,
        warning=told.warning,
        masker=Masker(secrets),
        wrote=_wrote(runtime, record),
    )


def _wrote(runtime: Runtime, record: RunRecord) -> Callable[[str, int], list[str]]:
    """Reads the end of the log of an attempt."""
    from mplp_cli.cli.tailing import Tail
    from mplp_cli.engine.capture import log_path
    from mplp_cli.render.theme import safe_output
    from mplp_cli.store.layout import log_dir

    folder = log_dir(runtime.state_dir, record.id)

    def wrote(step: str, attempt: int) -> list[str]:
        tail = Tail(log_path(folder, step, attempt), step, attempt, behind=_BEHIND)
        lines = [text.rstrip("\r\n") for _, text in tail.read(last=True)]
        return [safe_output(line[-1_000:]) for line in lines if line.strip()][-_LINES:]

    return wrote


def write_text(path: str, text: str) -> None:
    """Write a file at once, or print it as UTF-8. UsageError."""
    from mplp_cli.errors import UsageError
    from mplp_cli.render.junit import write_whole

    if path == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
        return
    try:
        write_whole(Path(path), text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
