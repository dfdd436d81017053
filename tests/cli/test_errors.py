"""What goes wrong: one clear line, what to do, the exit code, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mplp_cli.cli.main import COMMANDS, wants_json
from mplp_cli.ids import RandomIds
from mplp_cli.store.layout import lock_path
from mplp_cli.store.locks import take
from tests.cli.conftest import Terminal

USES_THE_STORE = [
    *(
        ["runs"],
        ["approvals"],
        ["status", "a"],
        ["logs", "a"],
        ["cancel", "a"],
        ["resume", "a"],
        ["approve", "a"],
    ),
    ["run", "talks.yaml"],
]
#: Commands that take the name of a run, with what else they need.
ON_A_RUN = [["status"], ["logs"], ["resume"], ["cancel"], ["approve"], ["reject", "--reason", "no"]]


@pytest.mark.parametrize(
    ("typed", "line", "hint"),
    [
        (["rnu"], "No such command 'rnu'. Did you mean 'run'?", "try `mplp --help`"),
        (["run"], "Missing argument 'FILE'.", "try `mplp run --help`"),
        (["runs", "--limit", "0"], "Invalid value for '--limit' / '-n'", "try `mplp runs --help`"),
        (["runs", "--status", "done"], "'done' is not one of", "try `mplp runs --help`"),
        (["run", "talk.yaml"], "cannot read talk.yaml", "did you mean `talks.yaml`?"),
        (["run", "example:apends"], "no bundled workflow 'apends'", "did you mean `appends`?"),
        (["status", "nothing"], "there is no run 'nothing'", "`mplp runs` lists them"),
        (["help", "referenses"], "there is no help on 'referenses'", "did you mean `references`?"),
        (["schema", "workflows"], "there is no schema 'workflows'", "did you mean `workflow`?"),
        (["examples", "ci.yml"], "no bundled workflow 'ci.yml'", "did you mean `ci.yaml`?"),
        (["examples", "--show"], "--show needs the name of an example", "`mplp examples`"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told_in_a_line_and_a_hint(
    terminal: Terminal, typed: list[str], line: str, hint: str
) -> None:
    ended = terminal(*typed)
    assert (ended.code, ended.out) == (2, "")
    said = [text for text in ended.err.splitlines() if not text.startswith("Usage: ")]
    assert len(said) == 2, ended.err
    assert said[0].startswith("mplp: ")
    assert line in said[0]
    assert said[1].startswith("help: ")
    assert hint in said[1]
    assert not (terminal.directory / ".mplp").exists()


@pytest.mark.parametrize(
    "typed", [["rnu"], ["status", "nothing"], ["run", "nothing.yaml"], ["runs", "--limit", "0"]]
)
def test_where_json_is_asked_for_the_error_is_json(terminal: Terminal, typed: list[str]) -> None:
    ended = terminal(*typed, "--output", "json")
    assert (ended.code, ended.out) == (2, "")
    error = json.loads(ended.err)["error"]
    assert error.keys() == {"type", "code", "message", "details"}
    assert error["code"] == 2


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        (["run", "a", "--output", "json"], True),
        (["run", "a", "-o", "jsonl"], True),
        (["run", "a", "--output=json"], True),
        (["run", "a", "-ojson"], True),
        (["run", "a"], False),
        (["run", "json", "--output", "quiet"], False),
        (["run", "a", "-o"], False),
    ],
)
def test_json_is_asked_for_by_the_output_option(typed: list[str], wanted: bool) -> None:
    assert wants_json(typed) is wanted


def test_without_a_command_the_commands_are_listed(terminal: Terminal) -> None:
    ended = terminal()
    assert (ended.code, ended.err) == (2, "")
    listed = [line.split()[0] for line in ended.out.partition("Commands:\n")[2].splitlines()]
    assert listed == list(COMMANDS)


@pytest.mark.parametrize("verb", ON_A_RUN, ids=lambda verb: verb[0])
def test_a_run_that_is_not_there_is_no_run(terminal: Terminal, verb: list[str]) -> None:
    terminal("run", "talks.yaml")
    ended = terminal(verb[0], "ffffffff-nothing", *verb[1:])
    assert ended.code == 2
    assert "there is no run 'ffffffff-nothing'" in ended.err


@pytest.mark.parametrize("verb", ON_A_RUN, ids=lambda verb: verb[0])
def test_a_name_that_means_several_runs_is_answered_with_the_list(
    terminal: Terminal, verb: list[str]
) -> None:
    terminal("run", "ask.yaml")
    terminal("run", "ask.yaml")
    ended = terminal(verb[0], "ask", *verb[1:])
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("(waiting)") == 2


@pytest.mark.parametrize("verb", USES_THE_STORE, ids=" ".join)
def test_a_store_that_is_none_ends_a_command_with_74(terminal: Terminal, verb: list[str]) -> None:
    state = terminal.directory / ".mplp"
    state.mkdir()
    (state / "state.db").write_bytes(b"this is no database" * 100)
    ended = terminal(*verb)
    assert ended.code == 74, ended.err
    assert "state.db" in ended.err
    assert "Traceback" not in ended.err


def test_a_state_directory_that_is_a_file_ends_a_command_with_74(terminal: Terminal) -> None:
    terminal.write("state", "")
    assert terminal("runs", "--state-dir", "state").code == 74
    told = terminal("runs", "--state-dir", "state", "-o", "json")
    assert json.loads(told.err)["error"]["code"] == 74


def test_a_run_that_another_process_drives_is_busy(terminal: Terminal) -> None:
    terminal.start("run", "endless.yaml", "--output", "quiet")
    terminal.until_written("it is up")
    ended = terminal("resume", "endless")
    assert ended.code == 75
    assert "holds run" in ended.err
    assert "Traceback" not in ended.err
    assert terminal("cancel", "endless").code == 0


def test_a_run_that_does_not_stop_leaves_cancel_with_75(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is held by a process (this one) that never looks at requests."""
    from mplp_cli import ending
    from mplp_cli.cli import cancel
    from mplp_cli.errors import RunBusyError

    assert terminal("run", "ask.yaml").code == 3
    run = terminal.only_run()
    held = take(lock_path(terminal.directory / ".mplp", run), run, "a test", 0)
    monkeypatch.setattr(ending, "PATIENCE", -100.0)
    with pytest.raises(RunBusyError, match="still stopping"):
        cancel.main(run, state_dir=str(terminal.directory / ".mplp"))
    held.release()


