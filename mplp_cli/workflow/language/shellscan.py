"""The scanner under `shelltext`: quotes, what `$` begins, and the replacement of references."""

from __future__ import annotations

import re

from mplp_cli.workflow.language.references import Bracket, ReferenceSyntaxError, bracket_at
from mplp_cli.workflow.language.shellframes import (
    ANSI_QUOTE,
    BACKTICKS,
    NESTED_QUOTES,
    PATTERN,
    Command,
    Frame,
    Refusal,
)
from mplp_cli.workflow.language.shellrules import EXPANSION, arithmetic
from mplp_cli.workflow.language.shelltext import Binding, ShellTextError

_OPENING = re.compile(r"\$(?:\{|<)([A-Za-z_][A-Za-z0-9_-]*)(\.[0-9]?|[ ]*[}>|\[])?")
_PARAMETER = re.compile(r"\$\{(?:[#!]?(?:[A-Za-z_]\w*|[0-9]+|[@*])|[#?$!@*-])")
_KEEPS_VALUE = re.compile(r":?[-=?+]")
_BACKTICKS = re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL)
_RUNS = {
    "double": re.compile(r"[^\"\\$`]+"),
    "heredoc": re.compile(r"[^\\$`]+"),
    "parameter": re.compile(r"[^}\\'\"$`]+"),
    "arithmetic": re.compile(r"[^()\]\\\"$`]+"),
}
#: How the expansion of a variable is written in each kind of place.
_UNQUOTED, _QUOTED, _SINGLE = '"${%s}"', "${%s}", "'\"${%s}\"'"


def is_ours(found: re.Match[str], loop_names: frozenset[str]) -> bool:
    """Whether a match of the opening is a reference; the rest belongs to the shell."""
    name, after = found.group(1), (found.group(2) or "").strip()
    if after[:1] == ".":
        # `${VERSION-1.0}` is the shell's default for VERSION: after a hyphen, a digit is no field.
        return "-" not in name or len(after) == 1
    closing = "}" if found.group()[1] == "{" else ">"
    return name in loop_names and after in {closing, "|", "["}


def has_references(text: str, loop_names: frozenset[str]) -> bool:
    """Whether anything in `text` looks like a reference."""
    return any(is_ours(found, loop_names) for found in _OPENING.finditer(text))


def _bracket(text: str, at: int) -> Bracket:
    try:
        return bracket_at(text, at)
    except ReferenceSyntaxError as error:
        hint = error.hint or "close the brackets of the reference"
        raise ShellTextError("shell-reference", error.message, error.offset, hint) from None


