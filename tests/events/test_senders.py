"""Targets of routes: real files, programs and services get what was published; what fails says why."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from msgspec.structs import replace
from standardwebhooks.webhooks import Webhook

from mplp_cli.delivering import open_tools
from mplp_cli.engine.survivors import find_marked
from mplp_cli.errors import Failure, InputError, StoreError, UsageError
from mplp_cli.events.contract import FarSender, LazySender, Sender
from mplp_cli.events.senders.handler import find_handler
from mplp_cli.events.sending import sender_of
from mplp_cli.runtime import Runtime
from mplp_cli.settings import Settings
from mplp_cli.workflow.events.routes import (
    AgentTarget,
    CommandTarget,
    FileTarget,
    HandlerTarget,
    Match,
    Route,
    Target,
    WebhookTarget,
    WorkflowTarget,
)
from mplp_cli.workflow.published import Cause, Published
from tests.events.delivery import sent
from tests.service import Asked, Reply, serving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "tok-3c9f/e77 aa"


def event(number: int = 1, data: Any = "[red] \u00e9\n\U0001f600") -> Published:
    return Published(
        id=f"e-{number}",
        type="git.tag.created",
        source="tests/sender",
        at=1_767_225_600_000,
        data=data,
        more={"subject": "v1", "correlationid": "c-1"},
    )


class Sending:
    """A project in a directory, and what its routes send."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": "/h",
            "HOOK": SECRET,
            "TOKEN": TOKEN,
            "OTHER": "other secret",
        }
        self.deny_private = False
        self.start: Any = None
        #: The events of which it was waited until the disk has them.
        self.kept: list[int] = []
        self.sure: Callable[[int], Awaitable[None]] = self._sure

    async def _sure(self, number: int) -> None:
        self.kept.append(number)

    async def tried(self, target: Target, act: Callable[[Sender], Any]) -> Any:
        route = Route(id="r", match=Match(), target=target)
        with Runtime(start=self.folder, state_dir=str(self.folder / "s"), environ=self.environ) as runtime:
            vars(runtime)["settings"] = Settings(deny_private=self.deny_private)
            async with open_tools(runtime, [route], self.sure, start=self.start) as tools:
                return await act(sender_of(route, tools))

    def send(self, target: Target, *events: Published) -> list[Failure | None]:
        numbered = list(enumerate(events or (event(),), 1))

        async def act(sender: Sender) -> Any:
            size = sender.at_most
            parts = [numbered[at : at + size] for at in range(0, len(numbered), size)]
            told = [failure for part in parts for failure in await sent(sender, *part)]
            if isinstance(sender, LazySender):
                assert await sender.sync() is None
            return told

        return list(asyncio.run(self.tried(target, act)))

    def failed(self, target: Target) -> Failure:
        [failure] = self.send(target)
        assert failure is not None
        return failure


@pytest.fixture
def sending(tmp_path: Path) -> Sending:
    return Sending(tmp_path)


# ---- files


def test_a_file_gets_a_line_for_each_event_and_what_a_crash_has_torn_is_one_line_only(
    sending: Sending, tmp_path: Path
) -> None:
    file = tmp_path / "audit.jsonl"
    target = FileTarget(path=str(file))
    assert sending.send(target, event(1), event(2)) == [None, None]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open("ab") as torn:
        torn.write(b'{"specversion": "1.0", "id": "e-to')
    assert sending.send(target, event(3)) == [None]
    lines = file.read_text("utf-8").split("\n")
    assert lines.pop() == ""
    read = JSONFormat()
    taken = [read.read(CloudEvent, line) for line in (*lines[:2], lines[3])]
    assert [one.get_id() for one in taken] == ["e-1", "e-2", "e-3"]
    assert (taken[0].get_data(), taken[0].get_subject()) == (event().data, "v1")
    assert lines[2].startswith('{"specversion": "1.0", "id": "e-to')


def test_a_file_that_cannot_be_written_to_says_why(sending: Sending, tmp_path: Path) -> None:
    missing = sending.failed(FileTarget(path=str(tmp_path / "no" / "audit.jsonl")))
    assert "no does not exist" in missing.message
    assert not (tmp_path / "no").exists()
    os.mkfifo(tmp_path / "pipe")
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "pipe", "not a regular file")):
        failure = sending.failed(FileTarget(path=str(path)))
        assert (failure.type, failure.retryable) == ("DeliveryError", True)
        assert why in failure.message


