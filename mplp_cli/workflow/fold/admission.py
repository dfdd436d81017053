"""The place that a new run needs before it begins."""

from __future__ import annotations

from mplp_cli.errors import InputError, StepError
from mplp_cli.workflow.fold.history import Turn
from mplp_cli.workflow.language.templates import Scope, fill
from mplp_cli.workflow.plan import Plan

#: Characters of a key: it is stored with every run and shown to people.
LONGEST = 1_000


def turn_of(plan: Plan, scope: Scope) -> Turn | None:
    """The concurrency key of a run, filled in; None if the workflow has none. InputError if it cannot be made."""
    stated = plan.workflow.concurrency
    if stated is None:
        return None
    try:
        key = fill(plan.turn_key, scope)
    except StepError as error:
        raise InputError(f"the concurrency key cannot be made: {error.message}") from error
    if len(key) > LONGEST:
        raise InputError(f"the concurrency key is longer than {LONGEST:,} characters", hint="name less in it")
    return Turn(key, stated.max, stated.on_limit)