class Scan:
    """A script, how far it has been read, what is open there, and the text that takes its place."""

    def __init__(self, text: str, loop_names: frozenset[str]) -> None:
        self.text = text
        self.at = 0
        self.stack: list[Frame] = [Command("command", len(text))]
        self.variables: dict[str, Binding] = {}
        self._loop_names = loop_names
        #: Everything before `_done` is in `_out`.
        self._done = 0
        self._out: list[str] = []

    @property
    def script(self) -> str:
        return "".join((*self._out, self.text[self._done :]))

    def unclear(self, message: str) -> ShellTextError:
        hint = "keep the script simple around references: assign them to variables at its top"
        return ShellTextError(
            "shell-unclear", f"cannot tell how a shell reads this: {message}", self.at, hint
        )

    def push(self, frame: Frame, width: int) -> None:
        """Go into a construct whose opening is `width` characters long."""
        if len(self.stack) > 100:
            raise self.unclear("too deeply nested")
        self.stack.append(frame)
        self.at += width

    def open(self, kind: str, close: str, width: int, refusal: Refusal | None, *, quoted: bool) -> None:
        parent = self.stack[-1]
        if isinstance(parent, Command):
            parent.add("" if kind == "double" else EXPANSION, quoted=kind == "double")
        self.push(Frame(kind, parent.end, close, quoted, refusal or parent.refusal), width)

    def open_command(self, width: int, mark: str = "") -> Command:
        """Go into nested command text. `mark` is what it is in the word around it, if it is in one."""
        parent = self.stack[-1]
        frame = Command("command", parent.end, ")", refusal=parent.refusal)
        if isinstance(parent, Command):
            if mark:
                parent.add(mark)
            if any(inner.heredocs for inner in self.stack if isinstance(inner, Command)):
                raise self.unclear("a substitution before the body of a heredoc")
            frame.outer_test = not mark and (parent.in_test or parent.outer_test)
        self.push(frame, width)
        return frame

    def inside(self, frame: Frame) -> None:
        """One piece of text between double quotes, in `${...}`, in a heredoc or in arithmetic."""
        if run := _RUNS[frame.kind].match(self.text, self.at, frame.end):
            parent = self.stack[-2]
            if frame.kind == "double" and isinstance(parent, Command):
                parent.add(run.group())
            self.at = run.end()
            return
        char = self.text[self.at]
        if char == "\\":
            self.at += 2
        elif char == "$":
            self.dollar(frame)
        elif char == "`":
            self.backticks(frame)
        elif frame.kind == "arithmetic":
            self._arithmetic(frame, char)
        elif char == frame.close:
            self.stack.pop()
            self.at += 1
        elif char == '"':
            self.open("double", '"', 1, NESTED_QUOTES if frame.quoted else None, quoted=True)
        else:
            self._quote_in_parameter(frame)

    def _quote_in_parameter(self, frame: Frame) -> None:
        if not frame.quoted:
            self.single(frame)
            return
        # To some shells it is a quote here, to others a letter; without anything special it is the same.
        closing = self.text.find("'", self.at + 1, frame.end)
        if closing < 0 or re.search(r"[}\"`$\\]", self.text[self.at : closing]):
            raise self.unclear("a single quote in `${...}` between double quotes")
        self.at = closing + 1

    def _arithmetic(self, frame: Frame, char: str) -> None:
        self.at += 1
        if char == "(":
            frame.depth += 1
        elif char == ")" and frame.depth:
            frame.depth -= 1
        elif char == ")" and frame.close == "))":
            if self.text[self.at : self.at + 1] != ")":
                raise self.unclear("`((` without `))`; write a space between two opening parentheses")
            self.at += 1
            self.stack.pop()
        elif char == frame.close:
            self.stack.pop()

    # ---- what `$` begins -------------------------------------------------------------------------

    def dollar(self, frame: Frame) -> None:
        text, at = self.text, self.at
        following = text[at + 1 : at + 2]
        unquoted = not frame.quoted and frame.kind in {"command", "parameter"}
        if following == "$":
            if self._escaped(at + 1):
                self._replace(at, at + 1, "")
                self.open("parameter", "}", 3, PATTERN, quoted=not unquoted)
            else:
                self.expansion(frame, 2)
        elif self._opens(at):
            self._reference(frame, _UNQUOTED if unquoted else _QUOTED)
        elif following == "{":
            header = _PARAMETER.match(text, at)
            width = header.end() - at if header else 2
            keeps = header and _KEEPS_VALUE.match(text, at + width)
            self.open("parameter", "}", width, None if keeps else PATTERN, quoted=not unquoted)
        elif text.startswith("$((", at):
            self.open("arithmetic", "))", 3, None, quoted=True)
        elif following == "(":
            self.open_command(2, EXPANSION)
        elif following == "[":
            self.open("arithmetic", "]", 2, None, quoted=True)
        elif following == "'" and unquoted:
            self._ansi_quote(frame)
        else:
            self.expansion(frame, 1)

    def expansion(self, frame: Frame, width: int) -> None:
        """Step over something that the shell expands."""
        if isinstance(frame, Command):
            frame.add(EXPANSION)
        self.at += width

    def _opens(self, at: int) -> bool:
        found = _OPENING.match(self.text, at)
        return found is not None and is_ours(found, self._loop_names)

    def _escaped(self, at: int) -> bool:
        """Whether `$` stands twice before a `{` at which a reference would open."""
        return self.text[at - 1] == "$" and self.text[at + 1 : at + 2] == "{" and self._opens(at)

    def _reference(self, frame: Frame, form: str) -> None:
        at = self.at
        bracket = _bracket(self.text, at)
        if any(inner.kind == "arithmetic" for inner in self.stack):
            raise arithmetic(at)
        if frame.refusal is not None:
            raise frame.refusal.at(at)
        for open_ in self.stack:
            if isinstance(open_, Command) and (open_ is frame or open_.text is not None):
                open_.mark(at)
            elif open_.kind == "heredoc":
                open_.pipeline.flows(at)
        self._replace(at, bracket.end, form % self._variable(bracket))
        self.at = bracket.end

    def _variable(self, bracket: Bracket) -> str:
        """The variable that carries this reference's value; the same reference has the same one."""
        known = self.variables.get(bracket.source)
        if known is None:
            known = Binding(f"MPLP_V{len(self.variables) + 1}", bracket.source, bracket.start)
            self.variables[bracket.source] = known
        return known.variable

    def _replace(self, start: int, end: int, text: str) -> None:
        self._out += (self.text[self._done : start], text)
        self._done = end

    # ---- quotes ------------------------------------------------------------------------------------

    def single(self, frame: Frame) -> None:
        """`'...'`: a reference in it closes the quotes, expands, and opens them again."""
        start = self.at = self.at + 1
        while True:
            closing = self.text.find("'", self.at, frame.end)
            if closing < 0:
                raise self.unclear("a single quote is not closed")
            found = _OPENING.search(self.text, self.at, closing)
            if found is None:
                break
            self.at = found.start()
            if not is_ours(found, self._loop_names):
                self.at += 2
            elif self._escaped(self.at):
                self._replace(self.at - 1, self.at, "")
                self.at += 2
            else:
                if isinstance(frame, Command):
                    frame.add(self.text[start : self.at], quoted=True)
                self._reference(frame, _SINGLE)
                start = self.at
        if isinstance(frame, Command):
            frame.add(self.text[start:closing], quoted=True)
        self.at = closing + 1

    def _ansi_quote(self, frame: Frame) -> None:
        """`$'...'`: bash knows escapes in it, other shells do not."""
        closing = self.text.find("'", self.at + 2, frame.end)
        if closing < 0 or self.text[closing - 1] == "\\":
            raise self.unclear("an escaped quote in $'...'")
        self.refuse_within(self.at, closing, ANSI_QUOTE)
        self.expansion(frame, closing + 1 - self.at)

    def backticks(self, frame: Frame) -> None:
        found = _BACKTICKS.match(self.text, self.at, frame.end)
        if found is None:
            raise self.unclear("a backtick is not closed")
        self.refuse_within(self.at, found.end(), BACKTICKS)
        self.expansion(frame, found.end() - self.at)

    def refuse_within(self, start: int, end: int, refusal: Refusal) -> None:
        """Refuse references in a stretch of the script; escaped ones become what they stand for."""
        for found in _OPENING.finditer(self.text, start, end):
            if not is_ours(found, self._loop_names):
                continue
            if not self._escaped(found.start()):
                raise refusal.at(found.start())
            self._replace(found.start() - 1, found.start(), "")