# ---- what the disk has


def test_what_leaves_this_machine_waits_until_the_disk_has_the_event(
    sending: Sending, tmp_path: Path
) -> None:
    asked = 0

    async def refuse_once(number: int) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise StoreError("the disk went away")
        sending.kept.append(number)

    async def act(sender: Sender) -> bool:
        if isinstance(sender, FarSender):
            await sender.until_sure(7)
            return True
        return False

    sending.sure = refuse_once
    near = FileTarget(path=str(tmp_path / "near.jsonl"))
    assert not asyncio.run(sending.tried(near, act))
    assert asyncio.run(sending.tried(CommandTarget(command=["true"], cwd=str(tmp_path)), act))
    assert (asked, sending.kept) == (2, [7])
    assert asyncio.run(sending.tried(WebhookTarget(url="http://127.0.0.1:9/"), act))
    assert asked == 3


# ---- programs


def test_a_program_gets_the_event_and_no_more_of_the_environment_than_is_named(
    sending: Sending, tmp_path: Path
) -> None:
    script = (
        "import json,os,sys; json.dump([sys.argv[1:], sys.stdin.read(), dict(os.environ)], open('got','w'))"
    )
    target = CommandTarget(
        command=[sys.executable, "-c", script, "$(touch x); ${event.data}"],
        cwd=str(tmp_path),
        env={"GIVEN": "${env.OTHER}!"},
    )
    assert sending.send(target, event(data="$(touch y)")) == [None]
    argv, stdin, env = json.loads((tmp_path / "got").read_text())
    assert argv == ["$(touch x); ${event.data}"]
    assert json.loads(stdin)["data"] == "$(touch y)"
    assert not {"x", "y"} & {file.name for file in tmp_path.iterdir()}
    ours = {name: env[name] for name in env if name.startswith("MPLP_EVENT_")}
    assert ours == {
        "MPLP_EVENT_ID": "e-1",
        "MPLP_EVENT_TYPE": "git.tag.created",
        "MPLP_EVENT_SOURCE": "tests/sender",
        "MPLP_EVENT_ROUTE": "r",
    }
    assert env["GIVEN"] == "other secret!"
    assert not {"HOOK", "TOKEN", "OTHER"} & env.keys()


def test_a_program_that_fails_leaves_the_end_of_what_it_said_without_secrets(
    sending: Sending, tmp_path: Path
) -> None:
    script = (
        "import os,sys; sys.stderr.write('x' * 300_000 + '\\n' + os.environ['T'] + ' is wrong\\n'); exit(3)"
    )
    env = {"T": "${env.TOKEN}"}
    target = CommandTarget(command=[sys.executable, "-c", script], cwd=str(tmp_path), env=env)
    failure = sending.failed(target)
    assert failure.message.endswith("ended with code 3: *** is wrong")
    assert failure.details is not None
    assert failure.details["exitCode"] == 3
    assert len(failure.details["stderr"]) < 5_000
    assert TOKEN not in str(failure)
    missing = sending.failed(CommandTarget(command=["./nowhere"], cwd=str(tmp_path)))
    assert "cannot be started: No such file or directory" in missing.message


def test_a_program_that_takes_too_long_ends_with_all_it_has_started(sending: Sending, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "up")
    script = "setsid tail -f /dev/null & tail -f /dev/null & echo up >up; wait"
    target = CommandTarget(command=["sh", "-c", script], cwd=str(tmp_path))

    async def act(sender: Sender) -> None:
        async with asyncio.TaskGroup() as tasks:
            trying = tasks.create_task(sent(sender, (1, event())))
            await asyncio.to_thread((tmp_path / "up").read_text)
            assert len(find_marked("events/")) >= 3
            trying.cancel()

    asyncio.run(sending.tried(target, act))
    assert not find_marked("events/")


# ---- webhooks


def hook(base: str, **more: Any) -> WebhookTarget:
    return WebhookTarget(url=f"{base}/hooks/secret-path?key=hidden", **more)


