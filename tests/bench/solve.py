"""`python -m tests.bench.solve FILE [--seconds 10]`: the best known makespans of the small graphs, by OR-Tools CP-SAT.

Needs the extra `solver`. Each line of FILE is `[seed, makespan, bound, status]`; seeds that are in it are not solved
again, so that it may be stopped and started.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from tests.bench.graphs import SMALL, Graph, graph


def solved(one: Graph, seconds: float) -> tuple[int, int, str]:
    """The makespan found, a lower bound, and whether it is proven (`optimal`) or only found (`feasible`)."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    horizon = sum(one.durations)
    end = model.new_int_var(math.ceil(one.bound), horizon, "end")
    starts = [model.new_int_var(0, horizon, f"s{i}") for i in range(len(one.needs))]
    spans = [
        model.new_fixed_size_interval_var(start, duration, f"i{i}")
        for i, (start, duration) in enumerate(zip(starts, one.durations, strict=True))
    ]
    for i, needed in enumerate(one.needs):
        for d in needed:
            model.add(starts[i] >= starts[d] + one.durations[d])
        model.add(end >= starts[i] + one.durations[i])
    for k, capacity in enumerate(one.capacities):
        held = [demand[k] for demand in one.demands]
        model.add_cumulative(spans, held, capacity)
    model.minimize(end)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    told = {cp_model.OPTIMAL: "optimal", cp_model.FEASIBLE: "feasible"}[status]
    return round(solver.objective_value), math.ceil(solver.best_objective_bound - 1e-6), told


def main() -> None:
    """Solve what is not in the file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.solve")
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    known = given.file.read_text("utf-8").splitlines() if given.file.exists() else []
    done = {json.loads(line)[0] for line in known if line.startswith("[")}
    for seed in SMALL:
        if seed not in done:
            makespan, bound, status = solved(graph(seed), given.seconds)
            with given.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps([seed, makespan, bound, status]) + "\n")
            sys.stderr.write(f"{seed}: {makespan} >= {bound} {status}\n")


if __name__ == "__main__":
    main()
