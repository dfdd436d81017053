"""Module `plan`: what is to be done in a context, cut into steps."""

from __future__ import annotations

from mplp_cli.modules.builtin.plan import carrying_out, keeping, model, steps
from mplp_cli.modules.contract import make_module

TRANSITIONS, STEP_TRANSITIONS = model.TRANSITIONS, model.STEP_TRANSITIONS

MODULE = make_module(
    "plan",
    "What is to be done, step by step",
    *keeping.OPERATIONS,
    *steps.OPERATIONS,
    *carrying_out.OPERATIONS,
    needs=("context",),
)
