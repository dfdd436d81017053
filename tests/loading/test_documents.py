"""Files that commands are given: what is wrong with one is said with its place."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.cli.history import given_runs
from mplp_cli.errors import UsageError
from mplp_cli.loading.documents import read_as
from mplp_cli.resources.scaling import GivenPlan, misplaced
from mplp_cli.workflow.bottlenecks import Metrics, misfits

READ: dict[str, Any] = {
    "metrics": lambda source: read_as(source, "f", Metrics, misfits),
    "history": lambda source: given_runs(source, "f"),
    "plan": lambda source: read_as(source, "f", GivenPlan, misplaced),
}
NOON = '"createdAt": "2026-03-01T12:00:00Z"'


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("metrics", "", "f:1:1: the file is empty"),
        ("metrics", '{"cpu": {"utilization": 0.5}', "f:1:29: "),
        ("metrics", '{"cpu": {"utilisation": 1}}', "f:1:10: the key `utilisation` is not known here"),
        ("metrics", '{"a`b": 1}', "f:1:2: the key `a`b` is not known here"),
        ("metrics", '{"cpu": {"utilization": NaN}}', "f:1:25: `NaN` is not a JSON value"),
        ("metrics", '{"cpu": {}, "cpu": {}}', "f:1:13: the key `cpu` is written twice"),
        ("metrics", "cpu: {utilization: 81}", "f:1:20: a utilization is a part of 1"),
        ("metrics", "cpu: [" * 100, "f:1:"),
        ("metrics", "{}", "f:1:1: there are no metrics in it"),
        ("history", "[1, 2]", "f:1:1: a mapping is wanted here, not a list"),
        ("history", '{"runs": 1}', "f:1:10: a list is wanted here, not a whole number"),
        ("history", f'{{"runs": [{{{NOON}, "endedAt": "2026-03-01T11:00:00Z"}}]}}', "f:1:60: it ends before it begins"),
        ("history", f'{{"runs": [{{{NOON},\n"resources": {{"cpu": "x"}}}}]}}', "f:2:22: 'x' is not a number"),
        ("history", f'{{"runs": [{{{NOON}, "slots": 0}}]}}', "f:1:58: 0 is not a number of slots"),
        ("history", f'{{"runs": [{{{NOON}, "resources": {{"cpu": {{}}}}}}]}}', "f:1:70: only `custom` has a map"),
        ("history", f'{{"runs": [{{{NOON}}}, {{"createdAt": "0001-01-01T00:00:00Z"}}]}}', "f:1:50: the runs span more"),
        ("plan", '{"actions": [{"type": "explode", "resource": "cpu", "amount": 1}]}', "f:1:23: 'explode' cannot"),
        ("plan", '{"actions": [{"type": "scale-up", "resource": "cpu"}]}', "f:1:14: the key `amount` is missing"),
        ("plan", '{"actions": [{"type": "scale-up", "resource": "cpu", "amount": true}]}', "f:1:64: a whole number or"),
        ("plan", "{}", "f:1:1: a plan has either"),
        ("plan", '{"actions": [], "scalingPlan": {"actions": []}}', "f:1:1: a plan has either"),
        ("plan", "\x00", "f:1:"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_a_place(kind: str, text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        READ[kind](text.encode())
    assert refused.value.message.startswith(said)
    assert refused.value.details["problems"][0]["line"] >= 1


def test_a_file_that_is_not_text_is_refused() -> None:
    with pytest.raises(UsageError, match="f:1:1: the file is not UTF-8"):
        READ["metrics"](b"\xff\xfe{")


def test_yaml_does_as_well_as_json() -> None:
    held = b"{cpu: 0.5, custom: {gpu: 1}}"
    runs, until = given_runs(b"runs: [{createdAt: '2026-03-01T12:00:00Z', resources: " + held + b"}]", "f")
    assert [(one.ended - one.begun, one.held) for one in runs] == [(0, {"cpu": 500, "gpu": 1_000})]
    assert until == runs[0].begun
