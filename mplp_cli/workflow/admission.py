"""The place that a new run needs before it begins."""

from __future__ import annotations

from mplp_cli.errors import InputError, StepError
from mplp_cli.workflow.history import Turn
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.templates import Scope, fill


def turn_of(plan: Plan, scope: Scope) -> Turn | None:
    """The concurrency key of a run, filled in; None if the workflow has none. InputError if it cannot be made."""
    stated = plan.workflow.concurrency
    if stated is None:
        return None
    try:
        key = fill(plan.turn_key, scope)
    except StepError as error:
        raise InputError(f"the concurrency key cannot be made: {error.message}") from error
    return Turn(key, stated.max, stated.on_limit)
