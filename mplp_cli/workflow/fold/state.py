"""RunState: the fold. Facts in, commands out; pure, synchronous, and it touches only what a fact touches.

`handle` is the only way in. What follows from a fact at once (an omitted dependant, a branch not
taken, everything that a stop cancels) is done in the fold itself and told with a `Tell`, so that the
record of the consequence stands in the same commit as its cause; folding that record again changes
nothing. Commands can be derived from state at any time: after a crash `RunResumed` does it
(`resume`), so a lost process never loses a request.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET

from mplp_cli.errors import Failure
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.commands import Command, Conclude, Stop, Tell
from mplp_cli.workflow.fold.ends import add_usage, halt_after, mark_ended, omit, spread, withdraw
from mplp_cli.workflow.fold.facts import FOLD
from mplp_cli.workflow.fold.growth import Item, so_far
from mplp_cli.workflow.fold.joins import Tally, gates
from mplp_cli.workflow.fold.measures import Measures
from mplp_cli.workflow.fold.pausing import set_off
from mplp_cli.workflow.fold.replies import Reply
from mplp_cli.workflow.fold.room import Room
from mplp_cli.workflow.fold.slots import free, release, unpark
from mplp_cli.workflow.fold.spending import Spending
from mplp_cli.workflow.fold.statuses import (
    CANCELLED,
    ENDED,
    FAILED,
    PENDING,
    QUEUED,
    RETRYING,
    RUNNING,
    WAITING,
)
from mplp_cli.workflow.fold.subworkflows import Renewals
from mplp_cli.workflow.plan import CONTAINERS, Plan
from mplp_cli.workflow.resources import Demand, Usage
from mplp_cli.workflow.values import Json


class RunState:
    """Everything that is known about a run. Lists go by step number."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan.growing() if plan.grows else plan
        #: Steps outside `finally` in the plan as it was made.
        self._first_left = sum(not s.final and s.loop < 0 for s in plan.steps)
        #: The items that foreachs and loops have added, by the number of their step; how many there were ever.
        self.items: dict[int, Item] = {}
        self.grown = 0
        self.run_id, self.cwd, self.status = "", "", PENDING
        self.inputs: dict[str, Json] = {}
        self.env: dict[str, str] = {}
        self.started = self.ended = 0
        self.turn: h.Turn | None = None  # the place it needs before it begins
        self.priority = 0  # among the runs that share the pool
        self.trace = ""  # the span that it was started under
        #: What the run's own timeout counts from: its start, or when it was taken up after a failure, and
        #: not the time in which only a person could take it on.
        self.limited_from = self.waits_since = 0
        self.outputs: dict[str, Json] | None = None
        self.error: Failure | None = None
        self.warnings: list[str] = []
        self.stopping: h.RunStopping | None = None
        #: Somebody pauses the run: nothing new starts.
        self.pausing: h.RunPausing | None = None
        #: Stopped at once: `finally` does not run, or stops too.
        self.killed = False
        self.all_slots = 0  # slots in all
        #: Whether anything was ended from outside, so that a fact may come too late.
        self.dropped = False
        #: Set once `finally` runs: how the run will end.
        self.finalizing: h.RunFinalizing | None = None
        #: Of a rerun: what it repeats, and the steps that stand as they did in another run, with its id.
        self.rerun: h.Rerun | None = None
        self.kept: dict[int, str] = {}
        self.redefined: h.RunRedefined | None = None
        self.spending = Spending()
        #: What its attempts may take of the pool; None: all that they want, as where its history is told again.
        self.room: Room | None = None
        #: What there is no room for of what an attempt asks for, and who holds that; empty: nobody knows of any.
        self.shortage: Callable[[Demand], str] = lambda _: ""
        #: Steps that have just ended and whose end has not been spread yet.
        self._ripple: list[int] = []
        #: When the fact at hand was recorded, and what it asks for.
        self.at = 0
        self._out: list[Command] = []
        self._know_nothing(len(plan.steps))
        self.clear()

    def _know_nothing(self, n: int) -> None:
        """What is known of the steps, before anything is."""
        self.step_status = [PENDING] * n
        self.attempts = [0] * n
        #: What the attempts of steps have used together, as far as it was measured.
        self.usage: dict[int, Usage] = {}
        self.results: list[Json] = [UNSET] * n
        self.started_at, self.ended_at = [0] * n, [0] * n
        self.measures = Measures()
        self.reasons: dict[int, str] = {}
        self.because: dict[int, str] = {}
        self.errors: dict[int, Failure] = {}
        self.mended: dict[int, Failure] = {}
        #: Steps with effects whose condition was found true.
        self.judged: set[int] = set()
        #: Steps omitted because of a failure further up.
        self.tainted: set[int] = set()
        #: Branch that a conditional took; the fallback step that an owner fell back to.
        self.branches: dict[int, str] = {}
        #: The child that was first, of races that somebody has won.
        self.winners: dict[int, int] = {}
        self.approvals: dict[int, h.Approval] = {}
        self.awaited: dict[int, h.Awaited] = {}  # the event that a step last waited for
        self.emitted: dict[str, int] = {}  # ids of published events, each with its place among them
        #: Steps that failed because a person said no, or nothing: that was their fallback.
        self.refused: set[int] = set()
        #: Steps whose last attempt was lost, and that run `once`: a person is about to be asked.
        self.doubtful: set[int] = set()
        #: When a retry, a wait, an approval's deadline or a container's timeout is due (ms since the epoch).
        self.due: dict[int, int] = {}
        #: What people have told agents that asked; the next attempt of the step goes on with it.
        self.replies: dict[int, Reply] = {}
        #: Attempts that do not count against the retries: lost in a crash, or before a decision.
        self.uncounted: dict[int, int] = {}
        #: Answers of agents to the questions of steps that have not ended, by the name of the question.
        self.advice: dict[int, dict[str, h.StepAdvised]] = {}
        #: Which runs `workflow` steps get when they start once more.
        self.renewals = Renewals()

    def clear(self) -> None:
        """The counters as before anything happened; `resume` fills them again from the statuses."""
        steps = self.plan.steps
        #: What each step still waits for: dependencies, the step before it, its container; 0 is ready.
        self.unmet = [gates(step) for step in steps]
        self.tallies: dict[int, Tally] = {}
        #: Steps whose join rule cannot be met, but whose turn has not come; with the step that decided it.
        self.denied: dict[int, int] = {}
        #: Heap of ranks: queued steps that need a slot or a lane.
        self.ready: list[int] = []
        #: Since when steps with effects are in it or parked.
        self.ready_since: dict[int, int] = {}
        #: Steps that hold a slot, and steps that hold a lane of their parallel.
        self.holding: set[int] = set()
        self.in_lane: set[int] = set()
        self.slots = 0
        #: Free lanes of parallel steps with a limit, and the ranks that wait for one.
        self.lanes = {s.number: s.lanes for s in steps if s.lanes}
        self.parked: dict[int, list[int]] = {}
        #: Containers of a run taken up again that go on when there is a lane for them.
        self.returning: set[int] = set()
        #: Children of each open container that have not ended.
        self.open: dict[int, int] = {}
        #: Steps of this phase that have not ended.
        self.left = self._first_left
        #: Steps that go on by themselves: queued, running, retrying, waiting for a time, concluding.
        self.moving = 0
        #: Steps that wait for a person.
        self.asking = 0
        #: Containers about to open and steps about to be judged: slots are given when all who want one are there.
        self.opening: set[int] = set()
        #: Steps that are queued, and that only the pause keeps from starting, in the order they became ready.
        self.withheld: list[int] = []
        #: The run is about to stop: nothing more is started.
        self.halting = False
        if self.room is not None:
            self.room.clear()

    def handle(self, fact: h.Event) -> list[Command]:
        """Fold one fact; what to do next."""
        out: list[Command] = []
        self._out, self.at = out, fact.at
        if self.opening and (step := getattr(fact, "step", "")):
            self.opening.discard(self.plan.number[step])
        if (usage := getattr(fact, "usage", None)) is not None:
            add_usage(self, fact.step, usage)  # type: ignore[union-attr]  # what has been used, a step has used
        FOLD[type(fact)](self, fact)
        ripple = self._ripple
        while ripple:
            spread(self, ripple.pop())
        if self.ready or (self.room is not None and self.room.stirs):
            self._release()
        return out

    def again(self) -> list[Command]:
        """What may start now because others have left room."""
        out: list[Command] = []
        self._out = out
        self._release()
        return out

    def _release(self) -> None:
        if not self.halting and not self.opening and self.pausing is None:
            release(self)

    @property
    def settled(self) -> bool:
        """All steps of this phase have ended, and the run has not."""
        return not self.left and not self.moving and self.status == RUNNING

    @property
    def stuck(self) -> bool:
        """Nothing can go on without a person. What waits for the lane of such a step cannot either."""
        if not self.asking or self.holding or not self.left or self.status != RUNNING:
            return False
        by_rank, status = self.plan.by_rank, self.step_status
        parked = sum(status[by_rank[rank]] is QUEUED for ranks in self.parked.values() for rank in ranks)
        return self.moving == parked

    def doomed(self, i: int) -> str:
        """Why step `i` cannot go on: the run stops, or a container around it has ended. Empty if it can."""
        if self.stopping is not None and (
            self.killed if self.plan.steps[i].final else self.finalizing is None
        ):
            return self.stopping.message or f"the run was stopped ({self.stopping.cause})"
        steps, inner = self.plan.steps, i
        while (parent := steps[inner].parent) >= 0:
            if self.step_status[parent] in ENDED:
                return f"`{steps[parent].id}` ended before it"
            if self.winners.get(parent, inner) != inner:
                return f"`{steps[self.winners[parent]].id}` was first"
            inner = parent
        return ""

    # ---- moves shared by the facts

    def ask(self, command: Command) -> None:
        """Something for the driver to do after this fact."""
        self._out.append(command)

    def make_ready(self, i: int) -> None:
        """Step `i` waits for nothing any more."""
        self.step_status[i] = QUEUED
        self.moving += 1
        if self.pausing is None:
            set_off(self, i)
        else:
            self.withheld.append(i)

    def met(self, i: int) -> None:
        """One thing less that step `i` waits for."""
        self.unmet[i] -= 1
        if not self.unmet[i] and self.step_status[i] is PENDING:
            if i in self.denied:
                omit(self, i, self.denied[i])
            else:
                self.make_ready(i)

    def close(self, i: int, status: str, at: int) -> None:
        """Step `i` has ended."""
        mark_ended(self, i, status, at)
        self.left -= 1
        self._ripple.append(i)

    def close_inside(self, i: int, status: str, reason: str, at: int, because: str = "") -> None:
        """Everything inside container `i` that has not ended ends with it; what runs is stopped."""
        stack = list(self.plan.steps[i].children)
        while stack:
            c = stack.pop()
            stack.extend(self.plan.steps[c].children)
            if because and self.step_status[c] not in ENDED:
                self.because[c] = because
            self.drop(c, status, reason, at)

    def drop(self, i: int, status: str, reason: str, at: int) -> None:
        """End step `i` from outside, whatever it is doing; only a running attempt ends by itself."""
        now = self.step_status[i]
        if now in ENDED:
            return
        if now is RUNNING and self.plan.steps[i].kind not in CONTAINERS and i not in self.branches:
            self.ask(Stop(i))
            return
        concluding = now is RUNNING and self.open.get(i) == 0
        if now is QUEUED or now is RETRYING or concluding or (now is WAITING and i not in self.approvals):
            self.moving -= 1
        if now is QUEUED and self.room is not None:
            self.room.forget(self.plan.steps[i].rank)
        if i in self.approvals:
            withdraw(self, i, reason)
        self.give_back(i)
        self.due.pop(i, None)
        self.open.pop(i, None)
        self.opening.discard(i)
        self.returning.discard(i)
        self.dropped = True
        mark_ended(self, i, status, at)
        self.reasons[i] = reason
        if self.plan.steps[i].final == (self.finalizing is not None):
            self.left -= 1
        self.ask(Tell(i))

    def give_back(self, i: int) -> None:
        """Free the slot, the room and the lane that step `i` holds."""
        free(self, i)
        if i in self.in_lane:
            self.in_lane.discard(i)
            parent = self.plan.steps[i].parent
            self.lanes[parent] += 1
            unpark(self, parent)

    def conclude(self, i: int) -> None:
        """All children of container `i` have ended."""
        self.moving += 1
        if self.plan.steps[i].kind == "loop":
            self.results[i] = so_far(self, i)
        self.ask(Conclude(i))

    def answered(self, i: int) -> None:
        """Step `i` does not wait for a person any more."""
        del self.approvals[i]
        self.asking -= 1

    def fail(self, i: int, error: Failure, at: int, result: Json = None) -> None:
        """Step `i` fails for good."""
        self.errors[i] = error
        if result is not None:
            self.results[i] = result
        if self.plan.steps[i].kind in CONTAINERS:
            self.close_inside(i, CANCELLED, f"`{self.plan.steps[i].id}` failed", at)
        self.dropped = True
        self.close(i, FAILED, at)
        if (halt := halt_after(self, i)) is not None and self.stopping is None and self.finalizing is None:
            self.halting = True
            self.ask(halt)

    def ending(self, step: str) -> int:
        """The number of a step that is about to end; it stops moving and gives back what it holds."""
        i = self.plan.number[step]
        now = self.step_status[i]
        if now in ENDED:
            raise ValueError(f"{step} has ended before")
        if i in self.approvals:
            withdraw(self, i, "the step ended before anybody answered")
        elif now is not PENDING and not (now is RUNNING and self.open.get(i)):
            self.moving -= 1
        if self.holding or self.in_lane:
            self.give_back(i)
        if self.due:
            self.due.pop(i, None)
        return i
