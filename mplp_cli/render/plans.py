"""`mplp plan`: what would run, in which order, and how long each step may take at most."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mplp_cli.render.grid import grid, joined
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.learned import used_facts, usual_text
from mplp_cli.render.theme import Theme, safe
from mplp_cli.render.view import BRANCHES, is_leaf
from mplp_cli.workflow.estimates import Estimate, Outlook, outlook
from mplp_cli.workflow.plan import Plan, PlanStep
from mplp_cli.workflow.resources import written
from mplp_cli.workflow.retry import Fallback, longest_ms
from mplp_cli.workflow.values import duration_text

#: Waves and steps beyond these are counted, not listed.
_WAVES = 40
_STEPS = 1_000
_ONE_TOO_MANY = {
    "queue": "one more waits for its turn",
    "cancel": "one more cancels the oldest",
    "fail": "one more is refused",
}


def plan_screen(
    plan: Plan, known: Mapping[str, Estimate] = MappingProxyType({}), *, theme: Theme, width: int
) -> Screen:
    """The whole screen. `known` is what earlier runs say of the steps, by id."""
    ahead = outlook(plan, known)
    workflow = plan.workflow
    head = Line(workflow.id, "strong").add(f" {workflow.version}", "dim").add(f"  {workflow.name}")
    leaves = sum(is_leaf(s) and s.branch != "fallback" for s in plan.steps)
    facts = [f"{leaves:,} step{'' if leaves == 1 else 's'}", f"in {workflow.execution} order"]
    if workflow.max_parallel:
        facts.append(f"at most {workflow.max_parallel} at once")
    if plan.timeout:
        facts.append(f"at most {duration_text(plan.timeout)} in all")
    lines = [head, Line(", ".join(facts), "dim")]
    if limit := workflow.concurrency:
        runs = f"{limit.max} run{'' if limit.max == 1 else 's'}"
        key = limit.key or workflow.id
        lines.append(Line(f'at most {runs} at once under "{key}", {_ONE_TOO_MANY[limit.on_limit]}', "dim"))
    lines.append(Line())
    lines += _waves(plan, theme, width)
    lines += [Line(), _expected(ahead)]
    chain = [plan.steps[i].id for i in (ahead.chain if ahead.known else plan.critical_path())]
    lines += joined(chain, f" {theme.glyph('arrow')} ", width, first="  ", rest="    ")
    lines += [Line(), *_steps(plan, known, ahead, theme, width)]
    return Screen(line.fit(width, theme.glyph("more")) for line in lines)


def _waves(plan: Plan, theme: Theme, width: int) -> list[Line]:
    waves = plan.waves()
    lines = [Line("Waves", "strong")]
    if width >= 60:
        lines[0].add("  a step starts as soon as what it needs has ended", "dim")
    margin = len(str(len(waves))) + 2
    for number, wave in enumerate(waves[:_WAVES], 1):
        names = [plan.steps[i].id for i in wave[:_WAVES]]
        if len(wave) > _WAVES:
            names.append(f"and {len(wave) - _WAVES:,} more")
        lines += joined(names, "  ", width, first=f"{number:>{margin}}  ", rest=" " * (margin + 2))
    if len(waves) > _WAVES:
        lines.append(Line(f"{theme.glyph('more'):>{margin}}  {len(waves) - _WAVES:,} more waves", "dim"))
    return lines


def _expected(ahead: Outlook) -> Line:
    line = Line("Longest chain", "strong")
    if not ahead.known:
        return line
    line.add(f"  about {duration_text(ahead.duration)}, as earlier runs have shown")
    if unknown := ahead.steps - ahead.known:
        line.add(f"; {unknown:,} of {ahead.steps:,} steps not seen yet", "dim")
    return line


def _steps(plan: Plan, known: Mapping[str, Estimate], ahead: Outlook, theme: Theme, width: int) -> list[Line]:
    shown = plan.steps[:_STEPS]
    depth = _depths(plan)
    dot = f" {theme.glyph('dot')} "
    rows = [
        (
            Line("  " * (depth[s.number] + 1)).add(s.id),
            Line(s.kind, "dim"),
            Line(dot.join(safe(fact) for fact in (*step_facts(plan, s), *_known_facts(s, known, ahead)))),
        )
        for s in shown
    ]
    lines = grid(("  STEP", "TYPE", "WHEN, HOW LONG"), rows, theme=theme, width=width).lines
    if len(plan.steps) > _STEPS:
        lines.append(Line(f"  {theme.glyph('more')} {len(plan.steps) - _STEPS:,} more steps", "dim"))
    return lines


def _depths(plan: Plan) -> list[int]:
    depths: list[int] = []
    for step in plan.steps:
        depths.append(depths[step.parent] + 1 if step.parent >= 0 else 0)
    return depths


def step_facts(plan: Plan, step: PlanStep) -> list[str]:
    """What is known of a step before it runs: `up to 4 attempts, at most 3m40s`."""
    facts: list[str] = []
    if step.branch == "fallback":
        facts.append("runs only as a fallback")
    elif step.branch:
        facts.append(BRANCHES[step.branch])
    if before := plan.before(step.number):
        facts.append(f"after {', '.join(plan.steps[i].id for i in dict.fromkeys(before))}")
    if step.when is not None:
        facts.append("if its condition holds")
    if step.repeat is not None and step.repeat.most:
        facts.append(f"up to {step.repeat.most:,} times")
    if step.lanes:
        facts.append(f"{step.lanes:,} at once")
    if step.race:
        facts.append("the first to complete decides")
    if step.demand is not None:
        facts.append(
            f"holds {', '.join(f'{kind} {amount}' for kind, amount in written(step.demand).items())}"
        )
    facts += _time_facts(step)
    facts += [_fallback_fact(plan, f) for f in step.fallbacks]
    return facts


def _known_facts(step: PlanStep, known: Mapping[str, Estimate], ahead: Outlook) -> list[str]:
    """What earlier runs say of a step; of a container, how long all that is in it will take."""
    if (usual := known.get(step.id)) is not None:
        return [f"usually {usual_text(usual)}", *used_facts(step.demand, usual)]
    length = ahead.lengths[step.number]
    return [f"about {duration_text(length)}"] if length else []


def _time_facts(step: PlanStep) -> list[str]:
    if not is_leaf(step):
        return [f"at most {duration_text(step.timeout)}"] if step.timeout else []
    if step.max_attempts == 1:
        return [f"at most {duration_text(step.timeout)}"] if step.timeout else []
    most = longest_ms(step.retry, step.timeout)
    limit = f"at most {duration_text(most)}" if most is not None else "no time limit"
    asked = ["waits longer if the server asks for it"] if step.kind == "http" else []
    return [f"up to {step.max_attempts} attempts", limit, *asked]


def _fallback_fact(plan: Plan, fallback: Fallback) -> str:
    action = fallback.action
    if fallback.instead >= 0:
        action = f"run {plan.steps[fallback.instead].id}"
    return f"on {fallback.condition}: {action}"
