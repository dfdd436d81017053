"""Reports: the page and the picture of a large run, whole process."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Lab, Row

#: Steps of the run that is shown.
STEPS = 2_000


def rows(lab: Lab) -> Iterator[Row]:
    """Seconds and megabytes of `mplp report RUN --html` and `--svg`, for a run of two thousand steps."""
    steps = min(STEPS, lab.sizes.steps)
    file = lab.document("mixed", steps, "mixed")
    with lab.fresh() as state:
        run = lab.mplp("run", str(file), "--output", "json", state=state).json["runId"]
        for kind in ("html", "svg"):
            name = f"mplp report --{kind}, {steps:,} steps"
            page = state / f"report.{kind}"
            walls = [made(lab, run, kind, page, state) for _ in range(lab.sizes.pairs)]
            yield Row(name=name, value=statistics.median(walls), unit="s", limit=3.0)
            yield Row(name=f"{name}, size", value=page.stat().st_size / 1e6, unit="MB", limit=3.0)


def made(lab: Lab, run: str, kind: str, page: Path, state: Path) -> float:
    """Seconds of one report."""
    page.unlink(missing_ok=True)
    return lab.mplp("report", run, f"--{kind}", str(page), state=state).wall
