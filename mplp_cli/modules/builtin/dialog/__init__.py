"""Module `dialog`: conversations in a context.

The protocol's dialog object has no list of participants: it stands in the event `dialog.started`, with the topic and
the type. In a dialog without such a list anybody may speak.
"""

from __future__ import annotations

from mplp_cli.modules.builtin.dialog import facilitating, keeping, model
from mplp_cli.modules.contract import make_module

TRANSITIONS = model.TRANSITIONS

MODULE = make_module(
    "dialog",
    "Conversations",
    keeping.CREATE,
    facilitating.FACILITATE,
    *keeping.OPERATIONS,
    needs=("context",),
    transitions=TRANSITIONS,
)
