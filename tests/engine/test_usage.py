"""What attempts use: it is measured, it is a fact, and it is not more memory than was declared."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.agents.contract import AgentRequest
from mplp_cli.clock import SystemClock
from mplp_cli.engine.steps.python import run_python
from mplp_cli.engine.steps.shell import ShellSteps
from mplp_cli.engine.survivors import find_marked, kill_marked
from mplp_cli.engine.workplace import Workplace, attempt_mark
from mplp_cli.errors import InsufficientResourcesError, ShellExitError
from mplp_cli.protocols import Attempt
from mplp_cli.staffing import make_agents
from mplp_cli.workflow.agents import CommandAgent
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.resources import Demand, Usage
from tests.conftest import Mplp
from tests.engine.test_orphans import PATIENCE, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is looked up in /proc")

RUN = f"usage-{os.getpid()}"
MIB = 1 << 20
#: Holds so many MiB, and does what is said then.
HOLD = f"{sys.executable} -S -E -c 'import time; x = bytearray({{0}} << 20); {{1}}'"
LONG = "time.sleep(600)"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    left = find_marked(attempt_mark(RUN))
    kill_marked(attempt_mark(RUN))
    assert not left


@dataclass
class Work:
    """Runs attempts in a folder and notes what they use."""

    folder: Path
    used: list[Usage] = field(default_factory=list)

    def attempt(self, body: Any, *, memory: int = 0, enforce: Any = "watch", **more: Any) -> Attempt:
        amounts = (("cpu", 1_500), ("memory", memory * MIB)) if memory else ()
        return Attempt(
            run=RUN,
            workflow="w",
            step="s",
            number=1,
            timeout=0,
            cwd=str(self.folder),
            env={"PATH": os.environ["PATH"]},
            body=body,
            idempotency_key="key",
            output=lambda step, stream, text: None,
            demand=Demand(amounts=amounts, enforce=enforce) if memory else None,
            measured=self.used.append,
            **more,
        )

    @property
    def place(self) -> Workplace:
        return Workplace(log_dir=self.folder / "logs", grace=1)

    def shell(self, script: str, **more: Any) -> Any:
        attempt = self.attempt({"script": script}, **more)
        return asyncio.run(ShellSteps(masker=Masker({}), workplace=self.place)(attempt))


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


@pytest.mark.parametrize(
    "script",
    [
        f"{HOLD.format(60, LONG)} & {HOLD.format(60, LONG)} & wait",
        f'(setsid sh -c "{HOLD.format(110, LONG)} &" &); sleep 600',
        f"(setsid env -u MPLP_ATTEMPT {HOLD.format(110, LONG)}) & sleep 600",
    ],
    ids=["two children together", "forked twice, in a session of its own", "without its mark"],
)
def test_a_tree_that_holds_more_than_declared_is_stopped(work: Work, script: str) -> None:
    with pytest.raises(InsufficientResourcesError, match=r"used \d+(\.\d+)?MiB .* declares 100MiB") as caught:
        work.shell(script, memory=100)
    assert caught.value.details["availability"] == {"memory": "100MiB"}
    assert not caught.value.retryable
    [used] = work.used
    assert 100 * MIB < used.peak_memory < 160 * MIB


def test_a_tree_that_stays_below_runs_to_its_end_and_its_peak_is_known(work: Work) -> None:
    assert work.shell(HOLD.format(20, "time.sleep(0.5); print(len(x))"), memory=100)["output"] == str(
        20 * MIB
    )
    [used] = work.used
    assert 20 * MIB < used.peak_memory < 100 * MIB
    assert used.cpu_ms > 0


def test_pages_that_processes_share_count_once(work: Work) -> None:
    forks = "import os, time; x = bytearray(50 << 20); [os.fork() for _ in range(2)]; time.sleep(1.5)"
    work.shell(f"{sys.executable} -S -E -c '{forks}'", memory=100)
    assert 50 * MIB < work.used[0].peak_memory <= 100 * MIB


@pytest.mark.parametrize(("enforce", "fails"), [("rlimit", True), ("none", False)])
def test_the_system_refuses_more_where_that_is_asked_for(work: Work, enforce: str, fails: bool) -> None:
    def hold(size: int) -> Any:
        return work.shell(HOLD.format(size, "print(1)"), memory=100, enforce=enforce)

    assert hold(10)["output"] == "1"
    if fails:
        with pytest.raises(ShellExitError, match="MemoryError"):
            hold(200)
    else:
        assert hold(200)["output"] == "1"
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # a smaller peak is not known
        assert max(work.used[1].peak_memory, own) > 200 * MIB


def test_a_peak_that_nobody_knows_is_left_out(work: Work) -> None:
    work.shell("true")
    assert work.used[0].peak_memory == 0  # it is less than ours, which the system counts with its own


def test_functions_and_agents_are_measured_and_watched_as_scripts_are(work: Work) -> None:
    (work.folder / "takes.py").write_text("def memory(size):\n    return len(bytearray(size << 20))\n")
    body = {"call": "takes:memory", "arguments": {"size": 300}}
    made = run_python(
        work.attempt(body), masker=Masker({}), source_dir=str(work.folder), workplace=work.place
    )
    assert asyncio.run(made) == 300 * MIB
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # a smaller peak is not known
    assert 300 * MIB < max(work.used[0].peak_memory, own) < max(400 * MIB, own + 1)

    agent = CommandAgent(id="a", command=["sh", "-c", HOLD.format(110, LONG)])
    agents = make_agents(
        {"a": (agent, str(work.folder))},
        work.place,
        Masker({}),
        run=RUN,
        deny_private=False,
        clock=SystemClock(),
        environ=dict(os.environ),
        open_environ={},
        cwd="/",
        output=lambda step, stream, text: None,
    )
    asks = AgentRequest(
        run=RUN, step="s", agent="a", idempotency_key="k", within=work.attempt(None, memory=100)
    )
    with pytest.raises(InsufficientResourcesError):
        asyncio.run(agents.ask(asks, lambda text: None))
    assert work.used[1].peak_memory > 100 * MIB


def test_an_attempt_is_told_what_it_may_use(work: Work) -> None:
    parts = (
        ("cpu", "all", 1_500),
        ("gpu", "gpu-1", 1_000),
        ("gpu", "gpu-3", 1_000),
        ("llm-slot", "a", 1_000),
    )
    told = work.shell("env | grep '^MPLP_[CMU]' | sort", memory=100, parts=parts)["output"].split("\n")
    assert told == [
        "MPLP_CPU=1.5",
        f"MPLP_MEMORY={100 * MIB}",
        "MPLP_UNITS_CPU=all",
        "MPLP_UNITS_GPU=gpu-1,gpu-3",
        "MPLP_UNITS_LLM_SLOT=a",
    ]


# ---- as facts ------------------------------------------------------------------------------------

WORKFLOW = f"""\
workflow:
  id: w
  name: Used
  version: 1.0.0
  grace: 1s
  max-parallel: 4
  steps:
    - {{id: one, type: shell, run: "{sys.executable} -c 'sum(range(2000000))'"}}
    - {{id: two, type: shell, dependencies: [one], run: 'touch up; until test -e go; do sleep 0.02; done'}}
    - {{id: both, type: parallel, dependencies: [two], steps: [
        {{id: busy, type: shell, run: "touch busy; while :; do :; done"}},
        {{id: greedy, type: shell, resources: {{memory: 40MiB}},
         retry-policy: {{max-retries: 1, initial-delay: 10ms, backoff-strategy: fixed}},
         run: "until test -e busy; do sleep 0.02; done; test -e failed || {{ touch failed; exit 1; }}; \\
               {sys.executable} -c 'import time; x = bytearray(99 << 20); time.sleep(99)'",
         fallback-actions: [{{condition: resource, action: abort}}]}}]}}
