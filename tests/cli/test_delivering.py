"""A project's events on their way to all kinds of targets at once, with an installed package and real processes."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mplp_cli.delivering import delivering
from mplp_cli.errors import InputError
from mplp_cli.runtime import Runtime
from mplp_cli.workflow.events.routes import (
    AgentTarget,
    FileTarget,
    HandlerTarget,
    Match,
    Route,
    Routing,
    Target,
    WebhookTarget,
    WorkflowTarget,
)
from mplp_cli.workflow.published import Cause, Published
from tests.cli.conftest import Terminal, until

EXAMPLE = Path(__file__).parents[1] / "handler_example"
PAGE = Path(__file__).parents[2] / "mplp_cli" / "help" / "targets.md"
FLOW = """\
workflow:
  id: tagged
  name: Tagged
  version: 1.0.0
  inputs: {tag: {type: string}}
  steps:
    - {id: note, type: set, values: {tag: "${inputs.tag}"}}
"""
AGENTS = """\
agents:
  - id: scribe
    kind: command
    command: [sh, -c, 'cat >>"$MPLP_CWD/scribe"; echo >>"$MPLP_CWD/scribe"; echo 1']
    input: json
"""


@pytest.fixture(scope="module")
def installed(install: Callable[[Path], Path]) -> Path:
    return install(EXAMPLE)


def routing(**targets: Target) -> Routing:
    match = Match(type="git.*")
    return Routing(
        routes=tuple(Route(id=name, match=match, target=target) for name, target in targets.items())
    )


def tag(number: int) -> Published:
    data = {"tag": f"v{number}"}
    return Published(id=f"e-{number}", type="git.tag.created", source="tests", at=1, data=data)


def test_the_page_shows_the_package_that_is_tested() -> None:
    text = PAGE.read_text("utf-8")
    for language, file in (("toml", "pyproject.toml"), ("python", "mplp_bell.py")):
        [shown] = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)
        assert shown == (EXAMPLE / file).read_text("utf-8")


def test_an_event_reaches_a_function_an_agent_a_workflow_and_a_file(
    terminal: Terminal, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = terminal.directory
    terminal.write("agents.yaml", AGENTS)
    terminal.write("flow.yaml", FLOW)
    monkeypatch.setattr(sys, "path", [*sys.path, str(installed)])
    environ = terminal.env | {"HOME": str(folder)}
    routes = routing(
        bell=HandlerTarget(handler="bell", options={"file": str(folder / "bell")}),
        scribe=AgentTarget(agent="scribe", input={"tag": "${event.data.tag}"}),
        build=WorkflowTarget(file=str(folder / "flow.yaml"), inputs={"tag": "${event.data.tag}"}),
        audit=FileTarget(path=str(folder / "audit.jsonl")),
    )

    async def deliver(runtime: Runtime, *events: Published) -> None:
        async with delivering(runtime, routes, patience=60) as ours:
            assert ours is not None
            async with delivering(runtime, routes) as others:
                assert others is None
            await ours.bus.publish(*events)

    state = str(folder / ".mplp")
    with Runtime(start=folder, state_dir=state, environ=environ) as runtime:
        asyncio.run(deliver(runtime, tag(1)))
        # Another process publishes meanwhile; what comes later is delivered by the next that delivers.
        runtime.store.board.publish(tag(2))
        asyncio.run(deliver(runtime))
        assert (folder / "bell").read_text() == "ding git.tag.created\n" * 2
        asked = (folder / "scribe").read_text().splitlines()
        assert [json.loads(line) for line in asked] == [{"tag": "v1"}, {"tag": "v2"}]
        lines = (folder / "audit.jsonl").read_text().splitlines()
        assert [json.loads(line)["id"] for line in lines] == ["e-1", "e-2"]
        runs = runtime.store.find_runs("tagged")
        assert sorted(str(run.cause) for run in runs) == sorted(
            str(Cause(by="route:build", event=name)) for name in ("e-1", "e-2")
        )
        until(lambda: {run.status for run in runtime.store.find_runs("tagged")} == {"completed"})


def test_nothing_is_delivered_while_a_secret_is_missing(terminal: Terminal) -> None:
    file = terminal.directory / "audit.jsonl"
    routes = routing(
        audit=FileTarget(path=str(file)), hook=WebhookTarget(url="http://127.0.0.1:9/", secret="HOOK")
    )

    async def deliver(runtime: Runtime) -> None:
        async with delivering(runtime, routes) as ours:
            raise AssertionError(ours)

    with Runtime(start=terminal.directory, state_dir=str(terminal.directory / "s"), environ={}) as runtime:
        with pytest.raises(InputError, match=r"HOOK \(route `hook`\)"):
            asyncio.run(deliver(runtime))
        right = runtime.store.deliveries.own()
        assert right is not None
        with right:
            assert not file.exists()
