"""What a process prints: decoded, masked, kept within bounds, written to a log and handed on as it comes.

The log of an attempt has one line of output a line, told apart by its first letter:

    O text      a line of standard output
    E text      a line of standard error
    o, e        a piece of a line that goes on in the next piece (very long, still being written, or without an end)
    M text      a remark by mplp

`read_log` reads it. The file is private (0600), made with the first output, and has an upper size.
"""

from __future__ import annotations

import codecs
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from mplp_cli.protocols import Attempt
from mplp_cli.workflow.masking import Masker, StreamMasker

#: Bytes of a stream that are kept for the result, half from its beginning and half from its end.
KEPT = 1 << 20
#: Bytes of output in the log of one attempt.
LOGGED = 64 << 20
#: Bytes of an unfinished line that wait for its end before they go into the log.
_UNFINISHED = 8192

_STREAMS = {b"O": "stdout", b"o": "stdout", b"E": "stderr", b"e": "stderr", b"M": "note"}
_LETTERS = {"stdout": (b"O ", b"o "), "stderr": (b"E ", b"e ")}

_Decoder = codecs.getincrementaldecoder("utf-8")

#: Takes the name of a stream and what came out of it.
Emit = Callable[[str, str], None]


class StepLog:
    """The log file of one attempt. `problem` says why it could not be written, if so."""

    def __init__(self, path: str, limit: int = LOGGED) -> None:
        self.path = path
        self.problem = ""
        self._left = limit
        self._file = -1
        self._unfinished: dict[str, bytes] = {}

    def write(self, stream: str, data: bytes) -> None:
        """Output of `stream`, in pieces of any length."""
        if self._left <= 0:
            return
        whole, part = _LETTERS[stream]
        lines, newline, rest = (self._unfinished.pop(stream, b"") + data).rpartition(b"\n")
        if newline:
            self._append(whole + lines.replace(b"\n", b"\n" + whole) + b"\n")
        if len(rest) > _UNFINISHED:
            self._append(part + rest + b"\n")
        elif rest:
            self._unfinished[stream] = rest

    def flush(self) -> None:
        """Write what waits for the end of its line, which goes on with what comes next."""
        for stream, rest in self._unfinished.items():
            self._append(_LETTERS[stream][1] + rest + b"\n")
        self._unfinished.clear()

    def remark(self, text: str) -> None:
        """A line of ours, behind all that was written before."""
        self.flush()
        self._append(b"M " + text.replace("\n", " ").encode("utf-8", "replace") + b"\n")

    def close(self) -> None:
        """Write what waits for the end of its line, and close the file."""
        self.flush()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _append(self, data: bytes) -> None:
        if self._left <= 0:
            return
        self._left -= len(data)
        if self._left <= 0:
            data += b"M the log of this attempt ends here: it has reached its greatest size\n"
        try:
            if self._file < 0:
                self._file = self._open()
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            self.problem = error.strerror or str(error)
            self._left = 0

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            return os.open(self.path, flags, 0o600)
        except FileNotFoundError:
            Path(self.path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.path, flags, 0o600)


def log_path(log_dir: Path, step: str, attempt: int) -> Path:
    """Where the log of an attempt is, if it has written anything."""
    return log_dir / f"{step}.{attempt}.log"


def read_log(path: Path) -> Iterator[tuple[str, str]]:
    """The output in a log, in order: (`stdout`, `stderr` or `note`, text with its newline if it had one)."""
    with path.open("rb") as file:
        for line in file:
            if told := log_line(line):
                yield told


def log_line(line: bytes) -> tuple[str, str] | None:
    """One line of a log, as `read_log` gives it; None if it is none of ours."""
    letter = line[:1]
    stream = _STREAMS.get(letter)
    if stream is None:
        return None
    text = line[2:].decode("utf-8", "replace")
    return stream, text.removesuffix("\n") if letter.islower() else text


class Capture:
    """One stream of one process. `text` is what is kept of it; `left_out` counts the bytes that are not."""

    def __init__(self, name: str, masker: Masker, log: StepLog, emit: Emit, limit: int = KEPT) -> None:
        self.left_out = 0
        self._name = name
        self._log = log
        self._emit = emit
        self._masker = masker
        #: Made with the first bytes: most attempts print nothing.
        self._reads: tuple[codecs.IncrementalDecoder, StreamMasker] | None = None
        self._half = limit // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0

    def feed(self, data: bytes) -> None:
        """Bytes as they were read."""
        self._read(data)

    def close(self) -> None:
        """Nothing follows."""
        if self._reads is not None:
            self._read(b"", final=True)
            self._take(self._reads[1].flush())

    @property
    def text(self) -> str:
        """The beginning and the end, and between them how much was left out."""
        tail = b"".join(self._tail)
        if not self.left_out:
            return (bytes(self._head) + tail).decode("utf-8", "ignore")
        note = f"\n[... {self.left_out} bytes left out ...]\n"
        # A cut may go through a character.
        return self._head.decode("utf-8", "ignore") + note + tail.decode("utf-8", "ignore")

    def _read(self, data: bytes, *, final: bool = False) -> None:
        if self._reads is None:
            self._reads = _Decoder("replace"), self._masker.stream()
        decoder, masked = self._reads
        text = decoder.decode(data, final)
        self._take(masked.feed(text.replace("\0", "\ufffd") if "\0" in text else text))

    def _take(self, text: str) -> None:
        if not text:
            return
        data = text.encode()
        self._log.write(self._name, data)
        self._keep(data)
        self._emit(self._name, text)

    def _keep(self, data: bytes) -> None:
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if not data:
            return
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size > self._half:
            first = self._tail.popleft()
            excess = min(len(first), self._tail_size - self._half)
            if excess < len(first):
                self._tail.appendleft(first[excess:])
            self._tail_size -= excess
            self.left_out += excess


class Printout:
    """What one attempt prints, on its way into its log and to who follows it. Files and captures are made with the
    first output: most attempts print nothing."""

    def __init__(self, folder: Path, masker: Masker, attempt: Attempt) -> None:
        self._folder = folder
        self._masker = masker
        self._attempt = attempt
        self._log: StepLog | None = None
        self._captures: dict[str, Capture] = {}

    def feed(self, stream: str, data: bytes) -> None:
        """Bytes of that stream, as they came."""
        if stream not in self._captures:
            self._captures[stream] = Capture(stream, self._masker, self._open(), self._emit)
        self._captures[stream].feed(data)

    def text(self, stream: str) -> str:
        """What is kept of a stream, once it is closed."""
        return self._captures[stream].text if stream in self._captures else ""

    def left_out(self, stream: str) -> int:
        """How many bytes of a stream are not kept."""
        return self._captures[stream].left_out if stream in self._captures else 0

    def flush(self) -> None:
        """Write what waits for the end of its line: who follows the log reads it now."""
        self._open().flush()

    def note(self, text: str) -> None:
        """A line of ours for who follows."""
        self._emit("note", text)

    def close(self, remark: str = "") -> None:
        """Nothing follows but a remark of ours, if there is one."""
        for stream in ("stdout", "stderr"):
            if stream in self._captures:
                self._captures[stream].close()
        if remark:
            self._open().remark(remark)
        if self._log is not None:
            self._log.close()
            if self._log.problem:
                self.note(f"the log of this step could not be written: {self._log.problem}\n")
                self._log.problem = ""

    def _open(self) -> StepLog:
        if self._log is None:
            self._log = StepLog(str(log_path(self._folder, self._attempt.step, self._attempt.number)))
        return self._log

    def _emit(self, stream: str, text: str) -> None:
        self._attempt.output(self._attempt.step, stream, text)
