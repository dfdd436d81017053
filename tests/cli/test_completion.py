"""Completion scripts: no drift from the commands, and what the shells make of them."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mplp_cli.cli.completion import FILES, Shell, script
from mplp_cli.cli.main import COMMANDS
from mplp_cli.cli.shells.table import Parameter, Verb, command_table
from tests.cli.conftest import Terminal

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "completions"


# ---- the scripts -------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", Shell)
def test_the_script_in_the_repository_is_the_one_that_is_made(terminal: Terminal, shell: Shell) -> None:
    kept = (SCRIPTS / FILES[shell]).read_text("utf-8")
    assert kept == script(shell), f"mplp completion {shell} > completions/{FILES[shell]}"
    assert terminal("completion", shell).out == kept


def test_there_is_a_script_for_each_shell_and_nothing_else() -> None:
    assert {path.name for path in SCRIPTS.iterdir()} == set(FILES.values())


def test_every_script_knows_every_command_and_every_option() -> None:
    table = command_table()
    assert [verb.name for verb in table.verbs] == list(COMMANDS)
    for shell in Shell:
        text = script(shell)
        for verb in table.verbs:
            assert re.search(rf"\b{verb.name}\b", text)
            for option in verb.options:
                assert all(long.removeprefix("--") in text for long in option.long), (shell, verb.name)


def test_what_may_stand_somewhere_is_told_by_its_name() -> None:
    verbs = {verb.name: verb for verb in command_table().verbs}

    def takes(verb: Verb) -> list[str]:
        return [argument.takes for argument in verb.arguments]

    def option(verb: str, name: str) -> Parameter:
        return next(option for option in verbs[verb].options if name in option.names)

    assert takes(verbs["run"]) == takes(verbs["plan"]) == takes(verbs["validate"]) == ["workflow"]
    assert takes(verbs["init"]) == ["file"]
    for name in ("logs", "approve", "reject"):
        assert takes(verbs[name]) == ["runs", "steps"]
    for name in ("status", "resume", "attach", "wait", "cancel"):
        assert takes(verbs[name]) == ["runs"]
    assert option("run", "--state-dir").takes == "directory"
    assert option("run", "--junit").takes == "file"
    assert option("run", "-o").choices == ("auto", "json", "jsonl", "github", "quiet")
    assert option("run", "--dry-run").takes == ""
    assert option("approvals", "--run").takes == "runs"
    assert option("runs", "--workflow").takes == "workflows"
    assert option("init", "--from").takes == "examples"
    assert takes(verbs["call"]) == ["operations"]
    assert takes(verbs["modules"]) == ["choices", "operations", "modules"]
    assert takes(verbs["objects"]) == ["choices", "objects"]
    assert option("objects", "--kind").takes == "kinds"
    assert option("objects", "--run").takes == "runs"


# ---- what they ask for -------------------------------------------------------------------------


@pytest.fixture
def known(terminal: Terminal) -> Terminal:
    """A completed run, one that waits; files; a command called mplp."""
    terminal("run", "talks.yaml")
    terminal("run", "ask.yaml")
    program = terminal.directory / "bin" / "mplp"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mplp_cli "$@"\n')
    program.chmod(0o755)
    terminal.write("my flow.yaml", "")
    (terminal.directory / "some dir").mkdir()
    terminal.env |= {"PATH": f"{program.parent}:{terminal.env['PATH']}", "TERM": "dumb", "PS1": "@ "}
    return terminal


def asked(terminal: Terminal, *words: str, env: dict[str, str] | None = None) -> list[list[str]]:
    ended = terminal("__complete", *words, env=env)
    assert (ended.code, ended.err) == (0, "")
    return [line.split("\t") for line in ended.out.splitlines()]


def test_runs_come_with_workflow_and_status_newest_first(known: Terminal) -> None:
    runs = known("runs", "-o", "json").document["runs"]
    ask, talks = (run["runId"] for run in runs)
    assert asked(known, "runs", "status") == [[ask, "ask, waiting"], [talks, "talks, completed"]]
    for verb in ("pause", "cancel", "kill", "attach", "wait", "resume", "approve", "reject"):
        assert asked(known, "runs", verb) == [[ask, "ask, waiting"]]


def test_steps_are_those_of_the_run_or_those_that_ask(known: Terminal) -> None:
    assert [step for step, _ in asked(known, "steps", "logs", "talks")] == [
        "hello",
        "flaky",
        "silent",
        "colours",
    ]
    assert [step for step, _ in asked(known, "steps", "logs", "ask")] == ["deploy", "after"]
    assert asked(known, "steps", "approve", "ask") == [["deploy", "Deploy anyway?"]]
    assert asked(known, "steps", "approve", "talks") == []


def test_other_names_are_known_too(known: Terminal) -> None:
    assert ["data-pipeline", ""] in asked(known, "examples")
    assert ["example:data-pipeline", ""] in asked(known, "examples", "run")
    assert ["exit-codes", "Exit codes"] in asked(known, "topics")
    assert asked(known, "schemas")[0] == ["workflow", ""]
    assert asked(known, "workflows") == [["ask", "Ask a person"], ["talks", "Talks"]]


def test_operations_and_objects_are_known_by_name(known: Terminal) -> None:
    assert ["context", "The scope that work lives in"] in asked(known, "operations")
    assert ["plan.create-plan", "Make a plan"] in asked(known, "operations")
    assert ["plan", "What is to be done, step by step"] in asked(known, "modules")
    assert ["plan", ""] in asked(known, "kinds")
    made = known("call", "context.create-context", "-p", "name=Release", "-o", "json").document["contextId"]
    assert asked(known, "objects")[0] == [made, "context Release"]


@pytest.mark.parametrize("words", [[], ["nonsense"], ["steps"], ["steps", "logs", "no-such-run"], ["runs"]])
def test_what_cannot_be_answered_is_answered_with_silence(terminal: Terminal, words: list[str]) -> None:
    assert asked(terminal, *words) == []
    terminal.write("file", "")
    assert asked(terminal, *words, env={"MPLP_STATE_DIR": "file"}) == []
    assert not (terminal.directory / ".mplp").exists()


def test_an_answer_does_not_wait_for_the_argument_parser(known: Terminal) -> None:
    code = (
        "import sys; sys.argv = ['mplp', '__complete', 'runs', 'status'];"
        "from mplp_cli.__main__ import main; main();"
        "heavy = {'typer', 'rich', 'jsonschema', 'networkx', 'jinja2', 'ruamel'};"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    ended = known.python("-c", code)
    assert ended.code == 0, ended.err
    assert "ask, waiting" in ended.out


# ---- the shells --------------------------------------------------------------------------------

#: What is typed before the tab -> what stands in the line after it. RUN is the id of the run of `talks`.
TYPED = {
    "mplp sta": "mplp status ",
    "mplp run ta": "mplp run talks.yaml ",
    "mplp run my": r"mplp run my\ flow.yaml ",
    "mplp run example:da": "mplp run example:data-pipeline ",
    "mplp run ex": "mplp run example:",
    "mplp plan ask.yaml --output=j": "mplp plan ask.yaml --output=json ",
    "mplp plan ask.yaml -o j": "mplp plan ask.yaml -o json ",
    "mplp status RU": "mplp status RUN ",
    "mplp logs RUN fl": "mplp logs RUN flaky ",
    "mplp logs --state-dir .mplp talks fl": "mplp logs --state-dir .mplp talks flaky ",
    "mplp logs --state-dir=.mplp talks fl": "mplp logs --state-dir=.mplp talks flaky ",
    "mplp logs --state-dir=nowhere talks fl": "mplp logs --state-dir=nowhere talks fl",
    "mplp approve ": "mplp approve ASK ",
    "mplp approve ask ": "mplp approve ask deploy ",
    "mplp help ref": "mplp help references ",
    "mplp help canc": "mplp help cancel ",
    "mplp runs -w ta": "mplp runs -w talks ",
    "mplp runs --status comp": "mplp runs --status completed ",
    "mplp run talks.yaml --dry": "mplp run talks.yaml --dry-run ",
    "mplp run --inputs as": "mplp run --inputs ask.yaml ",
    "mplp init --from fai": "mplp init --from fails-on-purpose ",
    "mplp health --state-dir so": r"mplp health --state-dir some\ dir/",
    "mplp completion po": "mplp completion powershell ",
    "mplp schema tr": "mplp schema trace ",
    "mplp call context.cl": "mplp call context.close-context ",
    "mplp modules describe plan.cr": "mplp modules describe plan.create-plan ",
    "mplp objects --kind pl": "mplp objects --kind plan ",
    "mplp validate ask.yaml ta": "mplp validate ask.yaml talks.yaml ",
    "mplp --ver": "mplp --version ",
    "bin/mplp status RU": "bin/mplp status RUN ",
}

_SHOW = "show() { print -r -- \"<$BUFFER>\" }; zle -N show; bindkey '^G' show"
#: How the scripts are loaded, and control-G made to print the line as it is.
LOADED = {
    Shell.bash: (
        ["bash", "--norc", "--noprofile", "-i"],
        f"source '{SCRIPTS}/mplp.bash'; bind 'set bell-style none'; bind -x '\"\\C-g\": echo \"<$READLINE_LINE>\"'",
    ),
    Shell.zsh: (
        ["zsh", "-f", "-i"],
        f"PS1='@ '; autoload -U compinit; compinit -D -u; source '{SCRIPTS}/_mplp'; unsetopt beep; bindkey -e; {_SHOW}",
    ),
}


class Typist:
    """Types into a shell on a terminal of its own, and reads what it shows."""

    def __init__(self, command: Sequence[str], terminal: Terminal) -> None:
        self._seen = b""
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.chdir(terminal.directory)
            os.execvpe(command[0], list(command), terminal.env)

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def until(self, mark: bytes) -> bytes:
        """What is shown up to the mark."""
        end = time.monotonic() + 30
        while mark not in self._seen:
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, end - time.monotonic()))
            assert ready, (mark, self._seen)
            self._seen += os.read(self._terminal, 65_536)
        shown, _, self._seen = self._seen.partition(mark)
        return shown

    def completed(self, text: str) -> str:
        """The line after `text` and a tab."""
        self.type(f"{text}\t\x07")
        line = self.until(b">\r\n").rpartition(b"<")[2].decode()
        self.type("\x15")
        return line

    def close(self) -> None:
        os.close(self._terminal)
        os.waitpid(self._process, 0)


@pytest.fixture
def typist(request: pytest.FixtureRequest, known: Terminal) -> Iterator[Typist]:
    command, load = LOADED[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    made = Typist(command, known)
    made.until(b"@ ")
    made.type(f"{load}; echo rea''dy\n")
    made.until(b"ready\r\n")
    made.until(b"@ ")
    yield made
    made.close()


@pytest.mark.parametrize("typist", LOADED, indirect=True)
def test_a_shell_completes_what_is_typed(typist: Typist, known: Terminal) -> None:
    ask, talks = (run["runId"] for run in known("runs", "-o", "json").document["runs"])
    found, expected = {}, {}
    for typed, line in TYPED.items():
        # As many characters of the id as are its own.
        own = next(n for n in range(1, 37) if talks[:n] != ask[:n])
        text = typed.replace("RUN", talks).replace("RU", talks[:own])
        found[text] = typist.completed(text)
        expected[text] = line.replace("RUN", talks).replace("ASK", ask)
    assert found == expected


def test_fish_completes_what_is_typed(known: Terminal) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("there is no fish here")
    ask, talks = (run["runId"] for run in known("runs", "-o", "json").document["runs"])

    def offered(text: str) -> list[str]:
        code = f"source '{SCRIPTS}/mplp.fish'; complete -C '{text}'"
        return known.run(fish, "--no-config", "-c", code).out.splitlines()

    assert offered("mplp sta") == ["status\tShow where a run stands"]
    assert "talks.yaml" in offered("mplp run ta")
    assert "example:data-pipeline" in offered("mplp run example:da")
    assert offered("mplp plan ask.yaml -o j") == ["json\tHow to answer"]
    assert offered("mplp status ") == [f"{ask}\task, waiting", f"{talks}\ttalks, completed"]
    assert offered("mplp logs talks fl") == ["flaky"]
    assert offered("mplp logs --state-dir=nowhere talks fl") == []
    assert offered("mplp approve ask ") == ["deploy\tDeploy anyway?"]
    assert offered("mplp help ref")[0].startswith("references\t")
    assert offered("mplp health --state-dir so") == ["some dir/\tDirectory"]
    assert "--junit\tWrite a JUnit report to FILE" in offered("mplp run talks.yaml --ju")


def test_bash_offers_every_candidate_there_is(known: Terminal) -> None:
    """The function itself, without a terminal: the whole list, which a terminal would have to draw."""
    code = f"""
