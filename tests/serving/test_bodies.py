"""Bodies of requests: what JSON Schema calls an integer is one."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from mplp_cli.serving.operations import decoded
from mplp_cli.serving.refusals import RequestError


class Asked(Struct, forbid_unknown_fields=True):
    priority: int
    inputs: dict[str, Any]


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert decoded(b'{"priority": 5.0, "inputs": {"a": 0.5}}', Asked) == Asked(5, {"a": 0.5})


@pytest.mark.parametrize("given", [b"5.5", b"1e300", b'"5"', b"true"])
def test_other_numbers_and_other_values_do_not_fit(given: bytes) -> None:
    with pytest.raises(RequestError, match="does not fit"):
        decoded(b'{"priority": %s, "inputs": {}}' % given, Asked)
