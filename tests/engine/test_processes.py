"""Processes are started, read and stopped; nothing is left behind and nothing hangs."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mplp_cli.engine.capture import Capture, StepLog, read_log
from mplp_cli.engine.processes import Child, Launch, kill_all
from mplp_cli.engine.survivors import find_marked, kill_marked
from mplp_cli.workflow.masking import Masker

MARK = f"test-{os.getpid()}/step/1;"
linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    left = find_marked(MARK)
    kill_marked(MARK)
    assert not left
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


class Read:
    """What came out of a child."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self.came = asyncio.Event()

    def start(self, script: str, *, stdin: str | None = None, shell: str = "/bin/sh") -> Child:
        launch = Launch(
            argv=[shell, "-c", script],
            env=dict(os.environ),
            cwd=str(Path.cwd()),
            mark=MARK,
            stdin=stdin,
        )
        return Child(launch, self.take, self.err.extend)

    def take(self, data: bytes) -> None:
        self.out += data
        self.came.set()


def run(script: str, *, stdin: str | None = None, shell: str = "/bin/sh") -> tuple[int, bytes, bytes]:
    async def main() -> tuple[int, bytes, bytes]:
        read = Read()
        code = await read.start(script, stdin=stdin, shell=shell).wait(5)
        return code, bytes(read.out), bytes(read.err)

    return asyncio.run(main())


def seconds_of(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


@pytest.mark.parametrize("shell", ["/bin/sh", "sh"])
def test_output_and_exit_code_arrive(shell: str) -> None:
    assert run("echo out; echo err >&2; exit 3", shell=shell) == (3, b"out\n", b"err\n")


def test_a_signal_is_told_as_the_shell_tells_it() -> None:
    assert run("kill -KILL $$")[0] == 137
    assert run("kill -TERM $$")[0] == 143


def test_input_is_empty_unless_given_and_may_be_large() -> None:
    assert run("cat; echo end") == (0, b"end\n", b"")
    text = "é" * 3_000_000
    assert run("cat", stdin=text)[1] == text.encode()
    assert run("exit 0", stdin=text)[0] == 0


def test_a_child_has_a_session_of_its_own_and_no_terminal_and_no_open_files() -> None:
    code, out, _ = run(
        "ps -o sid= -p $$ | tr -d ' '; echo $$; ls /proc/self/fd | wc -l; exec 2>/dev/null; : </dev/tty"
    )
    session, pid, files = out.split()
    assert session == pid
    assert files == b"4"
    assert code != 0


def test_files_that_this_process_was_given_are_not_handed_on(tmp_path: Path) -> None:
    with (tmp_path / "given").open("w") as given:
        number = given.fileno()
        code = (
            "from tests.engine.test_processes import run\n"
            f"print(*[run('echo x >&{number}', shell=shell)[0] for shell in ('/bin/sh', 'sh')])"
        )
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-c", code],
            pass_fds=[number],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.split() == ["2", "2"]
    assert not (tmp_path / "given").read_text()


def test_a_background_process_does_not_hold_the_child_up() -> None:
    took = seconds_of(lambda: run("sleep 1000 & echo started"))
    assert took < 2


@linux
def test_a_background_process_that_ignores_everything_is_killed() -> None:
    code, out, _ = run(
        "(trap '' TERM HUP INT; echo up; while :; do sleep 1000; done) & read x < /dev/null; sleep 0.2; exit 4"
    )
    assert (code, out) == (4, b"up\n")


def test_a_background_process_may_print_a_last_word() -> None:
    code, out, _ = run(
        "(trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.01; done) & sleep 0.2; echo done"
    )
    assert code == 0
    assert out.split() == [b"up", b"done", b"bye"]


TREES = {
    "a sleeping shell": "echo up; sleep 1000; :",
    "a background child": "sleep 1000 & echo up; wait",
    "a process that ignores signals": "trap '' TERM INT HUP; echo up; while :; do sleep 1000; done",
    "a process in another session": "setsid sleep 1000 & echo up; wait",
    "a daemon": "(setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & sleep 1000' > /dev/null 2>&1 &) ; echo up; sleep 1000",
    "a process without the mark": "setsid env -i sleep 1000 & echo up; wait",
    "a stopped process": "echo up; kill -STOP $$; :",
    "one that starts others at its end": "trap 'setsid sleep 1000 & exit' TERM; echo up; while :; do :; done",
}


@linux
@pytest.mark.parametrize("tree", TREES)
def test_a_stop_leaves_nothing_behind(tree: str) -> None:
    async def main() -> None:
        read = Read()
        child = read.start(TREES[tree])
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(child.wait(0.2))
            await read.came.wait()
            waiting.cancel()
        assert waiting.cancelled()
        assert not os.path.exists(f"/proc/{child.pid}")  # noqa: PTH110
        assert not lives(b"sleep\x001000\x00")

    asyncio.run(main())


def lives(command: bytes) -> bool:
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and (entry / "cmdline").read_bytes() == command:
                return True
    return False


def test_a_stop_gives_time_to_tidy_up_and_goes_on_when_cancelled_again() -> None:
    async def main() -> bytes:
        read = Read()
        child = read.start("trap 'echo tidied; exit 0' TERM; echo up; while :; do sleep 0.01; done")
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(child.wait(5))
            await read.came.wait()
            for delay in (0, 0, 0.001, 0.01):
                asyncio.get_running_loop().call_later(delay, waiting.cancel)
        assert waiting.cancelled()
        return bytes(read.out)

    assert asyncio.run(main()) == b"up\ntidied\n"


def test_the_grace_time_is_not_waited_for_when_nothing_is_left() -> None:
    async def main() -> None:
        read = Read()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await read.start("sleep 1000").wait(60)

    assert seconds_of(lambda: asyncio.run(main())) < 5


def test_a_task_that_is_cancelled_already_stops_its_child() -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await Read().start("sleep 1000").wait(1)

    async def outer() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(main())

    assert seconds_of(lambda: asyncio.run(outer())) < 5


@linux
def test_all_children_can_be_ended_at_once() -> None:
    async def main() -> list[int]:
        reads = [Read() for _ in range(3)]
        children = [read.start("trap '' TERM; setsid sleep 1000 & echo up; sleep 1000") for read in reads]
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(child.wait(60)) for child in children]
            for read in reads:
                await read.came.wait()
            kill_all(children)
        return [task.result() for task in waiting]

    assert asyncio.run(main()) == [137, 137, 137]


