"""`mplp optimize` and `mplp capacity` as somebody at a terminal uses them."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Terminal

CROWDED = '{"cpu": {"utilization": 0.81}, "memory": {"utilization": 0.9}, "network": {"latency": 100}}'


def history(terminal: Terminal, days: int, **run: Any) -> None:
    """A file with a run from ten to eleven on each of so many days."""
    runs = [
        {"createdAt": f"2026-03-{day:02}T10:00:00Z", "endedAt": f"2026-03-{day:02}T11:00:00Z", **run}
        for day in range(1, days + 1)
    ]
    terminal.write("runs.json", json.dumps({"runs": runs}))


def test_given_metrics_give_bottlenecks_and_what_is_done_is_taken_back(terminal: Terminal) -> None:
    terminal.write("metrics.json", CROWDED.replace("0.9}", "0.91}"))
    proposed = terminal("optimize", "--metrics", "metrics.json", "--dry-run", "-o", "json").document
    assert proposed["appliedOptimizations"] == []
    assert not (terminal.directory / ".mplp").exists()
    done = terminal("optimize", "--metrics", "metrics.json", "-o", "json", "--lang", "zh").document
    assert done.keys() == {"appliedOptimizations", "manualRecommendations", "performanceImprovement"}
    assert [(one["type"], one["severity"], one["description"]) for one in done["manualRecommendations"]] == [
        ("cpu", "high", "检测到高CPU利用率"),
        ("memory", "critical", "检测到内存压力"),
    ]
    assert done["performanceImprovement"]["status"] == "unknown"
    [applied] = done["appliedOptimizations"]
    assert applied["undoable"]
    how = applied["adjustment"]
    assert (how["resource"], how["to"] < how["from"]) == ("max-parallel", True)
    # It acts on runs that begin later, and is told.
    assert terminal("run", "talks.yaml").code == 0
    [began] = [fact for fact in _facts(terminal) if fact["type"] == "run.started"]
    assert began["slots"] == how["to"]
    assert "max-parallel is adjusted" in terminal("doctor").out
    assert terminal("optimize", "--undo", "-o", "json").document["undone"]["adjustments"] == [
        {"resource": "max-parallel", "from": how["to"], "to": how["from"]}
    ]
    assert "is adjusted" not in terminal("doctor").out
    again = terminal("optimize", "--undo")
    assert (again.code, again.out) == (1, "there is nothing to take back\n")


def _facts(terminal: Terminal) -> list[Any]:
    from mplp_cli.render.machine import event_object

    store = terminal.store()
    try:
        run = terminal.only_run()
        return [event_object(seq, run, fact) for seq, fact in store.history(run)]
    finally:
        store.close()


def test_the_machine_is_measured_to_the_probes_of_the_project(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there, socket.create_server(("127.0.0.1", 0)) as gone:
        port, closed = there.getsockname()[1], gone.getsockname()[1]
        gone.close()
        terminal.write("mplp.yaml", f'probes: ["127.0.0.1:{port}", "127.0.0.1:{closed}"]')
        found = terminal("optimize", "--dry-run", "-o", "json").document["performanceImprovement"]
    assert (found["source"], found["window"]) == ("measured", 0.5)
    assert found["metrics"]["network"]["latency"] >= 0
    assert 0 < found["metrics"]["memory"]["utilization"] < 1
    assert list(found["unreachable"]) == [f"127.0.0.1:{closed}"]
    for said, why in (
        ("[nowhere]", "'nowhere' under `probes`"),
        ('["::1:80"]', "'::1:80' under `probes`"),
    ):
        terminal.write("mplp.yaml", f"probes: {said}")
        refused = terminal("optimize", "--dry-run")
        assert (refused.code, why in refused.err) == (2, True), refused.err


def test_what_is_adjusted_before_anything_is_stored_is_told_and_taken_back(terminal: Terminal) -> None:
    fewer = {"actions": [{"type": "scale-down", "resource": "max-parallel", "amount": 1}]}
    terminal.write("plan.json", json.dumps(fewer))
    assert terminal("capacity", "apply", "plan.json").code == 0
    assert "`mplp capacity apply --undo` takes it back" in terminal("doctor").out
    for words in (("optimize", "--undo", "--dry-run"), ("capacity", "apply", "plan.json", "--undo")):
        assert terminal(*words).code == 2
    place = Path(terminal.directory) / ".mplp" / "adjustments.json"
    before = place.read_bytes()
    place.write_text("[]", "utf-8")
    broken = terminal("doctor")
    assert (broken.code, "Move `adjustments.json` away" in broken.out) == (74, True)
    place.write_bytes(before)
    assert terminal("capacity", "apply", "--undo").code == 0
    assert "max-parallel" not in terminal("doctor").out


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        ("optimize --metrics", '{"cpu":\n  {"utilization": "much"}}', "f:2:19: a number or nothing is wanted"),
        ("capacity plan --history", '{"runs": [{"createdAt": "yesterday"}]}', "f:1:25: 'yesterday' is not a time"),
        ("capacity apply", "\x00", "f:1:"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_shown_with_its_place(
    terminal: Terminal, words: str, text: str, said: str
) -> None:
    terminal.write("f", text)
    ended = terminal(*words.split(), "f")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"mplp: {said}")
    assert "Traceback" not in ended.err


def test_a_plan_is_made_from_a_history_carried_out_and_taken_back(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", "resources: {custom: {desk: 2}, cpu: 1}")
    history(terminal, 5, workflowId="nightly", resources={"desk": 3}, slots=2)
    planned = terminal("capacity", "plan", "--history", "runs.json", "--horizon", "1d", "-o", "json")
    plan = planned.document
    assert plan.keys() == {"forecast", "requiredCapacity", "scalingPlan", "recommendations"}
    desk = next(one for one in plan["forecast"]["resources"] if one["resource"] == "desk")
    assert (desk["method"], desk["season"], len(desk["points"])) == ("seasonal-naive", 24, 24)
    assert desk["backtest"].keys() == {"hours", "mae", "mape", "mase"}
    assert max(point["value"] for point in desk["points"]) == 3
    [action] = plan["scalingPlan"]["actions"]
    assert action == {"type": "scale-up", "resource": "desk", "amount": 1, "from": 2, "to": 3}
    done = terminal("capacity", "apply", "-", "-o", "json", stdin=planned.out)
    assert (done.code, done.document) == (
        0,
        {
            "actions": [{**action, "status": "completed", "result": {"from": 2, "to": 3}}],
            "success": True,
            "summary": "1 of 1 actions completed",
        },
    )
    stale = terminal("capacity", "scale", "-", "-o", "json", stdin=planned.out)
    assert (stale.code, stale.document["success"]) == (1, False)
    assert "plan again" in stale.document["actions"][0]["error"]
    assert "desk is adjusted: 3, not 2" in terminal("doctor").out or not terminal("runs").out
    assert terminal("capacity", "apply", "--undo").out == "taken back: desk (had been made 3 from 2)\n"
    empty = terminal("capacity", "apply", "-", "-o", "json", stdin='{"actions": []}')
    assert (empty.code, empty.document) == (0, {"actions": [], "success": True, "summary": "no actions"})


def test_a_short_history_of_the_store_is_forecast_flat_and_said_to_be_so(terminal: Terminal) -> None:
    nothing = terminal("capacity", "plan")
    assert (nothing.code, "no run has been recorded" in nothing.err) == (2, True)
    assert terminal("run", "talks.yaml").code == 0
    shown = terminal("capacity", "plan", env={"COLUMNS": "80"})
    assert shown.code == 0
    assert "1 run in 1 hour up to" in shown.out
    assert "the forecast is flat" in " ".join(shown.out.split())
    assert max(map(len, shown.out.splitlines())) <= 80
    assert terminal("capacity", "plan", "--horizon", "1y").code == 2


@pytest.mark.parametrize(
    ("words", "look"),
    [
        (("optimize", "--metrics", "f"), "metrics are {"),
        (("capacity", "apply", "f"), "a plan is {"),
        (("capacity", "plan", "--history", "f"), "a history is {"),
    ],
)
def test_the_help_shows_how_such_a_file_looks(terminal: Terminal, words: tuple[str, ...], look: str) -> None:
    for text in ("", "[]"):
        terminal.write("f", text)
        refused = terminal(*words)
        assert (refused.code, refused.out) == (2, "")
        assert f"\nhelp: {look}" in refused.err


WORKS = """\
workflow:
  id: works
  name: Works
  version: 1.0.0
  steps:
    - {id: a, type: agent, agent: one, input: {}}
    - {id: b, type: agent, agent: one, input: {}}
    - {id: idle, type: shell, run: sleep 0.55, resources: {cpu: 0.5, memory: 512MiB}}
