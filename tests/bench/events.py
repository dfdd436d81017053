"""The least that reading a workflow costs here: `python -m tests.bench.events FILE` runs the C parser and no more."""

from __future__ import annotations

import sys
from pathlib import Path

from _ruamel_yaml import CParser
from ruamel.yaml.events import StreamEndEvent


def main() -> None:
    """Go over the events of a file."""
    parser = CParser(Path(sys.argv[1]).read_bytes())
    while not isinstance(parser.get_event(), StreamEndEvent):
        pass


if __name__ == "__main__":
    main()
