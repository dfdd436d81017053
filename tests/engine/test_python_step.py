"""Python steps: what functions get and give back, in a process of their own and inside ours."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.engine import calling
from mplp_cli.engine.capture import read_log
from mplp_cli.engine.processes import Child
from mplp_cli.engine.steps.python import run_python
from mplp_cli.engine.survivors import find_marked, kill_marked
from mplp_cli.engine.workplace import Workplace, attempt_mark
from mplp_cli.errors import OutputLimitError, PythonCallError, PythonExitError, RaisedError
from mplp_cli.protocols import Attempt
from mplp_cli.workflow.masking import Masker

RUN = f"python-{os.getpid()}"
BOTH = pytest.mark.parametrize("isolation", ["process", "thread"])


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = set(sys.modules), list(sys.path), sys.stdout
    yield
    for name in set(sys.modules) - before[0]:
        if name.startswith("work_"):
            del sys.modules[name]
    sys.path[:] = before[1]
    assert sys.stdout is before[2]
    left = find_marked(attempt_mark(RUN))
    kill_marked(attempt_mark(RUN))
    assert not left


class Steps:
    """Calls functions of a module in a folder and keeps what they said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {"PATH": os.environ["PATH"]}
        self.secrets: dict[str, str] = {}
        self.said: list[tuple[str, str]] = []
        self.came = asyncio.Event()
        self.children: set[Child] = set()
        #: A module of its own for each test: modules stay loaded.
        self.module = f"work_{folder.name.replace('-', '_')}"
        (folder / "flow").mkdir()

    def write(self, source: str, name: str | None = None) -> None:
        (self.folder / "flow" / f"{name or self.module}.py").write_text(textwrap.dedent(source))

    def output(self, step: str, stream: str, text: str) -> None:
        self.said.append((stream, text))
        self.came.set()

    def text(self, stream: str) -> str:
        return "".join(text for name, text in self.said if name == stream)

    async def start(self, isolation: str, call: str = "run", grace: float = 5, **arguments: Any) -> Any:
        attempt = Attempt(
            run=RUN,
            workflow="w",
            step="call",
            number=2,
            timeout=0,
            cwd=str(self.folder),
            env=self.env,
            body={
                "call": call if ":" in call else f"{self.module}:{call}",
                "arguments": arguments,
                "isolation": isolation,
            },
            idempotency_key="key-1",
            output=self.output,
        )
        return await run_python(
            attempt,
            masker=Masker(self.secrets),
            source_dir=str(self.folder / "flow"),
            workplace=Workplace(log_dir=self.folder / "logs", grace=grace, children=self.children),
        )

    def run(self, isolation: str, call: str = "run", **arguments: Any) -> Any:
        return asyncio.run(self.start(isolation, call, **arguments))


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path)


@BOTH
def test_a_function_gets_its_arguments_and_gives_its_result(steps: Steps, isolation: str) -> None:
    steps.write("def run(a, *, b=2, **more): return {'a': a, 'b': (b, None, 1.5, True), 'more': more}")
    value = "';\n\0\u00e9\U0001f600\" $HOME"
    result = steps.run(isolation, a=[value], c={"x": 10**30})
    assert result == {"a": [value], "b": [2, None, 1.5, True], "more": {"c": {"x": 10**30}}}
    assert not list((steps.folder / "logs").glob("*"))


@BOTH
def test_an_async_function_is_awaited(steps: Steps, isolation: str) -> None:
    steps.write(
        """
        import asyncio
        async def run(n):
            await asyncio.sleep(0)
            print("awaited")
            return n + 1
        """
    )
    assert steps.run(isolation, n=1) == 2
    assert steps.text("stdout") == "awaited\n"


