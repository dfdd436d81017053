"""The health of its state, as a server tells it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from mplp_cli.clock import SystemClock
from mplp_cli.observe.health import Checkup, Finding, Wrong, found
from tests.serving.inside import GREETS, inside


def test_a_server_tells_what_the_checks_found_and_waits_for_none_of_them_to_say_that_it_lives(
    tmp_path: Path,
) -> None:
    (tmp_path / "greets.yaml").write_text(GREETS)
    over, looks = threading.Event(), []

    def slow() -> Finding:
        looks.append(1)
        over.wait(60)
        return found([Wrong("it is far", "`move`")], {})

    async def use() -> None:
        async with inside(tmp_path) as house:
            vitals = house.parts.vitals
            vitals._checkup = Checkup({"net": slow}, SystemClock(), deadline=60)
            for _ in range(3):
                assert (await house.ask("GET", "/health", token=None)).document == {"status": "ok"}
            over.set()
            full = (await house.ask("GET", "/api/v1/health")).document
            assert (full["status"], full["overall"]) == ("degraded", "degraded")
            assert full["components"][0]["details"] == {
                "problems": [{"message": "it is far", "hint": "`move`"}]
            }
            assert full["store"]["path"]
            assert (await house.ask("GET", "/health", token=None)).document == {"status": "degraded"}
            assert len(looks) == 1, "one look was enough for all of them"

    asyncio.run(use())


def test_a_server_looks_unasked_and_says_so_when_the_look_itself_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "greets.yaml").write_text(GREETS)
    monkeypatch.setattr("mplp_cli.serving.vitals._PAUSE", 0.01)
    looks: Queue[int] = Queue()

    class Breaks(Checkup):
        def look(self, *_: Any, **__: Any) -> Any:
            looks.put(1)
            raise OSError("no more threads")

    async def use() -> None:
        async with inside(tmp_path) as house, asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            vitals = house.parts.vitals
            vitals._checkup = Breaks({}, SystemClock(), deadline=60)
            work = tasks.create_task(vitals.work())
            while looks.empty():  # noqa: ASYNC110 - it is a thread that looks, and nobody has asked
                await asyncio.sleep(0.005)
            await house.until("/health", lambda told: told == {"status": "degraded"})
            vitals._checkup = Checkup({}, SystemClock(), deadline=60)
            await house.until("/health", lambda told: told == {"status": "ok"})
            work.cancel()

    asyncio.run(use())


def test_a_server_looks_at_all_that_can_change_while_it_runs(tmp_path: Path) -> None:
    (tmp_path / "greets.yaml").write_text(GREETS)

    async def use() -> None:
        async with inside(tmp_path) as house:
            full = (await house.ask("GET", "/api/v1/health")).document
            names = {one["component"].partition(":")[0] for one in full["components"]}
            assert names == {"engine", "store", "events", "resources", "machine", "module", "agents", "disk"}
            assert {one["status"] for one in full["components"]} == {"healthy"}
            assert (full["status"], full["overall"]) == ("ok", "healthy")

    asyncio.run(use())