def test_a_bug_is_called_a_bug(terminal: Terminal) -> None:
    code = (
        "import sys, mplp_cli.runtime\n"
        "def broken(*args, **kwargs): raise KeyError('oh')\n"
        "mplp_cli.runtime.Runtime.existing_state_dir = broken\n"
        "sys.argv = ['mplp', 'runs', *sys.argv[1:]]\n"
        "from mplp_cli.__main__ import main\n"
        "main()\n"
    )

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *args],
            cwd=terminal.directory, env=terminal.env, capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip

    ended = run()
    assert ended.returncode == 70
    assert "a bug in mplp: KeyError: 'oh'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert json.loads(run("-o", "json").stderr)["error"]["code"] == 70


@pytest.mark.parametrize("typed", ["runs", "schema", "help steps", "logs talks", "--help"])
def test_a_reader_that_goes_is_no_failure(terminal: Terminal, typed: str) -> None:
    terminal("run", "talks.yaml")
    line = f'"{sys.executable}" -m mplp_cli {typed} | head -n 1; exit "${{PIPESTATUS[0]}}"'
    ended = subprocess.run(
        ["bash", "-c", line], cwd=terminal.directory, env=terminal.env, capture_output=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.count(b"\n") == 1


def test_a_closed_pipe_is_no_failure(terminal: Terminal) -> None:
    terminal("run", "talks.yaml")
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "mplp_cli", "runs"],
        cwd=terminal.directory, env=terminal.env, stdout=write, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("how", ["jsonl", "github", "json", "auto"])
def test_a_run_goes_on_when_its_reader_goes_and_ends_as_it_ends(terminal: Terminal, how: str) -> None:
    line = (
        f'"{sys.executable}" -m mplp_cli run example:fails-on-purpose --output {how} 2>&1 | head -n 1;'
        ' exit "${PIPESTATUS[0]}"'
    )
    ended = subprocess.run(
        ["bash", "-c", line], cwd=terminal.directory, env=terminal.env, capture_output=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert terminal("status", "fails-on-purpose", "-o", "json").document["status"] == "failed"


def test_ids_of_runs_may_be_written_in_capitals(terminal: Terminal) -> None:
    terminal("run", "talks.yaml")
    assert terminal("status", terminal.only_run().upper()).code == 0
    assert RandomIds().uuid().islower()


def test_nothing_is_written_beside_the_state_directory(terminal: Terminal) -> None:
    before = set(terminal.directory.iterdir())
    terminal("run", "talks.yaml")
    assert set(terminal.directory.iterdir()) - before == {Path(terminal.directory / ".mplp")}


#: Somebody presses Ctrl-C while the command line is imported.
PRESSED = """\
import sys

class Pressed:
    def find_spec(self, name, *_):
        if name == "mplp_cli.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Pressed())
from mplp_cli.__main__ import main
main()
"""


def test_ctrl_c_before_anything_is_loaded_is_no_error_of_ours(terminal: Terminal) -> None:
    pressed = terminal.python("-c", PRESSED)
    assert (pressed.code, pressed.out, pressed.err) == (130, "", "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_lead_nowhere(terminal: Terminal, closed: str) -> None:
    mplp = f"{sys.executable} -m mplp_cli"
    ended = terminal.run("sh", "-c", f"{mplp} run talks.yaml {closed}")
    assert ended.code == 0
    assert ("hello world" in ended.out) == (">&-" not in closed.replace("2>&-", ""))
    assert "Traceback" not in ended.err
    assert "bug" not in ended.err
    assert terminal("status", "talks", "--output", "json").document["status"] == "completed"
    log = next(terminal.directory.glob(".mplp/runs/*/logs/hello.1.log"))
    assert log.read_text("utf-8").startswith("O hello world")
