"""Runs of one workflow beside each other: never more than may be, in order, and nobody waits for the dead."""

from __future__ import annotations

import shutil
import signal
import subprocess
from typing import Any

import apsw
import pytest

from tests.cli.conftest import Terminal, until

#: Works under a lock that nobody else may have at the same time, else there is a file `overlap`; with `hold`, until
#: there is a file `go-NAME`.
WORK = """\
workflow:
  id: deploy
  name: Deploy
  version: 1.0.0
  grace: 200ms
  inputs:
    tag: {{type: string, default: prod}}
    name: {{type: string, default: x}}
    hold: {{type: boolean, default: false}}
  concurrency: {{key: "${{inputs.tag}}", max: {max}, on-limit: {limit}}}
  steps:
    - id: work
      type: shell
      run: |
        exec 9>"slot-$(ls slots | head -1)"
        {guard}
        echo "${{inputs.name}}" >> begun
        while test "${{inputs.hold}}" = true && ! test -e "go-${{inputs.name}}"; do sleep 0.02; done
        sleep 0.2
    - {{id: more, type: set, dependencies: [work], values: {{}}}}
  finally:
    - {{id: bye, type: shell, run: 'echo "${{inputs.name}}" >> cleaned'}}
"""
GUARD = "flock -n 9 || echo overlap >> overlap"
#: Asks a person, when it is told to.
PARKS = """\
workflow:
  id: deploy
  name: Deploy
  version: 1.0.0
  inputs: {park: {type: boolean, default: false}}
  concurrency: {on-limit: cancel}
  steps:
    - id: ask
      type: shell
      when: inputs.park
      run: exit 1
      fallback-actions: [{condition: any, action: escalate-to-human}]
  finally:
    - {id: bye, type: shell, run: echo bye >> cleaned}
"""


@pytest.fixture
def place(terminal: Terminal) -> Terminal:
    if shutil.which("flock") is None:
        pytest.skip("needs flock")
    (terminal.directory / "slots").mkdir()
    (terminal.directory / "slots" / "one").touch()
    for limit in ("queue", "cancel", "fail"):
        terminal.write(f"{limit}.yaml", WORK.format(max=1, limit=limit, guard=GUARD))
    terminal.write("two.yaml", WORK.format(max=2, limit="queue", guard=":"))
    terminal.write("parks.yaml", PARKS)
    return terminal


def runs(terminal: Terminal) -> list[dict[str, Any]]:
    """All runs, the oldest first."""
    found: list[dict[str, Any]] = terminal("runs", "-o", "json", "-n", "100").document["runs"]
    return found[::-1]


def stored(terminal: Terminal, query: str) -> list[tuple[Any, ...]]:
    """Rows of the store, as they are; none before there is one."""
    path = terminal.directory / ".mplp" / "state.db"
    if not path.exists():
        return []
    db = apsw.Connection(str(path))
    db.set_busy_timeout(5_000)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def turns(terminal: Terminal) -> list[tuple[Any, ...]]:
    """Who has or waits for a place: id, whether it has it."""
    return stored(terminal, "SELECT run, held FROM turn ORDER BY seq")


def begin(terminal: Terminal, *args: str, count: int) -> subprocess.Popen[str]:
    """Start a run, and wait until there are `count` of them."""
    process = terminal.start("run", *args)
    until(lambda: stored(terminal, "SELECT count(*) FROM run") == [(count,)])
    until(lambda: stored(terminal, "SELECT count(*) FROM turn") != [(0,)])
    return process


def lines(terminal: Terminal, name: str) -> list[str]:
    path = terminal.directory / name
    return path.read_text("utf-8").split() if path.exists() else []


def let_go(terminal: Terminal, *names: str) -> None:
    for name in names:
        (terminal.directory / f"go-{name}").touch()