def test_a_webhook_gets_an_event_that_the_public_library_takes(sending: Sending) -> None:
    given = {"secret": "HOOK", "headers": {"X-Team": "a"}, "secret_headers": {"Authorization": "TOKEN"}}
    with serving(lambda asked, before: Reply(204)) as service:
        assert sending.send(hook(service.base, **given), event(1), event(1)) == [None, None]
        assert sending.send(hook(service.base), Published(id="a.b", type="t", source="s", at=0)) == [None]
    first, again, unsigned = service.asked
    assert (first.method, first.path) == ("POST", "/hooks/secret-path?key=hidden")
    assert first.headers["content-type"] == "application/cloudevents+json"
    assert (first.headers["x-team"], first.headers["authorization"]) == ("a", TOKEN)
    Webhook(SECRET).verify(first.body, first.headers)
    assert JSONFormat().read(CloudEvent, first.body).get_data() == event().data
    assert first.headers["webhook-id"] == again.headers["webhook-id"] == "e-1"
    # A full stop would let the id end elsewhere than it was signed to.
    assert "." not in unsigned.headers["webhook-id"]
    assert "webhook-signature" not in unsigned.headers


@pytest.mark.parametrize(
    ("status", "again"),
    [
        *[(status, None) for status in (200, 202)],
        *[(status, False) for status in (302, 307, 400, 401, 404, 410)],
        *[(status, True) for status in (408, 409, 425, 429, 500, 503)],
    ],
)
def test_the_status_says_whether_a_webhook_is_tried_again(
    sending: Sending, status: int, again: bool | None
) -> None:
    def reply(asked: Asked, before: int) -> Reply:
        told = f"{asked.headers['authorization']} signs with {SECRET.removeprefix('whsec_')} ".encode()
        return Reply(status, told * 50_000, {"Retry-After": "7", "Location": "/elsewhere"})

    with serving(reply) as service:
        target = hook(service.base, secret="HOOK", secret_headers={"Authorization": "TOKEN"})
        [failure] = sending.send(target)
    assert len(service.asked) == 1
    if again is None:
        assert failure is None
        return
    assert failure is not None
    assert (failure.type, failure.retryable) == ("HttpStatusError", again)
    assert failure.details is not None
    assert failure.details["retryAfter"] == 7_000
    assert len(failure.details["body"]) == 1_000
    told = str(failure)
    assert not any(word in told for word in (TOKEN, SECRET[6:], "hidden", "secret-path"))


def test_a_webhook_goes_nowhere_where_the_policy_or_its_address_does_not_allow(sending: Sending) -> None:
    with serving(lambda asked, before: Reply(204)) as service:
        base = service.base
        sending.deny_private = True
        denied = sending.failed(hook(base))
        sending.deny_private = False
        credentials = sending.failed(WebhookTarget(url=base.replace("//", "//me:pass@")))
        foreign = sending.failed(WebhookTarget(url="ftp://127.0.0.1/x"))
    assert not service.asked
    assert (denied.type, denied.retryable) == ("NetworkPolicyError", False)
    assert (credentials.type, credentials.retryable) == ("HttpRequestError", False)
    assert "pass" not in credentials.message.replace("credentials", "")
    assert foreign.type == "HttpRequestError"
    gone = sending.failed(hook(base))
    assert (gone.type, gone.retryable) == ("HttpConnectionError", True)
    assert "hidden" not in str(gone)


def test_what_cannot_be_used_is_known_before_anything_is_sent(sending: Sending, tmp_path: Path) -> None:
    def refused(target: Target) -> UsageError:
        with pytest.raises(UsageError) as error:
            sending.send(target)
        return error.value

    missing = refused(WebhookTarget(url="http://a", secret="NO_KEY", secret_headers={"A": "NO_TOKEN"}))
    assert isinstance(missing, InputError)
    assert missing.details["missing"] == ["NO_KEY", "NO_TOKEN"]
    assert "NO_KEY (route `r`)" in missing.message
    sending.environ |= {"NO_KEY": "whsec_not*base64", "LINES": "a\nb: c"}
    unusable = refused(WebhookTarget(url="http://a", secret="NO_KEY"))
    assert "the secret `NO_KEY` cannot sign" in unusable.message
    assert "not*base64" not in unusable.message
    assert "`X`" in refused(WebhookTarget(url="http://a", secret_headers={"X": "LINES"})).message
    assert "Host" in refused(WebhookTarget(url="http://a", headers={"Host": "b"})).message
    assert "`steps`" in refused(WorkflowTarget(file="w", inputs={"a": "${steps.x}"})).message
    assert "no agent `nobody`" in refused(AgentTarget(agent="nobody")).message
    assert "NO (route `r`)" in refused(CommandTarget(command=["x"], cwd="/", env={"A": "${env.NO}"})).message
    handler = refused(HandlerTarget(handler="nobody"))
    assert "`nobody`" in handler.message
    assert "mplp.event_handlers" in str(handler.hint)


