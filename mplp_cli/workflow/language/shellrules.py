"""Commands of a shell script that would parse a value again: what is refused, and what to write instead.

A shell hands a value on untouched only if nothing behind it reads the value as a program. These rules look at
one simple command at a time (its words, quotes removed) and refuse those that do: `eval`, `sh -c`, `ssh`,
`awk`, names of variables, arithmetic. What a script does with a value after it has stored it in a variable
of its own is the script's business and not followed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from mplp_cli.workflow.language.shelltext import ShellTextError

#: What stands in the text of a word where the shell puts a value: a reference, an expansion, `<(...)`.
REFERENCE, EXPANSION, PROCESS = "\x01", "\x02", "\x03"

#: Words after which a command begins.
RESERVED = frozenset(("!", "{", "if", "then", "elif", "else", "while", "until", "do", "time", "coproc"))
#: Programs that run the command which follows their own options.
_PREFIXES = frozenset(
    (
        "command",
        "builtin",
        "exec",
        "nohup",
        "setsid",
        "sudo",
        "doas",
        "env",
        "time",
        "nice",
        "ionice",
        "timeout",
        "stdbuf",
        "busybox",
        "xargs",
    )
)
_EVALUATES = frozenset(("eval", ".", "source", "trap", "alias"))
_DECLARES = frozenset(("declare", "typeset", "local", "readonly", "export", "integer"))
_NAMES = frozenset(("unset", "getopts", "mapfile", "readarray"))
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(?:\[[^\]]*\])?\+?=")
_NUMERIC = frozenset(("-eq", "-ne", "-lt", "-le", "-gt", "-ge"))


class Word(Struct, frozen=True):
    """A word of a command, quotes removed. `reference`: offset of the first reference in it, else -1."""

    text: str
    reference: int = -1
    quoted: bool = False


class _Interpreter(Struct, frozen=True):
    """A program that takes program text: behind an option that `flag` matches, or as its first operand."""

    flag: re.Pattern[str]
    #: Options that take the next word as their argument.
    takes: frozenset[str] = frozenset()
    operand: bool = False
    #: Whether it reads a program from its standard input when it is given none.
    stdin: bool = True


def _takes(options: str) -> frozenset[str]:
    return frozenset(f"-{letter}" for letter in options)


_NEVER = re.compile(r"(?!)")
_INTERPRETERS: tuple[tuple[re.Pattern[str], _Interpreter], ...] = (
    (
        re.compile(r"(?:|ba|da|a|z|k|mk|c|tc|fi)sh|pwsh|powershell"),
        _Interpreter(
            re.compile(r"[-+][A-Za-z]*c[A-Za-z]*|--command|-Command"),
            _takes("oO") | {"+o", "+O", "--rcfile", "--init-file"},
        ),
    ),
    (re.compile(r"(?:python|pypy)[\d.]*"), _Interpreter(re.compile(r"-[A-Za-z]*c"), _takes("WX"))),
    (re.compile(r"perl[\d.]*|ruby[\d.]*"), _Interpreter(re.compile(r"-[A-Za-z0-9]*[eE]"), _takes("IMmr"))),
    (
        re.compile(r"node|nodejs|deno|bun"),
        _Interpreter(re.compile(r"-[ep]|-pe|--eval|--print|eval"), _takes("r")),
    ),
    (re.compile(r"php[\d.]*"), _Interpreter(re.compile(r"-[BREr]"), _takes("cdFfz"))),
    (re.compile(r"lua[\d.]*|Rscript|osascript"), _Interpreter(re.compile(r"-e"), _takes("l"))),
    (
        re.compile(r"su|runuser|script|flock"),
        _Interpreter(re.compile(r"-[a-z]*c|--command"), frozenset(), stdin=False),
    ),
    (re.compile(r"[gmn]?awk"), _Interpreter(_NEVER, _takes("Fv"), operand=True, stdin=False)),
    (
        re.compile(r"g?sed"),
        _Interpreter(re.compile(r"-[A-Za-z]*e|--expression"), _takes("l"), operand=True, stdin=False),
    ),
)
_SSH_TAKES = _takes("BbcDEeFIiJLlmOopQRSWw")
_BY_VALUE = 'hand the value over as an argument or in `env`: `sh -c \'echo "$1"\' sh "${...}"`'
_HINTS = {
    "awk": 'hand it over as `env` and read it with ENVIRON["NAME"]',
    "sed": 'use `awk` with ENVIRON["NAME"] and the value in the step\'s `env`',
    "ssh": "send the value over stdin: `printf '%s' \"${...}\" | ssh HOST 'cat > file'`",
}


def judge(words: Sequence[Word], in_test: bool) -> None:
    """Refuse a command that would parse a reference's value again. `in_test`: inside `[[ ... ]]`."""
    first = next((word for word in words if word.reference >= 0), None)
    if first is None:
        return
    if in_test and any(word.text in _NUMERIC for word in words):
        raise arithmetic(first.reference)
    name, rest = _named(words)
    if in_test or name in {"test", "[", "printf"}:
        _refuse_names_after("-v", words)
    if name in _EVALUATES:
        refuse_any(
            rest, "shell-eval", f"`{name}` parses the value as shell code", "call the command directly"
        )
    elif name == "let":
        raise arithmetic(first.reference)
    elif name in _DECLARES:
        _judge_declaration(rest)
    elif name in _NAMES:
        refuse_any(rest, *_VARIABLE_NAME)
    elif name == "read":
        _judge_read(rest)
    for index, word in enumerate(words):
        _judge_program(word, words[index + 1 :], is_command=index == len(words) - len(rest) - 1)