@BOTH
def test_what_a_function_prints_goes_to_its_step(
    steps: Steps, isolation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    steps.secrets = {"T": "swordfish"}
    steps.write(
        """
        import sys
        def run():
            print("out", "\\u00e9")
            print("sword", end="")
            print("fish", "\\ud800", file=sys.stderr)
            sys.stdout.write("fish")
            return "a swordfish"
        """
    )
    assert steps.run(isolation) == "a ***"
    assert steps.text("stdout") == "out \u00e9\n***"
    assert steps.text("stderr") == "fish \\ud800\n"
    assert ("stdout", "out \u00e9\n") in read_log(steps.folder / "logs" / "call.2.log")
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""


@BOTH
def test_bytes_that_a_function_writes_go_to_its_step(
    steps: Steps, isolation: str, capfd: pytest.CaptureFixture[str]
) -> None:
    steps.write(
        "import sys\ndef run():\n    sys.stdout.buffer.write(b'raw\\xff\\n')\n    sys.stdout.buffer.flush()"
    )
    steps.run(isolation)
    assert steps.text("stdout") == "raw\ufffd\n"
    assert capfd.readouterr().out == ""


@BOTH
def test_half_a_secret_is_not_left_where_a_message_is_cut(steps: Steps, isolation: str) -> None:
    steps.secrets = {"T": "swordfish"}
    steps.write("def run(): raise ValueError('x' * 9995 + 'swordfish' + 'y' * 100)")
    with pytest.raises(RaisedError) as caught:
        steps.run(isolation)
    assert caught.value.message == "x" * 9995 + "***yy"


@BOTH
def test_an_exception_is_told_with_its_class_and_its_line(steps: Steps, isolation: str) -> None:
    steps.write(
        """
        class NoStock(Exception): pass
        def run(n):
            check(n)
        def check(n):
            raise NoStock(f"only {n} left")
        """
    )
    with pytest.raises(RaisedError) as caught:
        steps.run(isolation, n=3)
    failure = caught.value.failure()
    assert (failure.type, failure.message, failure.retryable) == ("NoStock", "only 3 left", True)
    file = str(steps.folder / "flow" / f"{steps.module}.py")
    assert failure.details == {"file": file, "line": 6, "in": "check"}
    assert "NoStock: only 3 left" in steps.text("stderr")
    assert "calling.py" not in steps.text("stderr")
    assert "inside.py" not in steps.text("stderr")


@BOTH
@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("def run(): raise SystemExit(3)", "SystemExit"),
        ("def run(): raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("async def run(): raise SystemExit(3)", "SystemExit"),
        ("async def run(): raise __import__('asyncio').CancelledError", "CancelledError"),
        ("async def run(): raise TypeError('x')", "TypeError"),
        ("def run(): int(None)", "TypeError"),
        ("def run(): raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()", "Odd"),
        ("def run(): run()", "RecursionError"),
    ],
)
def test_nothing_that_a_function_raises_gets_out(
    steps: Steps, isolation: str, source: str, kind: str
) -> None:
    steps.write(source)
    with pytest.raises(RaisedError) as caught:
        steps.run(isolation)
    assert caught.value.failure().type == kind


@BOTH
@pytest.mark.parametrize(
    ("call", "arguments", "said"),
    [
        ("work_no_such_module:run", {}, "there is no module `work_no_such_module`"),
        ("no_such_function", {}, r"`\w+` has no `no_such_function`"),
        ("VALUE", {}, r"`\w+:VALUE` is a int, which cannot be called"),
        ("run", {"b": 1}, r"run\(\) (got an unexpected|missing 1 required)"),
        ("run", {}, r"run\(\) missing 1 required positional argument: 'a'"),
        ("work_broken:run", {}, r"`work_broken` cannot be imported: ZeroDivisionError: .*work_broken.py:1\)"),
        ("work_wrong:run", {}, r"`work_wrong` cannot be imported: SyntaxError: "),
        ("work_needs:run", {}, r"`work_needs` cannot be imported: ModuleNotFoundError: .*no_such_library"),
        ("work_exits:run", {}, r"`work_exits` cannot be imported: SystemExit: 0"),
        ("json.no_such:run", {}, r"there is no module `json.no_such`"),
        ("sys.path:append", {}, r"there is no module `sys.path`"),
    ],
)
def test_a_call_that_cannot_be_made_is_told_and_not_retried(
    steps: Steps, isolation: str, call: str, arguments: dict[str, Any], said: str
) -> None:
    steps.write("VALUE = 1\ndef run(a): return a")
    steps.write("1 / 0", "work_broken")
    steps.write("def (", "work_wrong")
    steps.write("import no_such_library", "work_needs")
    steps.write("raise SystemExit(0)", "work_exits")
    with pytest.raises(PythonCallError, match=said) as caught:
        steps.run(isolation, call, **arguments)
    assert not caught.value.retryable


