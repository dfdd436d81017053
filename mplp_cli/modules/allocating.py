"""`core/allocate-resources` and `core/release-resources`: holding something of the pool between steps."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from mplp_cli.errors import OperationError
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import Text
from mplp_cli.workflow.amounts import amount_text
from mplp_cli.workflow.resources import Allocation, Demand, Strategy

Amount = int | float | str


class Requirements(Parameters, frozen=True, kw_only=True):
    """Amounts, written as in the `resources` of a step."""

    cpu: Annotated[int | float | None, Meta(description="cores")] = None
    memory: Annotated[Amount | None, Meta(description="such as 512MiB; a number is bytes")] = None
    network: Annotated[Amount | None, Meta(description="such as 10mbps; a number is bits a second")] = None
    storage: Annotated[Amount | None, Meta(description="such as 1GiB; a number is bytes")] = None
    custom: Annotated[dict[str, int | float], Meta(description="kinds of the project")] = field(
        default_factory=dict
    )


class AllocateResources(Parameters, frozen=True, kw_only=True):
    requirements: Annotated[Requirements, Meta(description="what is to be held, all of it or nothing")]
    strategy: Strategy = "first-fit"


class ReleaseResources(Parameters, frozen=True, kw_only=True):
    allocation_id: Text


class Part(Result, frozen=True, kw_only=True):
    """So much of one unit, as people write it."""

    kind: str
    unit: str
    amount: str


class Held(Result, frozen=True, kw_only=True):
    id: str
    strategy: Strategy
    resources: list[Part]


class Allocated(Result, frozen=True, kw_only=True):
    allocation_id: str
    allocation: Held


def allocate_resources(given: AllocateResources, session: Session) -> Allocated:
    """Nothing is held if one of the kinds is short. What a run holds so is released at its end at the latest."""
    asked = given.requirements
    amounts: dict[str, Amount] = {
        kind: amount
        for kind in ("cpu", "memory", "network", "storage")
        if (amount := getattr(asked, kind)) is not None
    }
    amounts |= asked.custom
    if not amounts:
        raise OperationError("nothing is asked for", hint="such as `requirements: {cpu: 1}`")
    try:
        demand = Demand.written(amounts, given.strategy)
    except ValueError as error:
        raise OperationError(str(error)) from None
    return _told(session.reservations.allocate(demand))


def release_resources(given: ReleaseResources, session: Session) -> Allocated:
    """AllocationNotFoundError if it was released before."""
    return _told(session.reservations.release(given.allocation_id))


def _told(made: Allocation) -> Allocated:
    parts = [
        Part(kind=kind, unit=unit, amount=amount_text(kind, amount)) for kind, unit, amount in made.parts
    ]
    return Allocated(
        allocation_id=made.id, allocation=Held(id=made.id, strategy=made.strategy, resources=parts)
    )


ALLOCATE_RESOURCES = Operation(
    name="allocate-resources",
    summary="Hold something of the pool of resources until it is released or the run ends",
    parameters=AllocateResources,
    result=Allocated,
    handler=allocate_resources,
)
RELEASE_RESOURCES = Operation(
    name="release-resources",
    summary="Release what `allocate-resources` holds",
    parameters=ReleaseResources,
    result=Allocated,
    handler=release_resources,
)
