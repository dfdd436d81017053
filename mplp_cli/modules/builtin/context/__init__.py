"""Module `context`: the scope that a piece of work lives in, its shared state and who takes part."""

from __future__ import annotations

from mplp_cli.modules.builtin.context import keeping, sharing, taking_part
from mplp_cli.modules.contract import make_module

TRANSITIONS = keeping.TRANSITIONS

MODULE = make_module(
    "context",
    "The scope that work lives in",
    *keeping.OPERATIONS,
    *sharing.OPERATIONS,
    *taking_part.OPERATIONS,
)
