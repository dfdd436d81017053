"""What is open at one point of a shell script: quotes, substitutions, commands, heredocs to come."""

from __future__ import annotations

import re

from msgspec import Struct, field

from mplp_cli.workflow.language.shellrules import REFERENCE, RESERVED, Word, judge, reads_program
from mplp_cli.workflow.language.shelltext import ShellTextError

#: The beginning of a word that assigns: `name=`, `name[...]+=`.
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(?:\[[^\]]*\])?\+?=")
_SUBSCRIPT = re.compile(r"[A-Za-z_]\w*\[[^\]]*")
_CLOSES_COMPOUND = frozenset(("}", "done", "fi", "esac"))


class Refusal(Struct, frozen=True):
    """Why references are refused in a construct."""

    code: str
    message: str
    hint: str

    def at(self, offset: int) -> ShellTextError:
        return ShellTextError(self.code, self.message, offset, self.hint)


BACKTICKS = Refusal(
    "shell-backticks", "backticks parse the value a second time", "write `$(...)` instead of backticks"
)
ANSI_QUOTE = Refusal(
    "shell-ansi-quote",
    "`$'...'` would parse the value for escapes",
    "put the reference between double quotes",
)
QUOTED_HEREDOC = Refusal(
    "shell-quoted-heredoc",
    "a heredoc with a quoted delimiter expands nothing",
    "take the quotes off the delimiter, or write `$${` for a literal `${`",
)
PATTERN = Refusal(
    "shell-parameter",
    "inside this `${...}` of the shell the value would be a pattern or a number",
    "give it to a variable of your own first: `value=${...}`",
)
NESTED_QUOTES = Refusal(
    "shell-parameter",
    "shells differ about double quotes inside `${...}` inside double quotes",
    "leave the inner double quotes out",
)
SUBSCRIPT = Refusal(
    "shell-subscript", "a subscript is arithmetic: bash would evaluate the value", "use a fixed subscript"
)
PIPED = Refusal(
    "shell-piped-program",
    "the value would become part of a program that is read from standard input",
    "hand it over as an argument or in `env`, and let the program read it there",
)


class Pipeline(Struct):
    """One pipeline: the last reference whose value flows in it, and whether a program is read from it."""

    reference: int = -1
    program: bool = False

    def flows(self, offset: int) -> None:
        """The value of the reference at `offset` is written into the pipeline."""
        self.reference = offset
        self.refuse_program()

    def refuse_program(self) -> None:
        if self.program and self.reference >= 0:
            raise PIPED.at(self.reference)


class Heredoc(Struct, frozen=True):
    """A heredoc whose body has not begun yet."""

    delimiter: str
    quoted: bool
    strips_tabs: bool
    pipeline: Pipeline


class Frame(Struct):
    """An open construct: `double`, `parameter`, `arithmetic`, `heredoc` (or `command`, see Command).

    Its text ends at `end` at the latest; `close` ends it. `quoted`: inside double quotes or a heredoc.
    """

    kind: str
    end: int
    close: str = ""
    quoted: bool = False
    #: Why references in here are refused, if they are.
    refusal: Refusal | None = None
    #: Of a heredoc: where the script goes on after its delimiter.
    after: int = 0
    pipeline: Pipeline = field(default_factory=Pipeline)
    #: Of arithmetic: how many parentheses are open.
    depth: int = 0


class Command(Frame):
    """Command text: the script, `$(...)`, `(...)`, `<(...)`, `name=(...)`."""

    #: The words of the simple command being read, and whether the next one may be its name.
    words: list[Word] = field(default_factory=list)
    starts: bool = True
    #: The word being read, None between words; its first reference; whether any of it is quoted.
    text: str | None = None
    reference: int = -1
    word_quoted: bool = False
    #: The next word is a file (">") or the text of a here-string ("<<<").
    target: str = ""
    #: Inside `[[ ... ]]` that began here, or further out.
    in_test: bool = False
    outer_test: bool = False
    #: The list of `name=(...)`.
    array: bool = False
    #: Its end also ends the command of the frame around it, as for a subshell.
    ends_command: bool = False
    #: What is open of `case`: "word", "pattern" or "body", innermost last.
    cases: list[str] = field(default_factory=list)
    heredocs: list[Heredoc] = field(default_factory=list)
    #: The first reference in the command being read, and in the whole frame.
    command_reference: int = -1
    first_reference: int = -1

    @property
    def in_pattern(self) -> bool:
        """Where `case` expects a pattern."""
        return bool(self.cases) and self.cases[-1] == "pattern"

    def add(self, text: str, *, quoted: bool = False) -> None:
        """More text of the word being read."""
        self.text = (self.text or "") + text
        self.word_quoted = self.word_quoted or quoted

    def mark(self, offset: int) -> None:
        """A reference stands in the word being read, or in something nested in it."""
        if _SUBSCRIPT.fullmatch(self.text or "") or (self.array and self.text == "["):
            raise SUBSCRIPT.at(offset)
        self.add(REFERENCE)
        self.reference = offset if self.reference < 0 else self.reference
        self.first_reference = offset if self.first_reference < 0 else self.first_reference
        if not self.target and self.command_reference < 0:
            self.command_reference = offset

    def end_word(self) -> None:
        """The word being read, if there is one, is complete."""
        if self.text is None:
            return
        word = Word(self.text, self.reference, self.word_quoted)
        self.text, self.reference, self.word_quoted = None, -1, False
        if self.target:
            if self.target == "<<<" and word.reference >= 0:
                self.pipeline.flows(word.reference)
            self.target = ""
            return
        starts = self.starts
        self.words.append(word)
        self._read_case(word, starts=starts)
        if starts and word.text == "[[" and not word.quoted:
            self.in_test = True
        if word.text == "do" and not word.quoted and self.words[0].text in {"for", "select"}:
            self.words.clear()
        self.starts = not self.words or (starts and self._may_begin(word))

    def _may_begin(self, word: Word) -> bool:
        """Whether a command may still begin after `word`, which stood where one may begin."""
        if not word.quoted and (word.text in RESERVED or word.text == "function"):
            return True
        before = self.words[-2].text if len(self.words) > 1 else ""
        return before == "function" or ASSIGNMENT.match(word.text) is not None

    def _read_case(self, word: Word, *, starts: bool) -> None:
        state = self.cases[-1] if self.cases else ""
        if word.quoted:
            return
        if state == "word":
            if word.text == "in" and len(self.words) > 2 and self.words[-3].text == "case":
                self.cases[-1] = "pattern"
                self.words.clear()
        elif word.text == "esac" and (
            (state == "pattern" and len(self.words) == 1) or (state == "body" and starts)
        ):
            self.cases.pop()
        elif word.text == "case" and starts and state != "pattern":
            self.cases.append("word")

    def end_command(self, *, piped: bool = False) -> None:
        """The simple command being read is complete; `piped`: the next one reads its output."""
        self.end_word()
        if not self.in_pattern:
            judge(self.words, self.in_test or self.outer_test)
            if any(word.text == "]]" for word in self.words):
                self.in_test = False
            if reads_program(self.words):
                self.pipeline.program = True
                self.pipeline.refuse_program()
        flows = self.command_reference
        if piped and self.words and self.words[0].text in _CLOSES_COMPOUND:
            flows = self.first_reference
        if flows >= 0:
            self.pipeline.reference = flows
        if not piped:
            self.pipeline = Pipeline()
        self.forget()

    def forget(self) -> None:
        """A new command may begin."""
        self.words.clear()
        self.starts = True
        self.command_reference = -1
