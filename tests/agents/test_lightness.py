"""What is imported with the agents."""

from __future__ import annotations

import os
import subprocess
import sys

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
