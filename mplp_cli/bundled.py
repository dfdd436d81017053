"""Where `schemas/` and `workflows/` are: inside the installed package, else beside it in the repository."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal


@cache
def bundled(kind: Literal["schemas", "workflows"]) -> Path:
    """The folder of that kind. FileNotFoundError if the installation is broken."""
    package = Path(__file__).parent
    for folder in (package / "_bundled" / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the bundled {kind} are missing; reinstall mplp-cli")
