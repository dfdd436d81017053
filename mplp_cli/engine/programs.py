"""Programs that are asked something: text goes in, what they print comes back whole."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mplp_cli.engine.capture import Capture, StepLog
from mplp_cli.engine.processes import Child, Launch
from mplp_cli.engine.survivors import MARK, end_marked
from mplp_cli.engine.workplace import Workplace, attempt_mark, attend, file_name, identity, within_limit
from mplp_cli.errors import OutputLimitError
from mplp_cli.protocols import Attempt, Ended
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.values import RunId

#: Bytes of standard output that are read; a program that prints more is ended.
MAX_ANSWER = 10 * 1024 * 1024
#: Characters of standard error that are kept of a program that belongs to no step.
LAST = 4_000


async def run_program(
    attempt: Attempt, hear: Callable[[str], None], *, masker: Masker, workplace: Workplace
) -> Ended:
    """Run one program to its end: a `protocols.RunProgram`. OutputLimitError if it prints too much.

    Standard error is masked, and kept in the log of the attempt like that of a shell step.
    """
    log = StepLog(f"{file_name(workplace.log_dir, attempt)}.log")
    stderr = Capture("stderr", masker, log, lambda stream, text: attempt.output(attempt.step, stream, text))
    stdout = _Whole(hear)
    launch = Launch(
        argv=within_limit(list(attempt.body["argv"]), attempt.demand),
        env={**attempt.env, **identity(attempt)},
        cwd=attempt.cwd,
        mark=attempt_mark(attempt.run, workplace.owner, attempt.step, attempt.number),
        stdin=attempt.body["stdin"],
    )
    if workplace.guardian is not None:
        workplace.guardian.watch()
    try:
        code = await attend(Child(launch, stdout.feed, stderr.feed), attempt, workplace)
    finally:
        stderr.close()
        log.close()
    return Ended(code, stdout.end(), stderr.text)


async def run_aside(
    argv: list[str],
    stdin: str,
    *,
    env: Mapping[str, str],
    cwd: str,
    mark: str,
    masker: Masker,
    workplace: Workplace,
) -> Ended:
    """Run a program that belongs to no step to its end: what it prints is dropped, but for the last of its standard
    error. OSError or ValueError if it cannot be started."""
    stderr = _Last(masker)
    launch = Launch(argv=argv, env=env, cwd=cwd, mark=mark, stdin=stdin)
    if workplace.guardian is not None:
        workplace.guardian.watch()
    child = Child(launch, lambda data: None, stderr.feed)
    workplace.children.add(child)
    try:
        code = await child.wait(workplace.grace)
    finally:
        workplace.children.discard(child)
    return Ended(code, "", stderr.end())


@contextmanager
def keep_process(name: str, *, run: RunId, workplace: Workplace) -> Iterator[dict[str, str]]:
    """A `protocols.KeepProcess` for the processes of one run."""
    if workplace.guardian is not None:
        workplace.guardian.watch()
    mark = attempt_mark(run, workplace.owner, f"agent {name}", 1)
    try:
        yield {MARK: os.environ.get(MARK, "") + mark, "MPLP_RUN_ID": run}
    finally:
        end_marked(mark)


class _Last:
    """The last of a stream, masked."""

    def __init__(self, masker: Masker) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._masked = masker.stream()
        self._text = ""

    def feed(self, data: bytes) -> None:
        self._text = (self._text + self._masked.feed(self._decoder.decode(data)))[-LAST:]

    def end(self) -> str:
        """The last LAST characters."""
        rest = self._masked.feed(self._decoder.decode(b"", final=True)) + self._masked.flush()
        return (self._text + rest)[-LAST:]


class _Whole:
    """A stream that is kept whole, up to a size, and told on as it comes."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        self._hear = hear
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pieces: list[str] = []
        self._left = MAX_ANSWER

    def feed(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise OutputLimitError(
                f"the answer is larger than {MAX_ANSWER >> 20} MiB",
                hint="write large data to a file and answer with its name",
            )
        self._take(self._decoder.decode(data))

    def end(self) -> str:
        """All of it."""
        self._take(self._decoder.decode(b"", final=True))
        return "".join(self._pieces)

    def _take(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self._hear(text)
