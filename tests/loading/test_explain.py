# ruff: noqa: E501 - a sample is easiest to judge on one line
from __future__ import annotations

import pytest

from mplp_cli.loading import load_workflow
from tests.loading.samples import HEAD, codes, errors, load, marked, only, steps

#: (steps of the file, code, what is marked, part of the message, part of the hint)
ONE_PROBLEM = [
    ("{id: a, type: shell, dependancies: [a], run: x}", "schema-unknown-key", "dependancies", "a shell step", "did you mean `dependencies`?"),
    ("{id: a, type: shell, zzz: 1, run: x}", "schema-unknown-key", "zzz", "no key `zzz`", "takes: id, type, name"),
    ("{id: a, type: shell, script: x}", "schema-unknown-key", "script", "`script`", "did you mean `run`?"),
    ("{id: a, type: set, values: {}, max-retries: 2}", "schema-unknown-key", "max-retries", "`max-retries`", "under `retry-policy`"),
    ("{id: a, type: shell}", "schema-missing-key", "{", "`run` (a script) or `command`", ""),
    ("{type: set, values: {}}", "schema-missing-key", "{", "needs the key `id`", ""),
    ("{id: a, run: x}", "schema-missing-key", "{", "a step needs the key `type`", ""),
    ("{id: a, type: shell, run: x, command: [y]}", "schema-conflict", "command", "not both", "script"),
    ("{id: a, type: shel, run: x}", "schema-unknown-step-type", "shel", "`shel`", "did you mean `shell`?"),
    ("{id: a, type: bash, run: x}", "schema-unknown-step-type", "bash", "`bash`", "did you mean `shell`?"),
    ("{id: a, type: 5}", "schema-type", "5", "`type` takes text", "step types:"),
    ("{id: a, type: set, values: {}, resources: {}}", "schema-misplaced-key", "resources",
     "a set step holds no resources", "takes no time"),
    ("{id: a, type: wait, for: 1s, resources: {cpu: 1}}", "schema-misplaced-key", "resources",
     "a wait step holds no resources", "held while a step waits"),
    ("{id: a, type: workflow, file: x.yaml, resources: {cpu: 1}}", "schema-misplaced-key", "resources",
     "a workflow step holds no", "steps of its file"),
    ("{id: a, type: loop, max-iterations: 1, until: true, steps: [{id: b, type: set, values: {}}], resources: {}}",
     "schema-misplaced-key", "resources", "a loop step holds no", "steps inside it"),
    ("{id: a, type: shell, run: x, requirements: {cpu: 1}}", "schema-unknown-key", "requirements",
     "no key `requirements`", "did you mean `resources`?"),
    ("{id: a, type: shell, run: x, resources: {cores: 1}}", "schema-unknown-key", "cores", "no key `cores`",
     "did you mean `cpu`?"),
    ("{id: a, type: shell, run: x, resources: {gpu: 1}}", "schema-unknown-key", "gpu", "no key `gpu`",
     "under `custom`: {gpu: 1}"),
    ("{id: a, type: shell, run: x, resources: {cpu: 1m}}", "schema-type", "1m", "takes a number", "0.5"),
    ("{id: a, type: shell, run: x, resources: {cpu: 0}}", "resource-amount", "0", "`cpu`: 0 is too little",
     "leave `cpu` out"),
    ("{id: a, type: shell, run: x, resources: {memory: 256 parsecs}}", "resource-amount", "256 parsecs",
     "'256 parsecs' is not an amount such as 256MiB", "mplp help resources"),
    ("{id: a, type: shell, run: x, resources: {memory: '${inputs.a}'}}", "resource-amount", "'${inputs.a}'",
     "is not an amount such as 256MiB", "without references"),
    ("{id: a, type: shell, run: x, resources: {cpu: 0.0001}}", "resource-amount", "0.0001",
     "0.0001 is too little to be counted", "mplp help resources"),
    ("{id: a, type: shell, run: x, resources: {custom: {slot: -1}}}", "resource-amount", "-1", "-1 is too little: an amount is more than 0", ""),
    ("{id: a, type: shell, run: x, resources: {custom: {memory: 5}}}", "schema-form", "memory",
     "`memory` is not a valid name of a custom resource", "beside `custom`"),
    ("{id: a, type: shell, run: x, resources: {cpu: 1, strategy: first_fit}}", "schema-value", "first_fit",
     "`strategy` cannot be `first_fit`", "did you mean `first-fit`?"),
    ("{id: a, type: shell, run: x, resources: {enforce: hard}}", "schema-value", "hard", "`enforce` cannot be", "watch"),
    ("{id: a, type: set, values: {}, result-schema: 5}", "schema-type", "5", "takes a mapping", "JSON Schema"),
    ("{id: a, type: set, values: {}, result-schema: {type: objekt}}", "rule-result-schema", "objekt",
     "`objekt` is not a type; did you mean `object`?", "type: object"),
    ("{id: a, type: set, values: {}, result-schema: {items: {$ref: 'https://x.test/s'}}}", "rule-result-reference",
     "'https://x.test/s'", "cannot refer to `https://x.test/s`", "nothing is fetched"),
    ("{id: a, type: set, values: {}, result-schema: {$ref: '#/$defs/no'}}", "rule-result-schema", "{",
     "is not a JSON Schema", ""),
    ("{id: a, type: set, values: {}, result-schema: {type: object}, default: [1]}", "rule-default", "[",
     "a mapping is wanted, not a list", "correct"),
    ("{id: a, type: set, values: {}, default: {x: 'a ${inputs.b}'}}", "rule-default", "'a ${inputs.b}'",
     "taken as it stands", "`set` step"),
    ("{id: a, type: set, values: {}, cache: {key: x}}", "schema-unknown-key", "cache", "no key `cache`", ""),
    ("{id: a, type: shell, run: x, cache: {ttl: 1h}}", "schema-missing-key", "{", "needs the key `key`", "depends on"),
    ("{id: a, type: shell, run: x, cache: {key: x, ttl: soon}}", "schema-form", "soon", "time to live", "7d"),
    ("{id: a, type: shell, run: x, once: 1}", "schema-type", "1", "takes true or false", ""),
    ("{id: a, type: shell, run: x, artifacts: [ok, a/../../b]}", "rule-artifact", "a/../../b", "does not stay", "reports/**"),
    ("{id: a, type: set, values: {}, timeout: true}", "schema-type", "true", "not true", "milliseconds"),
    ("{id: a, type: set, values: {}, timeout: 0}", "schema-range", "0", "at least 1", "none"),
    ("{id: a, type: set, values: {}, timeout: -5}", "schema-range", "-5", "at least 1", ""),
    ("{id: a, type: set, values: {}, timeout: 0m0s}", "schema-form", "0m0s", "`0m0s`", "30s"),
    ("{id: a, type: set, values: {}, timeout: 3 hours}", "schema-form", "3 hours", "`3 hours`", "1h30m"),
    ("{id: a, type: set, values: {}, retry-policy: {max-retries: 101}}", "schema-range", "101", "at most 100", "0 to 100"),
    ("{id: a, type: set, values: {}, retry-policy: {initial-delay: 9}}", "schema-range", "9", "at least 10", "10 ms"),
    ("{id: a, type: set, values: {}, retry-policy: {initial-delay: 9ms}}", "schema-form", "9ms", "`9ms`", "10 ms"),
    ("{id: a, type: set, values: {}, join: all}", "schema-value", "all", "`join` cannot be `all`", "all-completed"),
    ("{id: item, type: set, values: {}}", "schema-reserved-name", "item", "`item`", "inputs, env"),
    ("{id: a.b, type: set, values: {}}", "schema-form", "a.b", "step id", "[A-Za-z]"),
    ('{id: "${inputs.x}", type: set, values: {}}', "schema-form", '"${inputs.x}"', "step id", "never a reference"),
    ("{id: a, type: set, values: {}, tags: [x, y, x]}", "schema-repeated", "x", "`x` stands twice", ""),
    ("{id: a, type: set, values: 5}", "schema-type", "5", "`values` takes a mapping, not the number 5", ""),
    ("{id: a, type: set, values: {}, name: 5}", "schema-type", "5", "takes text", "quotes"),
    ("{id: a, type: parallel, steps: []}", "schema-length", "[", "empty", "at least one step"),
    ("{id: a, type: shell, command: [sleep, 1]}", "schema-type", "1", "item 2 of `command`", "quotes"),
    ("{id: a, type: set, values: {}, fallback-actions: [{condition: any, action: use-value}]}", "schema-missing-key", "{",
     "`use-value` needs the key `value`", ""),
    ("{id: a, type: set, values: {}, fallback-actions: [{condition: any, action: run-step}]}", "schema-missing-key", "{",
     "`run-step` needs the key `step`", ""),
    ("{id: a, type: set, values: {}, fallback-actions: [{condition: timout, action: skip}]}", "schema-form", "timout",
     "error condition", "`timeout`"),
    ("{id: a, type: set, values: {}, fallback-actions: [{condition: any, action: retry}]}", "schema-value", "retry",
     "`action` cannot be", "abort"),
    ("{id: a, type: conditional, condition: {type: script}, then: {id: b, type: set, values: {}}}", "schema-value", "script",
     "`type` cannot be `script`", "expression"),
    ("{id: a, type: shell, run: x, env: {1A: x}}", "schema-form", "1A", "environment variable", "no digit first"),
    ("{id: a, type: shell, run: x, env: {A: [x]}}", "schema-type", "[", "`A`", ""),
    ("5", "schema-type", "5", "item 1 of `steps` takes a mapping", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("step", "code", "mark", "message", "hint"), ONE_PROBLEM, ids=[row[0] for row in ONE_PROBLEM]
)
def test_one_mistake_is_one_problem_at_its_place_with_its_fix(
    step: str, code: str, mark: str, message: str, hint: str
) -> None:
    text = steps(step)
    problem = only(text)
    assert problem.code == code
    assert problem.line == 6
    assert marked(text, problem) == mark
    assert message in problem.message
    assert hint in str(problem.hint)


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("id: 1x", "schema-form", "workflow id"),
        ("id: 7", "schema-type", "takes text"),
        ("version: 1.0", "schema-type", "takes text, not the number 1.0"),
        ("version: 1.0.0.0", "schema-form", "`1.0.0.0`"),
        ("name: ''", "schema-length", "empty"),
        ('name: "a\\nb"', "schema-form", "`a\\nb`"),
        ("execution: parallel", "schema-value", "`parallel`"),
        ("concurrency: {max: 0}", "schema-range", "at least 1"),
        ("stpes: []", "schema-unknown-key", "`stpes`"),
        ("secrets: [A-B]", "schema-form", "`A-B`"),
        ("max-parallel: 0", "schema-range", "at least 1"),
        ("inputs: {a: string}", "schema-type", "`a` takes a mapping"),
    ],
)
def test_mistakes_of_the_workflow_itself_are_named(line: str, code: str, message: str) -> None:
    base = {"id": "demo", "name": "Demo", "version": "1.0.0"}
    key = line.split(":", 1)[0]
    head = "workflow:\n" + "".join(f"  {k}: {v}\n" for k, v in base.items() if k != key) + f"  {line}\n"
    problem = only(steps("{id: a, type: set, values: {}}", head=head))
    assert problem.code == code
    assert message in problem.message