"""


def test_usage_is_a_fact_of_every_end_and_survives_a_crash(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(WORKFLOW)
    mplp = Mplp(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "mplp_cli", "run", "w.yaml"],
        cwd=tmp_path,
        env=mplp.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert until((tmp_path / "up").exists, PATIENCE)
    finally:
        process.kill()
        process.wait()
    (tmp_path / "go").touch()
    resumed = mplp("resume", "w", "--output", "json")
    assert resumed.code == 1, resumed.err
    steps = resumed.document["steps"]
    assert {name: step["status"] for name, step in steps.items()} == {
        "one": "completed",
        "two": "completed",
        "both": "cancelled",
        "busy": "cancelled",
        "greedy": "failed",
    }
    assert steps["greedy"]["error"]["type"] == "InsufficientResourcesError"
    assert not any("usage" in step for step in steps.values())  # it is never the same twice
    steps = mplp("status", "w", "--output", "json").document["steps"]
    assert steps["greedy"]["usage"]["peakMemory"] > 40 * MIB
    assert 0 < steps["one"]["usage"]["cpuMs"] < 5_000
    assert steps["busy"]["usage"]["cpuMs"] > 0
    assert "usage" in steps["two"]
    assert "usage" not in steps["both"]

    facts = [json.loads(line) for line in mplp("logs", "w", "--history").out.splitlines()]
    ends = {(f["type"], f["step"]): f["usage"] for f in facts if "usage" in f}
    assert set(ends) == {
        ("step.completed", "one"),
        ("step.completed", "two"),
        ("step.retrying", "greedy"),
        ("step.failed", "greedy"),
        ("step.cancelled", "busy"),
    }
    assert ends["step.completed", "one"]["cpuMs"] == steps["one"]["usage"]["cpuMs"]

    told = mplp("explain", "w", "greedy", "--output", "json").document
    assert [one["usage"]["read"] >= 0 for one in told["attempts"]] == [True, True]
    assert told["declared"] == {"memory": "40MiB"}
    screen = mplp("explain", "w", "greedy").out
    assert "attempt 2 used " in screen
    assert "declared memory 40MiB" in screen


def test_what_attempts_have_used_adds_up() -> None:
    first = Usage(cpu_ms=3, peak_memory=50, read=1)
    assert first + Usage(cpu_ms=4, peak_memory=20, written=2) == Usage(
        cpu_ms=7, peak_memory=50, read=1, written=2
    )
