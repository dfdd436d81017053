"""An event handler that rings: a word for each event, in a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mplp_cli.workflow.published import Published


def ring(event: Published, options: Mapping[str, Any]) -> None:
    """Take one event; what is raised here has it tried again."""
    with Path(options["file"]).open("a", encoding="utf-8") as bell:
        bell.write(f"{options.get('sound', 'ding')} {event.type}\n")
