"""References in shell scripts: each becomes the expansion of an environment variable, quoted for its place.

Nothing is ever pasted into a script. `hoist` follows the quoting of the POSIX shell (and what bash adds to
it) from the first character to the last; a reference becomes

    unquoted, in an assignment, in a here-string      "${MPLP_V1}"
    "between double quotes", in a heredoc               ${MPLP_V1}
    'between single quotes'                           '"${MPLP_V1}"'

so that its value arrives byte for byte as (part of) one word. Where a value would be parsed again, and where
that cannot be told for every shell, the reference is refused. Ours are `${name.` (a name directly followed
by a dot is never valid shell), the loop names in force (`${item}`), and the same with `$<...>`; every other
`$` and all comments are the shell's. `$${name.` is the text `${name.` for the shell.
"""

from __future__ import annotations

from msgspec import Struct

#: Shells whose quoting is the one that `hoist` follows.
SHELLS = frozenset(("sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"))


class ShellTextError(ValueError):
    """A reference stands where its value would be parsed again, or where that cannot be told.

    `code` is stable and begins with `shell-`; `offset` counts characters from the start of the script.
    """

    def __init__(self, code: str, message: str, offset: int, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset
        self.hint = hint


class Binding(Struct, frozen=True):
    """An environment variable of the script and the reference whose value it carries.

    `source` is the inside of the brackets, stripped; `offset` is where the bracket opens in the script.
    """

    variable: str
    source: str
    offset: int


class Hoisted(Struct, frozen=True):
    """A script without references, and where its variables come from."""

    script: str
    bindings: tuple[Binding, ...]


def hoist(script: str, loop_names: frozenset[str] = frozenset()) -> Hoisted:
    """The script with every reference replaced. ShellTextError for the first one that cannot be."""
    if "${" not in script and "$<" not in script:
        return Hoisted(script, ())
    # Most workflows have no references in scripts: they need not load what follows shells.
    from mplp_cli.workflow.language.shellcommands import read_script
    from mplp_cli.workflow.language.shellscan import Scan, has_references

    if not has_references(script, loop_names):
        return Hoisted(script, ())
    scan = Scan(script, loop_names)
    read_script(scan)
    return Hoisted(scan.script, tuple(scan.variables.values()))
