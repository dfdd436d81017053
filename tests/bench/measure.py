"""Measuring programs: wall time, own time and peak memory of one run, medians, interleaved pairs."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
#: Set on some machines; with them the compiler is measured, or another place.
NOT_OURS = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX",
    "MPLP_STATE_DIR",
    "COVERAGE_PROCESS_START",
    "CI",
)


@dataclass(frozen=True)
class Sample:
    """One run of a program: seconds by the clock, seconds of its own, peak resident memory in MB, its stdout."""

    wall: float
    cpu: float
    peak: float
    out: str = ""

    @property
    def json(self) -> Any:
        """What it printed."""
        return json.loads(self.out)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `limit` is what `value` (or the ratio, if `of_ratio`) may be at most."""

    name: str
    value: float | None
    unit: str
    reference: float | None = None
    ratio: float | None = None
    limit: float | None = None
    of_ratio: bool = False
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the limit is kept; None without one."""
        measured = self.ratio if self.of_ratio else self.value
        return None if self.limit is None or measured is None else measured <= self.limit


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured. `steps` of the engine, `many` for the large run."""

    steps: int = 10_000
    many: int = 100_000
    validate: Sequence[int] = (100, 1_000, 10_000, 100_000)
    pairs: int = 5
    process_pairs: int = 10
    processes: int = 200
    starts: int = 11
    peer_steps: int = 1_000
    requests: int = 50
    #: Each so-many-th of the random graphs.
    graphs: int = 1


QUICK = Sizes(
    steps=1_000,
    many=10_000,
    validate=(100, 1_000),
    pairs=3,
    process_pairs=3,
    processes=50,
    starts=5,
    peer_steps=200,
    requests=10,
    graphs=10,
)


@dataclass
class Lab:
    """Where is measured, and how much."""

    directory: Path
    sizes: Sizes
    environ: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environ = {k: v for k, v in os.environ.items() if k not in NOT_OURS}
        self.environ["PYTHONPATH"] = str(ROOT)

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """An empty directory for one run, on the disk that is measured."""
        with tempfile.TemporaryDirectory(dir=self.directory) as folder:
            yield Path(folder)

    def document(self, shape: str, steps: int, kind: str, parallel: int = 0) -> Path:
        """A workflow file, made once. By another process: memory that we use would show in those we start."""
        file = self.directory / f"{shape}-{steps}-{kind}-{parallel}.yaml"
        if not file.exists():
            self.python("-m", "tests.bench.documents", shape, str(steps), kind, str(file), str(parallel))
        return file

    def python(self, *arguments: str) -> Sample:
        """This Python, with the project importable."""
        return self.run([sys.executable, *arguments])

    def mplp(self, *arguments: str, state: Path | None = None, cwd: Path | None = None) -> Sample:
        """The command, as it is installed if it is."""
        more = {} if state is None else {"MPLP_STATE_DIR": str(state)}
        return self.run(self.command(*arguments), more, cwd)

    def command(self, *arguments: str) -> list[str]:
        """The words that start it."""
        script = Path(sys.executable).parent / "mplp"
        return [*([str(script)] if script.exists() else [sys.executable, "-m", "mplp_cli"]), *arguments]

    def run(
        self, argv: Sequence[str], more: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Sample:
        """Run a program to its end, its screen going nowhere. RuntimeError if it fails."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            actions = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, out.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, err.fileno(), 2),
            ]
            before = Path.cwd()
            os.chdir(cwd or ROOT)
            try:
                began = time.perf_counter()
                pid = os.posix_spawnp(
                    argv[0], list(argv), self.environ | dict(more or {}), file_actions=actions
                )
                _, status, used = os.wait4(pid, 0)
                wall = time.perf_counter() - began
            finally:
                os.chdir(before)
            out.seek(0)
            text = out.read().decode("utf-8", "replace")
            if os.waitstatus_to_exitcode(status) != 0:
                err.seek(0)
                raise RuntimeError(f"{' '.join(argv)}: {err.read().decode('utf-8', 'replace') or text}")
        scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return Sample(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / scale, text)


Measure = Callable[[], float]


def median_of(measure: Measure, count: int) -> float:
    """The median of so many."""
    return statistics.median(measure() for _ in range(count))


def pairs(ours: Measure, theirs: Measure, count: int) -> tuple[float, float, float]:
    """Medians of both, measured by turns, and the median of the ratios of the pairs."""
    measured = [(ours(), theirs()) for _ in range(count)]
    left, right = zip(*measured, strict=True)
    ratio = statistics.median(a / b for a, b in measured)
    return statistics.median(left), statistics.median(right), ratio