def test_every_missing_key_is_named() -> None:
    said = " ".join(p.message for p in load("workflow: {}").problems)
    assert all(f"`{key}`" in said for key in ("id", "name", "version", "steps"))
    assert [p.code for p in load("workflow: {}").problems] == ["schema-missing-key"] * 4


def test_a_file_without_the_root_key_says_which_one_is_missing() -> None:
    assert {p.code for p in load("id: a\nsteps: []\n").problems} == {
        "schema-missing-key",
        "schema-unknown-key",
    }
    assert "`workflow`" in load("id: a\n").problems[0].message + load("id: a\n").problems[1].message


def test_all_problems_of_a_file_come_in_one_pass() -> None:
    text = steps(
        "{id: a, type: shel, run: x}",
        "{id: b, type: foreach, items: [1], steps: [{id: c, type: set, valeus: {}}]}",
        "{id: d, type: shell, run: x, timeout: 0}",
        "{id: e, type: shell, run: x, cwd: ../..}",
        "{id: f, type: set, values: {x: 010}}",
        "{id: g, type: set, values: {x: 1, x: 2}}",
        "{id: h, type: set, values: {x: '${nope.result}'}}",
        "{id: i, type: set, values: {}, dependencies: [ghi]}",
        "{id: d, type: set, values: {}}",
    )
    assert [(p.line, p.code) for p in load(text).problems] == [
        (6, "schema-unknown-step-type"), (7, "schema-unknown-key"), (8, "schema-range"),
        (9, "rule-cwd"), (10, "yaml-ambiguous-scalar"), (11, "yaml-duplicate-key"), (12, "ref-unknown-step"),
        (13, "dep-unknown"), (14, "plan-duplicate-id"),
    ]  # fmt: skip


