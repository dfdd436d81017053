"""The commands of the application as data: what a completion script has to know."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

#: Metavar of a parameter -> what may stand there. What is not listed is free text.
_KINDS = {
    "FILE": "file",
    "FILES": "file",
    "PATH": "file",
    "DIR": "directory",
    "RUN": "runs",
    "RUN1": "runs",
    "RUN2": "runs",
    "STEP": "steps",
    "EXAMPLE": "examples",
    "TOPIC": "topics",
    "SCHEMA": "schemas",
    "WORKFLOW": "workflows",
    "AGENT": "agents",
    "MODULE": "modules",
    "TARGET": "modules",
    "PUBLISHER": "modules",
    "MODULE.OPERATION": "operations",
    "MODULE.INTERFACE": "interfaces",
    "MODULE[.OPERATION": "operations",
    "KIND": "kinds",
    "OBJECT": "objects",
    "ALLOCATION": "allocations",
    "COMPONENT": "components",
}


class Parameter(Struct, frozen=True, kw_only=True):
    """An option, or an argument if it has no names."""

    names: tuple[str, ...] = ()
    help: str
    #: "" for a flag; `choices`, `text`, `file`, `workflow` (a file, or example:NAME), `directory`, or one of the
    #: kinds that `mplp __complete` answers.
    takes: str = ""
    choices: tuple[str, ...] = ()
    repeats: bool = False

    @property
    def long(self) -> list[str]:
        """Names with two dashes."""
        return [name for name in self.names if name.startswith("--")]

    @property
    def short(self) -> list[str]:
        """Names with one dash."""
        return [name for name in self.names if not name.startswith("--")]


class Verb(Struct, frozen=True, kw_only=True):
    """One command; that without a name holds the options that stand before all commands."""

    name: str
    help: str
    options: tuple[Parameter, ...]
    arguments: tuple[Parameter, ...] = ()

    @property
    def valued(self) -> list[Parameter]:
        """The options that take a value."""
        return [option for option in self.options if option.takes]


class Table(Struct, frozen=True):
    """All of it."""

    root: Verb
    verbs: tuple[Verb, ...]


def command_table() -> Table:
    """What the application says of itself."""
    from typer.main import get_command

    from mplp_cli.cli.main import COMMANDS, application

    group: Any = get_command(application(list(COMMANDS)))
    verbs = [_with_those_behind(_verb(name, command)) for name, command in group.commands.items()]
    return Table(_verb("", group), tuple(verbs))


def _with_those_behind(verb: Verb) -> Verb:
    """A command with the words that may stand behind it, and with their options beside its own."""
    from typer.main import get_command

    from mplp_cli.cli.main import SUBCOMMANDS, application

    behind = SUBCOMMANDS.get(verb.name)
    if behind is None:
        return verb
    inner: Any = get_command(application(list(behind), behind))
    more = [option for name, command in inner.commands.items() for option in _verb(name, command).options]
    options = {option.names: option for option in (*more, *verb.options)}
    words = Parameter(help="What to do", takes="choices", choices=tuple(behind))
    arguments: list[Parameter] = []
    for name, command in inner.commands.items():
        # What stands at a place is told by the first command that has something there.
        arguments += _verb(name, command).arguments[len(arguments) :]
    return Verb(
        name=verb.name, help=verb.help, options=tuple(options.values()), arguments=(words, *arguments)
    )


_HELP = Parameter(names=("-h", "--help"), help="Show the help and exit")


def _verb(name: str, command: Any) -> Verb:
    found = [_parameter(parameter) for parameter in command.params]
    return Verb(
        name=name,
        help=_sentence(command.help or ""),
        options=(*(p for p in found if p.names), _HELP),
        arguments=tuple(p for p in found if not p.names),
    )


def _parameter(parameter: Any) -> Parameter:
    option = parameter.param_type_name == "option"
    choices = tuple(str(choice) for choice in getattr(parameter.type, "choices", ()))
    word = (parameter.metavar or "").strip("[].")
    says = parameter.help or ""
    if option and parameter.is_flag:
        takes = ""
    elif choices:
        takes = "choices"
    elif word == "TOPIC":
        takes, choices = "topics", _command_names()
    else:
        # A workflow may also be named as example:NAME.
        takes = "workflow" if not option and "orkflow file" in says else _KINDS.get(word, "text")
    return Parameter(
        names=tuple(parameter.opts) if option else (),
        help=_sentence(says),
        takes=takes,
        choices=choices,
        repeats=bool(getattr(parameter, "multiple", False) or parameter.nargs == -1),
    )


def _command_names() -> tuple[str, ...]:
    from mplp_cli.cli.main import COMMANDS

    return tuple(COMMANDS)


def _sentence(text: str) -> str:
    """The first sentence, on one line and without its full stop."""
    return re.split(r"\.\s|;\s| \[default|\n\n", " ".join(text.split()), maxsplit=1)[0].rstrip(".")


def quoted(text: str) -> str:
    """A word between single quotes, as the Bourne shells and zsh read it."""
    return "'" + text.replace("'", "'\\''") + "'"
