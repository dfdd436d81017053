"""`mplp objects`: what operations have written, and every version of it."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.protocols import ProtocolObject
from tests.cli.conftest import Terminal

ID = "11111111-1111-4111-8111-111111111111"
PLAN = "11112222-1111-4111-8111-111111111111"
OTHER = "99999999-1111-4111-8111-111111111111"

FLOW = """\
workflow:
  id: flow
  name: Flow
  version: 1.0.0
  steps:
    - {id: c, type: module-operation, module: context, operation: create-context, parameters: {name: of a run}}
"""


@pytest.fixture
def kept(terminal: Terminal) -> Terminal:
    """A context with a plan, a closed one, one of a run."""
    for words in (
        ["context.create-context", "-p", "name=first", "-p", f"contextId={ID}"],
        ["plan.create-plan", "-p", f"contextId={ID}", "-p", "assignedRoles=[a]", "-p", f"planId={PLAN}"],
        ["context.create-context", "-p", "name=second", "-p", f"contextId={OTHER}"],
        ["context.close-context", "-p", f"contextId={OTHER}"],
    ):
        assert terminal("call", *words).code == 0
    terminal.write("flow.yaml", FLOW)
    assert terminal("run", "flow.yaml").code == 0
    return terminal


def listed(terminal: Terminal, *words: str) -> list[str]:
    ended = terminal("objects", "list", *words, "--output", "json")
    assert ended.code == 0, ended.err
    return [one["title"] for one in ended.document["objects"]]


def delete(terminal: Terminal, kind: str, identifier: str, version: int) -> None:
    store = terminal.store()
    store.record([ProtocolObject(kind, identifier, version, {})])
    store.close()


def test_objects_are_listed_last_changed_first(kept: Terminal) -> None:
    assert listed(kept) == ["of a run", "second", "Plan for first", "first"]
    assert listed(kept, "--limit", "2") == ["of a run", "second"]
    ended = kept("objects", "-n", "3")
    assert ended.out.splitlines()[0].split() == ["KIND", "ID", "STATUS", "VERSION", "CHANGED", "TITLE"]
    assert ended.err == "1 more; --limit says how many are listed\n"


def test_the_list_can_be_narrowed(kept: Terminal) -> None:
    assert listed(kept, "plan") == ["Plan for first"]
    assert listed(kept, "--status", "closed") == ["second"]
    assert listed(kept, "--context", ID) == listed(kept, "--context", ID[:6]) == ["Plan for first", "first"]
    assert listed(kept, "context", "--context", ID) == ["first"]
    assert listed(kept, "--context", "abc") == []
    assert listed(kept, "role") == []


def test_the_objects_of_a_run_are_found_by_its_id_the_beginning_of_it_or_its_workflow(kept: Terminal) -> None:
    run = kept.only_run()
    assert (
        listed(kept, "--run", run)
        == listed(kept, "--run", run[:9])
        == listed(kept, "--run", "flow")
        == ["of a run"]
    )
    ended = kept("objects", "--run", "nothing")
    assert (ended.code, "there is no run 'nothing'" in ended.err) == (2, True)


def test_an_object_is_described_for_machines(kept: Terminal) -> None:
    [plan] = kept("objects", "list", "plan", "-o", "json").document["objects"]
    assert {**plan, "runId": 0, "createdAt": 0, "updatedAt": 0} == {
        "kind": "plan", "id": PLAN, "version": 1, "deleted": False, "status": "draft", "title": "Plan for first",
        "contextId": ID, "runId": 0, "createdAt": 0, "updatedAt": 0,
    }  # fmt: skip


def test_an_unknown_kind_is_told(kept: Terminal) -> None:
    ended = kept("objects", "list", "plans")
    assert ended.code == 2
    assert "did you mean `plan`?" in ended.err


@pytest.mark.parametrize("words", [["objects"], ["objects", "list", "plan"], ["objects", "--status", "x"]])
def test_a_question_makes_no_store(terminal: Terminal, words: list[str]) -> None:
    ended = terminal(*words)
    assert (ended.code, ended.out) == (0, "")
    assert "no " in ended.err
    assert not (terminal.directory / ".mplp").exists()


def test_an_object_is_shown_by_the_beginning_of_its_id(kept: Terminal) -> None:
    ended = kept("objects", "show", "999999")
    assert "title: second\n" in ended.out
    assert ended.err == f"context {OTHER}, version 2\n"
    document = kept("objects", "show", OTHER, "-o", "json").document
    assert (document["version"], document["object"]["status"]) == (2, "closed")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1111"], "'1111' means 2 objects: context 11111111, plan 11112222"),
        (["abcdef"], "there is no object 'abcdef'"),
        (["999999", "--kind", "plan"], "there is no plan object '999999'"),
        (["999999", "--kind", "pln"], "there are no objects of the kind 'pln'"),
        (["999999", "--version", "7"], "has no version 7\nhelp: versions: 1, 2"),
    ],
)
def test_what_cannot_be_shown_is_told(kept: Terminal, words: list[str], said: str) -> None:
    ended = kept("objects", "show", *words)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_every_change_makes_a_version(kept: Terminal) -> None:
    first = kept("objects", "show", "999999", "--version", "1")
    assert "status: active\n" in first.out
    assert first.err.endswith("version 1 of 2\n")
    versions: list[dict[str, Any]] = kept("objects", "show", "999999", "--versions", "-o", "json").document[
        "versions"
    ]
    assert [(one["version"], one["status"], one["event"]) for one in versions] == [
        (1, "active", "context.created"),
        (2, "closed", "context.closed"),
    ]
    assert "context.closed" in kept("objects", "show", "999999", "--versions").out


def test_a_deleted_object_is_listed_when_asked_for_and_its_versions_stay(kept: Terminal) -> None:
    delete(kept, "context", OTHER, 3)
    assert "second" not in listed(kept)
    assert listed(kept, "--deleted", "--status", "closed") == ["second"]
    assert "deleted" in kept("objects", "--deleted").out
    ended = kept("objects", "show", "999999")
    assert "title: second\n" in ended.out
    assert ended.err == f"context {OTHER}, version 2; deleted with version 3\n"
    document = kept("objects", "show", "999999", "-o", "json").document
    assert (document["deleted"], document["version"], document["lastVersion"]) == (True, 2, 3)
    assert "deleted" in kept("objects", "show", "999999", "--versions").out.splitlines()[-1]
    gone = kept("objects", "show", "999999", "--version", "3")
    assert (gone.code, f"context {OTHER} was deleted" in gone.err) == (2, True)


def test_an_object_of_which_only_the_end_is_left_does_not_confuse(kept: Terminal) -> None:
    delete(kept, "role", OTHER, 5)
    assert kept("objects", "--deleted").code == 0
    ended = kept("objects", "show", "999999", "--kind", "role")
    assert (ended.code, "was deleted" in ended.err) == (2, True)


def test_objects_that_a_plug_in_has_left_can_be_looked_at_without_it(kept: Terminal) -> None:
    store = kept.store()
    strange = {"thing_id": "77", "meta": 5, "events": {"a": 1}, "name": ["x"], "status": 3}
    store.record([ProtocolObject("thing", "77", 1, strange)])
    store.close()
    assert kept("objects", "list", "thing").code == 0
    assert "meta: 5" in kept("objects", "show", "77").out
    [version] = kept("objects", "show", "77", "--versions", "-o", "json").document["versions"]
    assert (version["status"], version["event"]) == (None, None)
    assert kept("objects", "show", "77", "--versions").code == 0


def test_text_of_objects_is_data(terminal: Terminal) -> None:
    terminal("call", "context.create-context", "-p", "name=\x1b[31m[red]x")
    for words in (["objects"], ["objects", "list", "--deleted"]):
        out = terminal(*words).out
        assert "\x1b" not in out
        assert "[red]x" in out


def test_a_long_title_does_not_fill_the_list(terminal: Terminal) -> None:
    terminal("call", "context.create-context", "--param", f"name={'x' * 9_000}")
    listed = terminal("objects", "list")
    assert 100 < listed.out.count("x") <= 200
