"""Following a run that any process drives, by what the store says of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mplp_cli.cli.tailing import Logs, Tail
from mplp_cli.workflow.fold.history import Event, StepStarted
from mplp_cli.workflow.fold.state import RunState

if TYPE_CHECKING:
    from mplp_cli.cli.driving import Watch
    from mplp_cli.errors import RunStateError
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime

#: Seconds between looks.
PAUSE = 0.1
#: Bytes that are shown of what a step had written before.
_BEHIND = 4_096
_ENDED = ("completed", "failed", "cancelled")


class Followed:
    """A run as its history tells it so far."""

    def __init__(self, runtime: Runtime, record: RunRecord) -> None:
        self._runtime = runtime
        self.record = record
        self.state = RunState(runtime.stored_plan(record.id))
        #: Grows with the run.
        self.plan = self.state.plan
        #: Facts that are folded.
        self.recorded = 0

    def look(self) -> list[Event]:
        """What is new; it is folded already."""
        # Who drives it comes first: when nobody did, nothing follows what is read now.
        self.record = self._runtime.find_run(self.record.id)
        facts = [fact for _, fact in self._runtime.store.history(self.record.id, self.recorded - 1)]
        for fact in facts:
            self.state.handle(fact)
        self.recorded += len(facts)
        return facts


class _Telling:
    """Tells a watch facts, and what attempts wrote, in their order."""

    def __init__(self, watch: Watch, log_dir: Path) -> None:
        self._watch = watch
        self._facts: list[Event] = []
        self.logs = Logs(log_dir, self._wrote, live=True)

    def tell(self, facts: list[Event]) -> None:
        """New facts, and what was written meanwhile."""
        for fact in facts:
            self.logs.end(getattr(fact, "step", ""))  # what an attempt wrote comes before what ends it
            self._facts.append(fact)
            if isinstance(fact, StepStarted):
                self.logs.begin(fact.step, fact.attempt)
        self._tell_facts()
        self.logs.read()

    def _wrote(self, tail: Tail, told: Iterator[tuple[str, str]]) -> None:
        for stream, text in told:
            self._tell_facts()
            self._watch.screen.output(tail.step, stream, text)

    def _tell_facts(self) -> None:
        if self._facts:
            facts, self._facts = self._facts, []
            for subscriber in self._watch.screen.subscribers:
                subscriber(facts)


def follow(runtime: Runtime, run: Followed, watch: Watch) -> bool:
    """Show what happens until nobody drives the run. False if the reader has gone before."""
    from mplp_cli.store.layout import log_dir

    telling = _Telling(watch, log_dir(runtime.state_dir, run.record.id))
    for number, status in enumerate(run.state.step_status):
        if status == "running":
            telling.logs.begin(run.plan.steps[number].id, run.state.attempts[number], behind=_BEHIND)
    while True:
        facts = run.look()
        telling.tell(facts)
        if watch.left:
            return False
        if run.record.owned:
            if watch.live is not None:
                watch.live.tick(runtime.clock.now())
            time.sleep(PAUSE)
        elif not facts:  # else somebody may have taken it up just now
            telling.logs.read(last=True)
            return True


def remember_failures(runtime: Runtime, run: Followed, watch: Watch) -> None:
    """What failed steps wrote last before anybody watched, for the summary."""
    from mplp_cli.engine.capture import log_path
    from mplp_cli.store.layout import log_dir

    folder = log_dir(runtime.state_dir, run.record.id)
    for number in run.state.errors:
        step, attempt = run.plan.steps[number].id, run.state.attempts[number]
        if not watch.knows(step):
            tail = Tail(log_path(folder, step, attempt), step, attempt, behind=_BEHIND)
            for stream, text in tail.read(last=True):
                watch.remember(step, stream, text)


def interrupted(record: RunRecord) -> RunStateError:
    """The refusal of those who wait for a run that nobody drives."""
    from mplp_cli.errors import Exit, RunStateError
    from mplp_cli.render.view import short_id

    error = RunStateError(
        f"run {short_id(record.id)} is interrupted: no process drives it",
        hint=f"go on with `mplp resume {short_id(record.id)}`",
        details={"runId": record.id, "status": "interrupted"},
    )
    error.exit_code = Exit.BUSY
    return error


def going_on(record: RunRecord) -> bool:
    """Whether a name that means several runs would mean this one."""
    return record.owned or record.status not in _ENDED
