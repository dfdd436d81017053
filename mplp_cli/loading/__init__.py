"""Loading: text to a typed, planned workflow, or to problems with their places."""

from __future__ import annotations

from mplp_cli.loading.inputs import parse_input, resolve_inputs
from mplp_cli.loading.load import Loaded, load_workflow

__all__ = ["Loaded", "load_workflow", "parse_input", "resolve_inputs"]
