"""Command text of a shell script: words, comments, operators, redirections, `case`, heredocs."""

from __future__ import annotations

import re
from collections.abc import Callable

from mplp_cli.workflow.language.shellframes import ASSIGNMENT, QUOTED_HEREDOC, Command, Frame, Heredoc
from mplp_cli.workflow.language.shellrules import PROCESS
from mplp_cli.workflow.language.shellscan import Scan

_OPERATOR = re.compile(r";;&?|;&|;|&&|&|\|\||\|&|\|")
_REDIRECT = re.compile(r"&>>?|<<<|<<-?|<>|<&|>&|>>|>\||<|>")
_DELIMITER = re.compile(r"[ \t]*((?:\\.|'[^'\n]*'|\"[^\"\\$`\n]*\"|[^\s'\"\\;&|<>()$`])+)")
_PLAIN = re.compile(r"[^\s\\'\"$`;&|()<>#]+")
_BLANK = re.compile(r"[ \t\r\f\v]+")


def read_script(scan: Scan) -> None:
    """Read the whole script. ShellTextError for the first reference that cannot be replaced."""
    while scan.stack:
        frame = scan.stack[-1]
        if scan.at >= frame.end:
            _finish(scan, frame)
        elif isinstance(frame, Command):
            _read(scan, frame)
        else:
            scan.inside(frame)


def _finish(scan: Scan, frame: Frame) -> None:
    """The text of the innermost construct has ended."""
    if frame.kind == "heredoc" and scan.at == frame.end:
        scan.stack.pop()
        scan.at = frame.after
        _begin_heredoc(scan, scan.stack[-1])
    elif len(scan.stack) == 1 and isinstance(frame, Command):
        frame.end_command()
        if frame.heredocs:
            raise scan.unclear("a heredoc has no body")
        scan.stack.pop()
    else:
        raise scan.unclear(f"`{frame.close or frame.kind}` is missing")


def _read(scan: Scan, frame: Command) -> None:
    """One token of command text, or a part of one."""
    text, at = scan.text, scan.at
    if run := _PLAIN.match(text, at, frame.end):
        frame.add(run.group())
        scan.at = run.end()
    elif run := _BLANK.match(text, at, frame.end):
        frame.end_word()
        scan.at = run.end()
    elif text.startswith("&>", at):
        _read_redirection(scan, frame)
    else:
        _TOKENS.get(text[at], _read_other)(scan, frame)


def _read_other(scan: Scan, frame: Command) -> None:
    frame.add(scan.text[scan.at])
    scan.at += 1


def _read_backslash(scan: Scan, frame: Command) -> None:
    following = scan.text[scan.at + 1 : scan.at + 2]
    if following != "\n":
        frame.add(following, quoted=True)
    scan.at += 2


def _read_double_quote(scan: Scan, _frame: Command) -> None:
    scan.open("double", '"', 1, None, quoted=True)


def _read_hash(scan: Scan, frame: Command) -> None:
    """A comment, unless it stands inside a word."""
    if frame.text is None:
        newline = scan.text.find("\n", scan.at, frame.end)
        scan.at = frame.end if newline < 0 else newline
    else:
        frame.add("#")
        scan.at += 1


def _read_newline(scan: Scan, frame: Command) -> None:
    frame.end_word()
    scan.at += 1
    if frame.array or (frame.cases and frame.cases[-1] == "word"):
        return
    # Nothing on the line: a pipeline goes on behind its `|`.
    if frame.words:
        frame.end_command()
    _begin_heredoc(scan, frame)


def _read_operator(scan: Scan, frame: Command) -> None:
    operator = _OPERATOR.match(scan.text, scan.at)
    sign = operator.group() if operator else scan.text[scan.at]
    frame.end_command(piped=sign in {"|", "|&"})
    if sign in {";;", ";&", ";;&"} and frame.cases:
        frame.cases[-1] = "pattern"
    scan.at += len(sign)


