"""`mplp triggers`: what is declared, what would start, and an event by hand."""

from __future__ import annotations

import pytest

from tests.conftest import Mplp

FLOW = """
workflow:
  id: release
  name: Release
  version: 1.0.0
  inputs: {tag: {type: string}}
  steps: [{id: note, type: set, values: {of: "${inputs.tag}"}}]
  outputs: {of: "${note.result.of}"}
  triggers:
    - {id: nightly, on: cron, schedule: "30 2 * * *", time-zone: Europe/Berlin, inputs: {tag: latest}}
    - {id: tagged, on: event, where: {type: "git.tag.*", where: data.n > 1}, inputs: {tag: "${event.data.name}"}}
    - {id: up, on: startup, inputs: {tag: "${event.type}"}}
"""


@pytest.fixture
def release(mplp: Mplp) -> Mplp:
    (mplp.directory / "release.yaml").write_text(FLOW, "utf-8")
    return mplp


def test_triggers_are_listed_with_their_next_times_and_last_runs(release: Mplp) -> None:
    assert release("triggers", "fire", "release.yaml", "up", "--output", "quiet").document == {
        "of": "server.started"
    }
    listed = release("triggers", "list", "--output", "json").document
    assert listed["served"] is False
    nightly, tagged, up = listed["triggers"]
    assert (nightly["on"], nightly["overlap"], len(nightly["next"]), nightly["lastRun"]) == (
        "cron",
        "skip",
        5,
        None,
    )
    assert all(at[14:16] == "30" for at in nightly["next"])
    assert (tagged["what"], tagged["waiting"]) == ("git.tag.* data.n > 1", None)
    assert up["lastRun"]["status"] == "completed"
    [run] = release("runs", "--output", "json").document["runs"]
    event = release("events", "list", "--output", "json").document["events"][0]
    assert run["runId"] == up["lastRun"]["runId"]
    assert (event["type"], event["source"]) == ("server.started", "mplp/serve")
    text = release("triggers")
    assert "release/nightly" in text.out
    assert "mplp serve" in text.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--at", "2027-03-28T03:00:00+02:00"], 0, {"nightly": {"tag": "latest"}}),
        (["nightly", "--at", "2027-03-28T02:30:00+02:00"], 1, {}),
        (["--event", '{"type": "git.tag.a", "data": {"n": 2, "name": "v1"}}'], 0, {"tagged": {"tag": "v1"}}),
        (["tagged", "--event", '{"type": "git.tag.a", "data": {"n": 2, "name": 5}}'], 1, {}),
        (["tagged", "--event", '{"type": "git.tag.a", "data": {"n": 0}}'], 1, {}),
        (["up", "--event", "{}"], 0, {"up": {"tag": "server.started"}}),
    ],
)
def test_what_an_event_or_a_moment_would_start_is_said_and_nothing_is_stored(
    release: Mplp, arguments: list[str], code: int, said: dict[str, object]
) -> None:
    ended = release("triggers", "test", "release.yaml", *arguments, "--output", "json")
    assert ended.code == code
    assert {one["trigger"]: one["inputs"] for one in ended.document["triggers"] if one["starts"]} == said
    assert release("runs", "--output", "json").document == {"runs": []}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fire", "release.yaml", "nightli"], "did you mean `nightly`?"),
        (["fire", "release.yaml", "tagged"], "`type` is missing"),
        (["fire", "release.yaml", "tagged", "--event", '{"type": "other"}'], "does not mean this event"),
        (
            ["fire", "release.yaml", "tagged", "--event", '{"type": "git.tag.a", "data": {"n": 2}}'],
            "no `name`",
        ),
        (["test", "release.yaml"], "--event JSON or with --at TIME"),
        (["test", "release.yaml", "--at", "soon"], "this is no time"),
        (["test", "release.yaml", "--event", "[]"], "an event is an object"),
        (["list", "nowhere.yaml"], "no such file"),
        (["list", "broken.yaml"], "broken.yaml:1:1: error"),
    ],
)
def test_what_cannot_be_asked_of_triggers_says_why(release: Mplp, arguments: list[str], said: str) -> None:
    (release.directory / "broken.yaml").write_text("{}\n", "utf-8")
    ended = release("triggers", *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err
