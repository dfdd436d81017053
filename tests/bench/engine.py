"""The engine: time a step against the durable reference loop, whole processes, and a large run."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.bench.measure import Lab, Row, median_of, pairs

SHAPES = ("wide", "layered", "chain")
#: A `max-parallel` that nothing reaches: the reference loop has no limit either.
NO_LIMIT = 100_000
#: Limits of the ratio to the reference loop; an effectful chain is bound by one sync a step.
RATIOS = {
    ("set", "wide"): 3.0,
    ("set", "layered"): 3.0,
    ("set", "chain"): 0.3,
    ("task", "wide"): 3.0,
    ("task", "layered"): 3.0,
}


def rows(lab: Lab) -> Iterator[Row]:
    """Durable, in memory, whole process, large."""
    for kind in ("set", "task"):
        for shape in SHAPES:
            yield against_reference(lab, shape, kind)
    yield alone(lab, "layered", "task", "max-parallel 8", parallel=8)
    yield alone(lab, "layered", "rich", "condition, text, timeout, retries", parallel=NO_LIMIT)
    for kind in ("set", "task"):
        yield alone(lab, "layered", kind, "--ephemeral", parallel=NO_LIMIT, ephemeral=True)
    yield held(lab)
    yield items(lab)
    for shape in SHAPES:
        yield whole_process(lab, shape)
    yield observed(lab)
    yield from large(lab)


def probe(lab: Lab, shape: str, kind: str, parallel: int = NO_LIMIT, *, ephemeral: bool = False) -> float:
    """Microseconds a step, from `run.started` to the end of the run."""
    file = lab.document(shape, lab.sizes.steps, kind, parallel)
    more = ["--ephemeral"] if ephemeral else []
    with lab.fresh() as state:
        told = lab.python("-m", "tests.bench.probe", str(file), "--state", str(state), *more).json
    return float(told["seconds"]) / lab.sizes.steps * 1e6


def reference(lab: Lab, shape: str) -> float:
    """The same of the reference loop."""
    with lab.fresh() as folder:
        told = lab.python("-m", "tests.bench.reference", shape, str(lab.sizes.steps), str(folder)).json
    return float(told["seconds"]) / lab.sizes.steps * 1e6


def against_reference(lab: Lab, shape: str, kind: str) -> Row:
    """Pairs of the engine and the loop."""
    ours, theirs, ratio = pairs(
        lambda: probe(lab, shape, kind), lambda: reference(lab, shape), lab.sizes.pairs
    )
    what = "effectful, no work" if kind == "task" else kind
    return Row(
        name=f"durable, {shape} {lab.sizes.steps:,}, {what}",
        value=ours,
        unit="us/step",
        reference=theirs,
        ratio=ratio,
        limit=RATIOS.get((kind, shape)),
        of_ratio=True,
        note="durable loop",
    )


def alone(lab: Lab, shape: str, kind: str, note: str, parallel: int, *, ephemeral: bool = False) -> Row:
    """A variant without a reference of its own."""
    value = median_of(lambda: probe(lab, shape, kind, parallel, ephemeral=ephemeral), 3)
    what = "set" if kind == "set" else "effectful"
    kept = "in memory" if ephemeral else "durable"
    return Row(name=f"{kept}, {shape} {lab.sizes.steps:,}, {what}", value=value, unit="us/step", note=note)


def held(lab: Lab) -> Row:
    """What it costs to hold something of three kinds, on top of a run that holds nothing: time of the processor.

    From the plan to the end of the run, so the search of the start order counts, too.
    """
    walls: dict[str, list[float]] = {"held": [], "task": []}

    def own(kind: str) -> float:
        file = lab.document("layered", lab.sizes.steps, kind, NO_LIMIT)
        with lab.fresh() as state:
            told = lab.python("-m", "tests.bench.probe", str(file), "--state", str(state)).json
        walls[kind].append(float(told["seconds"]) / lab.sizes.steps * 1e6)
        return float(told["cpu"] + told["starting"]) / lab.sizes.steps * 1e6

    ours, bare, _ = pairs(lambda: own("held"), lambda: own("task"), lab.sizes.pairs)
    wall = statistics.median(walls["held"]) - statistics.median(walls["task"])
    return Row(
        name=f"three kinds of resources, layered {lab.sizes.steps:,}, effectful",
        value=ours - bare,
        unit="us/step",
        limit=60.0,
        note=f"on top of {bare:.0f}, start order and all; {wall:.0f} us of time once it runs",
    )


def items(lab: Lab) -> Row:
    """A foreach with one `set` step in it."""
    value = median_of(lambda: probe(lab, "foreach", "set"), 3)
    name = f"foreach over {lab.sizes.steps:,} items, set"
    return Row(name=name, value=value, unit="us/item", limit=200.0, note="three facts an item")


def whole_process(lab: Lab, shape: str) -> Row:
    """`mplp run` with loading, validation and its lines on the screen; the start-up of a one-step run apart."""
    steps = lab.sizes.steps
    file, one = lab.document(shape, steps, "set"), lab.document("apart", 1, "set")

    def run(path: str) -> float:
        with lab.fresh() as state:
            return lab.mplp("run", path, state=state).wall

    start = median_of(lambda: run(str(one)), lab.sizes.pairs)
    whole = median_of(lambda: run(str(file)), lab.sizes.pairs)
    return Row(
        name=f"whole process, {shape} {steps:,}, set",
        value=(whole - start) / steps * 1e6,
        unit="us/step",
        limit=110.0,
        note=f"{whole:.2f} s, {start:.2f} s of them start-up",
    )


def observed(lab: Lab) -> Row:
    """What it costs to count and to take samples: time of the processor of the whole command, with and without."""
    file = lab.document("layered", lab.sizes.steps, "set")

    def run(said: str) -> float:
        with lab.fresh() as folder:
            (folder / "mplp.yaml").write_text(f"metrics: {said}\n")
            return lab.mplp("run", str(file), "--output", "quiet", state=folder / "state", cwd=folder).cpu

    ours, bare, ratio = pairs(lambda: run("on"), lambda: run("off"), 3 * lab.sizes.pairs)
    return Row(
        name=f"metrics, layered {lab.sizes.steps:,}, set",
        value=ours,
        unit="s",
        reference=bare,
        ratio=ratio,
        limit=1.05,
        of_ratio=True,
        note="metrics: off",
    )


def large(lab: Lab) -> Iterator[Row]:
    """A hundred thousand steps in one process, and the replay of what they left."""
    steps = lab.sizes.many
    file = lab.document("wide", steps, "set")
    with lab.fresh() as state:
        taken = lab.mplp("run", str(file), state=state)
    yield Row(name=f"mplp run, wide {steps:,}, set", value=taken.wall, unit="s", limit=12.0)
    yield Row(name=f"mplp run, wide {steps:,}, set, memory", value=taken.peak, unit="MB", limit=350.0)
    with lab.fresh() as state:
        told = lab.python("-m", "tests.bench.probe", str(file), "--state", str(state), "--replay").json
    yield Row(name=f"replay of {told['facts']:,} facts", value=told["replay"], unit="s", limit=1.0)
