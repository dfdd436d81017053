"""Where the steps of a run stand in its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mplp_cli.sources import Source
    from mplp_cli.workflow.fold.state import RunState


def failed_places(source: Source, state: RunState) -> dict[str, str]:
    """`file:line` of each failed step, for the screens."""
    from mplp_cli.loading.where import step_places
    from mplp_cli.workflow.fold.growth import id_in_file

    failed = {state.plan.steps[i].id: id_in_file(state.plan.steps[i].id) for i in state.errors}
    if not failed:
        return {}
    places = step_places(source.text, source.name, state.plan.workflow, list(failed.values()))
    return {step: places[name] for step, name in failed.items() if name in places}
