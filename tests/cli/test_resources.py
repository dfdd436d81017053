"""What steps hold, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Terminal
from tests.cli.test_startup import imported

FLOW = """\
workflow:
  id: shares
  name: Shares
  version: 1.0.0
  defaults: {resources: {cpu: 0.25}}
  steps:
    - {id: a, type: shell, run: "true"}
    - id: b
      type: shell
      run: "true"
      resources: {memory: 64MiB, custom: {llm-slot: 2}}
"""


def test_a_plan_shows_what_steps_hold_and_what_can_never_fit_is_refused(terminal: Terminal) -> None:
    directory = Path(terminal.directory)
    (directory / "shares.yaml").write_text(FLOW)
    (directory / "mplp.yaml").write_text("resources: {cpu: 1, custom: {llm-slot: 2}}")
    planned = terminal("plan", "shares.yaml", "--output", "json").document["steps"]
    assert planned["a"]["resources"] == {"cpu": "0.25"}
    assert planned["b"]["resources"] == {"llm-slot": "2", "memory": "64MiB"}
    assert "holds llm-slot 2, memory 64MiB" in terminal("plan", "shares.yaml").out
    assert terminal("run", "shares.yaml").code == 0

    (directory / "mplp.yaml").write_text("resources: {cpu: 1, custom: {llm-slot: 1}}")
    shown = terminal("validate", "shares.yaml")
    assert shown.code == 1
    assert "shares.yaml:11:7: error[resource-never-fits]: " in shown.err
    assert "llm-slot 2 of 1" in shown.err
    assert terminal("plan", "shares.yaml").code == 2
    refused = terminal("run", "shares.yaml", "--output", "json")
    assert refused.code == 2
    (problem,) = json.loads(refused.err)["error"]["details"]["problems"]
    assert (problem["type"], problem["availability"]) == ("InsufficientResourcesError", {"llm-slot": "1"})


def test_a_run_that_holds_nothing_never_looks_at_the_machine(terminal: Terminal) -> None:
    found = imported(terminal, "run", "talks.yaml")
    assert "mplp_cli.engine.drive" in found
    assert not found & {"psutil", "mplp_cli.resources.pool"}