@BOTH
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("object()", "the result is a object, not JSON"),
        ("{'a': [1, {2}]}", r"the result at `a\[1\]` is a set, not JSON"),
        ("__import__('datetime').date(2026, 1, 1)", "the result is a datetime.date, not JSON"),
        ("{'when': __import__('decimal').Decimal(1)}", "the result at `when` is a decimal.Decimal"),
        ("b'x'", "is a bytes"),
        ("[float('nan')]", r"the result at `\[0\]` is nan"),
        ("float('inf')", "is inf"),
        ("{1: 2}", "has a key that is a int, not text"),
        ("'\\ud800'", "not valid Unicode"),
        ("{'\\ud800': 1}", "not valid Unicode"),
        ("LOOP", r"the result at `\[0\]` contains itself"),
        ("DEEP", "nested deeper than 200 levels"),
        ("(x for x in ())", "is a generator"),
        ("10 ** 5000", "cannot be written as JSON"),
    ],
)
def test_a_result_that_is_not_json_is_refused_by_its_type(
    steps: Steps, isolation: str, value: str, said: str
) -> None:
    if isolation == "thread" and value == "10 ** 5000":
        pytest.skip("it never becomes text")
    steps.write(
        f"""
        LOOP = []
        LOOP.append(LOOP)
        DEEP = 1
        for _ in range(300):
            DEEP = [DEEP]
        def run():
            return {value}
        """
    )
    with pytest.raises(PythonCallError, match=said):
        steps.run(isolation)


def test_a_small_value_that_is_huge_as_json_is_refused(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "VALUES", 10_000)
    steps.write("BOMB = 1\nfor _ in range(60): BOMB = [BOMB, BOMB]\ndef run(): return BOMB")
    with pytest.raises(PythonCallError, match="more than 10,000 values"):
        steps.run("thread")


def test_nothing_is_ever_pickled(steps: Steps) -> None:
    canary = steps.folder / "canary"
    steps.write(
        f"""
        class Result:
            def __reduce__(self):
                return (open, ({str(canary)!r}, "w"))
            def __iter__(self):
                open({str(canary)!r}, "w")
        def run():
            return [Result()]
        """
    )
    for isolation in ("process", "thread"):
        with pytest.raises(PythonCallError, match=r"at `\[0\]` is a work_\w+.Result, not JSON"):
            steps.run(isolation)
    assert not canary.exists()


@BOTH
def test_modules_are_found_beside_the_workflow_with_their_neighbours(steps: Steps, isolation: str) -> None:
    package = steps.folder / "flow" / f"{steps.module}_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text(f"import {steps.module}_near\ndef run(): return {steps.module}_near.N")
    steps.write("N = 7", f"{steps.module}_near")
    assert steps.run(isolation, f"{steps.module}_package.inner:run") == 7


@BOTH
def test_methods_are_called_by_their_dotted_name(steps: Steps, isolation: str) -> None:
    steps.write("class Tool:\n    @staticmethod\n    def run(n): return n * 2")
    assert steps.run(isolation, "Tool.run", n=4) == 8


def test_a_process_knows_who_it_is_and_where(steps: Steps) -> None:
    steps.env["GREETING"] = "hello"
    steps.write(
        """
        import os, sys
        def run():
            names = ("RUN_ID", "STEP_ID", "ATTEMPT_NUMBER", "IDEMPOTENCY_KEY", "ATTEMPT")
            return [os.environ["MPLP_" + name] for name in names] + [
                os.environ["GREETING"], os.getcwd(), sys.stdin.read(), sys.argv[0].partition(":")[2], len(sys.argv)
            ]
        """
    )
    assert steps.run("process") == [
        *(RUN, "call", "2", "key-1", f"{RUN}//call/2;"),
        *("hello", str(steps.folder.resolve()), "", "run", 1),
    ]


@pytest.mark.parametrize(("source", "code"), [("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", 137)])
def test_a_process_that_ends_before_its_function_is_told(steps: Steps, source: str, code: int) -> None:
    steps.write(f"import os\ndef run():\n    print('before', flush=True)\n    {source}")
    with pytest.raises(PythonExitError, match=f"exit code {code} before") as caught:
        steps.run("process")
    assert caught.value.details["exitCode"] == code
    assert steps.text("stdout") == "before\n"


def test_a_result_counts_whatever_becomes_of_the_process_afterwards(steps: Steps) -> None:
    steps.write("import atexit, os\natexit.register(os._exit, 9)\ndef run(): return 'done'")
    assert steps.run("process") == "done"


