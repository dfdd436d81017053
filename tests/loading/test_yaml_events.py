"""The events that the C parser makes for us are its own, only lighter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml import events as theirs

from mplp_cli.loading import yaml_events as ours
from mplp_cli.loading.yaml_events import YamlText

TEXT = """\
a: &x !!str plain
b: [1, "two", 'three', {k: *x}]
c: |
  block
d: {}
"""
FIELDS = ("anchor", "ctag", "implicit", "value", "style", "flow_style")
#: What makes the events of the parser itself, in a process in which nobody has changed it.
UNTOUCHED = """
import sys, _ruamel_yaml
parser = _ruamel_yaml.CParser(sys.stdin.read())
while (event := parser.get_event()) is not None:
    fields = [str(getattr(event, name, None)) for name in %r]
    marks = [(m.line, m.column, m.index) for m in (event.start_mark, event.end_mark)]
    print(type(event).__name__, fields, marks)
"""


def described(event: Any) -> str:
    fields = [str(getattr(event, name, None)) for name in FIELDS]
    marks = [(mark.line, mark.column, mark.index) for mark in (event.start_mark, event.end_mark)]
    return f"{type(event).__name__} {fields} {marks}"


def test_they_say_what_the_events_of_the_parser_say() -> None:
    get, found = YamlText(TEXT).events(), []
    while (event := get()) is not None:
        found.append(described(event))
    script = [sys.executable, "-c", UNTOUCHED % (FIELDS,)]
    told = subprocess.run(script, input=TEXT, capture_output=True, text=True, check=True).stdout
    assert found == told.splitlines()


def test_every_event_of_a_node_has_been_replaced() -> None:
    kinds = {name for name in vars(theirs) if name.endswith("Event") and hasattr(ours, name)}
    assert kinds == {
        "ScalarEvent", "AliasEvent", "MappingStartEvent", "MappingEndEvent", "SequenceStartEvent",
        "SequenceEndEvent",
    }  # fmt: skip
    get, seen = YamlText(TEXT).events(), set()
    while (event := get()) is not None:
        seen.add(type(event))
    assert {getattr(ours, name) for name in kinds} <= seen


def test_the_loaders_of_the_library_work_as_before(tmp_path: Path) -> None:
    wanted = {"a": "plain", "b": [1, "two", "three", {"k": "plain"}], "c": "block\n", "d": {}}
    assert YAML(typ="safe").load(TEXT) == wanted
    file = tmp_path / "written.yaml"
    YAML(typ="safe").dump(wanted, file)
    assert YAML(typ="rt").load(file) == wanted
