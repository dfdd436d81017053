"""Completion for fish."""

from __future__ import annotations

from collections.abc import Iterator

from mplp_cli.cli.shells.table import Parameter, Table, Verb

_HEAD = """\
# Completion of mplp for fish. Made by `mplp completion fish`; changes will be lost.
#
#   mplp completion fish > ~/.config/fish/completions/mplp.fish
"""

_BODY = r"""
# Prints the command and its arguments up to the cursor, without options; a last line `--state-dir DIR` if it is given.
function __mplp_words
    set -l verb ''
    set -l option ''
    set -l state ''
    for word in (commandline -opc)[2..-1]
        if test -n "$option"
            test "$option" = --state-dir; and set state $word
            set option ''
        else if string match -q -- '--state-dir=*' $word
            set state (string replace -- --state-dir= '' $word)
        else if string match -qr -- '^-.' $word
            if contains -- "$verb $word" $__mplp_valued
                set option $word
            end
        else
            test -z "$verb"; and set verb $word
            echo -- $word
        end
    end
    test -n "$state"; and echo -- "--state-dir $state"
end

# Whether the cursor is behind this command (with no name: before all commands).
function __mplp_verb
    set -l words (__mplp_words | string match -v -- '--state-dir *')
    test "$words[1]" = "$argv[1]"
end

# Whether the cursor is at argument N, from 0, of this command.
function __mplp_at
    set -l words (__mplp_words | string match -v -- '--state-dir *')
    test "$words[1]" = "$argv[1]"; and test (count $words) -eq (math $argv[2] + 1)
end

# Asks mplp itself.
function __mplp_ask
    set -l words (__mplp_words)
    set -l program (commandline -opc)[1]
    set -l state (string replace -- '--state-dir ' '' (string match -- '--state-dir *' $words))
    test -n "$state"; and set -lx MPLP_STATE_DIR $state
    switch $argv[1]
        case runs
            $program __complete runs $words[1] 2>/dev/null
        case steps
            $program __complete steps $words[1] $words[2] 2>/dev/null
        case '*'
            $program __complete $argv 2>/dev/null
    end
end
"""


def script(table: Table) -> str:
    """The script."""
    verbs = (table.root, *table.verbs)
    valued = [f"'{verb.name} {name}'" for verb in verbs for option in verb.valued for name in option.names]
    rows = ["", f"set -g __mplp_valued {' '.join(valued)}", "", "complete -c mplp -f"]
    rows += [_row("__mplp_verb ''", f"-a {verb.name}", verb.help) for verb in table.verbs]
    for verb in verbs:
        rows += ["", *_verb(verb)]
    return _HEAD + _BODY + "\n".join(rows) + "\n"


def _verb(verb: Verb) -> Iterator[str]:
    name = verb.name or "''"
    for option in verb.options:
        names = [f"-s {short[1:]}" for short in option.short] + [f"-l {long[2:]}" for long in option.long]
        yield _row(f"__mplp_verb {name}", " ".join((*names, *_value(option))), option.help)
    for number, argument in enumerate(verb.arguments):
        at = f"__mplp_verb {name}" if argument.repeats else f"__mplp_at {name} {number}"
        yield from (_row(at, source) for source in _sources(argument))


def _row(condition: str, what: str, says: str = "") -> str:
    described = f" -d {_quoted(says)}" if says else ""
    return f"complete -c mplp -n {_quoted(condition)} {what}{described}"


def _value(option: Parameter) -> list[str]:
    """How the value of an option is completed; nothing for a flag."""
    match option.takes:
        case "":
            return []
        case "text":
            return ["-x"]
        case "file":
            return ["-r -F"]
        case _:
            return ["-x", *_sources(option)]


def _sources(parameter: Parameter) -> list[str]:
    match parameter.takes:
        case "text":
            return []
        case "choices":
            return [f"-a {_quoted(' '.join(parameter.choices))}"]
        case "file":
            return ["-F"]
        case "directory":
            return ["-a '(__fish_complete_directories)'"]
        case "workflow":
            return ["-F", "-a '(__mplp_ask examples run)'"]
        case "topics":
            return ["-a '(__mplp_ask topics)'", f"-a {_quoted(' '.join(parameter.choices))}"]
        case kind:
            return [f"-k -a '(__mplp_ask {kind})'"]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
