"""What a run has asked agents, and what they have used: for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line
from mplp_cli.render.theme import Theme
from mplp_cli.workflow.fold.history import Used
from mplp_cli.workflow.fold.spending import Spending
from mplp_cli.workflow.values import duration_text

#: Names of models that a line has room for.
_MODELS = 3


def used_object(used: Used) -> dict[str, Any]:
    """`tokens` is of every kind; `unmetered` calls did not say how many they used, `unpriced` have no price."""
    return {
        "calls": used.calls,
        "tokens": used.tokens,
        "inputTokens": used.input_tokens,
        "outputTokens": used.output_tokens,
        "cacheReadTokens": used.cache_read,
        "cacheWriteTokens": used.cache_write,
        "usd": used.usd,
        "time": used.time,
        "unpriced": used.unpriced,
        "unmetered": used.unmetered,
    }


def step_agents(spending: Spending, step: str) -> list[dict[str, Any]]:
    """Whom a step has asked: `{agent, model?, budget?, ...}` of each, by name: who ended first is chance."""
    made = []
    for (agent, model, budget), used in sorted(spending.by_step.get(step, {}).items(), key=itemgetter(0)):
        named = {"agent": agent, "model": model, "budget": budget}
        made.append({key: name for key, name in named.items() if name} | used_object(used))
    return made


def run_agents(spending: Spending) -> dict[str, Any]:
    """All that a run has used; `unpricedModels` are those without a price, `lost` attempts whose process was lost
    while they may have asked."""
    lost = sum(spending.lost.values())
    return {**used_object(spending.total()), "unpricedModels": spending.unpriced_models(), "lost": lost}


def agents_text(spending: Spending) -> str:
    """`3 calls of agents, 1,234 tokens, cost: $0.0123 + 2 calls unpriced (model-x)`."""
    used, models, lost = spending.total(), spending.unpriced_models(), sum(spending.lost.values())
    said = [f"{_calls(used.calls)} of agents"]
    if used.tokens or used.unmetered:
        silent = f" ({_calls(used.unmetered)} did not say)" if used.unmetered else ""
        said.append(f"{used.tokens:,} tokens{silent}")
    if cost := cost_text(used, models):
        said.append(f"cost: {cost}")
    if lost:
        said.append(f"and {_calls(lost)} lost with {'its' if lost == 1 else 'their'} process")
    return ", ".join(said)


def cost_text(used: Used, models: Sequence[str] = ()) -> str:
    """`$0.0123 + 2 calls unpriced (model-x)`; empty if nothing has a price."""
    parts = [f"${used.usd:.4f}"] if used.nano_usd else []
    if used.unpriced:
        named = f" ({', '.join(models[:_MODELS])})" if models else ""
        parts.append(f"{_calls(used.unpriced)} unpriced{named}")
    return " + ".join(parts)


def _calls(count: int) -> str:
    return f"{count:,} call{'' if count == 1 else 's'}"


def agents_table(spending: Spending, step: str, theme: Theme, width: int) -> Iterator[Line]:
    """Whom a step has asked, a line for each."""
    rows = []
    for (agent, model, budget), used in spending.by_step.get(step, {}).items():
        row = (agent, model, f"{used.calls:,}", f"{used.tokens:,}", duration_text(used.time), cost_text(used))
        rows.append((Line(f"  {row[0]}", "strong"), *map(Line, row[1:]), Line(budget, "dim")))
    if rows:
        head = ("  AGENT", "MODEL", "CALLS", "TOKENS", "TIME", "COST", "BUDGET")
        yield from grid(head, rows, theme=theme, width=width, right=(2, 3, 4))