def test_a_broken_step_makes_no_noise_about_those_that_need_it() -> None:
    text = steps(
        "{id: a, type: foreash, items: [1], steps: [{id: c, type: set, values: {}}]}",
        "{id: b, type: parallel, stpes: [{id: d, type: set, values: {}}]}",
        "{id: e, type: set, dependencies: [a, b, c, d], values: {x: '${a.result.x}', y: '${d.result.x}'}}",
    )
    assert codes(text) == ["schema-unknown-step-type", "schema-unknown-key"]


def test_a_cycle_through_a_broken_step_is_found_all_the_same() -> None:
    text = steps(
        "{id: a, type: shel, dependencies: [b]}", "{id: b, type: set, dependencies: [a], values: {}}"
    )
    assert sorted(codes(text)) == ["dep-cycle", "schema-unknown-step-type"]


def test_steps_inside_steps_are_judged_by_their_own_type() -> None:
    inner = "{{id: {}, type: set, valeus: {{}}}}".format
    text = steps(
        f"{{id: a, type: parallel, steps: [{inner('a1')}]}}",
        f"{{id: b, type: conditional, condition: 'true', then: {inner('b1')}, else: [{inner('b2')}]}}",
        f"{{id: c, type: set, values: {{}}, fallback-actions: [{{condition: any, action: run-step, step: {inner('c1')}}}]}}",
    ) + f"  finally:\n    - {inner('f1')}\n"  # fmt: skip
    found = errors(text)
    assert [p.code for p in found] == ["schema-unknown-key"] * 5
    assert [marked(text, p) for p in found] == ["valeus"] * 5


