"""The benchmarks run, and what they print is well formed. No figure is judged here: that is for a quiet machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mplp_cli.loading import load_workflow
from mplp_cli.modules.catalogue import check_operation
from tests.bench import control, delivering, engine, hub, processes
from tests.bench.documents import document, needs
from tests.bench.measure import Lab, Row, Sizes, pairs
from tests.bench.startup import one_step, validation
from tests.bench.table import HEADS, lines

TINY = Sizes(
    steps=60,
    many=120,
    validate=(30,),
    pairs=1,
    process_pairs=1,
    processes=4,
    starts=1,
    peer_steps=10,
    requests=2,
)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path, TINY)


@pytest.mark.parametrize("shape", ["wide", "layered", "chain", "apart", "mixed"])
@pytest.mark.parametrize("steps", [1, 2, 120])
def test_a_shape_has_so_many_steps_and_no_cycle(shape: str, steps: int) -> None:
    graph = needs(shape, steps)
    assert len(graph) == steps
    assert all(0 <= other < step for step, needed in enumerate(graph) for other in needed)


@pytest.mark.parametrize(
    ("shape", "kind"), [("wide", "set"), ("chain", "shell"), ("mixed", "mixed"), ("layered", "rich")]
)
def test_a_document_is_valid_and_has_its_dependencies(shape: str, kind: str) -> None:
    text = document(shape, 120, kind, parallel=2).encode()
    loaded = load_workflow(text, "w.yaml", check_operation=None if kind == "rich" else check_operation)
    assert not loaded.problems
    assert loaded.plan is not None
    assert [list(step.needs) for step in loaded.plan.steps] == needs(shape, 120)


GROUPS: dict[str, Callable[[Lab], Iterator[Row]]] = {
    "start-up": lambda lab: iter([one_step(lab)]),
    "validation": lambda lab: validation(lab, 30),
    "set": lambda lab: iter([engine.against_reference(lab, "wide", "set")]),
    "effectful": lambda lab: iter([engine.against_reference(lab, "layered", "task")]),
    "in memory": lambda lab: iter([engine.alone(lab, "chain", "rich", "all", 8, ephemeral=True)]),
    "held": lambda lab: iter([engine.held(lab)]),
    "metrics": lambda lab: iter([engine.observed(lab)]),
    "large": engine.large,
    "processes": processes.rows,
    "control": control.rows,
    "hub": hub.rows,
    "events": delivering.rows,
}


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_gives_whole_rows(lab: Lab, group: str) -> None:
    rows = list(GROUPS[group](lab))
    assert rows
    for row in rows:
        if row.note.endswith("is not installed"):
            continue
        assert row.value is not None
        assert row.unit in {"s", "ms", "us", "MB", "us/step", "ms/step"}
        assert (row.ratio is None) == (row.reference is None)
        assert (row.ok is None) == (row.limit is None)
    table = lines(rows)
    assert len(table) == len(rows) + 1
    assert table[0].split()[0] == HEADS[0]


def test_pairs_are_measured_by_turns_and_compared_one_by_one() -> None:
    order: list[str] = []
    ours, theirs = iter([2.0, 3.0, 100.0]), iter([1.0, 1.0, 20.0])

    def measure(name: str, values: Iterator[float]) -> Callable[[], float]:
        def once() -> float:
            order.append(name)
            return next(values)

        return once

    assert pairs(measure("A", ours), measure("B", theirs), 3) == (3.0, 1.0, 3.0)
    assert order == ["A", "B"] * 3


def test_a_limit_is_for_the_value_or_for_the_ratio() -> None:
    value = Row(name="a", value=2.0, unit="s", reference=1.0, ratio=2.0, limit=1.5)
    assert value.ok is False
    ratio = Row(name="a", value=1.0, unit="s", reference=1.0, ratio=1.0, limit=1.5, of_ratio=True)
    assert ratio.ok is True
    assert Row(name="a", value=1.0, unit="s").ok is None
    assert "NO" in lines([value])[1].split()
    assert "yes" in lines([ratio])[1].split()


def test_a_program_that_fails_is_told(lab: Lab) -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        lab.python("-c", "raise SystemExit('no such thing')")
