# ruff: noqa: E501 - a step is easiest to judge on one line
"""Wrong workflows, each with the code and the line of its problem, and right ones that have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from mplp_cli.bundled import bundled
from mplp_cli.loading import Loaded, load_workflow
from mplp_cli.loading.including import on_disk
from mplp_cli.modules.catalogue import check_operation, signature_of
from mplp_cli.workflow.language.conditions import BUILTIN_CONDITIONS
from tests.loading.samples import HEAD, steps

CONTEXT = (
    "{id: ctx, type: module-operation, module: context, operation: create-context, parameters: {name: x}}"
)
PLAN = "{id: plan, type: module-operation, module: plan, operation: create-plan, parameters: {contextId: '${ctx.result.contextId}', assignedRoles: [author]}}"
SHELL = "{id: sh, type: shell, run: date}"
JSON = "{id: js, type: shell, run: date, parse: json, result-schema: {type: object, properties: {output: {type: object, additionalProperties: false, properties: {rows: {type: array, items: {type: object, additionalProperties: false, properties: {name: {type: string}, price: {type: number}}}}, total: {type: integer}}}}}}"
LINES = "{id: ln, type: shell, run: ls, parse: lines}"
HTTP = "{id: web, type: http, url: 'http://localhost/x'}"
GIVEN = "{id: given, type: set, values: {n: 3, text: abc, list: [a, b], map: {x: 1}, flag: true, nothing: null, f: 1.5}}"
ASK = "{id: ask, type: approval, message: ok, inputs: {channel: {type: string, enum: [beta, stable]}, share: {type: integer, default: 1}}}"
BRANCH = "{id: how, type: conditional, condition: inputs.flag, then: {id: one-way, type: set, values: {kind: a, only: 1}}, else: {id: other-way, type: set, values: {kind: b}}}"
ALONE = (
    "{id: how, type: conditional, condition: inputs.flag, then: {id: one-way, type: set, values: {kind: a}}}"
)
SKIPPED = "{id: maybe, type: shell, when: inputs.flag, run: date}"
EACH = "{id: each, type: foreach, items: [1, 2], steps: [{id: one, type: set, values: {at: '${index}', it: '${item}'}}]}"
LOOP = "{id: again, type: loop, max-iterations: 2, steps: [{id: turn, type: set, values: {n: 1}}]}"
BOTH = "{id: both, type: parallel, steps: [{id: left, type: shell, run: date}, {id: right, type: set, values: {n: 1}}]}"
RESCUED = "{id: saved, type: shell, run: date, fallback-actions: [{condition: any, action: use-value, value: {output: x}}]}"
CHILD = "{id: sub, type: workflow, file: child.yaml, inputs: {who: ann}}"
INPUTS = (
    HEAD
    + "  inputs: {flag: {type: boolean, default: true}, n: {type: integer, default: 1}, text: {type: string, default: a}, list: {type: array, items: {type: string}, default: []}, o: {type: object, additionalProperties: false, properties: {a: {type: string}}, default: {}}}\n"
)


def uses(value: str) -> str:
    return f"{{id: last, type: set, values: {{v: {value!r}}}}}"


def reads(value: str, **more: str) -> str:
    extra = "".join(f", {key.replace('_', '-')}: {text}" for key, text in more.items())
    return f"{{id: last, type: set{extra}, values: {{v: '{value}'}}}}"


def calls(operation: str, parameters: str) -> str:
    module, name = operation.split("/")
    return f"{{id: last, type: module-operation, module: {module}, operation: {name}, parameters: {{{parameters}}}}}"


#: Name -> (steps, code); the problem is on the line of the last step.
WRONG: dict[str, tuple[list[str], str]] = {
    # ---- places
    "the index of an iteration before there is one": (["{id: last, type: loop, while: 'index < 2', max-iterations: 3, steps: [{id: t, type: set, values: {n: 1}}]}"], "ref-no-loop"),
    # ---- calls
    "unknown module": ([calls("contxt/create-context", "name: x")], "op-unknown-module"),
    "unknown operation": ([calls("context/make-context", "name: x")], "op-unknown-operation"),
    "unknown parameter": ([calls("context/create-context", "name: x, titel: y")], "op-unknown-parameter"),
    "missing parameter": ([calls("context/create-context", "type: y")], "op-missing-parameter"),
    "wrong literal": ([calls("context/create-context", "name: 3")], "op-wrong-type"),
    "wrong literal in a list": ([calls("context/create-context", "name: x, tags: [1]")], "op-wrong-type"),
    "not one of the options": ([calls("context/create-context", "name: x, status: done")], "op-wrong-type"),
    "not an id": ([calls("context/get-context", "contextId: mine")], "op-wrong-type"),
    "a parameter twice": ([CONTEXT, calls("context/get-context", "contextId: '${ctx.result.contextId}', context_id: '${ctx.result.contextId}'")], "op-repeated-parameter"),
    # ---- names
    "unknown step": ([uses("${nope.result.x}")], "ref-unknown-step"),
    "unknown input": ([uses("${inputs.flg}")], "ref-unknown-name"),
    "unknown field of the run": ([uses("${run.started}")], "ref-unknown-name"),
    "no field of a step": ([SHELL, uses("${sh.output}")], "expr-unknown-field"),
    # ---- unknown fields
    "snake case of a module's result": ([CONTEXT, uses("${ctx.result.context_id}")], "ref-unknown-field"),
    "misspelt field of a module's result": ([CONTEXT, uses("${ctx.result.contextID}")], "ref-unknown-field"),
    "field of another operation": ([CONTEXT, uses("${ctx.result.planId}")], "ref-unknown-field"),
    "unknown field of a plan": ([CONTEXT, PLAN, uses("${plan.result.step}")], "ref-unknown-field"),
    "kebab case of a shell result": ([SHELL, uses("${sh.result.exit-code}")], "ref-unknown-field"),
    "misspelt shell result": ([SHELL, uses("${sh.result.stdot}")], "ref-unknown-field"),
    "misspelt http result": ([HTTP, uses("${web.result.statuscode}")], "ref-unknown-field"),
    "misspelt value of set": ([GIVEN, uses("${given.result.lst}")], "ref-unknown-field"),
    "unknown field of a written map": ([GIVEN, uses("${given.result.map.y}")], "ref-unknown-field"),
    "misspelt decision": ([ASK, uses("${ask.result.decison}")], "ref-unknown-field"),
    "unknown field of the form": ([ASK, uses("${ask.result.inputs.chanel}")], "ref-unknown-field"),
    "unknown field by a schema": ([JSON, uses("${js.result.output.row}")], "ref-unknown-field"),
    "unknown field deep in a schema": ([JSON, uses("${js.result.output.rows[0].cost}")], "ref-unknown-field"),
    "unknown field of both branches": ([BRANCH, uses("${how.result.sort}")], "ref-unknown-field"),
    "unknown field of a loop": ([LOOP, uses("${again.result.count}")], "ref-unknown-field"),
    "unknown field of the last iteration": ([LOOP, uses("${again.result.last.m}")], "ref-unknown-field"),
    "unknown field of an item's result": ([EACH, uses("${each.result[0].index}")], "ref-unknown-field"),
    "unknown field of the settled list": ([BOTH, uses("${both.result.results[0].result}")], "ref-unknown-field"),
    "unknown field of a child": ([BOTH, uses("${right.result.m}")], "ref-unknown-field"),
    "unknown output of a sub-workflow": ([CHILD, uses("${sub.result.sad}")], "ref-unknown-field"),
    "unknown field of an emitted event": (["{id: e, type: emit, event: {type: a.b}}", uses("${e.result.id}")], "ref-unknown-field"),
    "unknown field of a wait": (["{id: w, type: wait, for: 1ms}", uses("${w.result.event}")], "ref-unknown-field"),
    "unknown field of an awaited event": (["{id: w, type: wait, event: {type: a}}", uses("${w.result.event.payload}")], "ref-unknown-field"),
    "unknown field of an input": ([uses("${inputs.o.b}")], "ref-unknown-field"),
    "unknown field through a reference": ([CONTEXT, "{id: kept, type: set, values: {all: '${ctx.result}'}}", uses("${kept.result.all.title}")], "ref-unknown-field"),
    "unknown field inside text": ([SHELL, uses("it is ${sh.result.out}")], "ref-unknown-field"),
    "unknown field in an expression": ([SHELL, uses("${sh.result.out | upper}")], "ref-unknown-field"),
    "unknown field in `when`": ([SHELL, reads("x", when="sh.result.exitcode == 0")], "ref-unknown-field"),
    "unknown field behind `and`": ([SHELL, reads("x", when="inputs.flag and sh.result.exit == 0")], "ref-unknown-field"),
    "unknown field in a script": ([SHELL, "{id: last, type: shell, run: 'echo ${sh.result.out}'}"], "ref-unknown-field"),
    "unknown field in a header": ([SHELL, "{id: last, type: http, url: 'http://h/x', headers: {X: '${sh.result.out}'}}"], "ref-unknown-field"),
    "unknown field in `items`": ([SHELL, "{id: last, type: foreach, items: '${sh.result.lines}', steps: [{id: i, type: set, values: {}}]}"], "ref-unknown-field"),
    "unknown field in a condition": ([SHELL, "{id: last, type: conditional, condition: {type: step-result, step-id: sh, path: code, operator: equals, value: 0}, then: {id: t, type: set, values: {}}}"], "ref-unknown-field"),
    "unknown field of a nested item": (["{id: last, type: foreach, items: [{a: 1}], steps: [{id: i, type: set, values: {v: '${item.b}'}}]}"], "ref-unknown-field"),
    # ---- wrong types
    "a key of text": ([SHELL, uses("${sh.result.stdout.first}")], "ref-wrong-type"),
    "a key of a list": ([LINES, uses("${ln.result.output.first}")], "ref-wrong-type"),
    "an index of a map": ([SHELL, uses("${sh.result[0]}")], "ref-wrong-type"),
    "an index of text": ([SHELL, uses("${sh.result.output[0]}")], "ref-wrong-type"),
    "a key of a number": ([GIVEN, uses("${given.result.n.x}")], "ref-wrong-type"),
    "a key of an input that is text": ([uses("${inputs.text.x}")], "ref-wrong-type"),
    "a key of an index": (["{id: last, type: foreach, items: [1], steps: [{id: i, type: set, values: {v: '${index.x}'}}]}"], "ref-wrong-type"),
    "a key of what a step's status is": ([SHELL, uses("${sh.status.text}")], "ref-wrong-type"),
    "a number for text": ([SHELL, calls("context/create-context", "name: '${sh.result.exitCode}'")], "ref-wrong-type"),
    "an object for its id": ([CONTEXT, calls("context/get-context", "contextId: '${ctx.result}'")], "ref-wrong-type"),
    "text for a list": ([SHELL, calls("context/create-context", "name: x, tags: '${sh.result.output}'")], "ref-wrong-type"),
    "text for an item of another type": ([GIVEN, calls("context/create-context", "name: x, tags: ['${given.result.n}']")], "ref-wrong-type"),
    "a list of numbers for a list of text": (["{id: nums, type: set, values: {all: [1, 2]}}", calls("context/create-context", "name: x, tags: '${nums.result.all}'")], "ref-wrong-type"),
    "text for a number": ([GIVEN, calls("context/list-contexts", "page: '${given.result.text}'")], "ref-wrong-type"),
    "text around a reference for a number": ([GIVEN, calls("context/list-contexts", "page: '${given.result.n}0'")], "ref-wrong-type"),
    "true for a number": ([calls("context/list-contexts", "page: '${inputs.flag}'")], "ref-wrong-type"),
    "an input of another type": ([calls("context/create-context", "name: '${inputs.n}'")], "ref-wrong-type"),
    "an input of another type in snake case": ([calls("context/create-context", "name: x, owner_role: '${inputs.n}'")], "ref-wrong-type"),
    "text that is none of the options": ([GIVEN, calls("context/create-context", "name: x, status: '${given.result.text}'")], "ref-wrong-type"),
    "text that is not an id": ([GIVEN, calls("context/get-context", "contextId: '${given.result.text}'")], "ref-wrong-type"),
    "null for text": ([GIVEN, calls("context/get-context", "contextId: '${given.result.nothing}'")], "ref-wrong-type"),
    "null inside text": ([GIVEN, uses("it is ${given.result.nothing}")], "ref-wrong-type"),
    "text for a map": ([GIVEN, calls("context/create-context", "name: x, constraints: '${given.result.text}'")], "ref-wrong-type"),
    "items that are text": ([SHELL, "{id: last, type: foreach, items: '${sh.result.output}', steps: [{id: i, type: set, values: {}}]}"], "ref-wrong-type"),
    "items that are a map": ([SHELL, "{id: last, type: foreach, items: '${sh.result}', steps: [{id: i, type: set, values: {}}]}"], "ref-wrong-type"),
    "items of an input that is text": (["{id: last, type: foreach, items: '${inputs.text}', steps: [{id: i, type: set, values: {}}]}"], "ref-wrong-type"),
    "a URL that is a list": ([GIVEN, "{id: last, type: http, url: '${given.result.list}'}"], "ref-wrong-type"),
    "a wait that is a list": ([GIVEN, "{id: last, type: wait, for: '${given.result.list}'}"], "ref-wrong-type"),
    "a time that is a number": ([GIVEN, "{id: last, type: wait, until: '${given.result.n}'}"], "ref-wrong-type"),
    "a condition that is a number": ([SHELL, reads("x", when="sh.result.exitCode")], "ref-wrong-type"),
    "a condition that is text": ([SHELL, "{id: last, type: conditional, condition: '${sh.result.output}', then: {id: t, type: set, values: {}}}"], "ref-wrong-type"),
    "an `until` that is a number": (["{id: last, type: loop, max-iterations: 2, until: turn.result.n, steps: [{id: turn, type: set, values: {n: 1}}]}"], "ref-wrong-type"),
    "an input of a sub-workflow": ([GIVEN, "{id: last, type: workflow, file: child.yaml, inputs: {who: '${given.result.n}'}}"], "ref-wrong-type"),
    "an unknown input of a sub-workflow": (["{id: last, type: workflow, file: child.yaml, inputs: {who: x, whom: x}}"], "include-input"),
    # ---- what may be missing
    "of another branch": ([BRANCH, uses("${how.result.only}")], "ref-may-be-missing"),
    "of a conditional without else": ([ALONE, uses("${how.result.kind}")], "ref-may-be-missing"),
    "null of a conditional without else": (["{id: how, type: conditional, condition: inputs.flag, then: {id: one-way, type: foreach, items: [1], steps: [{id: it, type: set, values: {}}]}}", "{id: last, type: foreach, items: '${how.result}', steps: [{id: i, type: set, values: {}}]}"], "ref-may-be-missing"),
    "of a step that may be skipped": ([SKIPPED, reads("${maybe.result.output}", join="all-ended")], "ref-may-be-missing"),
    "of a step that is never run": (["{id: maybe, type: shell, when: false, run: date}", reads("${maybe.result.output}", join="none-failed")], "ref-may-be-missing"),
    "of a step that may be skipped before it in a block": (["{id: last, type: loop, max-iterations: 2, steps: [{id: a, type: shell, when: inputs.flag, run: date}, {id: b, type: set, values: {v: '${a.result.output}'}}]}"], "ref-may-be-missing"),
    "of one that depends on a skipped one": ([SKIPPED, "{id: next, type: shell, dependencies: [maybe], run: date}", reads("${next.result.output}", join="none-failed")], "ref-may-be-missing"),
    "of a child that may be skipped": (["{id: p, type: parallel, steps: [{id: c, type: shell, when: inputs.flag, run: date}]}", uses("${c.result.output}")], "ref-may-be-missing"),
    "of a child that may fail": (["{id: p, type: parallel, fail-on: none, steps: [{id: c, type: shell, run: date}]}", uses("${c.result.output}")], "ref-may-be-missing"),
    "of a child of a race": (["{id: p, type: parallel, race: true, steps: [{id: c, type: shell, run: date}, {id: d, type: shell, run: date}]}", uses("${c.result.output}")], "ref-may-be-missing"),
    "of one of two dependencies": ([SHELL, LINES, "{id: last, type: set, join: any-completed, values: {a: '${sh.result.output}', b: '${sh.status} ${ln.status}'}}"], "ref-may-be-missing"),
    "of a step that must not have completed for the one that was asked": ([SKIPPED, "{id: next, type: shell, dependencies: [maybe], join: all-ended, run: date}", reads("${maybe.result.output}", join="all-ended", when='next.status == "completed"')], "ref-may-be-missing"),
    "of a fallback": ([RESCUED, uses("${saved.result.stderr}")], "ref-may-be-missing"),
    "of a default": (["{id: d, type: shell, when: inputs.flag, run: date, default: {output: x}}", uses("${d.result.stderr}")], "ref-may-be-missing"),
    "of the iteration before": (["{id: last, type: loop, max-iterations: 2, steps: [{id: t, type: set, values: {v: '${last.result.last.v}'}}]}"], "ref-may-be-missing"),
    "of an item that may fail": (["{id: each, type: foreach, items: [1], tolerated-failures: 1, steps: [{id: one, type: set, values: {v: 1}}]}", uses("${each.result[0].v}")], "ref-may-be-missing"),
}  # fmt: skip

#: Steps without a problem.
RIGHT: dict[str, list[str]] = {
    "fields of a module's result": [CONTEXT, uses("${ctx.result.contextId} ${ctx.result.name} ${ctx.result.status}")],
    "an object as the protocol has it": [CONTEXT, uses("${ctx.result.context.context_id}")],
    "free keys of an object": [CONTEXT, uses("${ctx.result.context.root.anything}")],
    "optional fields of an object": [CONTEXT, uses("${ctx.result.context.title}")],
    "a plan and its steps": [CONTEXT, PLAN, uses("${plan.result.steps[0].step_id}")],
    "assignments for a plan": [CONTEXT, "{id: r, type: module-operation, module: role, operation: assign-roles, parameters: {contextId: '${ctx.result.contextId}', roles: [a]}}", calls("plan/create-plan", "contextId: '${ctx.result.contextId}', assignedRoles: '${r.result.assignments}'")],
    "a parameter in snake case": [CONTEXT, calls("context/get-context", "context_id: '${ctx.result.contextId}'")],
    "shell results": [SHELL, uses("${sh.result.exitCode} ${sh.result.stdout} ${sh.result.stderr} ${sh.result.output} ${sh.result.outputs.anything}")],
    "lines": [LINES, uses("${ln.result.output[0]}")],
    "parsed output may be anything": ["{id: js, type: shell, run: date, parse: json}", uses("${js.result.output.a.b[0].c}")],
    "a schema": [JSON, uses("${js.result.output.rows[0].name} ${js.result.output.total}")],
    "http": [HTTP, uses("${web.result.body.a.b} ${web.result.headers.content-type} ${web.result.status}")],
    "python may give anything": ["{id: py, type: python, call: 'a:b'}", uses("${py.result.x[0].y}")],
    "written values": [GIVEN, uses("${given.result.map.x} ${given.result.list[1]}"), "{id: null-alone, type: set, values: {v: '${given.result.nothing}'}}"],
    "values through values": [GIVEN, "{id: more, type: set, values: {all: '${given.result}', n: '${given.result.n}'}}", uses("${more.result.all.map.x} ${more.result.n}")],
    "a form": [ASK, uses("${ask.result.inputs.channel} ${ask.result.by} ${ask.result.at}")],
    "what both branches have": [BRANCH, uses("${how.result.kind}")],
    "a branch with a default": [BRANCH, uses("${how.result.only | default(0)}")],
    "no else with a default": [ALONE, uses('${how.result.kind | default("-")}')],
    "no else, and asked before": [ALONE, reads("${how.result.kind}", when="how.result is not none")],
    "no else, under the same condition": [ALONE, reads("${how.result.kind}", when="inputs.flag")],
    "no else, taken whole": [ALONE, uses("${how.result}")],
    "a skipped step under the default join": [SKIPPED, uses("${maybe.result.output}")],
    "a skipped step with a default": ["{id: maybe, type: shell, when: inputs.flag, run: date, default: {output: x}}", reads("${maybe.result.output}", join="all-ended")],
    "a skipped step that was asked": [SKIPPED, reads("${maybe.result.output}", join="all-ended", when='maybe.status == "completed"')],
    "a step behind one that was asked": [SKIPPED, "{id: next, type: shell, dependencies: [maybe], run: date}", "{id: third, type: shell, dependencies: [next], run: date}", reads("${maybe.result.output} ${next.result.output}", join="all-ended", when='third.status == "completed"')],
    "a skipped step under the same condition": [SKIPPED, reads("${maybe.result.output}", join="all-ended", when="inputs.flag and inputs.n > 0")],
    "a choice in the expression": [SKIPPED, reads('${maybe.result.output if maybe.status == "completed" else 0}', join="all-ended")],
    "a default in the expression": [SKIPPED, reads("${maybe.result.output | default(0)}", join="all-ended")],
    "a question about a field": [GIVEN, uses("${given.result.other is defined}")],
    "a fallback that has the field": [RESCUED, uses("${saved.result.output}")],
    "items of a foreach": [EACH, uses("${each.result[0].at} ${each.result[1].it}")],
    "items that are a list": [LINES, "{id: last, type: foreach, items: '${ln.result.output}', steps: [{id: i, type: set, values: {v: '${item}'}}]}"],
    "fields of items": ["{id: last, type: foreach, items: [{a: 1}, {a: 2}], steps: [{id: i, type: set, values: {v: '${item.a}'}}]}"],
    "an iteration and the one before": ["{id: last, type: loop, max-iterations: 2, until: t.result.done, steps: [{id: t, type: set, values: {n: '${(last.result.last.n | default(0)) + 1}', done: '${index > 0}'}}]}"],
    "the last iteration": [LOOP, uses("${again.result.last.n} ${again.result.iterations}")],
    "a settled list": [BOTH, uses("${both.result.results[0].value.output} ${left.result.output} ${right.result.n}")],
    "a sub-workflow": [CHILD, uses("${sub.result.said} ${sub.result.n}")],
    "inputs of a sub-workflow": [SHELL, "{id: last, type: workflow, file: child.yaml, inputs: {who: '${sh.result.output}', n: '${sh.result.exitCode}'}}"],
    "a condition that is true or false": [GIVEN, reads("x", when="given.result.flag")],
    "a number that a condition compares with": [GIVEN, "{id: last, type: conditional, condition: {type: step-result, step-id: given, path: n, operator: greater-than, value: '${given.result.list | length}'}, then: {id: good, type: set, values: {}}}"],
    "a number for a handler": [GIVEN, "{id: last, type: conditional, dependencies: [given], condition: {type: custom, handler: between, arguments: {value: '${given.result.list | length}', min: 1, max: 9}}, then: {id: good, type: set, values: {}}}"],
    "a comparison": [SHELL, reads("x", when="sh.result.exitCode > 0")],
    "a list of one in place": [GIVEN, calls("context/create-context", "name: x, tags: ['${given.result.text}']")],
    "text around a number": [GIVEN, calls("context/create-context", "name: 'n is ${given.result.n}'")],
    "text around an expression": [GIVEN, calls("context/create-context", "name: 'n is ${given.result.list | length}'")],
    "text around a comparison": [GIVEN, calls("context/create-context", "name: 'n is ${given.result.n > 2}'")],
    "a script and its outputs": [SHELL, "{id: last, type: shell, run: 'echo ${sh.result.outputs.where} ${sh.result.exitCode}', env: {X: '${sh.result.output}'}, stdin: '${sh.result}'}"],
    "what a failed step has left": [SHELL, "{id: last, type: set, dependencies: [sh], join: all-ended, values: {v: '${sh.result.output}'}}"],
    "a filter that makes text": [GIVEN, calls("context/create-context", "name: '${given.result.n | string}'")],
    "a fraction for a share": [GIVEN, uses("${given.result.f} ${inputs.list[0]} ${inputs.o.a}")],
    "statuses and errors": [SHELL, uses("${sh.status} ${sh.attempts}"), "{id: err, type: set, dependencies: [sh], values: {e: '${sh.error}'}}"],
    "a wait and its event": ["{id: w, type: wait, event: {type: a.*, where: event.data.x.y == 1}}", uses("${w.result.event.data.any.thing} ${w.result.waited}")],
    "a length of time": ["{id: t, type: set, values: {d: 10ms, n: 5}}", "{id: w, type: wait, for: '${t.result.d}'}", "{id: x, type: wait, for: '${t.result.n}'}"],
}  # fmt: skip

CHILD_FILE = (
    HEAD
    + "  inputs: {who: {type: string}, n: {type: integer, default: 1}}\n  steps:\n    - {id: hi, type: shell, run: echo}\n  outputs: {said: '${hi.result.output}', n: '${inputs.n}'}\n"
)


def judged(text: str, directory: Path) -> Loaded:
    (directory / "child.yaml").write_text(CHILD_FILE)
    return load_workflow(
        text.encode(),
        "flow.yaml",
        check_operation=check_operation,
        conditions=frozenset(BUILTIN_CONDITIONS),
        directory=str(directory),
        read=on_disk,
        signatures=signature_of,
    )


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found_at_its_line_and_nothing_else(name: str, tmp_path: Path) -> None:
    lines, code = WRONG[name]
    found = judged(steps(*lines, head=INPUTS), tmp_path).problems
    assert [(p.code, p.line) for p in found] == [(code, 6 + len(lines))], found
    assert found[0].column > 0
    assert (found[0].message + (found[0].hint or "")).isprintable()


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_has_no_problem(name: str, tmp_path: Path) -> None:
    loaded = judged(steps(*RIGHT[name], head=INPUTS), tmp_path)
    assert loaded.problems == []


@pytest.mark.parametrize(
    "path", sorted((p for p in bundled("workflows").iterdir() if p.is_file()), key=str), ids=lambda p: p.name
)
def test_no_bundled_workflow_has_a_problem(path: Path) -> None:
    loaded = load_workflow(
        path.read_bytes(),
        path.name,
        check_operation=check_operation,
        conditions=frozenset(BUILTIN_CONDITIONS),
        directory=str(path.parent),
        read=on_disk,
        signatures=signature_of,
    )
    assert loaded.problems == []


def test_outputs_and_finally_are_checked_too(tmp_path: Path) -> None:
    text = (
        steps(SKIPPED, GIVEN, head=INPUTS)
        + "  outputs: {a: '${maybe.result.output}', b: '${given.result.m}', c: '${maybe.result.output | default(1)}'}\n"
        + "  finally:\n    - {id: end, type: set, values: {a: '${maybe.result.output}'}}\n"
        + "    - {id: fine, type: set, when: maybe.status == 'completed', values: {a: '${maybe.result.output}'}}\n"
    )
    found = judged(text, tmp_path).problems
    assert [(p.code, p.severity, p.line) for p in found] == [
        ("ref-may-be-missing", "warning", 9),
        ("ref-unknown-field", "error", 9),
        ("ref-may-be-missing", "warning", 11),
    ]
    assert (
        found[0].message
        == "`maybe.result.output` is not there if `maybe` is skipped: its `when` may be false"
    )


def test_whoever_knows_no_operations_is_not_asked_for_types() -> None:
    loaded = load_workflow(steps(SHELL, uses("${sh.result.nope}")).encode(), "flow.yaml")
    assert loaded.problems == []


def test_steps_that_wait_for_each_other_are_one_problem(tmp_path: Path) -> None:
    text = steps(
        "{id: a, type: set, values: {v: '${b.result.v.x}'}}",
        "{id: b, type: set, values: {v: '${a.result.v}'}}",
    )
    assert [p.code for p in judged(text, tmp_path).problems] == ["dep-cycle"]


def test_a_long_chain_of_values_is_looked_through_as_far_as_it_is_short(tmp_path: Path) -> None:
    chain = [f"{{id: s{n}, type: set, values: {{v: '${{s{n + 1}.result.v}}'}}}}" for n in range(300)]
    text = steps(*chain, "{id: s300, type: set, values: {v: 1}}")
    assert judged(text, tmp_path).problems == []
    short = steps(*chain[290:], "{id: s300, type: set, values: {v: 1}}", uses("${s290.result.v.x}"))
    assert [p.code for p in judged(short, tmp_path).problems] == ["ref-wrong-type"]