def test_deeply_nested_steps_are_explained_without_running_out_of_stack() -> None:
    inner = "{id: x, type: set, valeus: {}}"
    for n in range(28):
        inner = f"{{id: p{n}, type: parallel, steps: [{inner}]}}"
    assert codes(steps(inner)) == ["schema-unknown-key"]


def test_a_whole_number_with_a_point_is_refused_with_the_fix() -> None:
    problem = only(steps("{id: a, type: set, values: {}, priority: 1.0}"))
    assert problem.code == "schema-type"
    assert "without a point" in str(problem.hint)


def test_a_huge_text_in_a_small_field_is_answered_at_once() -> None:
    for field in (
        "id: " + "1m" * 200_000 + "!",
        "id: a, timeout: " + "1m" * 200_000 + "!",
        "id: a, timeout: '" + "1" * 400_000 + "'",
    ):
        assert errors(steps(f"{{{field}, type: set, values: {{}}}}"))


def test_workflow_and_plan_come_only_without_errors() -> None:
    good = load_workflow(steps("{id: a, type: set, values: {x: 010}}").encode(), "flow.yaml")
    assert good.workflow is not None
    assert good.plan is not None
    assert [p.severity for p in good.problems] == ["warning"]
    bad = load_workflow(HEAD.encode(), "flow.yaml")
    assert bad.workflow is None
    assert bad.plan is None