def ended(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


def test_eight_processes_and_two_places(place: Terminal) -> None:
    started = [place.start("run", "two.yaml", "-i", f"name=n{n}") for n in range(8)]
    seen: set[tuple[int, int]] = set()

    def over() -> bool:
        counts = "SELECT (SELECT count(*) FROM turn WHERE held), (SELECT count(*) FROM run WHERE status = 'running')"
        seen.update(stored(place, counts))
        return not _alive(started)

    until(over)
    assert [ended(process) for process in started] == [0] * 8
    assert max(held for held, _ in seen) == 2
    assert max(running for _, running in seen) == 2
    assert sorted(lines(place, "begun")) == [f"n{n}" for n in range(8)]
    assert turns(place) == []


def test_runs_that_wait_begin_in_their_order_and_say_whom_they_wait_for(place: Terminal) -> None:
    first = begin(place, "queue.yaml", "-i", "hold=true", "-i", "name=a", count=1)
    others = [begin(place, "queue.yaml", "-i", f"name={name}", count=n) for n, name in enumerate("bcd", 2)]
    held, second, third, _ = runs(place)
    assert [run["status"] for run in (held, second, third)] == ["running", "pending", "pending"]
    assert third["concurrency"] == {"key": "prod", "position": 2}
    status = place("status", third["runId"])
    assert f'run {held["runId"][:8]} has the place under "prod"' in status.out
    assert "2nd in the queue" in status.out
    told = place("status", third["runId"], "-o", "json").document["concurrency"]
    assert told["holders"][0]["runId"] == held["runId"]
    assert (told["key"], told["max"], told["onLimit"], told["position"]) == ("prod", 1, "queue", 2)
    assert "2nd for" in place("runs").out
    assert "waits for its turn" in place("explain", third["runId"], "work").out
    let_go(place, "a")
    assert ended(first) == 0
    _, said = others[0].communicate(timeout=60)
    assert f'waits for its turn: run {held["runId"][:8]} has the place under "prod"' in said
    assert "in the queue" in said
    assert [ended(process) for process in others] == [0, 0, 0]
    assert lines(place, "begun") == list("abcd")
    assert not lines(place, "overlap")
    explained = place("explain", second["runId"], "work").out
    assert f"run {held['runId']} had the place" in " ".join(explained.split())


def test_a_run_takes_the_place_of_one_whose_process_was_killed(place: Terminal) -> None:
    first = begin(place, "queue.yaml", "-i", "hold=true", "-i", "name=a", count=1)
    until(lambda: lines(place, "begun") == ["a"])
    second = begin(place, "queue.yaml", "-i", "name=b", count=2)
    first.kill()
    assert ended(second) == 0
    assert lines(place, "begun") == ["a", "b"]
    assert not lines(place, "overlap")
    assert [run["status"] for run in runs(place)] == ["interrupted", "completed"]


def test_an_interrupted_run_queues_again_before_it_goes_on(place: Terminal) -> None:
    first = begin(place, "queue.yaml", "-i", "hold=true", "-i", "name=a", count=1)
    until(lambda: lines(place, "begun") == ["a"])
    first.kill()
    first.communicate()
    second = begin(place, "queue.yaml", "-i", "hold=true", "-i", "name=b", count=2)
    until(lambda: lines(place, "begun") == ["a", "b"])
    resumed = place.start("resume", runs(place)[0]["runId"])
    until(lambda: [held for _, held in turns(place)] == [1, 0])
    let_go(place, "a", "b")
    assert ended(second) == 0
    _, said = resumed.communicate(timeout=60)
    assert resumed.returncode == 0
    assert "waits for its turn" in said
    assert lines(place, "begun") == ["a", "b", "a"]
    assert not lines(place, "overlap")


@pytest.mark.parametrize("how", ["Ctrl-C", "cancel"])
def test_a_run_that_waits_is_cancelled_at_once_and_cleans_nothing_up(place: Terminal, how: str) -> None:
    first = begin(place, "queue.yaml", "-i", "hold=true", count=1)
    second = begin(place, "queue.yaml", count=2)
    assert second.stderr is not None
    assert "waits for its turn" in second.stderr.readline()
    if how == "Ctrl-C":
        second.send_signal(signal.SIGINT)
    else:
        assert place("cancel", runs(place)[1]["runId"]).code == 0
    assert ended(second) == 4
    assert lines(place, "cleaned") == []
    assert [run for run, _ in turns(place)] == [runs(place)[0]["runId"]]
    first.send_signal(signal.SIGINT)
    assert ended(first) == 4
    assert turns(place) == []


def test_a_run_that_died_in_the_queue_can_be_resumed_and_cancelled(place: Terminal) -> None:
    first = begin(place, "queue.yaml", "-i", "hold=true", count=1)
    waiting = [begin(place, "queue.yaml", "-i", f"name={n}", count=n) for n in (2, 3)]
    for process in waiting:
        process.kill()
        process.communicate()
    _, second, third = runs(place)
    assert (second["status"], third["status"]) == ("interrupted", "interrupted")
    assert place("cancel", second["runId"]).code == 0
    first.send_signal(signal.SIGINT)
    ended(first)
    assert place("resume", third["runId"]).code == 0
    assert lines(place, "begun") == ["x", "3"]
    assert turns(place) == []


def test_a_run_too_many_is_refused_if_the_workflow_says_so(place: Terminal) -> None:
    first = begin(place, "fail.yaml", "-i", "hold=true", count=1)
    refused = place("run", "fail.yaml")
    assert refused.code == 75
    assert "has the place under `prod`" in refused.err
    assert place("run", "fail.yaml", "-i", "tag=test").code == 0
    assert len(runs(place)) == 2
    first.send_signal(signal.SIGINT)
    ended(first)
    assert place("run", "fail.yaml").code == 0


def test_a_newer_run_takes_the_place_of_an_older_one_if_the_workflow_says_so(place: Terminal) -> None:
    first = begin(place, "cancel.yaml", "-i", "hold=true", "-i", "name=a", count=1)
    until(lambda: lines(place, "begun") == ["a"])
    assert place("run", "cancel.yaml", "-i", "name=b").code == 0
    assert ended(first) == 4
    older, newer = runs(place)
    assert (older["status"], newer["status"]) == ("cancelled", "completed")
    assert lines(place, "cleaned") == ["a", "b"]
    assert not lines(place, "overlap")
    end = place("logs", older["runId"])
    assert end.code == 0
    assert f"run {newer['runId']} takes its place" in first_reason(place, older["runId"])


def first_reason(terminal: Terminal, run: str) -> str:
    """Why the step of a run ended as it did."""
    return str(terminal("explain", run, "work", "-o", "json").document["reason"])


def test_a_run_that_waits_for_a_person_gives_way_to_a_newer_one(place: Terminal) -> None:
    assert place("run", "parks.yaml", "-i", "park=true").code == 3
    assert place("run", "parks.yaml").code == 0
    assert [run["status"] for run in runs(place)] == ["cancelled", "completed"]
    assert lines(place, "cleaned") == ["bye", "bye"]


def test_a_run_that_waits_for_a_person_keeps_its_place(place: Terminal) -> None:
    terminal = place
    text = PARKS.replace("on-limit: cancel", "on-limit: fail")
    terminal.write("keeps.yaml", text)
    assert terminal("run", "keeps.yaml", "-i", "park=true").code == 3
    refused = terminal("run", "keeps.yaml")
    assert refused.code == 75
    parked = runs(terminal)[0]["runId"]
    assert terminal("reject", parked, "--reason", "no").code == 0
    assert terminal("resume", parked).code == 1
    assert terminal("run", "keeps.yaml").code == 0


def test_an_ephemeral_run_is_alone_and_says_so(place: Terminal) -> None:
    first = begin(place, "fail.yaml", "-i", "hold=true", "-i", "name=a", count=1)
    place.write("quick.yaml", WORK.format(max=1, limit="fail", guard=":"))
    done = place("run", "quick.yaml", "--ephemeral")
    assert done.code == 0
    assert "ephemeral run is alone" in done.err
    first.kill()


def test_processes_that_are_killed_leak_no_place(place: Terminal) -> None:
    """Some are killed while they wait, some at work; in the end all that were not killed have ended."""
    started = [place.start("run", "queue.yaml", "-i", f"name=n{n}") for n in range(8)]
    victims = [started[n] for n in (5, 2, 7, 0)]
    for count, victim in enumerate(victims, 1):
        wanted = count
        until(lambda: len(lines(place, "begun")) >= wanted or not _alive(started))  # noqa: B023 - called here
        victim.kill()
        assert sum(held for _, held in turns(place)) <= 1
    codes = [ended(process) for process in started]
    assert [code for process, code in zip(started, codes, strict=True) if process not in victims] == [0] * 4
    for run in runs(place):
        if run["status"] == "interrupted":
            assert place("resume", run["runId"]).code == 0
    assert {run["status"] for run in runs(place)} == {"completed"}
    assert turns(place) == []
    assert not lines(place, "overlap")


def _alive(processes: list[subprocess.Popen[str]]) -> bool:
    return any(process.poll() is None for process in processes)


def test_the_key_is_filled_in_before_anything_is_stored(place: Terminal) -> None:
    text = WORK.format(max=1, limit="queue", guard=":").replace(
        '"${inputs.tag}"', '"${(inputs.tag | list)[99]}"'
    )
    place.write("odd.yaml", text)
    refused = place("run", "odd.yaml")
    assert refused.code == 2
    assert "the concurrency key cannot be made" in refused.err
    refused = place("run", "queue.yaml", "-i", f"tag={'x' * 1_001}")
    assert refused.code == 2
    assert "longer than 1,000 characters" in refused.err
    assert stored(place, "SELECT id FROM run") == []


@pytest.mark.parametrize(
    ("key", "code"),
    [("${work.result.x}", "ref-place"), ("${run.id}", "ref-place"), ("${inputs.tga}", "ref-unknown-name")],
)
def test_a_key_that_cannot_be_known_beforehand_is_found_by_validate(
    place: Terminal, key: str, code: str
) -> None:
    place.write(
        "bad.yaml", WORK.format(max=1, limit="queue", guard=":").replace('"${inputs.tag}"', f'"{key}"')
    )
    found = place("validate", "bad.yaml", "-o", "json")
    assert found.code == 1
    assert [problem["code"] for problem in found.document["problems"]] == [code]
    assert found.document["problems"][0]["line"] == 10
