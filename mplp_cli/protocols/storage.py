"""The seams of a store. A backend can be written from this file, `records`, and what else is named here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from mplp_cli.protocols.measuring import Samples
from mplp_cli.protocols.operating import Switchboard
from mplp_cli.protocols.publishing import Board, Deliveries
from mplp_cli.protocols.records import (
    ApprovalRecord,
    CachedResult,
    Communication,
    Control,
    Definition,
    NewRun,
    Place,
    ProtocolObject,
    RunRecord,
    Standing,
)
from mplp_cli.protocols.watching import Alerts
from mplp_cli.workflow.agents import KeptAgents
from mplp_cli.workflow.estimates import Profile
from mplp_cli.workflow.fold.answers import NOTHING, Given
from mplp_cli.workflow.fold.history import Event, RunRedefined, Turn
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.resources import Allocation, Demand, Pool, Share
from mplp_cli.workflow.values import RunId, StepId


class Turns(Protocol):
    """Places that runs of one workflow share under a key, `max` of them, first come first served.

    A run enters when it is created (`Store.create_run`) and leaves in the commit that records its end. A
    place is its run's, not a process's: a run that is parked keeps it; one that should be driven and is not
    loses it to the first that asks, and takes its turn again when it is taken up.
    """

    def take(self, run_id: RunId, turn: Turn) -> Standing:
        """Give the run, which this process owns, its place if there is one for it; else its place in the queue.

        ConcurrencyLimitError if it is not in the queue, there is no place and the turn says `fail`.
        """
        ...

    def standings(self, run_id: RunId | None = None) -> dict[RunId, Standing]:
        """How that run stands, or every run that has or waits for a place. Changes nothing."""
        ...


class Shares(Protocol):
    """Who holds what of the pool: runs with a share each, and people with allocations by hand.

    A share becomes smaller with the facts that a journal appends. Those that end a run, or leave it to nobody, take
    away what it holds and wants; what it has spent of rates stays until it comes back. What a run has allocated by hand
    (`by` is `run:ID`) goes with its end.
    """

    def others(self, run: RunId) -> Sequence[Share] | None:
        """What everybody else holds and waits for, allocations by hand too; None as long as nothing has changed since
        the last look of this run."""
        ...

    def reap(self, end: Callable[[RunId], None]) -> None:
        """Free what runs hold whose process is gone, but for what they have spent of rates. `end` is called first for
        each that holds something: it ends what such a run has left running, unless somebody takes the run up."""
        ...

    def take(self, pool: Pool, share: Share) -> Sequence[Share] | None:
        """Store the larger share of a run, if there is room for it beside what others hold, and what those who go
        before it wait for. None: it is stored. Else nothing is, and these are the others.

        Every process sees it when this returns. It need not outlast a power cut, as no process does.
        LostOwnershipError if another process took the run over.
        """
        ...

    def all(self) -> Sequence[Share]:
        """The shares of runs that somebody drives, and of those that have spent of a rate."""
        ...

    def allocations(self) -> Sequence[Allocation]:
        """What people hold by hand, the oldest first."""
        ...

    def allocate(self, pool: Pool, demand: Demand, allocation: str, by: str, now: int) -> Allocation:
        """Hold something under an id, durably, until it is released; what is held under that id already stays as it
        is. InsufficientResourcesError if there is no room for it now."""
        ...

    def release(self, allocation: str, attempt: str = "") -> Allocation:
        """What was held, and is not any more. AllocationNotFoundError, unless it was released under the same name of
        an attempt (`RUN/...`) and that run has not ended."""
        ...


class Journal(Protocol):
    """The append-only history of one run, held by its one owner.

    `append` is all or nothing and durable when it returns. Any exception from it means that the
    outcome is unknown: the caller throws its RunState away and reads again. It raises
    LostOwnershipError if another process took the run over, StoreError if the store cannot be used.
    """

    def append(
        self,
        events: Sequence[Event],
        objects: Sequence[ProtocolObject] = (),
        said: Sequence[Communication] = (),
        share: Share | None = None,
        profile: Profile | None = None,
        told: Sequence[Published] = (),
    ) -> None:
        """Add facts, with what they store and the events that tell of them (`told`).

        `share`: what the run holds from then on; None: as before. `profile`: what a
        run has shown that ends with these facts; one that was stored earlier is replaced."""
        ...

    def redefine(self, fact: RunRedefined, definition: Definition) -> None:
        """As `append`; the definition replaces the one that is stored with the run, in the same transaction."""
        ...

    def park(
        self,
        events: Sequence[Event],
        objects: Sequence[ProtocolObject] = (),
        said: Sequence[Communication] = (),
        share: Share | None = None,
        told: Sequence[Published] = (),
    ) -> bool:
        """As `append`, of facts after which nobody drives the run: unless a request is there that `controls` has
        not returned. Then nothing is written, and it is False."""
        ...

    def read(self) -> Iterator[Event]:
        """The history so far, in order."""
        ...

    def controls(self) -> list[Control]:
        """Requests of other processes that no earlier call of this owner has returned. Cheap when there are none.

        LostOwnershipError if another process took the run over.
        """
        ...

    def close(self) -> None:
        """Give the run up; another process may take it."""
        ...


class AgentRecords(Protocol):
    """What is kept of agents from one command to the next."""

    def read(self) -> KeptAgents:
        """What is kept now; the same object as long as nothing has changed."""
        ...

    def change(self, act: Callable[[KeptAgents], KeptAgents]) -> KeptAgents:
        """Keep what `act` makes of what is kept; durable when it returns. Nobody else changes it meanwhile."""
        ...


class Store(Protocol):
    """Runs, their histories, protocol objects, approvals and requests. Append and query, no rules."""

    #: Published events; an `emit` step's come with the facts that a journal appends.
    board: Board

    @property
    def deliveries(self) -> Deliveries:
        """Who has come how far with published events."""
        ...

    @property
    def switchboard(self) -> Switchboard:
        """What the hub keeps."""
        ...

    @property
    def turns(self) -> Turns:
        """Places under concurrency keys."""
        ...

    @property
    def shares(self) -> Shares:
        """Who holds what of the pool."""
        ...

    @property
    def alerts(self) -> Alerts:
        """How alerts stand."""
        ...

    @property
    def samples(self) -> Samples:
        """What was measured."""
        ...

    def create_run(self, run: NewRun, events: Sequence[Event]) -> Journal:
        """Store a new run with its first facts, durably, and own it.

        ConcurrencyLimitError, and no run, if its turn says `fail` and there is no place. RunExistsError if a run has
        that id; RunBusyError if another process is just creating it.
        """
        ...

    def own_run(self, run_id: RunId, by: str, *, take_over: bool = False) -> Journal:
        """Own an existing run (epoch + 1). RunBusyError names the present owner and since when.

        Requests to pause, or to take a pause back, were left for an owner before this one, and are dropped.
        With `take_over` it is owned even so: the earlier owner writes nothing more, and learns that it was taken
        over when it appends or looks for requests.
        """
        ...

    def find_runs(self, name: str) -> list[RunRecord]:
        """Runs whose id is or begins with `name`, else all runs of that workflow id; newest first."""
        ...

    def runs(
        self,
        *,
        workflow_id: str | None = None,
        status: str | None = None,
        limit: int = 100,
        children: bool = True,
        child_of: RunId | None = None,
    ) -> list[RunRecord]:
        """Newest first. Without `children` those of sub-workflows are left out; `child_of`: all those of one run,
        and no others."""
        ...

    def sift_runs(
        self,
        behind: Place | None,
        limit: int,
        *,
        workflow_id: str | None = None,
        statuses: Sequence[str] = (),
    ) -> tuple[list[RunRecord], Place | None]:
        """A part of the list, newest first: what is behind a place in it (None: its head), `limit` runs at most,
        without those of sub-workflows; of a workflow, with one of the `statuses` as they are stored. And the place up
        to which was looked, None at the list's end: of a long list little is looked at, so it does not take long."""
        ...

    def definition(self, run_id: RunId) -> Definition: ...

    def history(self, run_id: RunId, after: int = -1) -> Iterator[tuple[int, Event]]:
        """(seq, fact) pairs in order, those with a seq greater than `after`."""
        ...

    def request(self, run_id: RunId, control: Control) -> None:
        """Leave a request for the run's owner, durably. `seq` is given by the store."""
        ...

    def approvals(
        self, *, run_id: RunId | None = None, state: str | None = "pending"
    ) -> list[ApprovalRecord]: ...

    def decide(
        self,
        run_id: RunId,
        step: StepId,
        decision: str,
        by: str,
        reason: str,
        at: int,
        given: Given = NOTHING,
    ) -> ApprovalRecord:
        """Answer the pending approval of that step: the first answer commits, in one compare-and-set, together
        with the request to the owner. RunStateError shows the earlier answer, that nothing is asked, or that
        what is asked is not the question that the answer was given to."""
        ...

    def objects(self, kind: str | None = None) -> Iterator[ProtocolObject]:
        """The newest version of each protocol object."""
        ...

    def newer(self, kind: str, identifier: str, version: int) -> ProtocolObject | None:
        """The last version of an object if it is later than `version`. Microseconds."""
        ...

    def object_versions(self, kind: str, identifier: str) -> list[ProtocolObject]:
        """The versions of one object that are kept, oldest first; none if there is no such object."""
        ...

    def versions(self, run_id: RunId) -> Iterator[ProtocolObject]:
        """Every version of each object that the run made (one of them is tagged `run:ID`), by kind, id and version."""
        ...

    def record(self, objects: Sequence[ProtocolObject], said: Sequence[Communication] = ()) -> None:
        """Store objects that no run writes, with the lines for the hub's log: all or nothing, durable.

        StoreError with the cause `conflict` if somebody has written one of these versions meanwhile.
        """
        ...

    def cached(self, begins: str) -> list[CachedResult]:
        """The kept results whose key begins so; also those that are not good any more. An unreadable one is
        left out: it is as good as none."""
        ...

    def profiles(self, workflow_id: str, limit: int) -> Iterator[Profile]:
        """What the runs of a workflow that ended last have shown of its steps, the newest first. Decoded one by one;
        an unreadable one is left out."""
        ...

    def check(self) -> dict[str, Any]:
        """Facts for `mplp health`; StoreError if the store cannot be used."""
        ...

    def close(self) -> None: ...
