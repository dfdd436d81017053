"""What `mplp plan` and `mplp explain` say of earlier runs."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from mplp_cli.workflow.estimates import Measured, Profile
from mplp_cli.workflow.fold.history import RunCompleted
from tests.cli.conftest import Terminal
from tests.store.sample import new_run, run_id, started

TAUGHT = """\
workflow:
  id: taught
  name: Taught
  version: 1.0.0
  steps:
    - {id: build, type: shell, run: 'test -e go || exec tail -f /dev/null', resources: {cpu: 2, memory: 2GiB}}
    - id: each
      type: foreach
      items: [1, 2]
      dependencies: [build]
      steps:
        - {id: check, type: shell, run: 'true'}
    - {id: new, type: shell, run: 'true', dependencies: [build]}
"""
STEPS = {
    "build": Measured(1, 90_000, 0, 45_000, 300 << 20),
    "check": Measured(40, 2_000, 500, None, None),
}


@pytest.fixture
def taught(terminal: Terminal) -> Terminal:
    """A workflow that has run three times before, once far longer than usual."""
    terminal.write("taught.yaml", TAUGHT)
    terminal.write("go", "")
    (terminal.directory / ".mplp").mkdir()
    store = terminal.store()
    for n in (1, 2, 3):
        steps = {name: slower(one, 50) if n == 2 else one for name, one in STEPS.items()}
        journal = store.create_run(new_run(n, "taught"), [started(n)])
        journal.append([RunCompleted(n)], profile=Profile(run=run_id(n), at=n, steps=steps))
    store.close()
    return terminal


def slower(one: Measured, by: int) -> Measured:
    return Measured(one.times, one.duration * by, one.queued, one.cpu, one.memory)


def plan(terminal: Terminal, *more: str) -> Any:
    return terminal("plan", "taught.yaml", *more, env={"COLUMNS": "200"})


def test_a_plan_says_how_long_steps_usually_take_and_what_they_used(taught: Terminal) -> None:
    text = plan(taught).out
    assert "Longest chain  about 1m32s, as earlier runs have shown; 1 of 3 steps not seen yet" in text
    assert "  build \u2192 each" in text
    assert "usually 1m30s (3 runs)" in text
    assert "declares 2GiB of memory, used at most 300MiB in the last 3 runs" in text
    assert "declares 2 cpu, used 0.5 in the last 3 runs" in text
    assert "usually 2.0s each, 40 times (3 runs)" in text


def test_a_plan_for_machines_has_the_same(taught: Terminal) -> None:
    document = plan(taught, "-o", "json").document
    assert document["expected"] == {"duration": 92_000, "chain": ["build", "each"], "steps": 3, "known": 2}
    assert document["steps"]["build"]["usual"] == {
        "duration": 90_000,
        "spread": 0,
        "runs": 3,
        "times": 1,
        "queued": 0,
        "cpuMs": 45_000,
        "peakMemory": 300 << 20,
    }
    assert document["steps"]["each"]["expected"] == 2_000
    assert "usual" not in document["steps"]["new"]


def test_a_plan_without_history_says_nothing_of_it(terminal: Terminal) -> None:
    terminal.write("taught.yaml", TAUGHT)
    ended = plan(terminal)
    assert (ended.code, ended.err) == (0, "")
    assert "usually" not in ended.out
    assert "expected" not in plan(terminal, "-o", "json").document
    assert not (terminal.directory / ".mplp").exists()


def test_a_plan_is_shown_even_if_the_store_cannot_be_read(taught: Terminal) -> None:
    (taught.directory / ".mplp" / "state.db").write_bytes(b"no database" * 1000)
    ended = plan(taught)
    assert ended.code == 0
    assert "nothing is known of earlier runs: " in ended.err
    assert "Longest chain\n" in ended.out


def test_a_step_is_explained_against_what_is_usual_and_a_killed_run_counts_when_it_is_whole(
    taught: Terminal,
) -> None:
    (taught.directory / "go").unlink()
    process = taught.start("run", "taught.yaml", "--output", "quiet")
    [run] = _until_begun(taught)
    process.send_signal(signal.SIGKILL)
    process.wait()
    taught.write("go", "")
    assert taught("resume", run, "-o", "quiet").code == 0
    text = " ".join(taught("explain", run, "build", env={"COLUMNS": "200"}).out.split())
    assert "Against other runs of the workflow" in text
    assert "; usual 1m30s (3 runs)" in text
    assert "declares 2GiB of memory, used at most 300MiB in the last 3 runs" in text
    document = taught("explain", run, "each[1].check", "-o", "json").document
    assert (document["usual"]["duration"], document["usual"]["runs"]) == (2_000, 3)
    learned = plan(taught, "-o", "json").document["steps"]
    assert {name: one["usual"]["runs"] for name, one in learned.items() if "usual" in one} == {
        "build": 4,
        "check": 4,
        "new": 1,
    }


def _until_begun(terminal: Terminal) -> list[str]:
    from tests.cli.conftest import until

    def begun() -> list[str]:
        store = terminal.store()
        try:
            running = [run.id for run in store.runs(workflow_id="taught", status="running")]
            return [
                run
                for run in running
                if any(f.__class__.__name__ == "StepStarted" for _, f in store.history(run))
            ]
        finally:
            store.close()

    until(begun)
    return begun()
