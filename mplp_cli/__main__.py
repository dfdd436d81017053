"""`mplp` and `python -m mplp_cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """The command line. `--version` and what completion scripts ask are answered without the argument parser."""
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


if __name__ == "__main__":
    main()
