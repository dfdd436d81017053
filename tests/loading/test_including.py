"""Workflows that name other workflows: what is found before anything starts, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mplp_cli.errors import Problem
from mplp_cli.loading import Loaded, load_workflow
from mplp_cli.loading.including import MAX_FILES, MAX_LEVELS, on_disk, stored
from tests.loading.samples import HEAD, marked, steps

#: A workflow with an optional and a required input, and an output.
SUB = steps(
    "{id: b, type: set, values: {}}",
    head=HEAD + "  inputs: {tag: {type: string}, count: {type: integer, default: 1}}\n",
)


class Files:
    """Files in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def load(self, text: str, name: str = "main.yaml", **more: Any) -> Loaded:
        self.write(name, text)
        return load_workflow(
            text.encode(), name, directory=str(self.directory / Path(name).parent), read=on_disk, **more
        )

    def only(self, text: str) -> Problem:
        problems = self.load(text).problems
        assert len(problems) == 1, [(p.code, p.message) for p in problems]
        return problems[0]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    made.write("sub.yaml", SUB)
    return made


def call(inputs: str = "{tag: x}", file: str = "sub.yaml") -> str:
    return steps(f"{{id: a, type: workflow, file: '{file}', inputs: {inputs}}}")


def chain(files: Files, count: int) -> None:
    for number in range(1, count + 1):
        files.write(f"f{number}.yaml", steps(f"{{id: a, type: workflow, file: f{number + 1}.yaml}}"))
    files.write(f"f{count + 1}.yaml", steps("{id: a, type: set, values: {}}"))


def test_the_plan_has_the_plans_of_the_files_it_names(files: Files) -> None:
    loaded = files.load(call())
    assert loaded.problems == []
    assert loaded.plan is not None
    included = loaded.plan.included["sub.yaml"]
    assert (included.name, included.path) == ("sub.yaml", str(files.directory / "sub.yaml"))
    assert included.plan.workflow.id == "demo"
    assert loaded.plan.included_texts() == {included.path: SUB.encode()}


@pytest.mark.parametrize(
    ("inputs", "mark", "said", "hint"),
    [
        ("{tag: x, cuont: 2}", "cuont", "`sub.yaml` has no input `cuont`", "did you mean `count`?"),
        (
            "{tag: x, count: many}",
            "many",
            "the input `count` of `sub.yaml`: a whole number is wanted, not text",
            None,
        ),
        ("{count: 2}", "{", "`sub.yaml` needs the input `tag`", "give it under `inputs`"),
        ("{}", "'sub.yaml'", "`sub.yaml` needs the input `tag`", "give it under `inputs`"),
    ],
)
def test_inputs_are_judged_where_they_are_given(
    files: Files, inputs: str, mark: str, said: str, hint: str | None
) -> None:
    problem = files.only(call(inputs))
    assert (problem.code, problem.message, problem.hint) == ("include-input", said, hint)
    assert marked(call(inputs), problem) == mark


