"""What every counterpart needs: the same lock file everywhere, and that nothing stays behind."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.cli.conftest import until
from tests.counterparts.programs import HERE, by_node, started


def test_the_lock_file_names_no_place_to_download_from() -> None:
    lock = (HERE / "package-lock.json").read_text("utf-8")
    assert '"integrity"' in lock
    assert '"resolved"' not in lock


def test_a_program_is_there_until_the_block_ends_and_what_it_has_started_ends_with_it(
    modules: Path, tmp_path: Path
) -> None:
    (tmp_path / "server.mjs").write_text(
        "import {spawn} from 'node:child_process';\n"
        "const child = spawn('sleep', ['600']);\n"
        "import('node:http').then(({createServer}) => createServer((_, answer) =>\n"
        "  answer.end(JSON.stringify(child.pid))).listen(process.env.PORT, '127.0.0.1'));\n",
        "utf-8",
    )
    with started(by_node(tmp_path / "server.mjs"), tmp_path) as program:
        child = psutil.Process(program.get("/"))
        assert child.name() == "sleep"
    assert program.process.poll() is not None
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
