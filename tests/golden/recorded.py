"""Recorded runs as text: `NAME.yaml` is the workflow, `NAME.jsonl` the run and then its facts, as they were stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from mplp_cli.clock import SystemClock
from mplp_cli.protocols import NewRun
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.fold.history import Event

HERE = Path(__file__).parent
#: Stands for the directory of the run.
PLACE = "@here@"


class Record(msgspec.Struct, kw_only=True, rename="camel"):
    """What the recording version said of the run, and what became of it when that version resumed it."""

    id: str
    workflow_id: str
    plan: dict[str, Any]
    #: Status of the run for people, and of each step.
    status: str
    steps: dict[str, str]
    #: The step that a person approved before it was resumed.
    approve: str = ""
    #: Status and outputs at the end; no status: it is final, a resume is refused.
    ends: str = ""
    outputs: dict[str, Any] | None = None


def write(folder: Path, name: str, source: str, record: Record, facts: list[Any]) -> None:
    """Store a recording."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [msgspec.json.encode(one).decode() + "\n" for one in (record, *facts)]
    (folder / f"{name}.yaml").write_text(source, "utf-8")
    (folder / f"{name}.jsonl").write_text("".join(lines), "utf-8")


def load(path: Path, directory: Path) -> Record:
    """Put the recording (its `.jsonl`) into a new store in `directory`, as if it had been made there."""
    head, *lines = path.read_text("utf-8").splitlines()
    record = msgspec.json.decode(head, type=Record)
    place = msgspec.json.encode(str(directory))[1:-1].decode()
    facts = msgspec.json.decode(f"[{','.join(lines)}]".replace(PLACE, place), type=list[Event])
    state = directory / ".mplp"
    state.mkdir()
    store = SqliteStore(state, SystemClock())
    new = NewRun(
        id=record.id,
        workflow_id=record.workflow_id,
        name=path.stem,
        source=path.with_suffix(".yaml").read_bytes(),
        source_name=f"{path.stem}.yaml",
        source_dir=str(directory),
        cwd=str(directory),
        plan=msgspec.json.encode(record.plan),
        created_at=facts[0].at,
    )
    store.create_run(new, facts).close()
    store.close()
    return record