def test_what_a_reference_gives_is_judged_later(files: Files) -> None:
    text = steps(
        "{id: z, type: set, values: {n: 3}}",
        '{id: a, type: workflow, file: sub.yaml, inputs: {tag: "${z.result.n}", count: "${z.result.n}"}}',
    )
    loaded = files.load(text)
    assert loaded.problems == []
    assert loaded.plan is not None
    assert loaded.plan.steps[1].needs == (0,)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("sbu.yaml", "cannot read `sbu.yaml`: No such file or directory"),
        ("/sub.yaml", "`/sub.yaml` is not relative to this file"),
        ("~/sub.yaml", "`~/sub.yaml` is not relative to this file"),
        ("${inputs.file}.yaml", "the file of a sub-workflow is written out"),
        (".", "it is not a file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(files: Files, file: str, said: str) -> None:
    problem = files.only(call(file=file))
    assert problem.code == "include-file"
    assert said in problem.message
    assert problem.hint


def test_a_name_that_is_nearly_right_is_suggested(files: Files) -> None:
    assert files.only(call(file="sbu.yaml")).hint == "did you mean `sub.yaml`?"


def test_problems_inside_a_file_have_their_place_in_it(files: Files) -> None:
    files.write(
        "parts/broken.yaml",
        steps("{id: b, type: set, values: {}, timeout: soon}", "{id: b, type: set, values: {}}"),
    )
    found = files.load(call("{}", "parts/broken.yaml")).problems
    assert [(p.file, p.line, p.code) for p in found] == [
        ("main.yaml", 6, "include-invalid"),
        ("parts/broken.yaml", 6, "schema-form"),
        ("parts/broken.yaml", 7, "plan-duplicate-id"),
    ]
    assert found[0].message == "`parts/broken.yaml` is not valid: 2 problems"


def test_a_file_that_two_steps_name_is_read_once_and_told_once(files: Files) -> None:
    files.write("broken.yaml", steps("{id: b, type: shel}"))
    text = steps("{id: a, type: workflow, file: broken.yaml}", "{id: c, type: workflow, file: ./broken.yaml}")
    assert [p.code for p in files.load(text).problems] == [
        "include-invalid",
        "include-invalid",
        "schema-unknown-step-type",
    ]


def test_workflows_that_run_each_other_are_refused_with_the_circle(files: Files) -> None:
    files.write("b.yaml", steps("{id: x, type: workflow, file: c.yaml}"))
    files.write("c.yaml", steps("{id: x, type: workflow, file: main.yaml}"))
    found = files.load(call("{}", "b.yaml")).problems
    [circle] = [p for p in found if p.code == "include-cycle"]
    assert (circle.file, circle.line) == ("c.yaml", 6)
    assert circle.message == "these workflows run each other: main.yaml -> b.yaml -> c.yaml -> main.yaml"


def test_a_workflow_that_runs_itself_is_refused(files: Files) -> None:
    problem = files.only(call("{}", "main.yaml"))
    assert problem.message == "these workflows run each other: main.yaml -> main.yaml"


def test_as_many_levels_as_are_allowed_are_allowed(files: Files) -> None:
    chain(files, MAX_LEVELS - 1)
    assert files.load(call("{}", "f1.yaml")).problems == []
    chain(files, MAX_LEVELS)
    found = files.load(call("{}", "f1.yaml")).problems
    assert "workflows are nested deeper than 16 levels here" in [p.message for p in found]


def test_files_that_double_at_every_level_are_refused(files: Files) -> None:
    for number in range(1, 15):
        name = f"f{number + 1}.yaml"
        files.write(
            f"f{number}.yaml", steps(*(f"{{id: s{n}, type: workflow, file: {name}}}" for n in range(2)))
        )
    files.write("f15.yaml", steps("{id: a, type: set, values: {}}"))
    found = files.load(call("{}", "f1.yaml")).problems
    assert "`f2.yaml` leads to more than 10,000 runs" in [p.message for p in found]


def test_too_many_files_are_refused(files: Files) -> None:
    names = [f"p{number}.yaml" for number in range(MAX_FILES + 1)]
    for name in names:
        files.write(name, steps("{id: a, type: set, values: {}}"))
    text = steps(*(f"{{id: s{n}, type: workflow, file: {name}}}" for n, name in enumerate(names)))
    assert [p.code for p in files.load(text).problems] == ["include-budget"]


def test_files_that_were_stored_are_read_from_there(files: Files) -> None:
    path = str(files.directory / "sub.yaml")
    loaded = load_workflow(
        call().encode(), "main.yaml", directory=str(files.directory), read=stored({path: SUB.encode()})
    )
    assert loaded.problems == []
    missing = load_workflow(call().encode(), "main.yaml", directory=str(files.directory), read=stored({}))
    assert [p.code for p in missing.problems] == ["include-file"]


def test_secrets_of_every_level_are_known_before_the_run(files: Files) -> None:
    files.write("deep.yaml", steps("{id: b, type: set, values: {}}", head=HEAD + "  secrets: [DEEP]\n"))
    files.write(
        "mid.yaml", steps("{id: b, type: workflow, file: deep.yaml}", head=HEAD + "  secrets: [MID, TOP]\n")
    )
    loaded = files.load(steps("{id: a, type: workflow, file: mid.yaml}", head=HEAD + "  secrets: [TOP]\n"))
    assert loaded.plan is not None
    assert loaded.plan.secrets == ["TOP", "MID", "DEEP"]