def _read_parenthesis(scan: Scan, frame: Command) -> None:
    text, at = scan.text, scan.at
    if frame.in_pattern and frame.text is None and not frame.words:
        scan.at += 1
    elif frame.text is not None and ASSIGNMENT.fullmatch(frame.text):
        scan.open_command(1, "(").array = True
    elif text.startswith("((", at) and (frame.starts or frame.words[0].text == "for") and frame.text is None:
        scan.open("arithmetic", "))", 2, None, quoted=True)
    else:
        frame.end_word()
        scan.open_command(1).ends_command = not frame.in_pattern


def _close_parenthesis(scan: Scan, frame: Command) -> None:
    frame.end_word()
    if frame.in_pattern:
        frame.forget()
        frame.cases[-1] = "body"
        scan.at += 1
        return
    frame.end_command()
    if frame.close != ")" or frame.cases or frame.in_test or frame.heredocs:
        raise scan.unclear("`)` has no `(`, or closes it too early")
    scan.stack.pop()
    scan.at += 1
    parent = scan.stack[-1]
    if frame.ends_command and isinstance(parent, Command):
        parent.forget()
        parent.command_reference = frame.first_reference


def _read_redirection(scan: Scan, frame: Command) -> None:
    text, at = scan.text, scan.at
    if text.startswith(("<(", ">("), at):
        scan.open_command(2, PROCESS)
        return
    operator = _REDIRECT.match(text, at)
    sign = operator.group() if operator else text[at]
    if frame.text is not None and frame.text.isdecimal():
        frame.text, frame.word_quoted = None, False
    frame.end_word()
    scan.at += len(sign)
    if sign in {"<<", "<<-"}:
        delimiter = _DELIMITER.match(text, scan.at, frame.end)
        if delimiter is None:
            raise scan.unclear("the delimiter of a heredoc")
        word = delimiter.group(1)
        plain = re.sub(r"\\(.)|['\"]", r"\1", word)
        frame.heredocs.append(Heredoc(plain, plain != word, sign == "<<-", frame.pipeline))
        scan.at = delimiter.end()
    else:
        frame.target = sign


_TOKENS: dict[str, Callable[[Scan, Command], None]] = {
    "\n": _read_newline,
    "\\": _read_backslash,
    "'": Scan.single,
    '"': _read_double_quote,
    "$": Scan.dollar,
    "`": Scan.backticks,
    "#": _read_hash,
    "(": _read_parenthesis,
    ")": _close_parenthesis,
    "<": _read_redirection,
    ">": _read_redirection,
    ";": _read_operator,
    "&": _read_operator,
    "|": _read_operator,
}


def _begin_heredoc(scan: Scan, frame: Frame) -> None:
    """Go into the body of the next heredoc of the line that has just ended, if there is one."""
    if not isinstance(frame, Command) or not frame.heredocs:
        return
    heredoc = frame.heredocs.pop(0)
    end, after = _body(scan, heredoc, frame.end)
    if heredoc.quoted:
        scan.refuse_within(scan.at, end, QUOTED_HEREDOC)
        scan.at = after
        _begin_heredoc(scan, frame)
        return
    body = Frame("heredoc", end, heredoc.delimiter, quoted=True, refusal=frame.refusal, after=after)
    body.pipeline = heredoc.pipeline
    scan.push(body, 0)


def _body(scan: Scan, heredoc: Heredoc, limit: int) -> tuple[int, int]:
    """Where the body that begins here ends, and where the script goes on after its delimiter."""
    at, continued = scan.at, False
    while at < limit:
        newline = scan.text.find("\n", at, limit)
        stop = limit if newline < 0 else newline
        line = scan.text[at:stop]
        if not continued and (line.lstrip("\t") if heredoc.strips_tabs else line) == heredoc.delimiter:
            return at, min(stop + 1, limit)
        # Without quotes, a backslash at its end joins a line to the next one.
        continued = not heredoc.quoted and (len(line) - len(line.rstrip("\\"))) % 2 == 1
        at = stop + 1
    raise scan.unclear(f"the heredoc is not ended by a line `{heredoc.delimiter}`")