def reads_program(words: Sequence[Word]) -> bool:
    """Whether the command is an interpreter that takes its program from standard input."""
    _, rest = _named(words)
    words = words[len(words) - len(rest) - 1 :] if words else words
    while words and (words[0].text in _PREFIXES or words[0].text.startswith("-") or _plain_option(words[0])):
        words = words[1:]
    if not words:
        return False
    name = words[0].text.rpartition("/")[2]
    if name == "ssh":
        return len(_operands(words[1:], _SSH_TAKES)) == 1
    interpreter = _interpreter(name)
    if interpreter is None or not interpreter.stdin:
        return False
    options = [word.text for word in words[1:]]
    if any(interpreter.flag.fullmatch(option) for option in options):
        return False
    operands = _operands(words[1:], interpreter.takes)
    return not operands or operands[0].text == "-" or "-s" in options


def arithmetic(offset: int) -> ShellTextError:
    """The refusal of a reference in arithmetic."""
    return ShellTextError(
        "shell-arithmetic",
        "shell arithmetic parses the value as an expression",
        offset,
        'calculate inside the brackets (`${a.result.n + 1}`), or compare with `[ "${...}" -gt 1 ]`',
    )


_VARIABLE_NAME = (
    "shell-variable-name",
    "the value would be the name of a shell variable, and bash evaluates such names",
    "use a variable of your own: `value=${...}`",
)


def refuse_any(words: Sequence[Word], code: str, message: str, hint: str) -> None:
    """Refuse the first of these words that holds a reference."""
    for word in words:
        if word.reference >= 0:
            raise ShellTextError(code, message, word.reference, hint)


def _named(words: Sequence[Word]) -> tuple[str, Sequence[Word]]:
    """The name of a command and the words after it; words that may stand before it are left out."""
    at = 0
    while at < len(words):
        word = words[at]
        if word.text == "function" and not word.quoted:
            at += 2
        elif (
            (word.text in RESERVED and not word.quoted)
            or _ASSIGNMENT.match(word.text)
            or word.text in {"command", "builtin"}
        ):
            at += 1
        else:
            return word.text, words[at + 1 :]
    return "", ()


def _refuse_names_after(option: str, words: Sequence[Word]) -> None:
    for before, word in pairwise(words):
        if before.text == option:
            refuse_any((word,), *_VARIABLE_NAME)


def _judge_declaration(words: Sequence[Word]) -> None:
    for word in words:
        if re.match(r"-\w*[in]", word.text):
            refuse_any(words, *_VARIABLE_NAME)
        if REFERENCE in word.text.partition("=")[0]:
            refuse_any((word,), *_VARIABLE_NAME)


def _judge_read(words: Sequence[Word]) -> None:
    before = ""
    for word in words:
        if not re.fullmatch(r"-\w*[dinNptu]", before):
            refuse_any((word,), *_VARIABLE_NAME)
        before = word.text


def _judge_program(program: Word, words: Sequence[Word], *, is_command: bool) -> None:
    """Refuse references in the program text that these words would give to `program`."""
    name = program.text.rpartition("/")[2]
    if name == "watch" and is_command:
        refuse_any(words, "shell-nested-program", "`watch` hands the value to another shell", _BY_VALUE)
    if name == "ssh":
        code, message = "shell-remote-program", "`ssh` hands the value to the shell on the other side"
        refuse_any(_operands(words, _SSH_TAKES)[1:], code, message, _HINTS["ssh"])
        return
    interpreter = _interpreter(name)
    if interpreter is None and is_command and EXPANSION in name + REFERENCE * (program.reference >= 0):
        interpreter = _INTERPRETERS[0][1]
    if interpreter is not None:
        hint = _HINTS.get(name if name == "sed" else name[-3:], _BY_VALUE)
        shown = name if name.isprintable() else "another program"
        message = f"`{shown}` parses the value as program text"
        refuse_any(_programs(interpreter, words), "shell-nested-program", message, hint)


def _programs(interpreter: _Interpreter, words: Sequence[Word]) -> list[Word]:
    """The words that are program text."""
    found: list[Word] = []
    operand, at = interpreter.operand, 0
    while at < len(words):
        text = words[at].text
        if interpreter.flag.fullmatch(text):
            operand = False
            at += 1
            while at < len(words) - 1 and interpreter is _INTERPRETERS[0][1] and _is_option(words[at].text):
                at += 2 if words[at].text in interpreter.takes else 1
            found += words[at : at + 1]
        elif REFERENCE in text and interpreter.flag.match(text):
            found.append(words[at])
        elif text in interpreter.takes:
            at += 1
        elif text == "-f" and operand:
            operand = False
            at += 1
        elif not _is_option(text):
            if operand or PROCESS in text:
                found.append(words[at])
            if not interpreter.stdin and not interpreter.operand:
                at += 1
                continue
            break
        at += 1
    return found


def _is_option(text: str) -> bool:
    return text[:1] in {"-", "+"} and text != "-"


def _operands(words: Sequence[Word], takes: frozenset[str]) -> list[Word]:
    found: list[Word] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif found or not _is_option(word.text):
            found.append(word)
        else:
            skip = word.text in takes
    return found


def _interpreter(name: str) -> _Interpreter | None:
    return next((interpreter for names, interpreter in _INTERPRETERS if names.fullmatch(name)), None)


def _plain_option(word: Word) -> bool:
    """An argument of a prefix program: a number (`timeout 5`, `nice 10`) or a setting (`env A=1`)."""
    return bool(re.fullmatch(r"[\d.]+[smhd]?", word.text) or _ASSIGNMENT.match(word.text))
