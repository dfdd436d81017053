"""What checks make of what they see: at every threshold, and just beyond it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mplp_cli.checks import delivered, stored
from mplp_cli.checks.delivered import ALONE, MOST_BEHIND, SLOW, TRIED, Reader, judge_readers
from mplp_cli.checks.pooled import judge_machine, judge_pool
from mplp_cli.checks.scene import Once, Scene
from mplp_cli.checks.served import check_serve
from mplp_cli.checks.stored import MOST_WAITING, YOUNG, judge_store
from mplp_cli.observe.health import Finding
from mplp_cli.protocols import RunRecord
from mplp_cli.protocols.records import Holding, Standing
from mplp_cli.resources.bottlenecks import Metrics, Network, Use
from mplp_cli.resources.measuring import Measured
from mplp_cli.runtime import Runtime
from mplp_cli.store.layout import server_path
from mplp_cli.store.locks import process_name, try_to_take
from mplp_cli.store.probing import Probed
from mplp_cli.workflow.resources import Kind, Pool, Share, Unit

NOW = 1_700_000_000_000


def problems(told: Finding) -> list[str]:
    """What is wrong; with each stands what to do."""
    found = told.details.get("problems", [])
    assert all("`" in one["hint"] for one in found)
    return [one["message"] for one in found]


# ---- the machine -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metrics", "healthy", "told"),
    [
        (Metrics(cpu=Use(utilization=0.8)), True, []),
        (Metrics(cpu=Use(utilization=0.8001)), True, ["high CPU utilisation detected"]),
        (Metrics(memory=Use(utilization=0.9)), True, []),
        (Metrics(memory=Use(utilization=0.9001)), False, []),
        (Metrics(network=Network(latency=100)), True, []),
        (Metrics(network=Network(latency=100.001)), True, ["network latency is high"]),
        (Metrics(), True, []),
    ],
)
def test_a_machine_at_its_limits_is_within_them(metrics: Metrics, healthy: bool, told: list[str]) -> None:
    found = judge_machine(Measured(metrics=metrics))
    assert (found.healthy, found.details.get("bottlenecks", [])) == (healthy, told)
    assert problems(found) == ([] if healthy else ["memory pressure detected: 90% in use"])


# ---- the pool ----------------------------------------------------------------------------------


def test_a_pool_is_ill_if_more_is_held_than_there_is_or_somebody_waits_for_what_is_gone() -> None:
    def kind(name: str, per: int = 0) -> Kind:
        return Kind(name=name, units=(Unit("one", 2_000),), per=per)

    pool = Pool({"cpu": kind("cpu"), "calls": kind("calls", per=60_000)})
    full = Share(run="a", held={"cpu": {"one": 2_000}, "calls": {"one": 2_000}})
    waits = Share(run="b", wanted={"cpu": {"one": 1_000}, "calls": {"one": 1_000}})
    assert problems(judge_pool(pool, [full], (), NOW)) == []
    assert problems(judge_pool(pool, [full, waits], (), NOW)) == [
        "all 2 of cpu are held, and 1 run waits for it"
    ]
    less = replace(full, held={"cpu": {"one": 1_999}})
    assert problems(judge_pool(pool, [less, waits], (), NOW)) == []
    more = replace(full, held={"cpu": {"one": 2_001}, "gpu": {"0": 1_000}})
    assert problems(judge_pool(pool, [more], (), NOW)) == [
        "more of cpu is held than there is: 2.001 of 2 (one)",
        "more of gpu is held than there is: 1 of 0 (0)",
    ]


# ---- events ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reader", "delivers", "said"),
    [
        (Reader(name="route:a", behind=9, waits=ALONE), False, ""),
        (Reader(name="route:a", behind=9, waits=ALONE + 1), False, "and nobody delivers"),
        (Reader(name="rule:a", behind=1, waits=SLOW), True, ""),
        (Reader(name="rule:a", behind=1, waits=SLOW + 1), True, "1 event waits for rule `a`"),
        (Reader(name="route:a", behind=MOST_BEHIND), True, ""),
        (Reader(name="route:a", behind=MOST_BEHIND + 1), True, "10,001 events wait for route `a`"),
        (Reader(name="route:a", dead=1), True, "1 event in the dead letters of route `a`"),
        (Reader(name="route:a", retrying=2, tried=TRIED), True, ""),
        (Reader(name="route:a", retrying=2, tried=TRIED + 1), True, "2 deliveries of route `a` are tried"),
        (Reader(name="route:a", retrying=1, tried=TRIED + 1), False, "1 delivery of route `a` is tried"),
    ],
)
def test_events_that_wait_too_long_are_told(reader: Reader, delivers: bool, said: str) -> None:
    found = list(judge_readers([reader], delivers=delivers))
    assert [said in one.message for one in found] == [True] * bool(said)
    assert all("`mplp " in one.hint for one in found)


# ---- runs and the store ------------------------------------------------------------------------


def record(number: int, **more: Any) -> RunRecord:
    told: dict[str, Any] = {
        "status": "running",
        "owner": process_name(4242),
        "created_at": NOW - YOUNG,
        "owned": True,
    }
    return RunRecord(id=f"{number:08d}-0", workflow_id="w", name="W", epoch=1, ended_at=None, **(told | more))


def test_a_run_is_ill_if_nobody_drives_it_its_process_stands_still_or_it_waits_for_a_paused_one() -> None:
    left = [record(1, owned=False), record(2, owned=False, created_at=NOW - YOUNG + 1), record(3)]
    assert [one.message for one in stored._left(left, NOW)] == ["run 00000001 of w was interrupted"]
    assert "2 runs" in next(stored._left([record(1, owned=False), record(2, owned=False)], NOW)).message
    driven = [record(1), record(2), record(3, owner=process_name(7)), record(4, owner="4242@far.example")]
    states = {4242: "stopped", 7: "sleeping"}
    [still] = stored._still(driven, states.__getitem__)
    assert still.message == "run 00000001 of w and 1 more stands still: process 4242 is stopped"
    assert "kill -CONT 4242" in still.hint
    paused, busy = Holding("00000009-0", NOW, "paused"), Holding("00000008-0", NOW, "running")
    standings = {
        "a": Standing(key="k", position=1, holders=[paused]),
        "b": Standing(key="k", position=2, holders=[paused]),
        "c": Standing(key="j", position=1, holders=[paused, busy]),
        "d": Standing(key="k", position=0, holders=[paused]),
    }
    [blocked] = stored._blocked(standings)
    assert blocked.message == "2 runs wait for the turn of run 00000009, which is paused"


def test_a_store_is_ill_if_nobody_else_can_write_or_its_log_grows() -> None:
    well = Probed(details={"path": "x"}, waiting=MOST_WAITING)
    assert judge_store(well) == Finding(True, {"path": "x"})
    assert problems(judge_store(replace(well, waiting=MOST_WAITING + 1))) == [
        "64 MiB of the log wait for a process that reads on and on"
    ]
    assert problems(judge_store(replace(well, busy=17))) == [
        "process 17 writes all the time, and nobody else can"
    ]


def test_a_deliverer_that_is_stopped_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".mplp").mkdir()
    scene = Scene(Runtime(start=tmp_path, environ={}), 2.0)
    assert delivered._deliverer(scene) == (None, [])
    lock = try_to_take(tmp_path / ".mplp" / "events.lock", "mplp events", NOW)
    assert lock is not None
    assert delivered._deliverer(scene) == (process_name(), [])
    monkeypatch.setattr(delivered, "process_status", lambda _: "stopped")
    assert "is stopped" in delivered._deliverer(scene)[1][0].message
    lock.release()


# ---- the server --------------------------------------------------------------------------------


class _Answers(http.server.BaseHTTPRequestHandler):
    """Says what the test put there; waits for ever if that is None."""

    said: bytes | None = b'{"status": "degraded"}'
    over = threading.Event()

    def do_GET(self) -> None:
        if self.said is None:
            self.over.wait(60)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.said)

    def log_message(self, *_: Any) -> None:
        """Quietly."""


@pytest.fixture
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    _Answers.over.set()
    server.shutdown()
    server.server_close()


def test_a_server_must_answer_if_one_holds_the_state(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".mplp").mkdir()
    scene = Scene(Runtime(start=tmp_path, environ={}), 0.4)
    assert check_serve(scene) == Finding(True, {"state": "none runs"})
    lock = try_to_take(server_path(tmp_path / ".mplp"), url, NOW)
    assert lock is not None
    told = check_serve(scene)
    assert (told.healthy, told.details["state"], told.details["url"]) == (True, "degraded", url)
    for said, why in (
        (b"<html>", "not answer"),
        (b"[]", "it answers 200"),
        (None, "nothing came within 0.3 s"),
    ):
        monkeypatch.setattr(_Answers, "said", said)
        [message] = problems(check_serve(scene))
        assert url in message
        assert why in message
    lock.release()
    assert check_serve(scene).healthy, "a server that has ended is no fault"


def test_what_several_checks_need_is_made_once_for_all_of_them() -> None:
    class Moving:
        at = 0.0

        def now(self) -> int:
            return NOW

        def monotonic(self) -> float:
            return self.at

    clock, made = Moving(), []

    def make() -> int:
        made.append(1)
        if len(made) > 1:
            raise OSError("gone")
        return 7

    once = Once(make, clock)
    assert (once(), once(), len(made)) == (7, 7, 1)
    clock.at = 1.0
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            once()
    assert len(made) == 2
