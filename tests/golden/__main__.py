"""Records runs of this version for the versions to come: `python -m tests.golden [STATE...]`.

Each state is brought about with the real command in an empty directory. Recordings of a version that has been
released are never made again: they are what that version has left on people's disks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import msgspec

from mplp_cli import __version__
from mplp_cli.workflow.fold.history import Event
from tests.golden.recorded import HERE, PLACE, Record, load, write
from tests.golden.states import STATES, State

#: 2025-01-01T00:00:00Z: what a recorded run waits for is due when it is read.
BEGINS = 1_735_689_600_000
_MOMENTS = ("at", "due", "until", "deadline")


class Scene:
    """A directory in which a state is brought about."""

    def __init__(self, directory: Path, name: str, state: State) -> None:
        self.directory = directory
        self.state = state
        self.source = (
            f"workflow:\n  id: {name}\n  name: {name.title()}\n  version: 1.0.0\n  max-parallel: 2\n"
        )
        if name == "claimed":
            self.source = self.source.replace("max-parallel: 2", "max-parallel: 1")
        self.source += state.source
        (directory / f"{name}.yaml").write_text(self.source, "utf-8")
        self.file = f"{name}.yaml"

    def mplp(self, *args: str) -> subprocess.Popen[str]:
        """Start a command."""
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("MPLP_", "GITHUB_"))}
        return subprocess.Popen(
            [sys.executable, "-m", "mplp_cli", *args],
            cwd=self.directory,
            env=outside,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def document(self, *args: str) -> dict[str, Any]:
        """What a command answers with `-o json`."""
        made: dict[str, Any] = json.loads(self.mplp(*args, "-o", "json").communicate(timeout=60)[0] or "{}")
        return made

    def rows(self, query: str, *bindings: Any) -> list[Any]:
        """What the store has; nothing before there is one."""
        path = self.directory / ".mplp" / "state.db"
        if not path.exists():
            return []
        db = apsw.Connection(str(path))
        db.set_busy_timeout(5_000)
        try:
            return db.execute(query, bindings).fetchall()
        finally:
            db.close()

    def newest(self) -> str:
        """The id of the run that was created last."""
        return str((self.rows("SELECT id FROM run ORDER BY key DESC LIMIT 1") or [("",)])[0][0])

    def bodies(self, run: str) -> list[bytes]:
        """The facts of a run as they are stored."""
        query = "SELECT body FROM event JOIN run ON run.key = event.run WHERE run.id = ? ORDER BY seq"
        return [body for (body,) in self.rows(query, run)]

    def facts(self, run: str) -> list[Event]:
        """The same, read."""
        return [msgspec.json.decode(body, type=Event) for body in self.bodies(run)]


def record(name: str, folder: Path) -> None:
    """Bring about one state and store it; then see what becomes of it."""
    state = STATES[name]
    with TemporaryDirectory(prefix="golden-") as made, TemporaryDirectory(prefix="golden-") as again:
        scene = Scene(Path(made).resolve(), name, state)
        told, facts = _brought_about(scene, name)
        write(folder, name, scene.source, told, facts)
        scene = Scene(Path(again).resolve(), name, state)
        load(folder / f"{name}.jsonl", scene.directory)
        (scene.directory / "go").write_text("go", "utf-8")
        if state.approve:
            scene.mplp("approve", told.id, state.approve).communicate(timeout=60)
        resumed = scene.document("resume", told.id)
        told.ends, told.outputs = resumed.get("status", ""), resumed.get("outputs")
        write(folder, name, scene.source, told, facts)
    sys.stdout.write(f"{name}: {told.status}, then {told.ends or 'final'}\n")


def _brought_about(scene: Scene, name: str) -> tuple[Record, list[Any]]:
    state, before, holder = scene.state, "", None
    if state.behind:
        holder = scene.mplp("run", scene.file)
        _until(lambda: scene.rows("SELECT 1 FROM turn WHERE held"))
        before = scene.newest()
    process = scene.mplp("run", scene.file)
    if state.when is not None:
        moment = state.when
        _until(lambda: scene.newest() != before and moment(scene.facts(scene.newest())))
        process.send_signal(state.sign)
    process.communicate(timeout=60)
    run = scene.newest()
    shown = scene.document("status", run)
    query = "SELECT plan FROM definition JOIN run ON run.key = definition.run WHERE id = ?"
    told = Record(
        id=run,
        workflow_id=name,
        plan=msgspec.json.decode(scene.rows(query, run)[0][0]),
        status=shown["status"],
        steps={step: one["status"] for step, one in shown["steps"].items()},
        approve=state.approve,
    )
    if holder is not None:
        holder.kill()
        holder.communicate()
    return told, _placed(scene.bodies(run), scene.directory)


def _placed(bodies: list[bytes], directory: Path) -> list[Any]:
    """The facts at no place and at a time of their own."""
    facts = [json.loads(body.decode().replace(str(directory), PLACE)) for body in bodies]
    shift = BEGINS - facts[0]["at"]
    for fact in facts:
        for holder in (fact, fact.get("approval") or {}):
            for key in _MOMENTS:
                if holder.get(key):
                    holder[key] += shift
    return facts


def _until(true: Callable[[], Any]) -> None:
    end, look = time.monotonic() + 60, threading.Event()
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("the state did not come about")
        look.wait(0.01)


if __name__ == "__main__":
    for asked in sys.argv[1:] or STATES:
        record(asked, HERE / __version__)
