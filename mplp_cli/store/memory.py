"""The store of `--ephemeral` and of tests: the same contract, nothing on disk, gone with the process."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, assert_never

from msgspec.structs import asdict, replace

from mplp_cli.errors import LostOwnershipError, MplpError
from mplp_cli.protocols import (
    Alerts,
    ApprovalRecord,
    Board,
    CachedResult,
    Clock,
    Communication,
    Control,
    Definition,
    Deliveries,
    NewRun,
    Place,
    ProtocolObject,
    RunRecord,
    Samples,
    Standing,
    is_made_by,
)
from mplp_cli.store.alerts import MemoryAlerts
from mplp_cli.store.answers import (
    VERBS,
    already_answered,
    another_question,
    answer_request,
    object_conflict,
    run_exists,
    run_has_ended,
    unknown_run,
)
from mplp_cli.store.board import MemoryBoard
from mplp_cli.store.deliveries import MemoryDeliveries
from mplp_cli.store.locks import Holder, busy, process_name, this_process
from mplp_cli.store.memory_shares import MemoryShares
from mplp_cli.store.projections import (
    ENDED,
    UNDRIVEN,
    Asked,
    Change,
    Entered,
    Kept,
    Projection,
    Settled,
    Taken,
    Told,
    project,
)
from mplp_cli.store.samples import MemorySamples
from mplp_cli.store.switchboard import MemorySwitchboard
from mplp_cli.workflow.estimates import Profile
from mplp_cli.workflow.fold.answers import NOTHING, Given
from mplp_cli.workflow.fold.history import Event, RunRedefined, Turn
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.resources import Share
from mplp_cli.workflow.values import RunId, StepId


class _Run:
    """A run and all that belongs to it."""

    def __init__(self, new: NewRun, number: int) -> None:
        self.new = new
        self.number = number
        self.status = "pending"
        self.ended_at: int | None = None
        self.epoch = 0
        self.owner = ""
        self.holder: Holder | None = None
        self.facts: list[Event] = []
        self.controls: list[Control] = []
        #: By the number of the fact that asks.
        self.approvals: dict[int, ApprovalRecord] = {}
        self.profile: Profile | None = None

    def apply(self, after: Projection) -> None:
        for change in after.changes:
            self._apply(change)

    def _apply(self, change: Change) -> None:
        match change:
            case Settled(step, state, at, by, reason, inputs):
                self.settle(step, state, by, reason, at, inputs)
            case Told():
                pass  # it stands on the board of the store
            case Asked():
                self.approvals[change.seq] = self._question(change)
            case Taken(None, kills):
                self.controls = [] if kills else [c for c in self.controls if c.verb == "kill"]
            case Taken(step):
                answers = VERBS.values()
                self.controls = [c for c in self.controls if c.step != step or c.verb not in answers]
            case Entered(status, ended_at):
                self.status, self.ended_at = status, ended_at
            case Kept():
                pass  # it belongs to the store
            case _:
                assert_never(change)

    def _question(self, asked: Asked) -> ApprovalRecord:
        return ApprovalRecord(
            id=asked.approval.id,
            run=self.new.id,
            workflow_id=self.new.workflow_id,
            step=asked.step,
            attempt=asked.attempt,
            message=asked.approval.message,
            approvers=asked.approval.approvers,
            asked_at=asked.at,
            state="pending",
            form=asked.approval.form,
        )

    def settle(
        self,
        step: StepId | None,
        state: str,
        by: str,
        reason: str,
        at: int,
        inputs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Answer the pending questions of `step` (None: all); whether there was one."""
        found = [seq for seq, a in self.approvals.items() if a.state == "pending" and step in (None, a.step)]
        for seq in found:
            self.approvals[seq] = replace(
                self.approvals[seq],
                state=state,
                by=by,
                reason=reason,
                decided_at=at,
                inputs=dict(inputs or {}),
            )
        return bool(found)