def test_a_result_of_an_earlier_attempt_does_not_count(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the outcome goes through a file on the disk."""
    (steps.folder / "logs").mkdir()
    (steps.folder / "logs" / "call.2.outcome").write_text('{"result": "old"}')
    monkeypatch.delattr(os, "memfd_create", raising=False)
    steps.write("import os\ndef run(): os._exit(0)")
    with pytest.raises(PythonExitError):
        steps.run("process")
    assert not list((steps.folder / "logs").iterdir())


def test_a_huge_result_is_refused(steps: Steps) -> None:
    steps.write("def run(): return 'x' * (33 << 20)")
    with pytest.raises(OutputLimitError):
        steps.run("process")


def test_a_function_cannot_fake_an_outcome_by_closing_its_streams(steps: Steps) -> None:
    steps.write("import sys\ndef run():\n    sys.stdout.close(); sys.stderr.close(); return 1")
    assert steps.run("process") == 1


def test_a_stopped_process_tidies_up_and_leaves_nothing(steps: Steps) -> None:
    steps.write(
        """
        import pathlib, subprocess, threading
        def run(note):
            subprocess.Popen(["sleep", "1000"], start_new_session=True)
            try:
                print("up")
                threading.Event().wait()
            finally:
                pathlib.Path(note).write_text("tidied")
        """
    )
    note = steps.folder / "note"

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            step = tasks.create_task(steps.start("process", grace=2, note=str(note)))
            await steps.came.wait()
            assert len(steps.children) == 1
            step.cancel()
        assert step.cancelled()

    asyncio.run(main())
    assert note.read_text() == "tidied"
    assert not steps.children
    assert not list((steps.folder / "logs").glob("*.outcome"))


def test_a_stopped_async_function_is_cancelled(steps: Steps) -> None:
    steps.write(
        """
        import asyncio, pathlib
        async def run(note):
            try:
                print("up")
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pathlib.Path(note).write_text("cancelled")
                raise
        """
    )
    for isolation in ("process", "thread"):
        note = steps.folder / f"note-{isolation}"

        async def main(isolation: str = isolation, note: Path = note) -> None:
            steps.came = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                step = tasks.create_task(steps.start(isolation, grace=2, note=str(note)))
                await steps.came.wait()
                step.cancel()
            assert step.cancelled()

        asyncio.run(main())
        assert note.read_text() == "cancelled"


def test_a_process_that_pays_no_heed_is_killed(steps: Steps) -> None:
    steps.write(
        """
        import signal, threading
        def run():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("up")
            while True:
                threading.Event().wait()
        """
    )

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            step = tasks.create_task(steps.start("process", grace=0.1))
            await steps.came.wait()
            step.cancel()

    start = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - start < 5


def test_a_thread_that_is_given_up_says_nothing_any_more(
    steps: Steps, capsys: pytest.CaptureFixture[str]
) -> None:
    steps.write(
        """
        import threading
        go, gone = threading.Event(), threading.Event()
        def run():
            print("up")
            go.wait()
            print("too late")
            gone.set()
        """
    )

    async def main() -> None:
        before = sys.stdout
        async with asyncio.TaskGroup() as tasks:
            step = tasks.create_task(steps.start("thread"))
            await steps.came.wait()
            step.cancel()
        assert step.cancelled()
        module = sys.modules[steps.module]
        module.go.set()
        assert module.gone.wait(5)
        end = asyncio.get_running_loop().time() + 5
        while sys.stdout is not before and asyncio.get_running_loop().time() < end:
            threading.Event().wait(0.005)
        assert sys.stdout is before

    asyncio.run(main())
    assert steps.text("stdout").strip() == "up"
    assert "cannot be stopped" in steps.text("note")
    assert capsys.readouterr().out == ""


def test_calls_one_after_another_share_a_thread_and_calls_at_the_same_time_do_not(steps: Steps) -> None:
    steps.write(
        """
        import threading
        both = threading.Barrier(2)
        def run(): return threading.get_ident()
        def meet():
            both.wait(10)
            return threading.get_ident()
        """
    )

    async def main() -> tuple[set[Any], set[Any]]:
        alone = {await steps.start("thread") for _ in range(20)}
        async with asyncio.TaskGroup() as tasks:
            pair = [tasks.create_task(steps.start("thread", "meet")) for _ in range(2)]
        return alone, {task.result() for task in pair}

    alone, together = asyncio.run(main())
    assert len(alone) < 20
    assert len(together) == 2


def test_calls_inside_one_process_do_not_mix_what_they_print(steps: Steps) -> None:
    steps.write(
        """
        import threading
        both = threading.Barrier(2)
        def run(word):
            both.wait()
            for _ in range(50):
                print(word)
            both.wait()
            return word
        """
    )
    other = Steps.__new__(Steps)
    other.__dict__.update(steps.__dict__ | {"said": []})

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(steps.start("thread", word="one"))
            tasks.create_task(other.start("thread", word="two"))

    asyncio.run(main())
    assert steps.text("stdout") == "one\n" * 50
    assert other.text("stdout") == "two\n" * 50


def test_a_file_beside_the_workflow_does_not_replace_what_mplp_uses(steps: Steps) -> None:
    steps.write("import json, tomllib\ndef run(): return [json.dumps(1), hasattr(tomllib, 'FAKE')]")
    steps.write("raise SystemExit('a fake')", "json")
    steps.write("FAKE = 1", "tomllib")
    sys.modules.pop("tomllib", None)
    assert steps.run("thread") == ["1", False]
