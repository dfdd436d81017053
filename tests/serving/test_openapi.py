"""What the OpenAPI document promises holds: everything in it is called in every way that a generator thinks of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode

from mplp_cli.events.bus import Bus
from mplp_cli.runtime import Runtime
from mplp_cli.serving.app import make_app
from mplp_cli.serving.catalogue import Files
from mplp_cli.serving.fleet import LocalFleet
from mplp_cli.serving.openapi import openapi
from mplp_cli.serving.operations import Operation
from mplp_cli.serving.parts import Parts
from mplp_cli.serving.table import OPERATIONS
from tests.conftest import EXHAUSTIVE, Mplp
from tests.serving.inside import ASKS, GREETS, TOKEN


@pytest.fixture(scope="module")
def promised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    directory = tmp_path_factory.mktemp("project")
    (directory / "greets.yaml").write_text(GREETS)
    (directory / "asks.yaml").write_text(ASKS)
    runtime = Runtime(start=directory, ephemeral=True, environ={})
    parts = Parts(
        runtime=runtime,
        bus=Bus(runtime.store.board, 0),
        catalogue=Files([directory], runtime.load, runtime.clock),
        fleet=LocalFleet(runtime=runtime),
    )
    parts.stopping.set()  # streams end at once
    app = make_app(parts, OPERATIONS, token=TOKEN, hosts=["testserver"], port=80)
    with runtime:
        yield schemathesis.openapi.from_asgi(
            "/api/v1/openapi.json", app, headers={"Authorization": f"Bearer {TOKEN}"}
        )


#: Each operation with all that may be given, and with what may not, if there is anything to give.
WAYS = [
    pytest.param(operation, mode, id=f"{operation.id}-{mode.value}")
    for operation in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or operation.takes or operation.query.__struct_fields__
]


@pytest.mark.parametrize(("operation", "mode"), WAYS)
def test_whatever_is_called_answers_as_the_document_says(
    promised: Any, operation: Operation, mode: Any
) -> None:
    found = promised[operation.path][operation.method]

    @given(case=found.as_strategy(generation_mode=mode))
    @settings(max_examples=200 if EXHAUSTIVE else 5, deadline=None, derandomize=True, database=None)
    def call(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})

    call()


def test_the_document_is_printed_without_a_server(tmp_path: Path) -> None:
    printed = Mplp(tmp_path)("serve", "--openapi").document
    assert printed == json.loads(json.dumps(openapi(OPERATIONS)))
    assert printed["openapi"] == "3.1.0"
    names = [one["operationId"] for place in printed["paths"].values() for one in place.values()]
    assert len(names) == len(set(names)) == len(OPERATIONS)
