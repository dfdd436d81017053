"""`mplp completion`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """Shells that there is a script for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"
    powershell = "powershell"


#: Shell -> file of `completions/`, by the name that the shell expects.
FILES = {Shell.bash: "mplp.bash", Shell.zsh: "_mplp", Shell.fish: "mplp.fish", Shell.powershell: "mplp.ps1"}


def main(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh, fish or powershell.")],
) -> None:
    """Print the completion script of a shell.

    It completes commands, options, files, and the runs and steps that there are.

    To keep it:

    \b
      bash        mplp completion bash \\
                    > ~/.local/share/bash-completion/completions/mplp
      zsh         mplp completion zsh > _mplp    (in a directory of $fpath)
      fish        mplp completion fish > ~/.config/fish/completions/mplp.fish
      PowerShell  mplp completion powershell >> $PROFILE

    Example, for this session only:

      source <(mplp completion bash)
    """  # noqa: D301 - the marks are the argument parser's: lines that are not to be wrapped
    sys.stdout.write(script(shell))


def script(shell: Shell) -> str:
    """The script, made from the commands that the application has."""
    from mplp_cli.cli.shells import bash, fish, powershell, zsh
    from mplp_cli.cli.shells.table import command_table

    made = {
        Shell.bash: bash.script,
        Shell.zsh: zsh.script,
        Shell.fish: fish.script,
        Shell.powershell: powershell.script,
    }
    return made[shell](command_table())
