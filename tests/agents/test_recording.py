"""Cassettes: what is written down, what answers a question, and what is never in the file."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.agents.boundary import Agents, Around
from mplp_cli.agents.contract import AgentRequest, AgentResult, Usage
from mplp_cli.agents.recording.cassette import CassetteError, check, parse, read_cassette
from mplp_cli.agents.recording.comparing import compare
from mplp_cli.agents.recording.entries import Header
from mplp_cli.agents.recording.tape import Recording, Replay, Tape, UnservedError
from mplp_cli.errors import AgentError, RunBusyError, StepTimeoutError
from mplp_cli.ids import SeededIds
from mplp_cli.loading.values import misfits
from mplp_cli.workflow.agents import AgentDefinition, McpAgent, MockAgent, OpenAIAgent
from tests.agents.services import StoppedClock
from tests.agents.test_boundary import Fake, request
from tests.virtual import VirtualClock

HEADER = Header(mplp_cassette=1, mplp="0", workflow="w")
ONE, TWO, GIVEN = (f"{n}0000000-0000-4000-8000-000000000000" for n in (1, 2, 3))
SECRET = "tok-3c9f1e77aa"
THINKER = OpenAIAgent(id="a", endpoint="http://x/v1", model="m", repair_attempts=0)


class UnmadeError(Exception):
    """An adapter was made though nobody is to be asked."""


def asks(
    tape: Tape, fakes: Mapping[str, Fake] | None, *requests: AgentRequest, **agents: AgentDefinition
) -> list[Any]:
    """What comes of requests, one after the other: outputs, or errors."""

    def make(agent: AgentDefinition) -> Fake:
        if fakes is None:
            raise UnmadeError
        return fakes[agent.id]

    async def go() -> list[Any]:
        around = Around(looks=tape.looks, order=tape.order, carry=tape.carry)
        asked = Agents({"a": THINKER, **agents}, make, misfits=misfits, around=around)
        found: list[Any] = []
        for one in requests:
            try:
                found.append((await asked.ask(one, lambda text: None)).output)
            except (AgentError, StepTimeoutError) as error:
                found.append(error)
        return found

    return asyncio.run(go())


def recorded(path: Path, fake: Fake, *requests: AgentRequest, **knows: Any) -> list[Any]:
    tape = Recording(path, HEADER, StoppedClock())
    tape.knows(knows.get("secrets", {}), knows.get("given", ()))
    found = asks(tape, {"a": fake}, *requests)
    tape.end(over=True)
    return found


def replayed(
    path: Path, *requests: AgentRequest, strict: bool = False, **agents: AgentDefinition
) -> list[Any]:
    tape = Replay(read_cassette(path), strict=strict)
    tape.knows({}, [GIVEN])
    return asks(tape, None, *requests, **agents)


def test_answers_errors_and_usage_come_back_and_no_adapter_is_made(tmp_path: Path) -> None:
    path, refused = tmp_path / "c", AgentError("agent.rate_limited", "later", retryable=True, retry_after=2)
    answer = AgentResult(output={"b": 1, "a": [None, 2.0]}, text="said", usage=Usage(input_tokens=3), calls=2)
    recorded(path, Fake(refused, answer), request(prompt="x"), request(prompt="x", attempt=2))
    error, output, again = replayed(path, *[request(prompt="x")] * 3)
    assert (error.code, error.retry_after, error.failure().retryable) == ("agent.rate_limited", 2, True)
    assert output == again == {"b": 1, "a": [None, 2.0]}
    assert list(output) == ["b", "a"]
    entry = read_cassette(path).entries[1].response
    assert entry is not None
    assert (entry.usage, entry.calls, entry.text) == (answer.usage, 2, "said")


def test_ids_that_a_run_made_are_those_of_the_next_run_and_given_ones_stay(tmp_path: Path) -> None:
    path, when = tmp_path / "c", "2026-01-0{}T00:00:00.000Z"
    asked = {"of": ONE, "for": GIVEN, "at": when.format(1)}
    recorded(path, Fake({"said": f"{ONE} {GIVEN}", ONE: 1}), request(input=asked), given=[GIVEN])
    later = asked | {"of": TWO, "at": when.format(2)}
    assert replayed(path, request(input=later)) == [{"said": f"{TWO} {GIVEN}", TWO: 1}]
    [miss] = replayed(path, request(input=later | {"for": ONE}))
    assert miss.code == "replay.miss"
    assert ".input.for: recorded" in miss.message


def test_a_changed_question_names_the_nearest_entry_and_the_path_and_is_not_tried_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "c"
    recorded(path, Fake("yes"), request(prompt="delete all backups"), request(prompt="other", input={"n": 1}))
    [miss] = replayed(path, request(prompt="delete ONE backup"))
    assert ".prompt: recorded 'delete all backups', now 'delete ONE backup'" in miss.message
    assert miss.details["nearest"]["n"] == 1
    assert not miss.failure().retryable
    [other] = replayed(path, request("b"), b=MockAgent(id="b", repair_attempts=0))
    assert "has no answer of `b`: it has some of `a`" in other.message


def test_a_strict_replay_gives_each_answer_once_and_wants_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "c"
    recorded(path, Fake("yes"), request(prompt="x"), request(prompt="y"))
    tape = Replay(read_cassette(path), strict=True)
    first, second = asks(tape, None, request(prompt="x"), request(prompt="x"))
    assert (first, second.code) == ("yes", "replay.miss")
    tape.end(over=False)
    with pytest.raises(UnservedError, match=r"entry 2 \(`a`\) was not asked for"):
        tape.end(over=True)


def test_who_has_answered_is_asked_where_anybody_could_be(tmp_path: Path) -> None:
    path = tmp_path / "c"
    b, c = (MockAgent(id=name, capabilities=["t.x"], repair_attempts=0) for name in ("b", "c"))
    tape = Recording(path, HEADER, StoppedClock())
    asks(tape, {"c": Fake("from c")}, request("c", capability="t.x"), b=b, c=c)
    tape.end(over=True)
    assert replayed(path, request("", capability="t.x"), b=b, c=c) == ["from c"]


def test_in_a_replay_nobody_is_asked_what_they_offer(tmp_path: Path) -> None:
    files, others = (McpAgent(id=name, command=["files"], discovers=True) for name in ("files", "others"))
    tape = Recording(tmp_path / "c", HEADER, StoppedClock())
    wants = request("", capability="mcp:read")
    fakes = {"files": Fake("found"), "others": Fake()}
    fakes["files"].offers = ["mcp:read"]
    assert asks(tape, fakes, wants, others=others, files=files) == ["found"]
    tape.end(over=True)
    again = Replay(read_cassette(tmp_path / "c"), strict=True)
    assert asks(again, None, wants, others=others, files=files) == ["found"]
    again.end(over=True)


def test_an_agent_and_a_step_that_ran_out_of_time_do_so_again_without_waiting(tmp_path: Path) -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    clock, hanging = VirtualClock(), MockAgent(id="h", timeout=1000)
    tape = Recording(tmp_path / "c", HEADER, clock)

    async def go() -> None:
        agents = Agents(
            {"h": hanging}, lambda _: Fake(forever), misfits=misfits, around=Around(carry=tape.carry)
        )
        with pytest.raises(AgentError, match="gave no answer within"):
            await agents.ask(request("h", prompt="x"), lambda text: None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await agents.ask(request("h", prompt="y", timeout=0.5), lambda text: None)

    clock.run(go)
    tape.end(over=True)
    agent, step = replayed(
        tmp_path / "c", request("h", prompt="x"), request("h", prompt="y", timeout=0.5), h=hanging
    )
    assert (agent.code, agent.details["timeout"]) == ("agent.timeout", 1000)
    assert isinstance(step, StepTimeoutError)
    assert step.details == {"stepId": "s", "timeout": 500}


def test_no_secret_and_nothing_like_one_is_written_and_the_question_still_matches(tmp_path: Path) -> None:
    path, coded = tmp_path / "c", base64.b64encode(f"x{SECRET}y".encode()).decode()
    asked = {"token": "whatever-it-is", "note": f"use {SECRET}", "coded": coded, "n": 1}
    said = {"h": "Authorization: Basic dXNlcjpwYXNz", "k": "sk-abcdef123456", "b": "Bearer abcdef.ghi"}
    broken = AgentError("agent.http", f"refused {SECRET}", details={"api_key": "hidden-thing"})
    recorded(path, Fake(said, broken), request(input=asked), request(input=asked), secrets={"S": SECRET})
    text = path.read_text()
    hidden = [SECRET, base64.b64encode(SECRET.encode()).decode()[:-4], "whatever-it-is", "dXNlcjpwYXNz"]
    hidden += ["sk-abcdef", "abcdef.ghi", "hidden-thing", coded[4:12]]
    assert not [one for one in hidden if one in text]
    assert check(path.read_bytes(), "c") == []
    tape = Replay(read_cassette(path))
    tape.knows({"OTHER": SECRET}, [])
    assert asks(tape, None, request(input=asked))[0]["k"] == "***"


def test_a_cassette_is_replaced_only_by_a_recording_that_came_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "c"
    recorded(path, Fake("old"), request(prompt="x"))
    tape = Recording(path, HEADER, StoppedClock())
    asks(tape, {"a": Fake("new")}, request(prompt="x"))
    with pytest.raises(RunBusyError):
        Recording(path, HEADER, StoppedClock())
    tape.end(over=False)
    assert replayed(path, request(prompt="x")) == ["old"]
    with tape.partial.open("ab") as file:
        file.write(b'{"n": 2, "agent": "a", "st')  # cut by kill -9
    onward = Recording(path, HEADER, StoppedClock(), goes_on=True)
    asks(onward, {"a": Fake("more")}, request(prompt="y"))
    onward.end(over=True)
    assert replayed(path, request(prompt="x"), request(prompt="y")) == ["new", "more"]
    assert not tape.partial.exists()


def test_only_what_is_missing_is_asked_and_added(tmp_path: Path) -> None:
    path, fake = tmp_path / "c", Fake("new")
    recorded(path, Fake("old"), request(prompt="x"))
    tape = Recording(path, HEADER, StoppedClock(), missing=True)
    assert asks(tape, {"a": fake}, request(prompt="x"), request(prompt="y")) == ["old", "new"]
    tape.end(over=True)
    assert [one.prompt for one in fake.asked] == ["y"]
    assert [entry.n for entry in read_cassette(path).entries] == [1, 2]


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "cassette-header", (1, 1)),
        ("[]\n", "cassette-header", (1, 1)),
        ('{"mplpCassette": 2}\n', "cassette-version", (1, 2)),
        ('{"mplpCassette": 1}\n', "cassette-header", (1, 1)),
        ("HEAD{oops\n", "cassette-json", (2, 2)),
        ('HEAD{"n": 1, "agent": 3}\n', "cassette-entry", (2, 10)),
        ("HEAD" + "[" * 100_000, "cassette-json", (2, 1)),
    ],
)
def test_what_is_no_cassette_is_told_with_its_place(text: str, code: str, place: tuple[int, int]) -> None:
    head = '{"mplpCassette": 1, "mplp": "0"}\n'
    with pytest.raises(CassetteError) as caught:
        parse(text.replace("HEAD", head).encode(), "c")
    problem = caught.value.problems[0]
    assert (problem.code, problem.line, problem.column) == (code, *place)


def test_a_check_finds_keys_that_match_nothing_and_credentials(tmp_path: Path) -> None:
    path = tmp_path / "c"
    recorded(path, Fake("fine"), request(prompt="x"))
    lines = path.read_text().replace('"prompt": "x"', '"prompt": "z"').replace('"fine"', '"sk-abcdef123456"')
    found = check(lines.encode(), "c")
    assert [problem.code for problem in found] == ["cassette-key", "cassette-secret"]
    assert ".response.output" in found[1].message


def test_two_cassettes_differ_in_new_gone_changed_and_otherwise_answered_calls(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    recorded(old, Fake("1"), request(prompt="same"), request(prompt="plan A"), request(prompt="x", input=1))
    recorded(new, Fake("2", "1"), request(prompt="same"), request(prompt="plan B"))
    changes = compare(read_cassette(old), read_cassette(new))
    assert [(one.change, one.old, one.new) for one in changes] == [
        ("answered", 1, 1), ("changed", 2, 2), ("gone", 3, None),
    ]  # fmt: skip
    assert str(changes[1].differences[0]) == ".prompt: recorded 'plan A', now 'plan B'"
    assert compare(read_cassette(old), read_cassette(old)) == []


def test_ids_of_a_seed_are_the_same_for_each_name_whoever_asks_first() -> None:
    one, other = SeededIds(7), SeededIds(7)
    first = [one.of("a").uuid(), one.of("b").uuid(), one.of("a").uuid()]
    assert first == [other.of("a").uuid(), other.of("b").uuid(), other.of("a").uuid()]
    assert len({*first, SeededIds(8).of("a").uuid()}) == 4
    assert first[0][14] == "4"