def test_without_pidfds_ends_are_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    assert run("echo out; exit 3") == (3, b"out\n", b"")
    assert seconds_of(lambda: run("sleep 1000 & echo started")) < 2


def test_an_error_of_a_sink_ends_the_child_and_is_raised() -> None:
    def sink(data: bytes) -> None:
        raise RuntimeError("screen gone")

    async def main() -> None:
        launch = Launch(argv=["/bin/sh", "-c", "echo x; sleep 1000"], env={}, cwd="/", mark=MARK)
        await Child(launch, sink, sink).wait(1)

    with pytest.raises(RuntimeError, match="screen gone"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("argv", "cwd"),
    [
        (["/no/such/program"], "."),
        (["no-such-program"], "."),
        (["/bin/sh"], "/no/such/folder"),
        (["/etc"], "."),
    ],
)
def test_what_cannot_start_raises_and_leaves_no_open_files(argv: list[str], cwd: str) -> None:
    async def main() -> None:
        launch = Launch(argv=argv, env={}, cwd=str(Path.cwd()) if cwd == "." else cwd, mark=MARK)
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        with pytest.raises(OSError, match=r"No such file|Permission denied"):
            Child(launch, lambda _: None, lambda _: None)
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    asyncio.run(main())


@pytest.mark.parametrize("left", range(4))
def test_where_no_more_files_can_be_opened_a_failed_start_leaves_none_open(left: int) -> None:
    async def main() -> None:
        launch = Launch(argv=["/bin/sh", "-c", "true"], env={}, cwd=str(Path.cwd()), mark=MARK)
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        opened: list[int] = []
        try:
            with suppress(OSError):
                while True:
                    opened.append(os.open(os.devnull, os.O_RDONLY))
            for _ in range(left):
                os.close(opened.pop())
            with pytest.raises(OSError, match="Too many open files"):
                Child(launch, lambda _: None, lambda _: None)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for number in opened:
                os.close(number)
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    asyncio.run(main())


def test_children_leave_no_open_files_and_no_zombies() -> None:
    async def main() -> int:
        for _ in range(20):
            await Read().start("true").wait(1)
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    assert asyncio.run(main()) <= asyncio.run(main())


# ---- capture -----------------------------------------------------------------------------------