"""


def test_what_runs_have_held_and_used_says_what_to_scale_and_what_to_declare(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", "resources: {cpu: 2, memory: 2GiB}")
    terminal.write(
        "agents.yaml",
        "agents: [{id: one, kind: mock, script: [{reply: {}, delay: 200ms}], limits: {max-concurrency: 1}}]\n",
    )
    terminal.write("works.yaml", WORKS)
    for _ in range(2):
        assert terminal("run", "works.yaml").code == 0
    # `b` has waited for the only place of the agent, so that two were asked for.
    planned = terminal("capacity", "plan", "-o", "json")
    [action] = [one for one in planned.document["scalingPlan"]["actions"] if ":" in one["resource"]]
    assert action == {"type": "scale-up", "resource": "agent:one", "amount": 1, "from": 1, "to": 2}
    cpu = next(one for one in planned.document["requiredCapacity"] if one["resource"] == "cpu")
    assert (cpu["expected"], cpu["upper"], cpu["basis"]) == (0.5, None, ["held"])
    places = terminal.directory / ".mplp" / "leases"
    assert [one.name for one in places.iterdir()] == ["one.0"]
    assert terminal("capacity", "apply", "-", stdin=planned.out).code == 0
    assert terminal("run", "works.yaml").code == 0
    assert sorted(one.name for one in places.iterdir()) == ["one.0", "one.1"]
    none = json.dumps({"actions": [{"type": "scale-up", "resource": "agent:two", "amount": 1}]})
    failed = terminal("capacity", "apply", "-", "-o", "json", stdin=none)
    assert (failed.code, "did you mean `agent:one`" in failed.document["actions"][0]["error"]) == (1, True)

    advised = terminal("resources", "optimize", "-o", "json").document["recommendations"]
    told = {one["kind"]: (one["step"], one["finding"], one["declared"], one["runs"]) for one in advised}
    assert told["cpu"] == ("idle", "too-much", 0.5, 3)
    assert any("step idle: declares 0.5 cpu, used" in one["description"] for one in advised)

    used = terminal("resources", "utilization", "--since", "10m", "-o", "json").document
    assert (used["runs"], used["kinds"]["cpu"]["peak"]) == (3, 0.5)
    # Three runs of half a second, each holding a quarter of it, in ten minutes.
    assert 0.0006 <= used["kinds"]["memory"]["utilization"] <= 0.006
    assert terminal("resources", "utilization", "--since", "never").code == 2
