"""Events between processes: published by a command or a run, and taken by a run that waits."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest

from tests.cli.conftest import Terminal, until

LISTEN = """\
workflow:
  id: listen
  name: Listen
  version: 1.0.0
  steps:
    - {id: tagged, type: wait, event: {type: git.tag.*, where: 'event.data.major >= 2'}}
    - {id: build, type: shell, run: 'echo "${tagged.result.event.data.name}" >> built'}
    - {id: tell, type: emit, dependencies: [build], event: {type: build.done, data: {of: "${tagged.result.event.id}"}}}
  outputs: {event: "${tagged.result.event}", told: "${tell.result.eventId}"}
"""


@pytest.fixture
def listening(terminal: Terminal) -> tuple[Terminal, subprocess.Popen[str]]:
    """A run that waits for an event, driven by a process."""
    terminal.write("listen.yaml", LISTEN)
    running = terminal.start("run", "listen.yaml", "--output", "json")
    until(lambda: (terminal.directory / ".mplp/state.db").exists() and waits(terminal))
    return terminal, running


def waits(terminal: Terminal) -> bool:
    ended = terminal("status", "listen", "--output", "json")
    return ended.code == 0 and ended.document["steps"]["tagged"]["status"] == "waiting"


def emit(terminal: Terminal, name: str, major: int) -> str:
    data = f'{{"name": "{name}", "major": {major}}}'
    ended = terminal("events", "emit", "git.tag.created", "--data", data, "--source", "test")
    assert ended.code == 0, ended.err
    return ended.out.strip()


def events(terminal: Terminal, *more: str) -> list[dict[str, Any]]:
    """What was published, but for what runs tell of themselves."""
    found: list[dict[str, Any]] = terminal("events", "list", *more, "-o", "json").document["events"]
    return [event for event in found if not event["type"].startswith(("run.", "step."))]


def built(terminal: Terminal) -> str:
    file = terminal.directory / "built"
    return file.read_text() if file.exists() else ""


def test_an_event_of_another_process_wakes_a_run(listening: tuple[Terminal, subprocess.Popen[str]]) -> None:
    terminal, running = listening
    emit(terminal, "v1", 1)
    name = emit(terminal, "v2", 2)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    first, second, third = events(terminal)
    assert built(terminal) == "v2\n"
    assert (first["data"]["name"], second["id"]) == ("v1", name)
    assert second["specversion"] == "1.0"
    assert second["source"] == "test"
    assert (third["type"], third["data"]) == ("build.done", {"of": name})
    assert f'"told": "{third["id"]}"' in out
    assert [event["type"] for event in events(terminal, "--type", "build.*")] == ["build.done"]
    assert [event["id"] for event in events(terminal, "-n", "1", "--type", "git.*")] == [name]
    shown = terminal("events")
    assert "git.tag.created" in shown.out
    assert f"The event {name} (git.tag.created, from test) ended its wait." in " ".join(
        terminal("explain", "listen", "tagged").out.split()
    )


def test_what_is_published_while_nobody_drives_the_run_is_taken_by_a_resume(
    listening: tuple[Terminal, subprocess.Popen[str]],
) -> None:
    terminal, running = listening
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    emit(terminal, "v1", 1)
    name = emit(terminal, "v2", 2)
    emit(terminal, "v3", 3)
    assert "It waits for an event git.tag.* that fits" in terminal("explain", "listen", "tagged").out
    ended = terminal("resume", "listen", "--output", "json")
    assert (ended.code, ended.document["outputs"]["event"]["id"]) == (0, name)
    assert built(terminal) == "v2\n"


def test_a_kill_after_the_event_takes_no_other_and_publishes_nothing_twice(
    listening: tuple[Terminal, subprocess.Popen[str]],
) -> None:
    terminal, running = listening
    emit(terminal, "v2", 2)
    until(lambda: built(terminal))
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    emit(terminal, "v3", 3)
    status = terminal("status", "listen", "--output", "json").document["status"]
    if status != "completed":  # it may have been faster than the kill
        assert terminal("resume", "listen").code == 0
    assert set(built(terminal).splitlines()) == {"v2"}
    assert len(events(terminal, "--type", "build.done")) == 1


def test_data_comes_from_the_command_line_a_file_or_a_pipe(terminal: Terminal) -> None:
    assert terminal("run", "talks.yaml").code == 0
    terminal.write("data.json", '{"n": [1, 2]}')
    assert terminal("events", "emit", "a", "--data", "@data.json").code == 0
    assert terminal("events", "emit", "b", "-d", '"text"').code == 0
    assert terminal("events", "emit", "c", "-o", "json").document["type"] == "c"
    assert [(e["type"], e["data"]) for e in events(terminal)] == [
        ("a", {"n": [1, 2]}),
        ("b", "text"),
        ("c", None),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("emit", "a b"), "'a b' is not a type of events"),
        (("emit", "a*"), "'a*' is not a type of events"),
        (("emit", "a", "--data", "{x"), "--data is not JSON"),
        (("emit", "a", "--data", "@missing.json"), "cannot read missing.json"),
        (("emit",), "Missing argument"),
        (("list", "--type", "a b"), "'a b' is not a type of events"),
    ],
)
def test_what_cannot_be_published_is_refused(terminal: Terminal, words: tuple[str, ...], said: str) -> None:
    assert terminal("run", "talks.yaml").code == 0
    ended = terminal("events", *words)
    assert ended.code == 2
    assert said in ended.err
    assert events(terminal) == []


def test_an_event_that_nobody_could_hear_is_refused(terminal: Terminal) -> None:
    ended = terminal("events", "emit", "a")
    assert ended.code == 2
    assert "nobody can hear an event" in ended.err
    assert terminal("events").err == "no events were published yet\n"
    assert not (terminal.directory / ".mplp").exists()
