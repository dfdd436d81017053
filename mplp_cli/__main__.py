"""`mplp` and `python -m mplp_cli`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The command line. `--version` and what completion scripts ask are answered without the argument parser."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_streams()
    if sys.argv[1:] in (["--version"], ["-V"]):
        from mplp_cli import __version__

        sys.stdout.write(f"mplp {__version__}\n")
        return
    if sys.argv[1:2] == ["__complete"]:
        from mplp_cli.cli.complete import main as complete

        complete(sys.argv[2:])
        return
    try:
        from mplp_cli.cli.main import run

        run()
    except KeyboardInterrupt:  # while that is imported; later it is told by `run`
        sys.exit(130)


def _open_streams() -> None:
    """Streams that were closed by who started this lead nowhere: else a file of ours would take their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="replace"))


if __name__ == "__main__":
    main()
