"""Start-up and validation: the time of whole processes, and their memory."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.bench.measure import Lab, Row, Sample, median_of, pairs

#: Limits by number of steps: seconds, MB.
VALIDATE_LIMITS = {10_000: (1.2, None), 100_000: (12.0, 500.0)}


def rows(lab: Lab) -> Iterator[Row]:
    """`--version`, `--help`, one step, and validation of files of several sizes."""
    count = lab.sizes.starts
    compile_all(lab)
    ours, theirs, ratio = pairs(
        lambda: lab.mplp("--version").wall,
        lambda: lab.python("-c", "import typer").wall,
        count,
    )
    yield Row(
        name="mplp --version",
        value=ours * 1000,
        unit="ms",
        reference=theirs * 1000,
        ratio=ratio,
        limit=1.3,
        of_ratio=True,
        note="python -c 'import typer'",
    )
    bare = median_of(lambda: lab.python("-c", "pass").wall, count)
    helped = median_of(lambda: lab.mplp("--help").wall, count)
    yield Row(
        name="mplp --help",
        value=helped * 1000,
        unit="ms",
        reference=bare * 1000,
        ratio=helped / bare,
        note="python -c pass",
    )
    yield one_step(lab)
    for steps in lab.sizes.validate:
        yield from validation(lab, steps)


def compile_all(lab: Lab) -> None:
    """Start-up is measured with compiled files present, as an installation has them."""
    lab.python("-m", "compileall", "-q", "mplp_cli")
    lab.python("-c", "import typer")
    lab.mplp("--help")


def one_step(lab: Lab) -> Row:
    """A whole process that runs one `set` step."""
    file = lab.document("apart", 1, "set")
    with lab.fresh() as state:
        lab.mplp("run", str(file), state=state)
        taken = [lab.mplp("run", str(file), state=state) for _ in range(lab.sizes.starts)]
    wall, peak = _medians(taken)
    return Row(name="mplp run, one set step", value=wall, unit="s", limit=0.35, note=f"{peak:.0f} MB")


def validation(lab: Lab, steps: int) -> Iterator[Row]:
    """`mplp validate` of a mixed file, against the YAML parser alone: seconds and MB."""
    file = str(lab.document("mixed", steps, "mixed"))
    taken: list[Sample] = []

    def ours() -> float:
        taken.append(lab.mplp("validate", file))
        return taken[-1].wall

    def theirs() -> float:
        return lab.python("-m", "tests.bench.events", file).wall

    count = max(1, min(5, 20_000 // steps, lab.sizes.starts))
    wall, parsing, ratio = pairs(ours, theirs, count)
    cpu = statistics.median(s.cpu for s in taken)
    peak = statistics.median(s.peak for s in taken)
    seconds, megabytes = VALIDATE_LIMITS.get(steps, (None, None))
    name = f"mplp validate, {steps:,} steps"
    yield Row(
        name=name,
        value=wall,
        unit="s",
        reference=parsing,
        ratio=ratio,
        limit=seconds,
        note=f"YAML parser alone; {cpu:.2f} s of its own",
    )
    yield Row(name=f"{name}, memory", value=peak, unit="MB", limit=megabytes)


def _medians(taken: list[Sample]) -> tuple[float, float]:
    return statistics.median(s.wall for s in taken), statistics.median(s.peak for s in taken)
