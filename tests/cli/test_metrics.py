"""`mplp metrics`: what runs have done, counted once, and read by Prometheus."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Mplp

FLOW = """\
workflow:
  id: counted
  name: Counted
  version: 1.0.0
  steps:
    - {id: each, type: foreach, items: [1, 2, 3], steps: [{id: s, type: set, values: {x: "${item}"}}]}
    - {id: flaky, type: shell, run: "exit 3", retry-policy: {max-retries: 2, initial-delay: 10ms},
       fallback-actions: [{condition: any, action: skip}]}
    - {id: told, type: emit, event: {type: my.thing, data: {}}, dependencies: [each]}
    - {id: never, type: set, when: "false", values: {x: 1}}
"""
DIES = """\
workflow:
  id: dies
  name: Dies
  version: 1.0.0
  steps:
    - {id: a, type: set, values: {x: 1}}
    - {id: kill, type: shell, run: "test -e again || { touch again; kill -9 $PPID; sleep 9; }", dependencies: [a]}
"""


def numbers(mplp: Mplp, name: str, *labels: str) -> dict[Any, float]:
    """The series of a counter by these labels."""
    document = mplp("metrics", "--output", "json", name).document
    [metric] = [one for one in document["metrics"] if one["name"] == name] or [{"series": []}]
    return {tuple(one["labels"][label] for label in labels): one["value"] for one in metric["series"]}


def test_what_runs_did_is_counted_once_and_shown_in_three_ways(tmp_path: Path) -> None:
    mplp = Mplp(tmp_path)
    assert "nothing was measured" in mplp("metrics").err
    (tmp_path / "flow.yaml").write_text(FLOW)
    for _ in range(2):
        assert mplp("run", "flow.yaml").code == 0
    assert numbers(mplp, "mplp_runs_total", "workflow", "status") == {("counted", "completed"): 2}
    steps = numbers(mplp, "mplp_steps_total", "type", "status")
    assert steps.items() >= {
        ("set", "completed"): 6, ("set", "skipped"): 2, ("shell", "skipped"): 2, ("emit", "completed"): 2,
        ("foreach", "completed"): 2,
    }.items()  # fmt: skip
    assert numbers(mplp, "mplp_step_retries_total", "type") == {("shell",): 4}
    assert numbers(mplp, "mplp_events_total", "type")[("my.thing",)] == 2
    shown = mplp("metrics", "--since", "10m").out
    assert "P95" in shown
    assert "workflow=counted" in shown
    families = {
        family.name: family
        for family in text_string_to_metric_families(mplp("metrics", "--output", "prometheus").out)
    }
    assert [one.value for one in families["mplp_runs"].samples] == [2]
    assert families["mplp_commit_seconds"].type == "histogram"
    assert mplp("metrics", "--since", "never").code == 2
    assert mplp("metrics", "--output", "prometheus", "--since", "1h").code == 2


def test_a_run_that_was_killed_and_taken_up_ends_once_and_off_is_off(tmp_path: Path) -> None:
    mplp = Mplp(tmp_path)
    (tmp_path / "dies.yaml").write_text(DIES)
    assert mplp("run", "dies.yaml").code == -signal.SIGKILL
    assert mplp("resume", "dies").code == 0
    assert numbers(mplp, "mplp_runs_total", "status") == {("completed",): 1}
    # What the first process had counted is lost with it; what it had stored is not counted by the second.
    assert numbers(mplp, "mplp_steps_total", "type") == {("shell",): 1}
    (tmp_path / "mplp.yaml").write_text("metrics: off\n")
    assert mplp("run", "dies.yaml").code == 0
    assert numbers(mplp, "mplp_runs_total", "status") == {("completed",): 1}