class MemoryJournal:
    """A run's history in a list: the `Journal` of `protocols`."""

    def __init__(self, store: MemoryStore, run: _Run) -> None:
        self._store = store
        self._run = run
        self._epoch = run.epoch
        self._control = -1
        self._end: MplpError | None = None

    def append(
        self,
        events: Sequence[Event],
        objects: Sequence[ProtocolObject] = (),
        said: Sequence[Communication] = (),
        share: Share | None = None,
        profile: Profile | None = None,
        told: Sequence[Published] = (),
    ) -> None:
        self._check_usable()
        if not events and not objects and not told and share is None:
            return
        run = self._run
        self._fence()
        after = project(run.new.id, run.status, len(run.facts), events)
        if objects:
            try:
                self._store.add_objects(objects)
            except MplpError as error:
                self._end = error
                raise
        run.facts += events
        run.profile = profile or run.profile
        self._store.switchboard.add(said)
        if share is not None:
            self._store.shares.put(share)
        if after is not None:
            run.apply(after)
            if after.status in UNDRIVEN:
                self._store.shares.leave(run.new.id, ended=after.status in ENDED)
            for change in after.changes:
                if isinstance(change, Told):
                    self._store.board.publish(change.event)
            self._store.keep_results(run.new.id, after)
        self._store.board.publish(*told)

    def redefine(self, fact: RunRedefined, definition: Definition) -> None:
        self.append([fact])
        self._run.new = replace(self._run.new, **asdict(definition))

    def park(
        self,
        events: Sequence[Event],
        objects: Sequence[ProtocolObject] = (),
        said: Sequence[Communication] = (),
        share: Share | None = None,
        told: Sequence[Published] = (),
    ) -> bool:
        self._check_usable()
        if any(control.seq > self._control for control in self._run.controls):
            return False
        self.append(events, objects, said, share, told=told)
        return True

    def read(self) -> Iterator[Event]:
        return iter(self._run.facts[:])

    def controls(self) -> list[Control]:
        self._check_usable()
        self._fence()
        found = [control for control in self._run.controls if control.seq > self._control]
        if found:
            self._control = found[-1].seq
        return found

    def close(self) -> None:
        if self._end is None:
            self._end = LostOwnershipError(f"run {self._run.new.id} was given up; nothing more was written")
        if self._run.epoch == self._epoch:
            self._run.holder = None

    def _check_usable(self) -> None:
        if self._end is not None:
            raise self._end

    def _fence(self) -> None:
        if self._run.epoch != self._epoch:
            self._end = LostOwnershipError(
                f"another process took run {self._run.new.id} over; nothing more was written"
            )
            raise self._end


class Alone:
    """The `Turns` of a store that no other process can see: there is always a place."""

    def take(self, run_id: RunId, turn: Turn) -> Standing:  # noqa: ARG002 - it need not be asked for
        return Standing(key=turn.key, position=0)

    def standings(self, run_id: RunId | None = None) -> dict[RunId, Standing]:  # noqa: ARG002 - nobody waits
        return {}


