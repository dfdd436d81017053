"""`mplp` and `python -m mplp_cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """The command line. `--version` answers before anything else is imported."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from mplp_cli import __version__

        sys.stdout.write(f"mplp {__version__}\n")
        return
    from mplp_cli.cli.main import run

    run()


if __name__ == "__main__":
    main()
