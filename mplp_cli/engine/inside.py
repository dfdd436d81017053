"""Calls of functions inside this process: async ones in the event loop, others in threads.

What such a function prints goes to its step, not to the screen: while calls are under way, the standard streams
of the process look at who writes. The thread of a function that was given up goes on; it is a daemon, so that it
cannot keep the process from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib
import importlib.util
import inspect
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from importlib.machinery import PathFinder
from typing import Any, Final

from mplp_cli.engine import calling
from mplp_cli.engine.capture import Emit, Printout
from mplp_cli.engine.threads import in_thread
from mplp_cli.protocols import Attempt

#: Takes what the call under way prints: the name of a stream and text.
_WRITES: contextvars.ContextVar[Emit | None] = contextvars.ContextVar("writes", default=None)
_STREAMS: Final = ("stdout", "stderr")
_lock = threading.Lock()
#: Calls under way, those included that were given up.
_calls = 0
#: A module is loaded by one thread; it may load others.
_loading = threading.RLock()
#: Calls that have led to async functions, whose modules are loaded: to call them again takes no thread.
_async: set[str] = set()
calling.OURS.add(__file__)


class _Stream:
    """A standard stream that hands on what a call prints; everything else goes where it went before."""

    def __init__(self, name: str, before: Any) -> None:
        self._name = name
        self.before = before

    def write(self, text: str) -> int:
        writes = _WRITES.get()
        if writes is None:
            return int(self.before.write(text))
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        writes(self._name, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> Any:
        """What takes bytes: of a call, itself."""
        return self.before.buffer if _WRITES.get() is None else _Bytes(self)

    def flush(self) -> None:
        if _WRITES.get() is None:
            self.before.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.before, name)


class _Bytes:
    """The bytes side of a standard stream, for the call under way."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        self._stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def _begin() -> None:
    global _calls  # noqa: PLW0603 - as the streams, it belongs to the process
    with _lock:
        _calls += 1
        for name in _STREAMS:
            if type(before := getattr(sys, name)) is not _Stream:
                setattr(sys, name, _Stream(name, before))


def _end() -> None:
    global _calls  # noqa: PLW0603 - as the streams, it belongs to the process
    with _lock:
        _calls -= 1
        if not _calls:
            for name in _STREAMS:
                if type(stream := getattr(sys, name)) is _Stream:
                    setattr(sys, name, stream.before)


class _Printed:
    """What a call has printed, in any thread, on its way to the streams of its step; after the end it is dropped."""

    def __init__(self, printout: Printout) -> None:
        self.over = False
        self._printout = printout
        self._loop = asyncio.get_running_loop()
        #: What was printed and not fed yet; whether the event loop was asked to feed it.
        self._pieces: deque[tuple[str, str]] = deque()
        self._asked = False

    def add(self, stream: str, text: str) -> None:
        """A piece, from whichever thread."""
        self._pieces.append((stream, text))
        if not self._asked:
            self._asked = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: a thread that was given up
                self._loop.call_soon_threadsafe(self.feed)

    def feed(self) -> None:
        """Hand on what is there, in the order in which it was printed."""
        self._asked = False  # before it looks: what is added from now on asks again
        for _ in range(len(self._pieces)):  # a thread may print faster than this goes
            stream, text = self._pieces.popleft()
            if not self.over:
                self._printout.feed(stream, text.encode("utf-8", "backslashreplace"))


async def call_inside(attempt: Attempt, source_dir: str, printout: Printout) -> dict[str, Any]:
    """The outcome of the call that the step asks for, as `calling` describes it."""
    printed = _Printed(printout)
    context = contextvars.copy_context()
    context.run(_WRITES.set, printed.add)
    first = partial(context.run, _first, attempt.body, source_dir)
    _begin()
    try:
        try:
            made = first() if attempt.body["call"] in _async else await _in_thread(first)
        except asyncio.CancelledError:
            printout.note(
                "the function runs in a thread, which cannot be stopped: it goes on until it ends\n"
            )
            raise
        if "awaits" in made:
            made = await _finished(made["awaits"], context)
        printed.feed()
        return made
    finally:
        printed.over = True
        _end()


async def _finished(awaitable: Any, context: contextvars.Context) -> dict[str, Any]:
    """The outcome of an async function, awaited in a task of its own."""

    async def wait() -> dict[str, Any]:
        try:
            return {"value": await awaitable}
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 (its failure; SystemExit would end the event loop)
            return {"error": error}

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(wait(), context=context)
    ended = {"error": asyncio.CancelledError()} if task.cancelled() else task.result()

    def again() -> Any:
        if "error" in ended:
            raise ended["error"]
        return ended["value"]

    return context.run(calling.outcome, again)


def _first(body: Mapping[str, Any], source_dir: str) -> dict[str, Any]:
    """The outcome of a plain function; of an async one `{awaits: its coroutine}`."""
    awaitable: Any = None

    def load(module: str) -> Any:
        _look_in(source_dir, module.partition(".")[0])
        return importlib.import_module(module)

    def work() -> Any:
        nonlocal awaitable
        function = calling.find(body["call"], load)
        made = calling.invoke(function, body.get("arguments") or {})
        if hasattr(made, "__await__"):
            awaitable, made = made, None
            if inspect.iscoroutinefunction(function):
                _async.add(body["call"])
        return made

    made = calling.outcome(work)
    return made if awaitable is None else {"awaits": awaitable}


def _look_in(directory: str, package: str) -> None:
    """Load `package` from `directory` if it is there and not loaded. Its neighbours are found last: a file beside
    the workflow must not take the place of a module that mplp itself needs."""
    with _loading:
        if directory not in sys.path:
            sys.path.append(directory)
        if package in sys.modules:
            return
        spec = PathFinder.find_spec(package, [directory])
        if spec is None or spec.loader is None:
            return
        module = sys.modules[package] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(package, None)
            raise


async def _in_thread(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What it gives; it may go on when nobody waits for it any more."""

    def run() -> dict[str, Any]:
        try:
            return work()
        finally:
            _end()

    _begin()
    return await in_thread(run, _close)


def _close(late: dict[str, Any]) -> None:
    if "awaits" in late:
        late["awaits"].close()
