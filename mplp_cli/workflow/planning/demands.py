"""What attempts hold while they run: the `resources` of steps, and those of the workflow's defaults, as demands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

from mplp_cli.errors import Path
from mplp_cli.workflow import model
from mplp_cli.workflow.amounts import amount_of, amount_text
from mplp_cli.workflow.resources import KINDS, Demand, Pool, lacking
from mplp_cli.workflow.suggest import nearest

#: What steps can hold. Called when a step holds something.
GivePool: TypeAlias = Callable[[], Pool]
_DEFAULTS: Final[Path] = ("workflow", "defaults", "resources")

_WRITTEN: Final = "`mplp help resources` shows how amounts are written"
_BARE: Final = "it stands as it is, without references: what a step holds is known before anything runs"


class Report(Protocol):
    """Takes what is wrong."""

    def problem(self, code: str, message: str, path: Path, hint: str | None = None, **more: Any) -> None:
        """One problem at `path`."""
        ...


class Demands:
    """The demands of one plan: equal ones are one object. With a pool: each fits if nobody else holds anything."""

    def __init__(self, default: model.Resources | None, pool: GivePool | None, report: Report) -> None:
        self._report = report
        self._pool = pool
        self._made: dict[Demand, Demand] = {}
        self._default = None if default is None else self._demand(default, _DEFAULTS)

    def of(self, step: model.Step, path: Path, *, effect: bool) -> Demand | None:
        """What an attempt of the step holds; what it says itself replaces the default whole."""
        own: model.Resources | None = getattr(step, "resources", None)
        if own is None:
            takes_time = effect and not isinstance(step, model.WorkflowStep)
            return self._default if takes_time else None
        made = self._demand(own, (*path, "resources"))
        if effect or made is None:
            return made
        self._report.problem(
            "resource-unused",
            f"`{step.id}` is done in no time and holds nothing: its `resources` change nothing",
            (*path, "resources"),
            "remove `resources`",
            severity="warning",
        )
        return None

    def _demand(self, stated: model.Resources, path: Path) -> Demand | None:
        """As a demand; None if it asks for nothing, or for something that is no amount, which is reported."""
        found: dict[str, int] = {}
        wrong = False
        for name, written, at in _written(stated):
            try:
                found[name] = amount_of(name, written)
            except ValueError as error:
                wrong = True
                hint = f"leave `{name}` out if it needs none" if written == 0 else _WRITTEN
                hint = _BARE if "${" in str(written) else hint
                self._report.problem("resource-amount", f"`{name}`: {error}", (*path, *at), hint)
        if not found:
            return None
        made = Demand(amounts=tuple(sorted(found.items())), strategy=stated.strategy, enforce=stated.enforce)
        if self._pool is not None:
            self._check(made, self._pool(), path)
        return None if wrong else self._made.setdefault(made, made)

    def _check(self, demand: Demand, pool: Pool, path: Path) -> None:
        """Report what the pool can never give, at the line of the resources."""
        short = lacking(pool, demand)
        for name in [name for name in short if name not in pool.kinds]:
            del short[name]
            at = (*path, name) if name in KINDS else (*path, "custom", name)
            message, hint = _unknown(name, pool)
            self._report.problem("resource-unknown", message, at, hint, on="key")
        if short:
            told = tuple((name, *_told(name, *both)) for name, both in short.items())
            listed = ", ".join(f"{name} {asked} of {there}" for name, asked, there in told)
            first = told[0][0]
            inside = f"{first}: ..." if first in KINDS else f"custom: {{{first}: ...}}"
            self._report.problem(
                "resource-never-fits",
                f"more is asked for than there is: {listed}",
                path,
                f"ask for less; if there is more, `resources: {{{inside}}}` in mplp.yaml says so",
                on="key",
                lacking=told,
            )


def _told(kind: str, asked: int, there: int) -> tuple[str, str]:
    """Both amounts, to the last digit where they would read alike."""
    told = amount_text(kind, asked), amount_text(kind, there)
    return told if told[0] != told[1] else (f"{asked:,}", f"{there:,}")


def _unknown(name: str, pool: Pool) -> tuple[str, str]:
    """What to say of a kind that is not there: the sentence, and how to mend it."""
    if name in KINDS:
        state = f"state it in mplp.yaml, such as `resources: {{{name}: {'1gbps' if name == 'network' else '100GiB'}}}`"
        return f"nobody knows how much `{name}` there is", state
    known = [kind for kind in pool.kinds if kind not in KINDS]
    near = nearest(name, known)
    add = f"mplp.yaml defines it: `resources: {{custom: {{{name}: 1}}}}`"
    if not near and known:
        add = f"there are: {', '.join(known)}; {add}"
    return f"there is no resource `{name}`", f"did you mean `{near}`? else {add}" if near else add


def _written(stated: model.Resources) -> list[tuple[str, int | float | str, Path]]:
    """What is stated: the kind, the amount as it is written, and where."""
    found: list[tuple[str, int | float | str, Path]] = []
    for name in KINDS:
        written = getattr(stated, name)
        if written is not None:
            found.append((name, written, (name,)))
    found += [(name, written, ("custom", name)) for name, written in stated.custom.items()]
    return found
