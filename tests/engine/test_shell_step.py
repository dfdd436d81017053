"""Shell steps: what they get, what they give back, and how they fail."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.engine.capture import StepLog
from mplp_cli.engine.processes import Child
from mplp_cli.engine.steps.shell import ShellSteps, attempt_mark, read_log
from mplp_cli.engine.survivors import find_marked, kill_marked
from mplp_cli.engine.workplace import Workplace
from mplp_cli.errors import OutputFormatError, OutputLimitError, ShellExitError, StepError
from mplp_cli.protocols import Attempt
from mplp_cli.workflow.language.shelltext import hoist
from mplp_cli.workflow.masking import Masker

RUN = f"run-{os.getpid()}"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    left = find_marked(attempt_mark(RUN))
    kill_marked(attempt_mark(RUN))
    assert not left


class Steps:
    """Runs shell steps in a folder and keeps what they said."""

    def __init__(self, folder: Path, has_task: bool) -> None:
        self.folder = folder
        self.has_task = has_task
        self.logs = folder / "state" / "logs"
        self.env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.secrets: dict[str, str] = {}
        self.said: list[tuple[str, str, str]] = []
        self.came = asyncio.Event()

    def attempt(self, **body: Any) -> Attempt:
        return Attempt(
            run=RUN,
            workflow="w",
            step="build",
            number=2,
            timeout=0,
            cwd=str(self.folder),
            env=self.env,
            body=body,
            idempotency_key="key-1",
            output=self.output,
        )

    def output(self, step: str, stream: str, text: str) -> None:
        self.said.append((step, stream, text))
        self.came.set()

    async def start(self, *, grace: float = 5, children: set[Child] | None = None, **body: Any) -> Any:
        place = Workplace(log_dir=self.logs, grace=grace, children=set() if children is None else children)
        return await self.work(self.attempt(**body), place)

    async def work(self, attempt: Attempt, place: Workplace) -> Any:
        """The attempt as a task, or without one."""
        runner = ShellSteps(masker=Masker(self.secrets), workplace=place)
        if self.has_task:
            return await runner(attempt)
        back = asyncio.get_running_loop().create_future()
        errand = runner.begin_errand(attempt, back.set_result)
        try:
            assert await back is errand
            if errand.is_survived():
                await errand.end(stop=False)
        except asyncio.CancelledError:
            await errand.end(stop=True)
            with contextlib.suppress(StepError):
                errand.result()
            raise
        return errand.result()

    def run(self, **body: Any) -> Any:
        return asyncio.run(self.start(**body))


@pytest.fixture(params=[True, False], ids=["task", "errand"])
def steps(tmp_path: Path, request: pytest.FixtureRequest) -> Steps:
    return Steps(tmp_path, request.param)


def test_a_script_gives_its_output_and_its_exit_code(steps: Steps) -> None:
    result = steps.run(script="echo out; echo err >&2; echo")
    assert result == {"exitCode": 0, "stdout": "out\n\n", "stderr": "err\n", "output": "out\n"}
    assert {step for step, _, _ in steps.said} == {"build"}
    assert "".join(text for _, stream, text in steps.said if stream == "stdout") == "out\n\n"
    assert sorted(read_log(steps.logs / "build.2.log")) == [
        ("stderr", "err\n"),
        ("stdout", "\n"),
        ("stdout", "out\n"),
    ]
    assert [path.name for path in steps.logs.iterdir()] == ["build.2.log"]


def test_a_silent_step_leaves_no_file(steps: Steps) -> None:
    steps.run(script="true")
    assert not list(steps.logs.iterdir())


def test_a_script_stops_at_its_first_failure(steps: Steps) -> None:
    with pytest.raises(ShellExitError) as caught:
        steps.run(script="echo before; false; echo after")
    assert caught.value.details == {"exitCode": 1, "stdout": "before\n"}


def test_bash_fails_with_its_pipe(steps: Steps) -> None:
    assert steps.run(script="false | cat")["exitCode"] == 0
    with pytest.raises(ShellExitError):
        steps.run(script="false | cat", shell="bash")
    assert steps.run(script="[[ a == a ]] && echo $0", shell="/bin/bash")["output"] == "/bin/bash"


def test_a_command_is_run_without_a_shell(steps: Steps) -> None:
    assert steps.run(command=["printf", "%s|", "$HOME", "a b", "*"])["output"] == "$HOME|a b|*|"


def test_values_reach_the_script_byte_for_byte(steps: Steps) -> None:
    hoisted = hoist("printf %s ${a.result.x}; printf %s '${a.result.x}' \"${a.result.x}\"")
    value = "';touch canary;' \"$(touch canary)\" `touch canary`\n\\ é \x01"
    result = steps.run(script=hoisted.script, bindings={b.variable: value for b in hoisted.bindings})
    assert result["output"] == value * 3
    assert not (steps.folder / "canary").exists()


def test_a_step_knows_who_it_is(steps: Steps) -> None:
    script = (
        'echo $MPLP_RUN_ID $MPLP_STEP_ID $MPLP_ATTEMPT_NUMBER $MPLP_IDEMPOTENCY_KEY; echo "$MPLP_ATTEMPT"'
    )
    steps.env["MPLP_ATTEMPT"] = "outer/step/1;"
    assert steps.run(script=script)["output"] == f"{RUN} build 2 key-1\nouter/step/1;{RUN}//build/2;"


def test_a_step_gets_its_environment_and_no_other(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_PROCESS", "x")
    names = {line.partition("=")[0] for line in steps.run(command=["env"], parse="lines")["output"]}
    assert names == {"PATH", "LANG"} | {
        f"MPLP_{name}" for name in "OUTPUT RUN_ID STEP_ID ATTEMPT_NUMBER IDEMPOTENCY_KEY ATTEMPT".split()
    }


def test_the_directory_is_relative_to_that_of_the_run(steps: Steps) -> None:
    (steps.folder / "sub").mkdir()
    assert steps.run(script="pwd -P", cwd="sub")["output"] == str((steps.folder / "sub").resolve())
    assert steps.run(script="pwd -P", cwd="sub/..")["output"] == str(steps.folder.resolve())
    assert steps.run(script="pwd -P")["output"] == str(steps.folder.resolve())


def test_a_missing_directory_is_told_as_such(steps: Steps) -> None:
    with pytest.raises(
        StepError, match=r"the working directory cannot be used: No such file or directory: .*/nowhere"
    ):
        steps.run(script="true", cwd="nowhere")
    (steps.folder / "file").write_text("")
    with pytest.raises(StepError, match="the working directory cannot be used: Not a directory"):
        steps.run(script="true", cwd="file")


def test_input_is_what_is_given_or_nothing(steps: Steps) -> None:
    assert steps.run(script="cat", stdin="héllo")["output"] == "héllo"
    with pytest.raises(ShellExitError):
        steps.run(script="cat; read x")
    assert steps.run(script="cat", stdin="")["output"] == ""


@pytest.mark.parametrize(
    ("printed", "parse", "output"),
    [
        ("a\n\nb\n", "lines", ["a", "", "b"]),
        ("", "lines", []),
        ("a", "lines", ["a"]),
        (' {"a": [1, 2.5, null, "é"]}\n', "json", {"a": [1, 2.5, None, "é"]}),
        ("123456789012345678901234567890", "json", 123456789012345678901234567890),
        ("x\r\n", "text", "x\r"),
    ],
)
def test_output_is_parsed_as_asked(steps: Steps, printed: str, parse: str, output: Any) -> None:
    assert steps.run(command=["printf", "%s", printed], parse=parse)["output"] == output


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ('{"a": 1,\n  b}', "the output is not JSON: .* at line 2, column 3"),
        ("", "it is empty"),
        ("NaN", "NaN is not a JSON number"),
        ("[" * 100_000, "too deeply nested"),
    ],
)
def test_output_that_is_not_json_is_told_with_its_place(steps: Steps, printed: str, message: str) -> None:
    with pytest.raises(OutputFormatError, match=message) as caught:
        steps.run(script="cat", stdin=printed, parse="json")
    assert caught.value.retryable


def test_output_that_was_cut_is_not_parsed(steps: Steps) -> None:
    script = "head -c 2000000 /dev/zero | tr '\\0' 1"
    with pytest.raises(OutputLimitError, match="only 1,048,576 bytes of the output were kept"):
        steps.run(script=script, parse="json")
    result = steps.run(script=script)
    assert "[... 951424 bytes left out ...]" in result["output"]


def test_lines_in_the_output_file_become_outputs(steps: Steps) -> None:
    result = steps.run(script='echo "a=1" >> "$MPLP_OUTPUT"; printf "b-c=x=y\\r\\n\\na=2" >> "$MPLP_OUTPUT"')
    assert result["outputs"] == {"a": "2", "b-c": "x=y"}
    assert "outputs" not in steps.run(script="true")
    assert not list(steps.logs.iterdir())


def test_a_line_that_is_no_output_is_told_with_its_place(steps: Steps) -> None:
    with pytest.raises(OutputFormatError, match=r"line 2 of \$MPLP_OUTPUT is not `name=value`"):
        steps.run(script='printf "a=1\\nb\\n" >> "$MPLP_OUTPUT"')
    with pytest.raises(OutputLimitError, match=r"\$MPLP_OUTPUT has more than 1,048,576 bytes"):
        steps.run(script='head -c 2000000 /dev/zero >> "$MPLP_OUTPUT"')
    assert not list(steps.logs.iterdir())


def test_outputs_of_an_earlier_attempt_do_not_count(steps: Steps) -> None:
    steps.logs.mkdir(parents=True)
    (steps.logs / "build.2.outputs").write_text("old=1\n")
    assert "outputs" not in steps.run(script="true")


def test_a_failure_tells_its_code_its_last_line_and_its_tails(steps: Steps) -> None:
    with pytest.raises(ShellExitError, match="exit code 3: what went wrong") as caught:
        steps.run(script="echo 1; echo why >&2; echo what went wrong >&2; exit 3")
    assert caught.value.details == {"exitCode": 3, "stdout": "1\n", "stderr": "why\nwhat went wrong\n"}


def test_a_death_by_signal_is_named(steps: Steps) -> None:
    with pytest.raises(ShellExitError) as caught:
        steps.run(script="kill -KILL $$")
    assert caught.value.details == {"exitCode": 137, "signal": "SIGKILL"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"script": "no-such-command"}, 127),
        ({"command": ["no-such-command"]}, 127),
        ({"command": ["/no/such/command"]}, 127),
        ({"command": ["./data"]}, 126),
        ({"script": "./data"}, 126),
        ({"script": "true", "shell": "/no/such/bash"}, 127),
    ],
)
def test_a_command_that_cannot_be_found_or_run_gets_a_hint(
    steps: Steps, body: dict[str, Any], code: int
) -> None:
    (steps.folder / "data").write_text("not a program")
    with pytest.raises(ShellExitError) as caught:
        steps.run(**body)
    assert caught.value.code == code
    assert "check" in (caught.value.hint or "")


def test_a_value_above_the_limit_of_the_system_names_stdin(steps: Steps) -> None:
    value = "x" * 131_100
    with pytest.raises(
        OutputLimitError, match="a value that the script refers to has 131,109 bytes"
    ) as caught:
        steps.run(script='echo "$MPLP_V1"', bindings={"MPLP_V1": value})
    assert "stdin" in (caught.value.hint or "")
    steps.env["BIG"] = value
    with pytest.raises(OutputLimitError, match="the environment variable BIG"):
        steps.run(script="true")
    steps.env["BIG"] = "x" * (131_072 - len("BIG=") - 1)
    assert steps.run(script="echo ${#BIG}")["output"] == "131067"


def test_many_values_above_the_limit_together_name_stdin(steps: Steps) -> None:
    with pytest.raises(OutputLimitError) as caught:
        steps.run(script="true", bindings={f"MPLP_V{n}": "x" * 130_000 for n in range(60)})
    assert "stdin" in (caught.value.hint or "")
    with pytest.raises(OutputLimitError):
        steps.run(command=["true", "x" * 200_000])


@pytest.mark.parametrize(("value", "message"), [("a\0b", "NUL"), ("\ud800", "not valid Unicode")])
def test_text_that_no_process_can_be_given_is_told(steps: Steps, value: str, message: str) -> None:
    with pytest.raises(StepError, match=message):
        steps.run(script='echo "$MPLP_V1"', bindings={"MPLP_V1": value})
    with pytest.raises(StepError, match=message):
        steps.run(command=["echo", value])


def test_a_long_script_runs_too(steps: Steps) -> None:
    script = "# " + "x" * 200_000 + "\ncat; false; echo not reached"
    with pytest.raises(ShellExitError) as caught:
        steps.run(script=script, stdin="read")
    assert caught.value.details["stdout"] == "read"
    assert [path.name for path in steps.logs.iterdir()] == ["build.2.log"]


def test_another_program_is_not_taken_for_a_shell(steps: Steps) -> None:
    with pytest.raises(StepError, match="`/usr/bin/fish` is not a shell"):
        steps.run(script="true", shell="/usr/bin/fish")


def test_secrets_are_masked_in_every_sink(steps: Steps) -> None:
    steps.secrets = {"TOKEN": "swordfish"}
    steps.env["TOKEN"] = "swordfish"
    script = 'echo "$TOKEN"; printf sword; echo "fish" >&2; printf "x=$TOKEN\\n" >> "$MPLP_OUTPUT"; echo $TOKEN >&2'
    result = steps.run(script=script)
    with pytest.raises(ShellExitError) as caught:
        steps.run(script=f"{script}; exit 1")
    everything = repr((result, caught.value.message, caught.value.details, steps.said))
    assert "swordfish" not in everything + (steps.logs / "build.2.log").read_text()
    assert result["outputs"] == {"x": "***"}
    assert result["stdout"] == "***\nsword"


def test_a_cancelled_step_is_stopped_with_everything_it_started(steps: Steps) -> None:
    async def main() -> None:
        children: set[Child] = set()
        script = "trap '' TERM; (setsid sleep 1001 &); echo up; while :; do sleep 1001; done"
        async with asyncio.TaskGroup() as tasks:
            step = tasks.create_task(steps.start(script=script, grace=0.1, children=children))
            await steps.came.wait()
            assert len(children) == 1
            step.cancel()
        assert step.cancelled()
        assert not children

    start = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - start < 5
    assert ("stdout", "up\n") in read_log(steps.logs / "build.2.log")
    assert [path.name for path in steps.logs.iterdir()] == ["build.2.log"]


def test_the_mark_of_one_attempt_is_not_found_in_another() -> None:
    assert attempt_mark("r", "o", "a", 1) not in attempt_mark("r", "o", "a", 12)
    assert attempt_mark("r", "o", "outer[3].inner", 1) == "r/o/outer[3].inner/1;"
    assert attempt_mark("r") in attempt_mark("r", "o", "a", 1)


def test_a_step_inside_a_foreach_has_a_log_of_its_own(steps: Steps) -> None:
    async def main() -> None:
        attempt = steps.attempt(script="echo x")
        inner = Attempt(
            **{name: getattr(attempt, name) for name in attempt.__struct_fields__}
            | {"step": "outer[3].inner"}
        )
        await steps.work(inner, Workplace(log_dir=steps.logs, grace=1))

    asyncio.run(main())
    assert (steps.logs / "outer[3].inner.2.log").exists()


def test_an_error_of_the_screen_fails_the_step_though_something_is_left_of_it(steps: Steps) -> None:
    def gone(step: str, stream: str, text: str) -> None:
        raise OSError("the screen is gone")

    steps.output = gone  # type: ignore[method-assign]
    with pytest.raises(OSError, match="the screen is gone"):
        steps.run(script="sleep 5 & echo up")


def test_a_log_that_cannot_be_written_is_told_once(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: StepLog) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(StepLog, "_open", full)
    with pytest.raises(ShellExitError):
        steps.run(script="echo hi; exit 3")
    assert [text for _, stream, text in steps.said if stream == "note"] == [
        "the log of this step could not be written: No space left on device\n"
    ]
