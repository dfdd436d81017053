"""The driver: facts in, one commit, then acts. Nothing leaves the process before its commit.

One turn folds facts until nothing more follows from them (or the batch is full), commits them
together, tells the subscribers, and only then starts attempts with effects. Pure steps and local
module operations run before the commit of what they need: they have no effect outside the journal,
and a commit that fails takes them away together with it.

Steps that queue for a slot are claimed ahead of time, in the commit of others. A claimed step begins
as soon as a slot is free; while such steps follow each other, a commit waits a moment for a few of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import assert_never

from msgspec import structs

from mplp_cli.engine.attempts import Attempts
from mplp_cli.engine.caching import beginning
from mplp_cli.engine.committing import Batch
from mplp_cli.engine.consulting import Filled, carry_out
from mplp_cli.engine.containers import concluded
from mplp_cli.engine.deadlines import Deadlines, rang
from mplp_cli.engine.entrance import Entrance
from mplp_cli.engine.judging import judged
from mplp_cli.engine.keeping import checked
from mplp_cli.engine.local import done_at_once, operate
from mplp_cli.engine.lookout import lookout
from mplp_cli.engine.people import Verb, aftermath, answer, doubt, let_go, withdrawn
from mplp_cli.engine.queueing import wait_for_turn
from mplp_cli.engine.requests import begin_again, hear
from mplp_cli.engine.settlement import parting_of, settlement
from mplp_cli.engine.waiting import Arrivals
from mplp_cli.engine.world import World
from mplp_cli.errors import Failure, RunStateError, failure_of
from mplp_cli.protocols import ProtocolObject
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.answers import NOTHING, Given
from mplp_cli.workflow.fold.commands import (
    WHOLE_RUN,
    Arm,
    Ask,
    Command,
    Conclude,
    Halt,
    Judge,
    Start,
    Stop,
    Tell,
    Withdraw,
)
from mplp_cli.workflow.fold.composites import consequence
from mplp_cli.workflow.fold.ends import comes_too_late
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import PENDING, QUEUED, RUNNING
from mplp_cli.workflow.language.templates import fill
from mplp_cli.workflow.plan import PlanStep
from mplp_cli.workflow.resources import Usage
from mplp_cli.workflow.values import Json

#: A run with one of these is driven on.
_GOING = (RUNNING, PENDING)


class Drive:
    """Drives one run to its end, or to where only a person can take it on."""

    def __init__(self, state: RunState, world: World, by: str = "mplp") -> None:
        self.state, self.world, self.by = state, world, by  # `by`: who drives, for the record of a resume
        self.scope = RunScope(state, world.secrets)
        self.arrivals = Arrivals(self.scope, world)
        self._facts: deque[h.Event] = deque()
        #: Objects to be stored with a fact, by (step, attempt).
        self._attached: dict[tuple[str, int], list[ProtocolObject]] = {}
        #: What to do then: (step number, attempt, resolved body); and what need not wait, for it was claimed.
        self._acts: list[tuple[int, int, Json]] = []
        self._early: list[tuple[int, int, Json]] = []
        #: Operations that have asked agents: (step, attempt, parameters).
        self._filled: list[Filled] = []
        self._later: asyncio.TimerHandle | None = None
        self._asked: list[Command] = []
        self._entrance = Entrance(state, world.sharing)
        self._batch = Batch(state, world, self._entrance)
        self._turn_due = False
        self._over: asyncio.Future[None] | None = None

    async def run(self, begin: h.RunStarted | h.RunResumed | None = None) -> RunState:
        """Drive the run on from what its journal holds; `begin` is the fact of a run just created, or says how."""
        self._loop = asyncio.get_running_loop()
        self._soon = lookout().soon
        if isinstance(begin, h.RunStarted):
            self._asked = self.state.handle(begin)
            self._tell_all([begin])
        await wait_for_turn(self.state, self.world, self._facts, lambda: hear(self, self._facts))
        self._over = over = self._loop.create_future()
        self._deadlines = Deadlines(self._loop, self._due)
        self._poll()  # an answer or a stop may be waiting for a run that is taken up
        if not isinstance(begin, h.RunStarted):
            resumed = begin or h.RunResumed(self.world.clock.now(), self.by)
            self._batch.facts = begin_again(resumed, self._facts)
            self._asked = [command for fact in self._batch.facts for command in self.state.handle(fact)]
        try:
            async with asyncio.TaskGroup() as tasks:
                self._attempts = Attempts(
                    self.state, self.world, tasks, self.post, self.fail, self._filled, self._wake
                )
                self._wake()
                try:
                    await over
                finally:
                    await self._attempts.close(over)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            await self._attempts.errands.ended()
            self._polling.cancel()
            if self._later is not None:
                self._later.cancel()
            self._deadlines.close()
        return self.state

    # ---- requests from outside

    def cancel(self, by: str, message: str = "") -> None:
        """Stop the run: what runs is stopped, what waits is cancelled, `finally` runs, but asks nobody."""
        state = self.state
        if state.approvals if state.finalizing is not None else state.stopping is None:
            why = message or f"cancelled by {by}"
            self.post(h.RunStopping(self.world.clock.now(), "cancel", by, why))

    def kill(self, by: str, message: str = "") -> None:
        """Stop the run at once: processes are killed; `finally` does not run, or stops too."""
        if not self.state.killed:
            self.post(h.RunStopping(self.world.clock.now(), "kill", by, message or f"killed by {by}"))
        if self._over is not None:
            self._loop.call_soon(self.world.kill)  # after the turn that stores it

    def decide(self, step_id: str, verb: Verb, by: str, reason: str, given: Given = NOTHING) -> None:
        """A person's answer, as `people.answer` takes it. RunStateError if nobody waits for it, or has it already."""
        if any(isinstance(fact, h.StepDecided) and fact.step == step_id for fact in self._facts):
            raise RunStateError(f"`{step_id}` has its answer already")
        self.post(*answer(step_id, verb, by, reason, self.state, self.world, given))

    def post(self, fact: h.Event, objects: list[ProtocolObject] | None = None) -> None:
        """A fact to be folded in the next turn, and objects to be stored with it."""
        if objects is not None:
            self._attached[_key(fact)] = objects
        self._facts.append(fact)
        self._wake()

    # ---- a turn

    def _wake(self) -> None:
        if not self._turn_due and self._over is not None and not self._over.done():
            self._turn_due = True
            self._soon(self._turn)

    def _turn(self, is_late: bool = False) -> None:
        """Take a turn; `is_late`: it is the one that a commit has waited for."""
        if is_late:
            self._later = None
        else:
            self._turn_due = False
        if self._over is None or self._over.done():
            return
        try:
            if self._fold_commit_act(is_late):
                self._over.set_result(None)
        except BaseException as error:  # noqa: BLE001 - a callback's error reaches nobody by itself
            self._over.set_exception(error)  # state may be ahead of the journal: it is thrown away

    def _fold_commit_act(self, is_late: bool) -> bool:
        """One turn; whether the run is over."""
        state = self.state
        asked, self._asked = self._asked, []
        self._obey_all(asked)
        self._fold()
        if self._filled and not self._facts:
            carry_out(self._filled, self)
            self._fold()
        early, self._early = self._early, []
        self._begin(early)
        over = state.status not in _GOING
        # A commit may wait for a few more facts; but a stop is stored before it stops anything.
        lingers = (early or self._later) and not is_late and state.stopping is None
        if over or self._acts or not lingers or len(self._batch.facts) >= self.world.batch:
            self._commit()
        elif self._later is None and self._batch.facts:
            self._later = self._loop.call_later(self._batch.linger, self._turn, True)
        acts, self._acts = self._acts, []
        self._begin(acts)
        if self._facts or self._filled:
            self._wake()
        return over

    def _commit(self, parting: h.RunWaiting | h.RunPaused | None = None) -> None:
        """Make everything that is folded durable, and then known; before `parting` every request is heard."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        facts = self._batch.commit() if parting is None else self._batch.park(parting)
        if facts is None:
            hear(self, self._facts)
        else:
            self._tell_all(facts)

    def _begin(self, acts: list[tuple[int, int, Json]]) -> None:
        for number, attempt, body in acts:
            step = self.state.plan.steps[number]
            if self.state.step_status[number] is RUNNING:
                self._attempts.begin(step, attempt, body)
                if step.timeout:
                    self._deadlines.set(number, attempt, step.timeout)

    def _fold(self) -> None:
        """Fold facts until nothing more follows, the batch is full or its time is over."""
        state, facts, written, attached = self.state, self._facts, self._batch.facts, self._attached
        monotonic = self.world.clock.monotonic
        stop, batch = monotonic() + self.world.window, self.world.batch
        while True:
            while facts and len(written) < batch:
                fact = facts.popleft()
                if state.dropped and comes_too_late(state, fact):
                    written_too = attached.pop(_key(fact), [])
                    self._batch.objects += let_go(fact, written_too, self.state, self.world)
                    continue
                written.append(fact)
                if attached:
                    self._batch.objects += attached.pop(_key(fact), ())
                self._obey_all(state.handle(fact))
                if state.status not in _GOING:
                    facts.clear()  # what comes after the end comes too late
                    return
                if not len(written) & 31 and monotonic() > stop:
                    return
            if facts:
                return
            now = self.world.clock.now()
            if (state.settled or state.stuck) and self._attempts.leaving():
                return
            if (parting := parting_of(state, now)) is not None:
                self._commit(parting)
            elif state.settled:
                facts.append(settlement(self.scope, now))
            else:
                return
            if state.status not in _GOING:
                return

    def _tell_all(self, facts: list[h.Event]) -> None:
        for tell in self.world.subscribers if facts else ():
            tell(facts)

    # ---- commands

    def _obey_all(self, commands: list[Command]) -> None:
        for command in commands:
            self._obey(command)
        while self._entrance.starts:  # before the next fact, so that they start where that was decided
            starts, commands = self._entrance.admit()
            for start in starts:
                self._start(start.number, start.attempt)
            for command in commands:
                self._obey(command)

    def _obey(self, command: Command) -> None:
        now = self.world.clock.now
        match command:
            case Start() | Judge() if self.state.step_status[command.number] is not QUEUED:
                pass  # something has ended it before it could start
            case Start():
                if not self._entrance.holds_up(command):
                    self._start(command.number, command.attempt)
            case Tell():
                self._batch.facts.append(consequence(self.state, command.number))
            case Arm():
                self._deadlines.set(command.number, -command.due, max(0, command.due - now()))
            case Judge() | Conclude():
                step = self.state.plan.steps[command.number]
                judge, coming = (judged, 1) if isinstance(command, Judge) else (concluded, 0)
                found = judge(step, self.scope.at(step), now())
                if isinstance(found, Failure):
                    self.fail(step, self.state.attempts[step.number] + coming, found)
                else:
                    self._facts.append(checked(step, found, self.state, self.world))
            case Ask():
                self.post(*doubt(self.state.plan.steps[command.number], self.scope, self.world))
            case Stop():
                self._stop(command.number)
            case Withdraw():
                late = self._attached.pop((self.state.plan.steps[command.number].id, 0), ())  # an answer
                self._batch.objects += late or withdrawn(command, self.state, self.world)
            case Halt():
                self._facts.append(h.RunStopping(now(), command.cause, "", command.message))
            case _:
                assert_never(command)

    def _start(self, i: int, attempt: int) -> None:
        """Everything up to the effect of an attempt; only effects wait for the commit."""
        step = self.state.plan.steps[i]
        scope = self.scope.at(step)
        try:
            if (done := done_at_once(step, attempt, scope, self.world)) is not None:
                self.post(*done)
            elif isinstance(begins := beginning(step, attempt, scope, self.world), h.StepCompleted):
                self._facts.append(begins)
            elif step.effect:
                act = i, attempt, fill(step.body, scope)
                (self._early if i in self._batch.claimed else self._acts).append(act)
                self._batch.claimed.discard(i)
                self._batch.record(begins)
            else:
                self._batch.record(begins)
                self.post(*operate(step, attempt, scope, self.world))
        except Exception as error:  # noqa: BLE001 - whatever a value or an operation raises is the step's failure
            self.fail(step, attempt, failure_of(error))

    def _stop(self, i: int) -> None:
        """Stop the attempt of a step; one that waits for the end of the turn never begins."""
        for act in (*self._acts, *self._early):
            if act[0] == i:
                (self._acts if act in self._acts else self._early).remove(act)
                step, reason = self.state.plan.steps[i].id, self.state.doomed(i)
                self._facts.append(h.StepCancelled(self.world.clock.now(), step, act[1], reason))
                return
        self._attempts.stop(i)

    def fail(self, step: PlanStep, attempt: int, failure: Failure, usage: Usage | None = None) -> None:
        """An attempt failed: a retry, a fallback, or the end of the step. `usage` is what it has used."""
        follows, objects = aftermath(step, attempt, failure, self.scope.at(step), self.world)
        self.post(follows if usage is None else structs.replace(follows, usage=usage), objects)

    # ---- time, and requests of other processes

    def _due(self, i: int, mark: int) -> None:
        """A deadline is over: of attempt `mark`, or (minus `mark`) the moment that was armed last."""
        self.state.dropped = True  # whatever is queued about this step may come too late
        step = self.state.plan.steps[i]
        if i in self.state.approvals:
            hear(self, self._facts)  # an answer that came in time counts
        if mark > 0:
            self._attempts.expire(i, mark)
        elif isinstance(found := rang(i, -mark, self.scope, self.world), Failure):
            self.fail(step, self.state.attempts[i], found)
        elif found is not None and (i == WHOLE_RUN or (step.id, 0) not in self._attached):
            self.post(found)  # no answer came just now

    def _poll(self) -> None:
        pause = self.world.poll
        try:
            hear(self, self._facts)
            commands, pause = self._entrance.look(pause)
            if commands:
                self._asked += commands
                self._wake()
        except BaseException as error:  # noqa: BLE001 - as in a turn
            if self._over is not None and not self._over.done():
                self._over.set_exception(error)
        self._polling = self._loop.call_later(pause, self._poll)


def _key(fact: h.Event) -> tuple[str, int]:
    """What objects are attached by: the step and the attempt (0 for a decision)."""
    if isinstance(fact, h.AgentAsked):  # it has none, and comes before the fact that may have some
        return "", -1
    return getattr(fact, "step", ""), getattr(fact, "attempt", 0)
