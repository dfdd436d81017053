"""What is imported with the agents."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECK = """
import sys
from mplp_cli.agents import budget, contract, ladder
assert not {"asyncio", "httpx2", "jsonschema"} & set(sys.modules)
from mplp_cli.agents.adapters import completions, http, openai, wire
from mplp_cli.workflow.agents import HttpAgent, OpenAIAgent
http.HttpAdapter(HttpAgent(id="a", endpoint="http://x"), None, {}, None)
openai.OpenAIAdapter(OpenAIAgent(id="a", endpoint="http://x", model="m"), None, {}, None, {})
assert "httpx2" not in sys.modules
"""


PLAIN = """
import asyncio, sys
from pathlib import Path
from mplp_cli.runtime import Runtime, Screen
from mplp_cli.sources import Source
steps = b"[{id: a, type: set, values: {n: 1}}, {id: b, type: shell, run: 'true'}]"
text = b"workflow: {id: w, name: W, version: 1.0.0, steps: " + steps + b"}"
with Runtime(state_dir=sys.argv[1]) as runtime:
    source = Source("w.yaml", text, Path(sys.argv[1]))
    plan = runtime.load(source).plan
    assert asyncio.run(runtime.start(source, plan, {}, {}, Screen()).go()).status == "completed"
agents = {"httpx2", "mcp", "a2a", "mplp_cli.agents.boundary", "mplp_cli.agents.budget"}
traces = {"opentelemetry", "mplp_cli.observe.traces", "mplp_cli.workflow.tracing"}
loaded = (agents | traces) & set(sys.modules)
assert not loaded, loaded
"""


def test_a_run_without_agents_and_traces_loads_nothing_of_them(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PLAIN, str(tmp_path)],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_httpx2_is_not_imported_before_an_agent_is_called() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CHECK],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
