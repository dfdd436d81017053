"""Python steps: call a function, keep what it prints, take its result if it is JSON.

`isolation: process` (the default) calls it in a process of its own: what it does to the interpreter stays there,
and a stop ends it like the process of a shell step. `isolation: thread` calls it in this process, an async
function in the event loop of the engine, any other in a thread: that costs next to nothing, and a function that
does not end by itself goes on after its timeout. Modules are looked for in the directory of the workflow file
first, then where this Python looks for them.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from functools import partial
from typing import IO, Any

from mplp_cli.engine import calling
from mplp_cli.engine.capture import Printout
from mplp_cli.engine.keeping import MAX_RESULT
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
from mplp_cli.errors import OutputLimitError, PythonCallError, PythonExitError, RaisedError, StepError
from mplp_cli.protocols import Attempt
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.values import Json

#: Characters of an exception's message that are kept.
_MESSAGE = 10_000


async def run_python(attempt: Attempt, *, masker: Masker, source_dir: str, workplace: Workplace) -> Json:
    """Run one attempt of a python step: what the function returns. `source_dir` has the workflow file."""
    printout = Printout(workplace.log_dir, masker, attempt)
    try:
        if attempt.body.get("isolation") == "thread":
            from mplp_cli.engine.inside import call_inside

            made = await call_inside(attempt, source_dir, printout)
        else:
            if workplace.guardian is not None:
                workplace.guardian.watch()
            outcome = f"{file_name(workplace.place, attempt)}.outcome"
            made = await _call_apart(attempt, source_dir, outcome, printout, workplace)
    finally:
        printout.close()
    made = dict(masker.value(made))
    if "result" in made:
        return made["result"]
    if "raised" in made:
        said = made["raised"]
        details = {key: said[key] for key in ("file", "line", "in") if key in said}
        # Cut when it is masked: half a secret would not be found.
        raise RaisedError(said["type"], said["message"][:_MESSAGE], details)
    raise PythonCallError(made["refused"])


# ---- in a process of its own -------------------------------------------------------------------


async def _call_apart(
    attempt: Attempt, source_dir: str, outcome: str, printout: Printout, workplace: Workplace
) -> dict[str, Any]:
    body = attempt.body
    job = {"call": body["call"], "path": source_dir, "arguments": body.get("arguments") or {}}
    with contextlib.ExitStack() as stack:
        file, job["outcome"] = _outcome_file(stack, outcome)
        launch = Launch(
            # -P: the directory of the script is not for the function.
            argv=within_limit([sys.executable, "-P", calling.__file__], attempt.demand),
            env={**attempt.env, **identity(attempt)},
            cwd=attempt.cwd,
            mark=attempt_mark(attempt.run, workplace.owner, attempt.step, attempt.number),
            stdin=json.dumps(job),
        )
        try:
            child = Child(launch, partial(printout.feed, "stdout"), partial(printout.feed, "stderr"))
        except (OSError, ValueError) as error:
            raise StepError(f"the process of the function cannot be started: {error}") from error
        code = await attend(child, attempt, workplace)
        return _outcome(file, code)


def _outcome_file(stack: contextlib.ExitStack, path: str) -> tuple[IO[bytes], str]:
    """A file for the outcome, and the name by which the process opens it. In memory where that is possible:
    what is in it has not been masked, and must not stay behind if this process is killed."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):  # noqa: PTH112 (once a step)
        number = os.memfd_create("outcome")
        return stack.enter_context(os.fdopen(number, "rb")), f"/proc/{os.getpid()}/fd/{number}"
    stack.callback(remove, path)
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise StepError(f"no place for the result of the function: {error.strerror}: {path}") from error
    return stack.enter_context(os.fdopen(number, "rb")), path


def _outcome(file: IO[bytes], code: int) -> dict[str, Any]:
    """What the process left: its outcome counts, whatever became of the process afterwards."""
    data = file.read(MAX_RESULT * 2 + 1)
    if len(data) > MAX_RESULT * 2:
        raise OutputLimitError(
            f"the result is larger than {MAX_RESULT >> 20} MiB as JSON",
            hint="write large data to a file and hand on its name",
        )
    try:
        made = json.loads(data)
    except ValueError:
        raise PythonExitError(code) from None
    return dict(made)
