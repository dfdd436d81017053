"""`mplp call`: one operation without a workflow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.cli.call import call, find_target
from mplp_cli.clock import SystemClock
from mplp_cli.errors import Exit, StoreError
from mplp_cli.protocols import Communication, ProtocolObject
from mplp_cli.runtime import Runtime
from mplp_cli.store.sqlite import SqliteStore
from tests.cli.conftest import Terminal, until

ID = "11111111-1111-4111-8111-111111111111"


def made(terminal: Terminal, *words: str) -> dict[str, Any]:
    ended = terminal("call", *words, "--output", "json")
    assert ended.code == 0, ended.err
    result: dict[str, Any] = ended.document
    return result


def test_an_operation_is_called_and_what_it_writes_is_there_for_the_next(terminal: Terminal) -> None:
    context = made(terminal, "context.create-context", "--param", "name=Release")
    assert context["context"]["meta"]["updated_by"] == "mplp/call"
    again = made(terminal, "context/get-context", "-p", f"contextId={context['contextId']}")
    assert again["context"] == context["context"]
    assert terminal("runs", "--output", "json").document == {"runs": []}


def test_the_result_is_printed_as_yaml_and_what_was_stored_is_told_beside_it(terminal: Terminal) -> None:
    ended = terminal("call", "context.create-context", "-p", "name=Release")
    assert ended.out.splitlines()[1] == "name: Release"
    assert ended.err.endswith(": version 1 stored\n")
    assert ended.err.startswith("context ")


def test_an_operation_of_a_run_sees_what_was_called_before_it(terminal: Terminal) -> None:
    made(terminal, "context.create-context", "-p", "name=Shared", "-p", f"contextId={ID}")
    terminal.write(
        "w.yaml",
        "workflow:\n  id: w\n  name: W\n  version: 1.0.0\n  steps:\n    - id: a\n"
        "      type: module-operation\n      module: context\n      operation: get-context\n"
        f"      parameters: {{contextId: {ID}}}\n  outputs: {{name: '${{a.result.context.title}}'}}\n",
    )
    assert terminal("run", "w.yaml", "--output", "json").document["outputs"] == {"name": "Shared"}


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["-p", "name=1.0"], "1.0"),
        (["-p", "name=fix bug #3: now"], "fix bug #3: now"),
        (["-p", "name=a", "-p", "title=true"], "true"),
        (["-p", "name=a", "-p", "title=null"], "null"),
        (["-p", "name=a", "-p", "title='quoted'"], "'quoted'"),
        (["-p", "name=a=b=c"], "a=b=c"),
        (["-p", "name=${x.result}"], "${x.result}"),
    ],
)
def test_text_is_taken_as_it_stands(terminal: Terminal, words: list[str], value: str) -> None:
    assert made(terminal, "context.create-context", *words)["context"]["title"] == value


def test_other_values_are_read_as_yaml_and_names_may_be_written_in_snake_case(terminal: Terminal) -> None:
    context = made(
        terminal,
        *("context.create-context", "-p", "name=a", "-p", "tags=[x, 'y z']", "-p", f"context_id={ID}"),
        *("-p", "constraints={budget: 5, deep: {a: [true]}}", "-p", "owner_role=lead"),
    )["context"]
    assert context["tags"] == ["x", "y z"]
    assert context["constraints"] == {"budget": 5, "deep": {"a": [True]}}
    assert (context["context_id"], context["owner_role"]) == (ID, "lead")


def test_parameters_come_from_a_document_a_file_or_standard_input(terminal: Terminal) -> None:
    document = json.dumps({"name": "all", "tags": ["x"]})
    terminal.write("given.yaml", "name: all\ntags: [x]\n")
    for words, stdin in (
        (["--params", document], ""),
        (["--params", "@given.yaml"], ""),
        (["--params", "-"], document),
        (["--params", "@-"], document),
    ):
        ended = terminal("call", "context.create-context", *words, "-p", "name=b", "-o", "json", stdin=stdin)
        assert ended.code == 0, ended.err
        assert (ended.document["name"], ended.document["context"]["tags"]) == ("b", ["x"])


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["contxt.create-context"], "there is no module `contxt`", "did you mean `context`?"),
        (["context.create-contxt"], "has no operation `create-contxt`", "did you mean `create-context`?"),
        (["context.create-plan"], "has no operation `create-plan`", "module `plan` has it"),
        (["context"], "is no operation: write MODULE.OPERATION", "`mplp modules describe context` lists"),
        (["create-plan"], "is no operation: write MODULE.OPERATION", "did you mean `plan.create-plan`?"),
        (["contex"], "is no operation", "did you mean `context`?"),
        (["zzz"], "is no operation", "`mplp modules` lists the modules"),
        ([""], "is no operation", "`mplp modules`"),
        (["."], "there is no module ``", "there are: context"),
        (["context.create-context", "-p", "nam=x"], "no parameter `nam`", "did you mean `name`?"),
        (["context.create-context"], "needs `name`", "`mplp modules describe context.create-context`"),
        (["context.create-context", "-p", "name"], "--param name: write NAME=VALUE", None),
        (["context.create-context", "-p", "name=a", "-p", "tags=[a"], "the parameter `tags` is not a value", None),
        (["context.create-context", "-p", "name=a", "-p", "tags=5"], "`tags` must be a list, not a whole number", None),
        (["context.create-context", "-p", "name=a", "-p", "status=actve"], "cannot be `actve`", "`active`?"),
        (["context.get-context", "-p", "contextId=x"], "must be a UUID", None),
        (["context.create-context", "--params", "[1]"], "expected a mapping", None),
        (["context.create-context", "--params", "{a"], "--params:2:1: a mapping", "add `,` or `}`"),
        (["context.create-context", "--params", "@nowhere.json"], "cannot read nowhere.json", None),
        (["context.create-context", "--params", "{name: 5}"], "`name` must be text", "put it in quotes"),
    ],
)  # fmt: skip
def test_what_cannot_be_called_is_wrong_usage_and_nothing_is_made(
    terminal: Terminal, words: list[str], message: str, hint: str | None
) -> None:
    ended = terminal("call", *words)
    assert (ended.code, ended.out) == (Exit.USAGE, "")
    assert message in ended.err
    assert "Traceback" not in ended.err
    if hint is not None:
        assert hint in ended.err
    assert not (terminal.directory / ".mplp").exists()


def test_a_refusal_has_its_name_and_writes_nothing(terminal: Terminal) -> None:
    made(terminal, "context.create-context", "-p", "name=a", "-p", f"contextId={ID}")
    made(terminal, "context.close-context", "-p", f"contextId={ID}")
    for words, name in (
        (["context.activate-context", "-p", f"contextId={ID}"], "InvalidTransitionError"),
        (["context.create-context", "-p", "name=a", "-p", f"contextId={ID}"], "DuplicateObjectError"),
        (["context.get-context", "-p", f"contextId={ID.replace('1', '2')}"], "ObjectNotFoundError"),
    ):
        ended = terminal("call", *words, "--output", "json")
        assert (ended.code, ended.out) == (1, "")
        error = json.loads(ended.err)["error"]
        assert (error["type"], error["code"]) == (name, 1)
    store = terminal.store()
    assert [(one.source, one.type, bool(one.error)) for one in store.switchboard.log(10)] == [
        ("mplp/call", "create-context", False),
        ("mplp/call", "close-context", False),
        ("mplp/call", "activate-context", True),
        ("mplp/call", "create-context", True),
        ("mplp/call", "get-context", True),
    ]
    store.close()
    [kept] = terminal("objects", "--output", "json").document["objects"]
    assert kept["version"] == 2


def test_an_operation_of_a_stopped_module_is_refused(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", "modules: {context: {autostart: false}}\n")
    ended = terminal("call", "context.create-context", "-p", "name=a", "--output", "json")
    assert (ended.code, json.loads(ended.err)["error"]["type"]) == (1, "ModuleStoppedError")


def test_a_store_that_cannot_be_used_is_told(terminal: Terminal) -> None:
    terminal("call", "context.create-context", "-p", "name=a")
    (terminal.directory / ".mplp" / "state.db").write_bytes(b"")
    ended = terminal("call", "context.create-context", "-p", "name=a")
    assert (ended.code, "Traceback" in ended.err) == (Exit.STORE, False)


# ---- two at the same time

#: Writes into a context, waits until there is a file, then writes again.
TWICE = """\
workflow:
  id: twice
  name: Twice
  version: 1.0.0
  inputs: {in: {type: string}}
  steps:
    - {id: one, type: module-operation, module: context, operation: update-shared-state,
       parameters: {contextId: "${inputs.in}", key: one, value: 1}}
    - {id: hold, type: shell, dependencies: [one], run: 'while [ ! -e go ]; do sleep 0.02; done'}
    - {id: two, type: module-operation, module: context, operation: update-shared-state, dependencies: [hold],
       parameters: {contextId: "${inputs.in}", key: two, value: 2}}
  outputs: {shared: "${two.result.variables}"}
