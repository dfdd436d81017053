"""Events between processes: published by a command or a run, and taken by a run that waits."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from typing import Any

import pytest

from mplp_cli.errors import RunExistsError
from mplp_cli.protocols import Delivery
from mplp_cli.running import Screen
from mplp_cli.runtime import Runtime
from mplp_cli.sources import read_source
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.published import Cause
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


QUICK = """\
workflow:
  id: quick
  name: Quick
  version: 1.0.0
  steps:
    - {id: a, type: set, values: {x: 1}}
"""

#: An event as other programs write them.
EVENT = {
    "specversion": "1.0", "id": "e1", "source": "/ci", "type": "build.done", "subject": "main",
    "time": "2026-01-01T01:00:00+01:00", "tries": 3, "data": {"ok": True},
}  # fmt: skip


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


def made(terminal: Terminal) -> SqliteStore:
    """The store, where nothing was ever run."""
    (terminal.directory / ".mplp").mkdir()
    return terminal.store()


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
    assert [event["type"] for event in events(terminal, "--run", "listen")] == ["build.done"]
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
        (("show", "nothing"), "there is no event 'nothing'"),
        (("list", "--since", "noon"), "--since noon: this is no time"),
        (("emit", "a b"), "'a b' is not a type of events"),
        (("emit", "a", "--data", "{x"), "--data is not JSON"),
        (("emit", "a", "--data", "@missing.json"), "cannot read missing.json"),
        (("emit", "a", "--time", "yesterday"), "'yesterday' is not a time"),
        (("emit", "a", "--id", ""), "`id` is an empty text"),
        (("emit", "a", "--cloud-event", "-"), "--cloud-event says all of the event"),
        (("emit", "--cloud-event", "bad.jsonl"), "bad.jsonl: line 2: `specversion` is missing"),
        (("emit", "--cloud-event", "empty.json"), "empty.json: there is no event in it"),
        (("emit",), "Missing argument"),
        (("list", "--type", "a b"), "'a b' is not a type of events"),
    ],
)
def test_what_cannot_be_published_is_refused(terminal: Terminal, words: tuple[str, ...], said: str) -> None:
    store = made(terminal)
    terminal.write("bad.jsonl", f"{json.dumps(EVENT)}\n{{}}\n")
    terminal.write("empty.json", "[]")
    ended = terminal("events", *words)
    assert ended.code == 2
    assert said in ended.err
    assert store.board.last() == 0
    store.close()


def test_an_event_that_nobody_could_hear_is_refused(terminal: Terminal) -> None:
    ended = terminal("events", "emit", "a")
    assert ended.code == 2
    assert "nobody can hear an event" in ended.err
    assert terminal("events").err == "no events were published yet\n"
    assert not (terminal.directory / ".mplp").exists()


# ---- CloudEvents in and out


@pytest.fixture
def published(terminal: Terminal) -> Terminal:
    """There are three events: two of a file, one of the command."""
    made(terminal).close()
    terminal.write("events.json", json.dumps([EVENT, {**EVENT, "id": "e2", "source": "/cd"}]))
    assert terminal("events", "emit", "--cloud-event", "events.json").out == "e1\ne2\n"
    told = terminal("events", "emit", "deploy.done", "--id", "e1", "--subject", "prod", "--source", "ci")
    assert told.out == "e1\n"
    return terminal


def test_what_came_in_as_a_cloud_event_goes_out_as_one(published: Terminal) -> None:
    first, second, third = events(published)
    recorded = first.pop("recordedtime")
    assert first == {
        **EVENT,
        "time": "2026-01-01T00:00:00.000Z",
        "datacontenttype": "application/json",
        "correlationid": "e1",
        "sequence": "1",
    }
    assert recorded == second["recordedtime"]
    assert (second["sequence"], third["sequence"], third["subject"]) == ("2", "3", "prod")
    again = published("events", "emit", "deploy.done", "--id", "e1", "--source", "ci", "-o", "json")
    assert again.document == third
    assert len(events(published)) == 3


def test_events_are_found_by_what_they_are_like(published: Terminal) -> None:
    def sought(*options: str) -> list[str]:
        return [event["sequence"] for event in events(published, *options)]

    assert sought("--source", "/c*") == ["1", "2"]
    assert sought("--id", "e1") == ["1", "3"]
    assert sought("--id", "e1", "--type", "build.*") == ["1"]
    assert sought("--since", "1h") == ["3"]
    assert sought("--since", "2026-01-01T00:00:00Z", "-n", "2") == ["2", "3"]
    assert published("events", "--source", "nobody").err == "no such events\n"


def test_one_event_is_shown_by_its_id_or_number(published: Terminal) -> None:
    store = published.store()
    store.deliveries.settle(
        {}, [Delivery(route="log", event=2, state="dead", tries=3, at=1, error="OSError: no")]
    )
    store.close()
    shown = published("events", "show", "2", "-o", "json").document
    assert (shown["event"]["id"], shown["event"]["sequence"]) == ("e2", "2")
    assert [(one["route"], one["state"], one["error"]) for one in shown["deliveries"]] == [
        ("log", "dead", "OSError: no")
    ]
    text = published("events", "show", "e2").out
    assert all(word in text for word in ("/cd", "build.done", '"ok": true', "log", "dead", "OSError: no"))
    several = published("events", "show", "e1")
    assert (several.code, "`/ci`, `ci`" in several.err) == (2, True)
    one = published("events", "show", "e1", "--source", "ci", "-o", "json").document
    assert one["event"]["sequence"] == "3"


def test_what_was_published_is_printed_one_a_line_and_followed(published: Terminal) -> None:
    lines = published("events", "tail", "--from", "2").out.splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == ["2", "3"]
    assert [json.loads(line)["id"] for line in published("events", "tail", "-n", "1").out.splitlines()] == [
        "e1"
    ]
    following = published.start("events", "tail", "-f", "-n", "1", "--source", "ci")
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["sequence"] == "3"
    published("events", "emit", "a", "--source", "others")
    published("events", "emit", "b", "--source", "ci")
    assert json.loads(following.stdout.readline())["sequence"] == "5"
    # Whoever reads goes, as `head` does: that is no failure.
    following.stdout.close()
    published("events", "emit", "c", "--source", "ci")
    assert following.wait(20) == 0
    assert following.stderr is not None
    assert following.stderr.read() == ""


def test_the_events_of_a_run_are_those_that_its_steps_publish(
    listening: tuple[Terminal, subprocess.Popen[str]],
) -> None:
    terminal, running = listening
    emit(terminal, "v2", 2)
    running.communicate(timeout=60)
    assert [event["type"] for event in events(terminal, "--run", "listen")] == ["build.done"]


def test_old_events_are_pruned_with_the_runs(published: Terminal) -> None:
    store = published.store()
    store.deliveries.settle({"route:gone": 1})
    store.close()
    pruned = published("runs", "prune", "--keep-days", "0")
    assert "1 event deleted" in pruned.out
    assert "route:gone has dealt with the events up to 1 only" in pruned.err
    assert len(events(published)) == 2
    assert published("runs", "prune", "--keep", "5", "-o", "json").document["events"] == 0
    again = published("runs", "prune", "--keep-days", "0", "--forget", "route:gone", "-o", "json").document
    assert (again["events"], again["eventsKeptFor"]) == (2, None)
    assert events(published) == []


# ---- what started a run


def test_a_run_says_what_started_it_and_an_id_from_outside_is_used_once(terminal: Terminal) -> None:
    cause, run_id = Cause(by="trigger:nightly", event="tick-1"), "00000000-0000-4000-8000-000000000000"
    terminal.write("quick.yaml", QUICK)
    with Runtime(start=terminal.directory, environ=terminal.env) as runtime:
        source = read_source(str(terminal.directory / "quick.yaml"))
        plan = runtime.load(source).plan
        assert plan is not None
        run = runtime.start(source, plan, {}, {}, Screen(), cause=cause, run_id=run_id)
        with pytest.raises(RunExistsError):  # while it is driven, too
            runtime.start(source, plan, {}, {}, Screen(), cause=cause, run_id=run_id)
        with Runtime(start=terminal.directory, environ=terminal.env) as other, pytest.raises(RunExistsError):
            other.start(source, plan, {}, {}, Screen(), run_id=run_id)
        assert asyncio.run(run.go()).status == "completed"
        with pytest.raises(RunExistsError):
            runtime.start(source, plan, {}, {}, Screen(), run_id=run_id)
    assert terminal("run", "quick.yaml").code == 0
    by_hand, started = terminal("runs", "list", "-o", "json").document["runs"]
    assert (started["runId"], started["cause"]) == (run_id, {"by": "trigger:nightly", "event": "tick-1"})
    assert "cause" not in by_hand
    assert "trigger nightly" in terminal("runs").out
    for verb, *step in (("status",), ("explain", "a")):
        assert "started by trigger nightly, event tick-1" in terminal(verb, run_id, *step).out
        assert terminal(verb, run_id, *step, "-o", "json").document["cause"] == started["cause"]
        assert "cause" not in terminal(verb, by_hand["runId"], *step, "-o", "json").document
