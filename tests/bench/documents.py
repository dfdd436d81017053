"""The workflows that are measured, as text: `python -m tests.bench.documents SHAPE STEPS KIND FILE`.

Shapes: `wide` (one step, all others but the last need it, the last needs them all), `layered` (layers of fifty,
two needs each), `chain`, `apart` (nothing needs anything), `mixed` (for validation: needs among the last fifty),
`foreach` (so many items of one step).
Kinds: `set`, `task` (a module operation), `rich` (the same with condition, text, timeout and retries),
`held` (the same with resources of three kinds), `shell`.
"""

from __future__ import annotations

import sys
from pathlib import Path

WIDTH = 50
HEAD = "workflow:\n  id: bench\n  name: Bench\n  version: 1.0.0\n"


def needs(shape: str, steps: int) -> list[list[int]]:
    """For each step, the steps that it needs."""
    if shape == "chain":
        return [[i - 1] if i else [] for i in range(steps)]
    if shape == "wide":
        middle = [[0] for _ in range(steps - 2)]
        return [[], *middle, list(range(1, steps - 1))][:steps]
    if shape == "layered":
        return [_two_of(i, i // WIDTH * WIDTH - WIDTH, WIDTH) for i in range(steps)]
    if shape == "mixed":
        return [_two_of(i, max(0, i - WIDTH), min(i, WIDTH)) for i in range(steps)]
    return [[] for _ in range(steps)]


def _two_of(i: int, first: int, count: int) -> list[int]:
    if first < 0 or not count:
        return []
    return sorted({first + i * 7 % count, first + (i * 13 + 5) % count})


def document(shape: str, steps: int, kind: str, parallel: int = 0) -> str:
    """The text of a workflow; `parallel` is its `max-parallel`, 0 none."""
    text = [HEAD, f"  max-parallel: {parallel}\n" if parallel else "", "  steps:\n"]
    if shape == "foreach":
        return "".join([*text, _FOREACH.format(steps)])
    for i, needed in enumerate(needs(shape, steps)):
        text.append(f"    - id: s{i:06d}\n")
        if needed:
            text.append(f"      dependencies: [{', '.join(f's{j:06d}' for j in needed)}]\n")
        text.append(_STEPS[kind](i, needed[:1]))
    return "".join(text)


def _reference(needed: list[int], path: str = "x") -> str:
    return f"${{s{needed[0]:06d}.result.{path}}}" if needed else "1"


def _set(i: int, needed: list[int]) -> str:
    return f'      type: set\n      values: {{x: "{_reference(needed)}", n: {i}}}\n'


def _task(i: int, needed: list[int]) -> str:
    return (
        "      type: module-operation\n      module: bench\n      operation: nothing\n"
        f'      parameters: {{x: "{_reference(needed)}", n: {i}}}\n'
    )


def _rich(i: int, needed: list[int]) -> str:
    when = f"      when: s{needed[0]:06d}.result.n >= 0\n" if needed else ""
    parameters = f'x: "{_reference(needed)}", n: {i}, label: "item {i} of {_reference(needed, "n")}"'
    return (
        "      type: module-operation\n      module: bench\n      operation: nothing\n"
        f"{when}      timeout: 30s\n      retry-policy: {{max-retries: 2}}\n      parameters: {{{parameters}}}\n"
    )


def _held(i: int, needed: list[int]) -> str:
    """As a task, and it holds something of three kinds: sixty-four different demands, about ten of them at once."""
    cpu, memory, storage = 1 + i % 4, 1 + i // 4 % 4, 1 + i // 16 % 4
    held = f"cpu: 0.{cpu}, memory: {memory * 64}MiB, storage: {storage * 64}MiB"
    return f"{_task(i, needed)}      resources: {{{held}}}\n"


def _shell(i: int, needed: list[int]) -> str:
    return "      type: shell\n      run: 'true'\n"


def _mixed(i: int, needed: list[int]) -> str:
    """Set, shell and module operation by turns, with references, a timeout and retries."""
    value = _reference(needed, ("x", "output", "contextId")[needed[0] % 3]) if needed else "1"
    text = f"item {i} of {value}"
    if i % 3 == 0:
        return f'      type: set\n      values: {{x: "{value}", label: "{text}", flag: true}}\n'
    retries = "      timeout: 30s\n      retry-policy: {max-retries: 2, backoff-strategy: fixed}\n"
    if i % 3 == 1:
        return f"      type: shell\n{retries}      run: 'echo \"{value}\"'\n"
    return (
        f"      type: module-operation\n{retries}      module: context\n      operation: create-context\n"
        f'      parameters:\n        name: "{text}"\n        tags: [a, b]\n'
    )


_FOREACH = """\
    - id: each
      type: foreach
      items: "${{range({}) | list}}"
      steps:
        - {{id: one, type: set, values: {{x: "${{item}}", n: "${{index}}"}}}}
"""
_STEPS = {"set": _set, "task": _task, "rich": _rich, "held": _held, "shell": _shell, "mixed": _mixed}


def main() -> None:
    """Write one document."""
    shape, steps, kind, file, *parallel = sys.argv[1:]
    Path(file).write_text(document(shape, int(steps), kind, int(parallel[0]) if parallel else 0), "utf-8")


if __name__ == "__main__":
    main()
