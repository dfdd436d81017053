"""Every type that the original specification names has a home, or is honestly said to be missing."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from mplp_cli import errors

MAP = tomllib.loads((Path(__file__).parent / "seed_map.toml").read_text("utf-8"))
HERE: dict[str, str] = MAP["here"]
LATER: dict[str, list[str]] = MAP["later"]
WAITING = [name for names in LATER.values() for name in names]

#: Words of the reference text that look like types and are none: another spelling, a plural.
NO_TYPES = {"ReferenceError", "WorkflowSteps"}


def home(place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


@pytest.mark.parametrize("name", HERE)
def test_the_home_of_each_is_there(name: str) -> None:
    assert home(HERE[name]) is not None


@pytest.mark.parametrize("name", [name for name in HERE if name.endswith("Error")])
def test_an_error_keeps_its_name_in_machine_output(name: str) -> None:
    error = home(HERE[name])
    assert issubclass(error, errors.MplpError)
    assert (error.machine_name or error.__name__) == name


@pytest.mark.parametrize("name", WAITING)
def test_what_waits_has_not_come_unnoticed(name: str) -> None:
    assert not hasattr(errors, name), "it exists: give it a home"


def test_no_name_stands_twice() -> None:
    assert len(set(WAITING)) == len(WAITING)
    assert not set(WAITING) & set(HERE)


def test_every_name_of_the_specification_is_on_the_map(shared: Path) -> None:
    text = (shared / "seed-contract.md").read_text("utf-8")
    described = text[text.index("## 4.2 ") : text.index("# 5. ")]
    names = set(re.findall(r"\b(?:[A-Z][a-z0-9]+){2,}\b|\b(?:MPLP|L4|CPU)[A-Z]\w+", described))
    assert names - set(HERE) - set(WAITING) == NO_TYPES