source '{SCRIPTS}/mplp.bash'
COMP_LINE='mplp runs --status '
COMP_WORDS=(mplp runs --status '')
COMP_CWORD=3
_mplp mplp '' --status
printf '%s\\n' "${{COMPREPLY[@]}}"
COMP_LINE='mplp '
COMP_WORDS=(mplp '')
COMP_CWORD=1
_mplp mplp '' mplp
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    ended = known.run("bash", "-c", code)
    assert ended.err == ""
    statuses = ["pending", "running", "interrupted", "waiting", "paused", "completed", "failed", "cancelled"]
    assert ended.out.split() == [*statuses, *COMMANDS]


@pytest.mark.parametrize(("shell", "check"), [(Shell.bash, ["bash", "-n"]), (Shell.zsh, ["zsh", "-n"]),
                                              (Shell.fish, ["fish", "--no-execute"])])  # fmt: skip
def test_a_shell_can_read_its_script(terminal: Terminal, shell: Shell, check: list[str]) -> None:
    if shutil.which(check[0]) is None:
        pytest.skip(f"there is no {check[0]} here")
    ended = terminal.run(*check, str(SCRIPTS / FILES[shell]))
    assert (ended.code, ended.err) == (0, "")


def test_the_script_for_powershell_is_balanced() -> None:
    """There is no PowerShell to ask: at least every bracket and every quote is closed."""
    text = re.sub(r"#.*|'(?:[^']|'')*'|\"[^\"]*\"", "", script(Shell.powershell))
    assert "'" not in text
    assert '"' not in text
    for opened, closed in ("()", "{}", "[]"):
        assert text.count(opened) == text.count(closed)