class MemoryStore:
    """The `Store` of `protocols`, in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.turns = Alone()
        self.shares = MemoryShares(clock, self._is_driven)
        self._runs: dict[RunId, _Run] = {}
        self._objects: dict[tuple[str, str], dict[int, ProtocolObject]] = {}
        self._requests = 0
        self.board: Board = MemoryBoard()
        self.deliveries: Deliveries = MemoryDeliveries(self.board)
        self.switchboard = MemorySwitchboard()
        self.samples: Samples = MemorySamples()
        self.alerts: Alerts = MemoryAlerts(self.board)
        self._cached: dict[str, CachedResult] = {}

    # ---- owning a run ----

    def create_run(self, run: NewRun, events: Sequence[Event]) -> MemoryJournal:
        if run.id in self._runs:
            raise run_exists(run.id)
        new = _Run(run, len(self._runs))
        after = project(run.id, new.status, 0, events)
        self._runs[run.id] = new
        new.facts += events
        self.board.publish(*run.told)
        if after is not None:
            new.apply(after)
        return self._own(new, process_name())

    def own_run(self, run_id: RunId, by: str, *, take_over: bool = False) -> MemoryJournal:
        run = self._run(run_id)
        if run.holder is not None and not take_over:
            raise busy(run_id, run.holder)
        return self._own(run, by)

    def _own(self, run: _Run, by: str) -> MemoryJournal:
        run.epoch += 1
        run.owner = by
        run.controls = [c for c in run.controls if c.verb not in ("pause", "resume")]
        run.holder = this_process(by, self._clock.now())
        return MemoryJournal(self, run)

    def _is_driven(self, run_id: RunId) -> bool:
        return run_id in self._runs and self._runs[run_id].holder is not None

    def _run(self, run_id: RunId) -> _Run:
        try:
            return self._runs[run_id]
        except KeyError:
            raise unknown_run(run_id) from None

    # ---- runs ----

    def find_runs(self, name: str) -> list[RunRecord]:
        found = self._records(
            run for run in self._runs.values() if name and run.new.id.startswith(name.lower())
        )
        return found or self.runs(workflow_id=name, limit=len(self._runs))

    def runs(
        self,
        *,
        workflow_id: str | None = None,
        status: str | None = None,
        limit: int = 100,
        children: bool = True,
        child_of: RunId | None = None,
    ) -> list[RunRecord]:
        if child_of is not None:
            return [r for r in self._records(self._runs.values()) if r.parent and r.parent.run == child_of]
        found = self._records(
            run
            for run in self._runs.values()
            if workflow_id in (None, run.new.workflow_id) and status in (None, run.status)
        )
        return [run for run in found if children or run.parent is None][:limit]

    def sift_runs(
        self,
        behind: Place | None,
        limit: int,
        *,
        workflow_id: str | None = None,
        statuses: Sequence[str] = (),
    ) -> tuple[list[RunRecord], Place | None]:
        place = math.inf, 0
        if behind is not None:
            known = self._runs.get(behind[1])
            place = behind[0], -1 if known is None else known.number
        found = self._records(
            run
            for run in self._runs.values()
            if (run.new.created_at, run.number) < place
            and workflow_id in (None, run.new.workflow_id)
            and (not statuses or run.status in statuses)
        )
        found = [run for run in found if run.parent is None][:limit]
        return found, (found[-1].created_at, found[-1].id) if len(found) == limit else None

    def _records(self, runs: Iterable[_Run]) -> list[RunRecord]:
        newest = sorted(runs, key=lambda run: (run.new.created_at, run.number), reverse=True)
        return [
            RunRecord(
                id=run.new.id,
                workflow_id=run.new.workflow_id,
                name=run.new.name,
                status=run.status,
                epoch=run.epoch,
                owner=run.owner,
                created_at=run.new.created_at,
                ended_at=run.ended_at,
                owned=run.holder is not None,
                relation=run.new.relation,
                last_request=max((control.seq for control in run.controls), default=0),
                cause=run.new.cause,
            )
            for run in newest
        ]

    def definition(self, run_id: RunId) -> Definition:
        new = self._run(run_id).new
        return Definition(
            source=new.source,
            source_name=new.source_name,
            source_dir=new.source_dir,
            cwd=new.cwd,
            plan=new.plan,
            included=new.included,
        )

    def history(self, run_id: RunId, after: int = -1) -> Iterator[tuple[int, Event]]:
        first = max(after + 1, 0)
        return iter(list(enumerate(self._run(run_id).facts[first:], first)))

    # ---- requests and questions ----

    def request(self, run_id: RunId, control: Control) -> None:
        run = self._run(run_id)
        if run.status in ENDED:
            raise run_has_ended(run_id, run.status)
        self._leave(run, control)

    def _leave(self, run: _Run, control: Control) -> None:
        self._requests += 1
        run.controls.append(replace(control, seq=self._requests))

    def approvals(
        self, *, run_id: RunId | None = None, state: str | None = "pending"
    ) -> list[ApprovalRecord]:
        found = [
            (approval.asked_at, run.number, seq, approval)
            for run in self._runs.values()
            for seq, approval in run.approvals.items()
            if run_id in (None, run.new.id) and state in (None, approval.state)
        ]
        return [approval for *_, approval in sorted(found, key=lambda row: row[:3])]

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
        run, verb = self._run(run_id), VERBS[decision]
        asked = [seq for seq, approval in run.approvals.items() if approval.step == step]
        last = run.approvals[max(asked)] if asked else None
        if last is None or last.state != "pending":
            raise already_answered(run_id, step, last)
        if given.digest not in ("", last.digest):
            raise another_question(run_id, last)
        run.settle(step, decision, by, reason, at, given.inputs)
        record = run.approvals[max(asked)]
        self._leave(run, answer_request(verb, record))
        return record

    # ---- objects ----

    def objects(self, kind: str | None = None) -> Iterator[ProtocolObject]:
        newest = [
            versions[max(versions)]
            for (of_kind, _), versions in sorted(self._objects.items())
            if kind in (None, of_kind)
        ]
        return iter(newest)

    def newer(self, kind: str, identifier: str, version: int) -> ProtocolObject | None:
        versions = self._objects.get((kind, identifier), {})
        last = max(versions, default=0)
        return versions[last] if last > version else None

    def object_versions(self, kind: str, identifier: str) -> list[ProtocolObject]:
        return [item for _, item in sorted(self._objects.get((kind, identifier), {}).items())]

    def versions(self, run_id: RunId) -> Iterator[ProtocolObject]:
        every = [[v for _, v in sorted(versions.items())] for _, versions in sorted(self._objects.items())]
        return (item for found in every if is_made_by(found, run_id) for item in found)

    def record(self, objects: Sequence[ProtocolObject], said: Sequence[Communication] = ()) -> None:
        self.add_objects(objects)
        self.switchboard.add(said)

    def add_objects(self, objects: Sequence[ProtocolObject]) -> None:
        """Keep new versions, all or none. StoreError if one of them is there already."""
        keys = {(o.kind, o.id, o.version) for o in objects}
        there = any(o.version in self._objects.get((o.kind, o.id), ()) for o in objects)
        if there or len(keys) < len(objects):
            raise object_conflict()
        for item in objects:
            self._objects.setdefault((item.kind, item.id), {})[item.version] = item

    # ---- the cache ----

    def keep_results(self, run: RunId, after: Projection) -> None:
        """Keep the results that new facts of a run say are to be kept."""
        for change in after.changes:
            if isinstance(change, Kept):
                self._cached[change.key] = CachedResult(run=run, **asdict(change))

    def cached(self, begins: str) -> list[CachedResult]:
        return [kept for key, kept in sorted(self._cached.items()) if key.startswith(begins)]

    # ---- what runs have shown ----

    def profiles(self, workflow_id: str, limit: int) -> Iterator[Profile]:
        shown = [
            (run.profile.at, run.number, run.profile)
            for run in self._runs.values()
            if run.profile is not None and run.new.workflow_id == workflow_id
        ]
        return (profile for *_, profile in sorted(shown, key=lambda row: row[:2], reverse=True)[:limit])

    # ---- the store itself ----

    def check(self) -> dict[str, Any]:
        runs = self._runs.values()
        return {
            "path": None,
            "runs": len(runs),
            "facts": sum(len(run.facts) for run in runs),
            "objects": sum(map(len, self._objects.values())),
            "requests": sum(len(run.controls) for run in runs),
            "approvals": sum(len(run.approvals) for run in runs),
            "events": self.board.last(),
            "deadLetters": sum(of.get("dead", 0) for of in self.deliveries.counts().values()),
        }

    def close(self) -> None:
        for run in self._runs.values():
            run.holder = None
