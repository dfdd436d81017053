"""A file of test cases as typed data, after the schema has said yes. Durations are milliseconds."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from mplp_cli.errors import Failure, Path
from mplp_cli.workflow.values import Json


class _Node(
    Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True
):
    pass


class AgentTurn(_Node, kw_only=True):
    """What an agent answers in a test. With `when` it answers the requests that fit; else one call after the other.

    `error` is `{code, message?, retryable?, retry-after?}`; `usage` counts tokens.
    """

    when: dict[str, Json] = {}
    reply: Json | UnsetType = UNSET
    error: dict[str, Json] | None = None
    delay: int = 0
    usage: dict[str, int] | None = None
    model: str = "mock"


class Fault(_Node, kw_only=True):
    """How a step is made to fail. `code` is that of an agent's error."""

    type: str = ""
    message: str = "the test case lets it fail"
    code: str = ""
    details: dict[str, Json] = {}
    retryable: bool = True


class StepTurn(_Node, kw_only=True):
    """What an attempt of a step gives in a test, instead of doing its work."""

    result: Json | UnsetType = UNSET
    fail: Fault | None = None
    delay: int = 0


class Mocks(_Node, kw_only=True):
    """By id: of an agent, one entry a call; of a step, one an attempt. The last is for all that follow."""

    agents: dict[str, list[AgentTurn]] = {}
    steps: dict[str, list[StepTurn]] = {}


class Decision(_Node, kw_only=True):
    """A person's answer. Without `step` it is for the next question; without `by`, of the first who is asked."""

    decision: Literal["approve", "reject"]
    step: str = ""
    by: str = ""
    reason: str = ""
    inputs: dict[str, Json] = {}


class Case(_Node, kw_only=True):
    """One case. `expect` stays as it is written: `judging` reads it."""

    name: str
    inputs: dict[str, Json] = {}
    env: dict[str, str] = {}
    secrets: dict[str, str] = {}
    #: Whether requests are really sent that nothing stands in for.
    network: bool = False
    mocks: Mocks = Mocks()
    approvals: list[Decision] = []
    #: A recording, relative to the file of the case.
    cassette: str = ""
    expect: dict[str, Json] = {}


class CaseFile(_Node, kw_only=True):
    """A workflow, by its path relative to the file, and the cases that it is to pass."""

    workflow: str
    cases: list[Case]
    version: int = 1


# ---- what a case has come to ----------------------------------------------------------------------


class StepOutcome(Struct, frozen=True, kw_only=True):
    """How one step has ended."""

    status: str
    attempts: int
    result: Json | UnsetType = UNSET
    error: Failure | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """How a run has ended, as far as expectations may speak of it. `status` is `refused` if it could not start."""

    status: str
    exit: int
    error: Failure | None = None
    outputs: dict[str, Json] | None = None
    #: By the id of the run (`outer[3].inner` inside an item).
    steps: dict[str, StepOutcome] = {}
    #: The agents that were called, in order.
    called: list[str] = []
    #: How often each type of event has occurred.
    events: dict[str, int] = {}
    #: How many objects of each kind there are.
    objects: dict[str, int] = {}
    #: What is wrong with objects that were written.
    invalid: list[str] = []
    #: Calls, tokens and dollars that agents have used.
    spent: dict[str, float] = {}


class Mismatch(Struct, frozen=True, kw_only=True):
    """An expectation that was not met, at `path` of the file. `actual` UNSET: there is nothing.

    `literal`: what was expected is a value as it is, so that the actual one could be written in its place.
    """

    path: Path
    said: str
    expected: Json
    actual: Json | UnsetType = UNSET
    literal: bool = False
    line: int = 0
    column: int = 0


class Verdict(Struct, frozen=True, kw_only=True):
    """How a case went. `took` is milliseconds of real time, `virtual` those of the run."""

    file: str
    name: str
    line: int
    took: int
    virtual: int
    mismatches: list[Mismatch]
    outcome: Outcome

    @property
    def passed(self) -> bool:
        return not self.mismatches