# ---- runs


def test_a_route_starts_the_same_run_however_often_it_is_delivered(sending: Sending) -> None:
    started: list[tuple[Any, ...]] = []
    refusals: list[Exception] = []

    async def start(file: str, inputs: Mapping[str, Any], run_id: str, cause: Cause) -> None:
        started.append((file, inputs, run_id, cause))
        if refusals:
            raise refusals.pop()

    sending.start = start
    target = WorkflowTarget(file="/w.yaml", inputs={"tag": "${event.data.tag}", "all": "${event}"})
    tagged = [event(1, {"tag": "v1"}), event(1, {"tag": "v1"}), event(2, {"tag": "v2"})]
    assert sending.send(target, *tagged) == [None] * 3
    [file, inputs, first, cause], [*_, again, _], [*_, other, _] = started
    assert (file, inputs["tag"], inputs["all"]["id"]) == ("/w.yaml", "v1", "e-1")
    assert first == again != other
    assert cause == Cause(by="route:r", event="e-1")
    lacks = sending.failed(target)
    assert (lacks.type, lacks.retryable) == ("DeliveryError", False)
    refusals[:] = [InputError("it does not fit")]
    [unfit] = sending.send(target, tagged[0])
    assert unfit is not None
    assert (unfit.type, unfit.retryable) == ("InputError", False)
    known = len(started)
    round_ = [replace(event(9, {"tag": "v"}), more={"mplpdepth": depth}) for depth in (15, 16)]
    allowed, circle = sending.send(target, *round_)
    assert allowed is None
    assert circle is not None
    assert (circle.retryable, "circle" in circle.message, len(started)) == (False, True, known + 1)


# ---- functions


class Point:
    """An entry point that leads to something."""

    def __init__(self, name: str, given: Any) -> None:
        self.name, self._given = name, given
        self.dist = SimpleNamespace(name="pack", version="1")

    def load(self) -> Any:
        if isinstance(self._given, Exception):
            raise self._given
        return self._given


def test_functions_that_wait_or_not_take_events_and_their_exceptions_are_failures(
    monkeypatch: pytest.MonkeyPatch, sending: Sending
) -> None:
    got: list[Any] = []

    def quick(event: Published, options: Mapping[str, Any]) -> None:
        got.append((event.id, options["to"]))
        if event.id == "e-2":
            raise LookupError("no such place")
        if event.id == "e-3":
            sys.exit("leaves")

    async def slow(event: Published, options: Mapping[str, Any]) -> None:
        await asyncio.sleep(0)
        quick(event, options)

    def either(event: Published, options: Mapping[str, Any]) -> Awaitable[None] | None:
        if event.id in ("e-2", "e-4"):
            return slow(event, options)
        quick(event, options)
        return None

    points = {"quick": quick, "slow": slow, "either": either}
    for name, function in points.items():
        found = find_handler(name, lambda: [Point(key, one) for key, one in points.items()])
        monkeypatch.setattr("mplp_cli.events.senders.handler.find_handler", lambda _, found=found: found)
        got.clear()
        failures = sending.send(
            HandlerTarget(handler=name, options={"to": "x"}), event(1), event(2), event(3), event(4)
        )
        assert got == [("e-1", "x"), ("e-2", "x"), ("e-3", "x"), ("e-4", "x")], function
        assert failures[0] is failures[3] is None
        told = [(failure.type, failure.message) for failure in failures[1:3] if failure is not None]
        assert told == [("LookupError", "no such place"), ("SystemExit", "leaves")]


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([Point("h", lambda event, options: None)] * 2, "both have"),
        ([Point("h", ImportError("no foo"))], "cannot be used: ImportError: no foo"),
        ([Point("h", "text")], "is no function"),
        ([Point("hx", None)], "no installed package"),
    ],
)
def test_a_handler_that_cannot_be_used_says_why(points: Sequence[Point], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        find_handler("h", lambda: points)