"""


def test_a_run_goes_on_with_what_was_called_meanwhile(terminal: Terminal) -> None:
    identifier = made(terminal, "context.create-context", "-p", "name=a")["contextId"]
    terminal.write("twice.yaml", TWICE)
    running = terminal.start("run", "twice.yaml", "-i", f"in={identifier}")
    until(
        lambda: (
            "one" in made(terminal, "context.get-shared-state", "-p", f"contextId={identifier}")["variables"]
        )
    )
    given = ["-p", f"contextId={identifier}", "-p", "key=between", "-p", "value=7"]
    made(terminal, "context.update-shared-state", *given)
    terminal.write("go", "")
    assert running.wait(20) == 0
    shared = made(terminal, "context.get-shared-state", "-p", f"contextId={identifier}")["variables"]
    assert shared == {"one": 1, "between": 7, "two": 2}


class Rivalled(SqliteStore):
    """A store in which somebody else is faster, `rivals` times."""

    rivals = 0

    def record(self, objects: Sequence[ProtocolObject], said: Sequence[Communication] = ()) -> None:
        if self.rivals:
            self.rivals -= 1
            theirs = [
                ProtocolObject(o.kind, o.id, o.version, {**o.body, "summary": "theirs"}) for o in objects
            ]
            super().record(theirs)
        super().record(objects, said)


@pytest.fixture
def rivalled(tmp_path: Path) -> Runtime:
    runtime = Runtime(state_dir=str(tmp_path))
    vars(runtime)["store"] = Rivalled(tmp_path, SystemClock())
    given = {"name": "a", "contextId": ID}
    call(runtime, find_target("context.create-context"), given)
    return runtime


def update(runtime: Runtime) -> dict[str, Any]:
    outcome = call(runtime, find_target("context.update-context"), {"contextId": ID, "title": "ours"})
    body: dict[str, Any] = outcome.writes[0].body
    return body


def test_what_somebody_else_changed_meanwhile_is_read_and_kept(rivalled: Runtime) -> None:
    vars(rivalled)["store"].rivals = 1
    body = update(rivalled)
    assert (body["title"], body["summary"]) == ("ours", "theirs")
    assert [one.version for one in rivalled.store.object_versions("context", ID)] == [1, 2, 3]
    assert rivalled.store.object_versions("context", ID)[-1].body == body


def test_who_is_too_slow_twice_is_told_to_try_again_and_writes_nothing(rivalled: Runtime) -> None:
    vars(rivalled)["store"].rivals = 2
    with pytest.raises(StoreError) as caught:
        update(rivalled)
    assert (caught.value.exit_code, caught.value.hint) == (Exit.BUSY, "try again")
    assert [one.body["title"] for one in rivalled.store.object_versions("context", ID)] == [
        "a",
        "ours",
        "ours",
    ]
    assert all(one.body["summary"] == "theirs" for one in rivalled.store.object_versions("context", ID)[1:])
    assert update(rivalled)["title"] == "ours"
