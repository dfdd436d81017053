"""What a foreach and a loop repeat, compiled: their items, their ends, how many may fail."""

from __future__ import annotations

from typing import Any, Protocol

from mplp_cli.errors import Path
from mplp_cli.workflow import model
from mplp_cli.workflow.language.templates import Template, is_template
from mplp_cli.workflow.plan import Repeat

#: Items of one foreach, at most.
MOST_ITEMS = 100_000


class Conditions(Protocol):
    """The compiler, as it is needed here."""

    def values(self, value: Any, path: Path) -> Template:
        """A value, its references filled in later."""
        ...

    def loop_condition(self, condition: str | bool | None, path: Path) -> Any:
        """A condition of the loop at hand, which may refer to the steps inside."""
        ...

    def problem(self, code: str, message: str, path: Path, hint: str | None = None) -> None:
        """Something that is wrong."""
        ...


def foreach_repeat(
    step: model.ForeachStep, members: list[int], size: int, path: Path, make: Conditions
) -> Repeat:
    """The items of a foreach; text that is no reference cannot become a list."""
    items = make.values(step.items, (*path, "items"))
    if not (is_template(items) or isinstance(items, list)):
        make.problem(
            "plan-items",
            "`items` is a list, or a reference to one",
            (*path, "items"),
            "write a list, or a reference such as `${list-files.result.output}`",
        )
    stated = step.tolerated_failures
    share = float(stated.rstrip("% ")) / 100 if isinstance(stated, str) else 0.0
    return Repeat(
        size=size,
        members=tuple(members),
        items=items,
        name=step.as_,
        tolerated=stated if isinstance(stated, int) else 0,
        tolerated_share=share,
    )


def loop_repeat(step: model.LoopStep, members: list[int], size: int, path: Path, make: Conditions) -> Repeat:
    """The end of a loop and the pause between its iterations."""
    return Repeat(
        size=size,
        members=tuple(members),
        until=make.loop_condition(step.until, (*path, "until")),
        while_=make.loop_condition(step.while_, (*path, "while")),
        most=step.max_iterations,
        delay=make.values(step.delay, (*path, "delay")),
    )
