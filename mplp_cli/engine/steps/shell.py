"""Shell steps: run a script or a command, keep what it prints, stop it without leftovers.

The process gets the step's environment and

    MPLP_RUN_ID  MPLP_STEP_ID  MPLP_ATTEMPT_NUMBER     who it is
    MPLP_IDEMPOTENCY_KEY    the same for every attempt: effects keyed by it happen once
    MPLP_OUTPUT             a file to which `name=value` lines may be appended; they become `outputs`
    MPLP_V1, ...            the values of the references in the script
    MPLP_CPU, MPLP_MEMORY, MPLP_UNITS_...              what it may use, if it has declared anything
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

from mplp_cli.engine.capture import KEPT, Printout, read_log
from mplp_cli.engine.processes import Child, Launch
from mplp_cli.engine.workplace import (
    Workplace,
    attempt_mark,
    attend,
    file_name,
    identity,
    remove,
    within_limit,
)
from mplp_cli.errors import OutputFormatError, OutputLimitError, ShellExitError, StepError
from mplp_cli.protocols import Attempt, Errand
from mplp_cli.workflow.language.jsontext import parse_json
from mplp_cli.workflow.language.shelltext import SHELLS
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.values import Json

__all__ = ["ShellSteps", "attempt_mark", "read_log"]

#: Bytes of one argument or one `NAME=value` (the system's limit, its final NUL included).
_LONGEST = 131_072
#: Bytes of a script that are handed over as an argument; a longer one goes through a file.
_INLINE = 100_000
#: Characters of output that an error carries.
_TAIL = 4_000
_OUTPUT_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)=(.*)")
_HINTS = {
    126: "it was found but cannot be executed: check its permissions and its first line",
    127: "a command was not found: check its name and the PATH of the step",
}


class ShellSteps:
    """Runs shell steps: a `protocols.Runner`, and a `Starter`."""

    def __init__(self, *, masker: Masker, workplace: Workplace) -> None:
        self._masker, self._workplace = masker, workplace

    async def __call__(self, attempt: Attempt) -> Json:
        """Run one attempt: `{exitCode, stdout, stderr, output}`, and `outputs` if it wrote any.

        Cancelled, it ends the process first (SIGTERM, the grace of the workplace, SIGKILL).
        """
        script = _Script(attempt, self._masker, self._workplace)
        try:
            return script.result(await attend(script.start(), attempt, self._workplace))
        finally:
            script.clear()

    def begin_errand(self, attempt: Attempt, back: Callable[[Errand], None]) -> Errand:
        """Begin one attempt whose memory nobody watches."""
        return _Errand(attempt, back, _Script(attempt, self._masker, self._workplace), self._workplace)


class _Errand:
    """A process that nobody waits for: a `protocols.Errand`."""

    def __init__(
        self, attempt: Attempt, back: Callable[[Errand], None], script: _Script, workplace: Workplace
    ) -> None:
        self._attempt, self._script, self._workplace = attempt, script, workplace
        try:
            self._child = script.start(lambda: back(self))
        except BaseException:
            script.clear()
            raise
        workplace.children.add(self._child)

    def is_survived(self) -> bool:
        return self._child.is_survived()

    async def end(self, *, stop: bool) -> None:
        if stop:
            await self._child.stop(self._workplace.grace)
        else:
            await self._child.finish(self._workplace.grace)

    def result(self) -> Json:
        child = self._child
        child.close()
        self._workplace.children.discard(child)
        self._attempt.measured(child.usage)
        try:
            return self._script.result(child.code())
        finally:
            self._script.clear()


class _Script:
    """One attempt of a shell step: what surrounds its process."""

    def __init__(self, attempt: Attempt, masker: Masker, workplace: Workplace) -> None:
        self._attempt, self._masker, self._workplace = attempt, masker, workplace
        base = file_name(workplace.place, attempt)
        #: Where it may write outputs, and what it runs if that is too long for an argument.
        self._outputs = f"{base}.outputs"
        self._file = f"{base}.script" if _is_long(attempt.body) else None
        self._printout = Printout(workplace.log_dir, masker, attempt)
        self._is_clear = False

    def start(self, ended: Callable[[], None] | None = None) -> Child:
        """Start the process, whose end is told to `ended`. StepError if that cannot be."""
        attempt, feed = self._attempt, self._printout.feed
        if os.access(self._outputs, os.F_OK):
            remove(self._outputs)  # of an attempt of that number that was lost
        if self._file is not None:
            _write_script(self._file, attempt.body)
        launch = _launch(attempt, self._workplace.owner, self._outputs, self._file)
        if self._workplace.guardian is not None:
            self._workplace.guardian.watch()
        try:
            return Child(launch, partial(feed, "stdout"), partial(feed, "stderr"), ended)
        except (OSError, ValueError) as error:
            _cannot_start(launch, error)

    def result(self, code: int) -> Json:
        """What it has given, now that its process has ended with that exit code. StepError if it has failed."""
        printout = self._printout
        printout.close()
        if code != 0:
            raise _failed(code, printout)
        result = _result(self._attempt.body.get("parse") or "text", printout)
        if os.access(self._outputs, os.F_OK):  # mostly there is no file
            if written := _outputs(self._outputs):
                result["outputs"] = self._masker.value(written)
            remove(self._outputs)
        self._is_clear = self._file is None
        return result

    def clear(self) -> None:
        """Close its log and remove its files, whatever became of the process."""
        if not self._is_clear:
            self._printout.close()
            remove(self._outputs)
            if self._file is not None:
                remove(self._file)


# ---- before ------------------------------------------------------------------------------------


def _launch(attempt: Attempt, owner: str, outputs: str, script_file: str | None) -> Launch:
    body = attempt.body
    bindings: Mapping[str, str] = body.get("bindings") or {}
    env = {
        **attempt.env,
        **bindings,
        "MPLP_OUTPUT": outputs,
        **identity(attempt),
    }
    if max(map(len, env.values())) * 4 > _LONGEST - 100:  # no character takes more than four bytes
        for variable, value in env.items():
            _check_size(variable, value, is_reference=variable in bindings)
    command = body.get("command")
    return Launch(
        argv=within_limit(
            list(command) if command is not None else _shell(body, script_file), attempt.demand
        ),
        env=env,
        cwd=os.path.join(attempt.cwd, folder) if (folder := body.get("cwd")) else attempt.cwd,  # noqa: PTH118
        mark=attempt_mark(attempt.run, owner, attempt.step, attempt.number),
        stdin=body.get("stdin"),
    )


def _shell(body: Mapping[str, Any], script_file: str | None) -> list[str]:
    shell = body.get("shell") or "/bin/sh"
    kind = shell.rpartition("/")[2]
    if kind not in SHELLS:
        raise StepError(
            f"`{shell}` is not a shell that scripts can be written for",
            hint=f"one of {', '.join(sorted(SHELLS))}, or `command` with the arguments of your program",
        )
    options = ["-e", "-o", "pipefail"] if kind == "bash" else ["-e"]
    if shell == "sh":
        shell = "/bin/sh"
    return [shell, *options, script_file] if script_file else [shell, *options, "-c", body["script"]]


def _is_long(body: Mapping[str, Any]) -> bool:
    """Whether the script is too long for an argument."""
    script = body.get("script") or ""
    return len(script) * 4 > _INLINE and len(script.encode("utf-8", "surrogatepass")) > _INLINE


def _write_script(path: str, body: Mapping[str, Any]) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(body["script"].encode("utf-8", "surrogatepass"))
    except OSError as error:
        raise StepError(f"the script could not be written to a file: {error.strerror}") from error


def _check_size(variable: str, value: str, *, is_reference: bool) -> None:
    size = len(variable) + 2 + len(value.encode("utf-8", "surrogatepass"))
    if size > _LONGEST:
        what = "a value that the script refers to" if is_reference else f"the environment variable {variable}"
        raise OutputLimitError(
            f"{what} has {size:,} bytes, more than a process can be given ({_LONGEST:,})",
            hint="hand it over in `stdin`, which has no such limit, and read it there",
            details={"variable": variable, "size": size, "limit": _LONGEST, "hint": "use `stdin`"},
        )


def _cannot_start(launch: Launch, error: OSError | ValueError) -> NoReturn:
    if isinstance(error, UnicodeError):
        raise StepError(
            "the command, its environment or `stdin` has text that is not valid Unicode"
        ) from error
    if isinstance(error, ValueError):
        raise StepError("the command or its environment holds a NUL character") from error
    reason = error.strerror or str(error)
    if error.errno == errno.E2BIG:
        raise OutputLimitError(
            "the command and its environment are larger than a process can be given",
            hint="hand large values over in `stdin`, which has no such limit",
        ) from error
    if error.filename == launch.cwd:
        raise StepError(f"the working directory cannot be used: {reason}: {launch.cwd}") from error
    program = launch.argv[0] if launch.argv else ""
    if error.filename is not None and str(error.filename) == program:
        code = 127 if error.errno == errno.ENOENT else 126
        failed = ShellExitError(code, f"{program}: {reason}")
        failed.hint = failed.details["hint"] = _HINTS[code]
        raise failed from error
    raise StepError(f"the process cannot be started: {reason}") from error


# ---- after -------------------------------------------------------------------------------------


def _failed(code: int, printout: Printout) -> ShellExitError:
    stdout, stderr = (printout.text(stream)[-_TAIL:] for stream in ("stdout", "stderr"))
    error = ShellExitError(code, stderr)
    for key, text in (("stdout", stdout), ("stderr", stderr)):
        if text:
            error.details[key] = text
    if code > 128:
        with contextlib.suppress(ValueError):
            error.details["signal"] = signal.Signals(code - 128).name
    if code in _HINTS:
        error.hint = error.details["hint"] = _HINTS[code]
    return error


def _result(parse: str, printout: Printout) -> dict[str, Any]:
    stdout, stderr = printout.text("stdout"), printout.text("stderr")
    output: Json = stdout.removesuffix("\n")
    if parse != "text" and printout.left_out("stdout"):
        raise OutputLimitError(
            f"only {KEPT:,} bytes of the output were kept, which is too little to read it as {parse}",
            hint="write large data to a file and print its name",
        )
    if parse == "lines":
        output = output.split("\n") if output else []
    elif parse == "json":
        output = parse_json(stdout, "the output")
    return {"exitCode": 0, "stdout": stdout, "stderr": stderr, "output": output}


def _outputs(path: str) -> dict[str, str]:
    """The `name=value` lines that the step has written; the last of a name counts."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (the path is text)
            data = file.read(KEPT + 1)
    except OSError as error:
        raise OutputFormatError(f"$MPLP_OUTPUT cannot be read: {error.strerror}") from error
    if len(data) > KEPT:
        raise OutputLimitError(f"$MPLP_OUTPUT has more than {KEPT:,} bytes")
    found = {}
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        pair = _OUTPUT_LINE.fullmatch(line.rstrip("\r"))
        if pair is not None:
            found[pair[1]] = pair[2].replace("\0", "\ufffd")
        elif line.strip():
            raise OutputFormatError(
                f"line {number} of $MPLP_OUTPUT is not `name=value`",
                hint='write `echo "name=value" >> "$MPLP_OUTPUT"`',
                details={"line": number, "column": 1},
            )
    return found
