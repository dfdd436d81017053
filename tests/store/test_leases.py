"""Places that processes share: never more are taken than there are, and none is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from mplp_cli.store.leases import Leases

HOLDS = """\
import asyncio, sys
from pathlib import Path
from mplp_cli.store.leases import Leases

async def hold():
    async with Leases(Path(sys.argv[1])).hold("judge", 2):
        print("has", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


def test_a_place_of_a_process_that_is_killed_is_free_again(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "has\n"
        assert asyncio.run(taken(tmp_path)) == 1
        other.kill()
        other.wait()
    assert asyncio.run(taken(tmp_path)) == 2


async def taken(directory: Path) -> int:
    """How many places can be had at the same time."""
    most = now = 0
    leases = Leases(directory)

    async def hold() -> None:
        nonlocal most, now
        async with leases.hold("judge", 2):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            now -= 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(6):
            tasks.create_task(hold())
    assert now == 0
    return most


def test_places_of_others_are_theirs(tmp_path: Path) -> None:
    async def both() -> None:
        leases = Leases(tmp_path)
        async with leases.hold("judge", 1), leases.hold("w.judge", 1):
            pass

    asyncio.run(both())
