"""A call of a function by its name, and its outcome as JSON.

Also what the process of a python step runs, by path: so nothing of mplp is imported here, and of the standard
library only what every call needs. The process reads `{call, path, arguments, outcome}` from its standard input
and writes into the file `outcome` one of

    {"result": ...}
    {"refused": message}                               not to be called, or its result is not JSON
    {"raised": {type, message, file, line, in}}
"""

from __future__ import annotations

import json
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` and what it loads would be a fifth of what a call costs
    from collections.abc import Callable
    from typing import Any, NoReturn

#: How deep a result may be nested, and how many values it may hold.
DEPTH = 200
VALUES = 5_000_000
#: Characters of an exception's message.
MESSAGE = 1_000_000
#: Files whose lines are no news in a traceback.
OURS = {__file__}
#: Whether this process was told to stop.
_told: list[int] = []


class NotCalledError(Exception):
    """The function is not there, cannot be imported, or does not take these arguments."""


class NotJsonError(Exception):
    """What a function returned is not JSON."""


def find(call: str, load: Callable[[str], Any] | None = None) -> Callable[..., Any]:
    """The function of `package.module:name`, its module loaded by `load`; NotCalledError if there is none."""
    module, _, name = call.partition(":")
    try:
        found: Any = (load or _import)(module)
    except BaseException as error:
        if _told:
            raise
        if (
            isinstance(error, ModuleNotFoundError)
            and error.name
            and f"{module}.".startswith(f"{error.name}.")
        ):
            raise NotCalledError(f"there is no module `{error.name}`") from None
        said = told(error)
        where = f" ({said['file']}:{said['line']})" if "file" in said else ""
        report(error)
        kind = said["type"]
        raise NotCalledError(f"`{module}` cannot be imported: {kind}: {said['message']}{where}") from None
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise NotCalledError(f"`{module}` has no `{name}`") from None
    if not callable(found):
        raise NotCalledError(f"`{call}` is a {type_name(found)}, which cannot be called")
    return found  # type: ignore[no-any-return]  # a getattr


def _import(module: str) -> Any:
    from importlib import import_module

    return import_module(module)


def invoke(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """What the function returns, for an async one a coroutine."""
    try:
        return function(**arguments)
    except TypeError as error:
        # Raised by the call itself, not inside the function: the arguments do not fit.
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:
            raise NotCalledError(str(error)) from None
        raise


def plain(value: Any) -> Any:
    """`value` as JSON: tuples become lists. NotJsonError names the type and the place of anything else."""
    inside: set[int] = set()
    left = VALUES

    def copy(value: Any, place: str) -> Any:
        nonlocal left
        kind = type(value)
        left -= 1
        if left < 0:
            raise NotJsonError(f"the result holds more than {VALUES:,} values")
        if value is None or kind is bool or kind is int:
            return value
        if kind is str:
            return _text(value, place)
        if kind is float:
            if value - value != 0:
                raise NotJsonError(f"the result{at(place)} is {value}, which JSON has no number for")
            return value
        if kind is not list and kind is not tuple and not isinstance(value, dict):
            raise NotJsonError(f"the result{at(place)} is a {type_name(value)}, not JSON")
        if id(value) in inside:
            raise NotJsonError(f"the result{at(place)} contains itself")
        if len(inside) >= DEPTH:
            raise NotJsonError(f"the result is nested deeper than {DEPTH} levels")
        inside.add(id(value))
        made: Any
        if isinstance(value, dict):
            made = {}
            for key, inner in value.items():
                if type(key) is not str:
                    raise NotJsonError(
                        f"the result{at(place)} has a key that is a {type_name(key)}, not text"
                    )
                below = f"{place}.{key[:40]}" if place else key[:40]
                made[_text(key, place)] = copy(inner, below)
        else:
            made = [copy(inner, f"{place}[{n}]") for n, inner in enumerate(value)]
        inside.discard(id(value))
        return made

    return copy(value, "")


def _text(text: str, place: str) -> str:
    try:
        text.encode()
    except UnicodeError:
        raise NotJsonError(f"the result{at(place)} holds text that is not valid Unicode") from None
    return text


def at(place: str) -> str:
    """Where in a result, for a sentence."""
    return f" at `{place}`" if place else ""


def type_name(value: object) -> str:
    """The type of a value: `datetime.date`, `int`."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def told(error: BaseException) -> dict[str, Any]:
    """An exception as JSON: its class, its message, and the line that raised it."""
    try:
        message = str(error)
    except Exception as other:  # noqa: BLE001 (the author's `__str__`)
        message = f"(its message cannot be shown: {type(other).__name__})"
    name = type(error).__name__
    said: dict[str, Any] = {"type": name, "message": (message or name)[:MESSAGE]}
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is not None and last.tb_frame.f_code.co_filename not in OURS:
        said |= {"file": last.tb_frame.f_code.co_filename, "line": last.tb_lineno}
        said["in"] = last.tb_frame.f_code.co_name
    return said


def report(error: BaseException) -> None:
    """The traceback on standard error, from the first line that is the author's."""
    import traceback

    first = last = error.__traceback__
    while last is not None:
        if last.tb_frame.f_code.co_filename in OURS:
            first = last.tb_next
        last = last.tb_next
    try:
        traceback.print_exception(type(error), error, first)
    except Exception as other:  # noqa: BLE001 (the author's `__str__`, or a closed stream)
        print(f"{type(error).__name__} (its traceback cannot be shown: {other!r})", file=sys.stderr)  # noqa: T201


def outcome(work: Callable[[], Any]) -> dict[str, Any]:
    """The outcome of a call."""
    try:
        return {"result": plain(work())}
    except (NotCalledError, NotJsonError) as error:
        return {"refused": str(error)}
    except BaseException as error:
        if _told:
            raise
        report(error)
        return {"raised": told(error)}


# ---- the process -------------------------------------------------------------------------------


def main() -> None:
    """Make the one call that standard input asks for."""
    job = json.load(sys.stdin)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper at start
    sys.argv = [job["call"]]
    sys.path.insert(0, job["path"])
    # A stop comes as SIGTERM: what the function has in `finally` runs within the grace time.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _stop)
    try:
        made = outcome(lambda: _call(job["call"], job["arguments"]))
    except BaseException:
        if not _told:
            raise
        _end()
    text = written(made)
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:  # the function may have closed it
            stream.flush()
    with os.fdopen(os.open(job["outcome"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _stop(number: int, _frame: object) -> None:
    _told.append(number)
    signal.raise_signal(signal.SIGINT)


def _call(call: str, arguments: dict[str, Any]) -> Any:
    made = invoke(find(call), arguments)
    if not hasattr(made, "__await__"):
        return made
    import asyncio

    async def wait() -> Any:
        return await made

    return asyncio.run(wait())


def written(made: dict[str, Any]) -> str:
    """An outcome as JSON text."""
    try:
        return json.dumps(made, allow_nan=False)
    except ValueError as error:
        return json.dumps({"refused": f"the result cannot be written as JSON: {error}"})


def _end() -> NoReturn:
    """End as SIGTERM ends a process."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
    raise SystemExit(143)


if __name__ == "__main__":
    main()
