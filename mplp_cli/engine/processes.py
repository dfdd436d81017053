"""Processes on Linux: start one, read what it prints, stop it with everything it has started.

A child runs in a session of its own, so one signal reaches its whole group. It also carries a mark in its
environment (`MPLP_ATTEMPT`), which processes inherit that leave the group: what is still marked after a stop
is found in /proc and killed. A child is over when its own process ends; what it left running in its group is
terminated then, and a pipe that somebody still holds open is read for a moment and no longer. Processes that
left the group on purpose (`setsid`) outlive a normal end, never a stop.

On macOS there is no /proc and no pidfd: ends are polled for, and only the group is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any

from msgspec import Struct

from mplp_cli.engine.lookout import lookout
from mplp_cli.engine.survivors import (
    MARK,
    any_lives,
    inheritable,
    kill_marked,
    kin,
    open_handle,
    process_table,
    signal_handles,
)
from mplp_cli.engine.usage import usage_of
from mplp_cli.workflow.resources import Usage

#: How much is read at once (what a pipe holds).
CHUNK = 65_536
#: Seconds for which pipes are read, and leftover processes may tidy up, after the end of a child.
LINGER = 0.2
#: Seconds between two looks at processes that should go away.
_TICK = 0.01
#: Looks at what survived SIGKILL before it is given up (it hangs in the kernel).
_LOOKS = 200

#: Takes what was read from a pipe.
Sink = Callable[[bytes], None]


class Launch(Struct, frozen=True, kw_only=True):
    """What to start: arguments, environment, directory, text for its standard input (None: /dev/null)."""

    argv: list[str]
    env: Mapping[str, str]
    cwd: str
    mark: str
    stdin: str | None = None


class Child:
    """A running process with its group. Starting it raises OSError or ValueError as `subprocess.Popen` does.

    Its end is told to `ended`, or waited for by `wait`.
    """

    def __init__(
        self, launch: Launch, stdout: Sink, stderr: Sink, ended: Callable[[], None] | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        watch = lookout()
        #: Whether it has ended; who waits for that may have been cancelled.
        self._exited = False
        self._tell = ended
        self.mark = launch.mark
        self._stopping = False
        self._code = 0
        #: What it has used, once it has ended, with those of its children that it has waited for.
        self.usage = Usage()
        #: An error of a sink: nobody could be told at the time.
        self._error: Exception | None = None
        #: Read ends that are still open.
        self._pipes: dict[int, Sink] = {}
        read_out, write_out = os.pipe()
        try:
            read_err, write_err = os.pipe()
        except OSError:
            os.close(read_out)
            os.close(write_out)
            raise
        try:
            self.pid = _spawn(launch, write_out, write_err)
        except BaseException:
            os.close(read_out)
            os.close(read_err)
            raise
        finally:
            os.close(write_out)
            os.close(write_err)
        for pipe, sink in ((read_out, stdout), (read_err, stderr)):
            os.set_blocking(pipe, False)
            self._pipes[pipe] = sink
        #: The pipes that are read as something comes. Many processes end soon, and are read once, at their end.
        self._heard: set[int] = set()
        watch.when_long(lambda: None if self._exited else self._listen())
        try:
            watch.end_of(self.pid, self._ended)
        except (AttributeError, OSError):
            self._loop.call_later(0.001, self._poll, 0.001)

    async def wait(self, grace: float) -> int:
        """Its exit code when it has ended (128 + the signal's number if one ended it).

        Cancelled: it is stopped first. SIGTERM, `grace` seconds, SIGKILL, until nothing is left, however
        often it is cancelled meanwhile.
        """
        await self.finish(grace)
        return self.code()

    async def finish(self, grace: float) -> None:
        """The same without its exit code."""
        try:
            if not self._exited:
                end = self._loop.create_future()
                self._tell = lambda: None if end.done() else end.set_result(None)
                await end
            if self.is_survived():
                await self._end_leftovers()
        except asyncio.CancelledError:
            await self._stop(grace)
            raise
        finally:
            self.close()

    async def stop(self, grace: float) -> None:
        """Stop it and all that it has started, as `wait` does that is cancelled."""
        try:
            await self._stop(grace)
        finally:
            self.close()

    def is_survived(self) -> bool:
        """Whether the process, which has ended, has left any behind: `wait` ends those."""
        return bool(self._pipes) or self._has_group()

    def close(self) -> None:
        """Read no more of what it prints."""
        for pipe in list(self._pipes):
            self._close(pipe)

    def code(self) -> int:
        """Its exit code, once it has ended, as `wait` gives it. Raises what a sink has raised."""
        if self._error is not None:
            raise self._error
        return self._code if self._code >= 0 else 128 - self._code

    # ---- reading ---------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Read from now on as it comes."""
        for pipe in self._pipes:
            self._loop.add_reader(pipe, self._read, pipe)
            self._heard.add(pipe)

    def _read(self, pipe: int) -> bool:
        """Read once. Whether there may be more."""
        try:
            data = os.read(pipe, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._close(pipe)
            return False
        try:
            self._pipes[pipe](data)
        except Exception as error:  # noqa: BLE001 (called by the event loop; `wait` raises it)
            self._error = error
            self._close(pipe)
            self._signal_group(signal.SIGKILL)
            return False
        return True

    def _drain(self) -> None:
        """Read what the pipes hold. Bounded: somebody may go on writing."""
        for pipe in list(self._pipes):
            for _ in range(32):
                if not self._read(pipe):
                    break

    def _close(self, pipe: int) -> None:
        if pipe in self._heard:
            self._loop.remove_reader(pipe)
        os.close(pipe)
        del self._pipes[pipe]

    # ---- its end ---------------------------------------------------------------------------------

    def _poll(self, pause: float) -> None:
        if self._reap(os.WNOHANG):
            if not self._stopping:
                self._signal_group(signal.SIGTERM)
            self._over()
        else:
            pause = min(pause * 1.5, 0.05)
            self._loop.call_later(pause, self._poll, pause)

    def _reap(self, options: int) -> bool:
        """Take its exit status. Whether it has ended."""
        try:
            pid, status, used = os.wait4(self.pid, options)
        except ChildProcessError:
            # Somebody waits for all children of this process and was faster.
            self._code = 255
            return True
        if pid:
            self._code = os.waitstatus_to_exitcode(status)
            self.usage = usage_of(used)
        return pid != 0

    def _ended(self) -> None:
        # Before it is reaped its number cannot belong to anybody else.
        if not self._stopping:
            self._signal_group(signal.SIGTERM)
        self._reap(0)
        self._over()

    def _over(self) -> None:
        self._drain()
        self._exited = True
        if self._tell is not None:
            self._tell()

    async def _end_leftovers(self) -> None:
        """Background processes had SIGTERM when the child ended; what is still there is killed."""
        self._listen()
        end = self._loop.time() + LINGER
        while (self._pipes or self._has_group()) and (left := end - self._loop.time()) > 0:  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(min(_TICK, left))
        for _ in range(_LOOKS):
            if not self._has_group():
                break
            self._signal_group(signal.SIGKILL)
            await asyncio.sleep(_TICK)
        self._drain()

    async def _stop(self, grace: float) -> None:
        """Stop the child, its group and everything marked, whether or not the task is cancelled again."""
        self._stopping = True
        # Handles, because a process may leave the group, lose its mark and its parent while it is stopped.
        family = [
            (group, handle) for pid, group in kin(self.pid, self.mark).items() for handle in open_handle(pid)
        ]
        everyone = [handle for _, handle in family]
        try:
            if self._has_group():  # else its number may be another's by now
                self._signal_group(signal.SIGTERM)
                self._signal_group(signal.SIGCONT)
            signal_handles([handle for group, handle in family if group != self.pid], signal.SIGTERM)
            end = self._loop.time() + grace
            while (self._has_group() or any_lives(everyone)) and self._loop.time() < end:
                await _pause(_TICK)
            for _ in range(_LOOKS):
                marked = self.kill()
                signal_handles(everyone, signal.SIGKILL)
                if not marked and not self._has_group() and not any_lives(everyone):
                    break
                await _pause(_TICK)
        finally:
            for handle in everyone:
                os.close(handle)
        self._drain()

    def kill(self) -> int:
        """SIGKILL to the group and to everything marked; how many marked processes there were."""
        if self._has_group():
            self._signal_group(signal.SIGKILL)
        return kill_marked(self.mark)

    def _has_group(self) -> bool:
        """Whether the child or anything in its group is alive."""
        if not self._exited:
            return True
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        # Dead processes whose parent does not care still count as members: look closer.
        table = process_table()
        return not table or any(group == self.pid for _, group in table.values())

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def kill_all(children: Iterable[Child]) -> None:
    """End these and everything that they have started, at once."""
    for child in children:
        child.kill()


# ---- starting ----------------------------------------------------------------------------------


def _spawn(launch: Launch, stdout: int, stderr: int) -> int:
    """Start a process in a session of its own, with nothing open but 0, 1 and 2; its number."""
    env = dict(launch.env)
    env[MARK] = env.get(MARK, "") + launch.mark
    is_plain = launch.stdin is None and "/" in launch.argv[0] and min(stdout, stderr) > 2
    if is_plain and launch.cwd == os.getcwd():  # noqa: PTH109 (text is wanted)
        return _spawn_here(launch.argv, env, stdout, stderr)
    with contextlib.ExitStack() as stack:
        stdin: int | IO[bytes] = subprocess.DEVNULL
        if launch.stdin is not None:
            stdin = stack.enter_context(_file_of(launch.stdin))
        # Neither `preexec_fn` (it would fork the whole of this process) nor threads.
        process = subprocess.Popen(
            launch.argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=launch.cwd,
            env=env,
            start_new_session=True,
        )
        # Its end is waited for in Child: Popen need not care.
        process.returncode = 0
        return process.pid


def _spawn_here(argv: list[str], env: Mapping[str, str], stdout: int, stderr: int) -> int:
    """The same for a program with a path in the current directory, at about half of Popen's own cost."""
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
    ]
    actions += [(os.POSIX_SPAWN_CLOSE, number) for number in inheritable()]
    return os.posix_spawn(
        argv[0], argv, env, file_actions=actions, setsid=True, setsigdef=(signal.SIGPIPE, signal.SIGXFSZ)
    )


def _file_of(text: str) -> IO[bytes]:
    """An open file without a name that holds `text`: a pipe would have to be fed while we read others."""
    data = text.encode()
    file: IO[bytes]
    if hasattr(os, "memfd_create"):
        file = os.fdopen(os.memfd_create("stdin"), "w+b")
    else:
        from tempfile import TemporaryFile

        file = TemporaryFile()  # noqa: SIM115 (who asked for it closes it)
    file.write(data)
    file.seek(0)
    return file


async def _pause(seconds: float) -> None:
    """Let time go by, whether or not the task is cancelled: what follows has to be done."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    timer = loop.call_later(seconds, over.set_result, None)
    try:
        while not over.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(over)
    finally:
        timer.cancel()