def capture(
    tmp_path: Path, *, secrets: dict[str, str] | None = None, limit: int = 100
) -> tuple[Capture, StepLog, list[str]]:
    log = StepLog(str(tmp_path / "logs" / "a.1.log"))
    said: list[str] = []
    return Capture("stdout", Masker(secrets or {}), log, lambda _, text: said.append(text), limit), log, said


def test_beginning_and_end_are_kept_with_what_was_left_out(tmp_path: Path) -> None:
    stream, log, said = capture(tmp_path)
    for n in range(1000):
        stream.feed(f"line {n}\n".encode())
    stream.close()
    log.close()
    whole = "".join(f"line {n}\n" for n in range(1000))
    assert stream.left_out == len(whole) - 100
    assert stream.text == f"{whole[:50]}\n[... {len(whole) - 100} bytes left out ...]\n{whole[-50:]}"
    assert "".join(said) == whole
    assert list(read_log(Path(log.path))) == [("stdout", f"line {n}\n") for n in range(1000)]


def test_characters_cut_anywhere_are_whole_again_and_nul_and_bad_bytes_are_replaced(tmp_path: Path) -> None:
    stream, _, said = capture(tmp_path, limit=1000)
    for byte in "é日\U0001f600".encode() + b"\xff\0x\xe6":
        stream.feed(bytes([byte]))
    stream.close()
    assert stream.text == "".join(said) == "é日\U0001f600\ufffd\ufffdx\ufffd"


def test_secrets_are_masked_before_anything_leaves(tmp_path: Path) -> None:
    stream, log, said = capture(tmp_path, secrets={"TOKEN": "swordfish"})
    for piece in (b"the word is sw", b"ord", b"fish, sword"):
        stream.feed(piece)
    stream.close()
    log.close()
    assert stream.text == "".join(said) == "the word is ***, sword"
    assert list(read_log(Path(log.path))) == [("stdout", "the word is ***, sword")]


def test_a_log_keeps_streams_apart_and_is_private(tmp_path: Path) -> None:
    log = StepLog(str(tmp_path / "new" / "a.1.log"))
    log.write("stdout", b"one\ntw")
    log.write("stderr", b"oops\n\nO not stdout\n")
    log.write("stdout", b"o\nthree\n" + b"x" * 9000)
    log.write("stdout", b"y\nend")
    log.close()
    path = Path(log.path)
    assert list(read_log(path)) == [
        ("stdout", "one\n"),
        ("stderr", "oops\n"),
        ("stderr", "\n"),
        ("stderr", "O not stdout\n"),
        ("stdout", "two\n"),
        ("stdout", "three\n"),
        ("stdout", "x" * 9000),
        ("stdout", "y\n"),
        ("stdout", "end"),
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_log_has_a_greatest_size_and_says_so(tmp_path: Path) -> None:
    log = StepLog(str(tmp_path / "a.1.log"), limit=1000)
    for n in range(1000):
        log.write("stdout", b"line %d\n" % n)
    log.close()
    lines = list(read_log(Path(log.path)))
    assert lines[-1][0] == "note"
    assert Path(log.path).stat().st_size < 1200


def test_without_output_there_is_no_log(tmp_path: Path) -> None:
    log = StepLog(str(tmp_path / "a.1.log"))
    log.close()
    assert not list(tmp_path.iterdir())


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = StepLog(str(tmp_path / "file" / "a.1.log"))
    log.write("stdout", b"x\n")
    log.close()
    assert "Not a directory" in log.problem


@linux
def test_a_hundred_megabytes_without_a_newline_pass_in_little_memory(tmp_path: Path) -> None:
    async def main() -> Capture:
        log = StepLog(str(tmp_path / "a.1.log"))
        stream = Capture("stdout", Masker({"S": "swordfish"}), log, lambda _, text: None)
        launch = Launch(
            argv=["/bin/sh", "-c", "head -c 100000000 /dev/zero | tr '\\0' x"],
            env=dict(os.environ),
            cwd="/",
            mark=MARK,
        )
        assert await Child(launch, stream.feed, stream.feed).wait(5) == 0
        stream.close()
        log.close()
        return stream

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    stream = asyncio.run(main())
    assert time.monotonic() - start < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    assert stream.left_out == 100_000_000 - (1 << 20)
    assert len(stream.text) < (1 << 20) + 100
    assert (tmp_path / "a.1.log").stat().st_size < (64 << 20) + 100_000
