"""The run in a pipe or in CI: a line a fact that matters, and what steps write, on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import IO, Final

from mplp_cli.errors import Failure
from mplp_cli.protocols import Standing
from mplp_cli.render.ink import Line, write
from mplp_cli.render.queued import queue_text
from mplp_cli.render.tails import BREAK
from mplp_cli.render.theme import PLAIN, STATUS_STYLE, Theme, safe, safe_output
from mplp_cli.render.view import (
    RunView,
    approve_command,
    attempt_text,
    awaited_text,
    failure_text,
    first_line,
    is_leaf,
    pause_text,
    rerun_text,
    short_id,
    took,
)
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.plan import Plan, PlanStep
from mplp_cli.workflow.values import duration_text

#: Facts that end a step.
_ENDS = (h.StepCompleted, h.StepFailed, h.StepSkipped, h.StepOmitted, h.StepCancelled)
#: Facts after which nothing more is told.
_RUN_STOPS = (*h.RUN_ENDS, h.RunWaiting, h.RunPaused)
#: Characters of one line of output that are shown; the log has all of it.
SHOWN: Final = 2_000


class Lines:
    """Prints facts and output. `quiet` leaves what a person has to know: failures and questions."""

    def __init__(
        self,
        plan: Plan,
        state: RunView,
        stream: IO[str],
        *,
        theme: Theme = PLAIN,
        quiet: bool = False,
        zone: tzinfo | None = None,
        prefix: str = "",
    ) -> None:
        self._plan = plan
        self._state = state
        self._stream = stream
        self._theme = theme
        self.quiet = quiet
        #: What names begin with: the steps around a sub-workflow, `outer/`.
        self._prefix = prefix
        #: None: the time zone of the machine.
        self._zone = zone
        #: (step, stream) -> text after the last line end; how much of it was dropped, where it was too long.
        self._partial: dict[tuple[str, str], str] = {}
        self._dropped: dict[tuple[str, str], int] = {}
        self._clock = (-1, "")
        #: What was told last of the queue.
        self._stands: tuple[int, list[str]] = (0, [])
        #: A rerun was said to have started, and takes up what it keeps.
        self._just_kept = False
        #: The reader has gone (`2>&1 | head`). That is no reason for a run to stop.
        self._gone = False

    def __call__(self, events: Sequence[h.Event]) -> None:
        """Take committed facts."""
        ended = {e.step for e in events if isinstance(e, _ENDS)} if len(events) > 1 else set()
        lines: list[Line] = []
        for event in events:
            if isinstance(event, _ENDS):
                lines += self._rest(event.step)
            # What has ended already need not be said to have started.
            if isinstance(event, h.StepStarted) and event.step in ended:
                continue
            if told := self._told(event):
                lines += told
        if not self.quiet and not self._prefix and any(isinstance(e, _RUN_STOPS) for e in events):
            # The summary that follows stands by itself.
            lines.append(Line())
        self._print(lines)

    def output(self, step: str, stream: str, text: str) -> None:
        """Take what a step wrote; whole lines are printed, the rest waits for its end."""
        if self.quiet:
            return
        *whole, rest = BREAK.split(self._partial.pop((step, stream), "") + text)
        self._print([self._wrote(step, stream, line) for line in whole])
        if len(rest) > SHOWN + 1:  # a carriage return at its end may be half of a line end
            self._dropped[step, stream] = self._dropped.get((step, stream), 0) + len(rest) - SHOWN - 1
            rest = rest[:SHOWN] + rest[-1]
        if rest:
            self._partial[step, stream] = rest

    def waits(self, standing: Standing, now: int) -> None:
        """Take where the run stands in the queue for its turn; told when it changes."""
        stands = standing.position, [holding.run for holding in standing.holders]
        if standing.holders and standing.position and stands != self._stands:
            self._stands = stands
            said = f"{queue_text(standing, now)}; run {self._state.run_id}"
            self._print([self._line(now, "waiting", self._plan.workflow.id, said)])

    def _print(self, lines: list[Line]) -> None:
        if not self._gone:
            try:
                write(self._stream, lines, self._theme)
            except BrokenPipeError:
                self._gone = True

    def _rest(self, step: str) -> list[Line]:
        if not self._partial:
            return []
        left = [(stream, self._partial.pop((step, stream), "")) for stream in ("stdout", "stderr")]
        return [self._wrote(step, stream, text.rstrip("\r")) for stream, text in left if text]

    def _wrote(self, step: str, stream: str, text: str) -> Line:
        name = f"{self._prefix}{step} {self._theme.glyph('gutter')} "
        line = Line(name, "warn" if stream == "stderr" else "dim")
        line.add(safe_output(text[:SHOWN]))
        if left := len(text[SHOWN:]) + self._dropped.pop((step, stream), 0):
            all_of_it = f"mplp logs {short_id(self._state.run_id)} {step}"
            line.add(f" {self._theme.glyph('more')} {left:,} more characters: {all_of_it}", "dim")
        return line

    # ---- facts

    def _told(self, event: h.Event) -> list[Line]:
        if isinstance(event, h.StepFailed):
            return [self._failed(event)]
        if isinstance(event, h.StepWaiting):
            return self._waiting(event)
        if isinstance(event, h.RunWaiting) and self._prefix:
            return []
        if isinstance(event, h.RunWaiting):
            hint = f"waits for a person; afterwards: mplp resume {self._state.run_id}"
            return [self._line(event.at, "waiting", self._plan.workflow.id, f"{hint}")]
        if isinstance(event, h.RunPaused):
            said = f"paused; to go on: mplp resume {self._state.run_id}"
            return [self._line(event.at, "paused", self._plan.workflow.id, said)]
        if self.quiet:
            return []
        line = self._step_line(event) or self._run_line(event)
        return [line] if line else []

    def _step_line(self, event: h.Event) -> Line | None:
        status, said = "", ""
        match event:
            case h.StepStarted(step=step, attempt=attempt) if self._is_slow(step) or attempt > 1:
                status, said = "running", f"started{self._tries(step, attempt)}"
            case h.StepCompleted(step=step):
                if self._step(step).kind == "item":
                    return None  # its steps have told it
                status, said = "completed", f"completed{self._spent(step)}{self._mended(event)}"
            case h.StepRetrying(step=step, attempt=attempt, error=error, delay=delay):
                tries = attempt_text(self._step(step), attempt)
                status, said = "retrying", f"{tries} failed: {_why(error)}; retry in {duration_text(delay)}"
            # The steps of fallback actions that were not needed are no news.
            case h.StepSkipped(step=step, reason=reason) if self._step(step).branch != "fallback":
                status, said = "skipped", f"skipped: {first_line(reason)}"
            case h.StepOmitted(step=step, reason=reason):
                status, said = "omitted", f"omitted: {first_line(reason)}"
            case h.StepCancelled(step=step, reason=reason):
                status, said = "cancelled", f"cancelled{self._spent(step, 'after')}: {first_line(reason)}"
            case h.StepDecided(step=step, decision=decision, by=by, reason=reason):
                said = f"{decision}{f' by {by}' if by else ''}{f': {first_line(reason)}' if reason else ''}"
                status = decision
            case h.StepFellBack(step=step, error=error, instead=instead):
                status, said = "retrying", f"failed: {_why(error)}; {instead} runs instead"
            case _:
                return None
        return self._line(event.at, status, step, said)

    def _run_line(self, event: h.Event) -> Line | None:
        workflow = self._plan.workflow
        match event:
            case h.RunStarted(run=run, turn=None):
                return self._line(event.at, "running", workflow.id, self._began(run, event.rerun))
            case h.RunAdmitted(waited=waited, behind=behind):
                after = f", after {duration_text(waited)} in the queue" if behind else ""
                said = self._began(self._state.run_id, self._state.rerun) + after
                return self._line(event.at, "running", workflow.id, said)
            case h.RunRedefined():
                return self._line(event.at, "running", workflow.id, "goes on with another definition")
            case h.RunResumed() if self._just_kept:
                self._just_kept = False
                return None  # it has just been said to have started
            case h.RunResumed():
                return self._line(event.at, "running", workflow.id, f"resumed, run {self._state.run_id}")
            case h.RunPausing():
                said = f"pausing{pause_text(event)}; what runs finishes, nothing new starts"
                return self._line(event.at, "paused", workflow.id, said)
            case h.RunContinued(by=by):
                said = f"the pause was taken back{f' by {by}' if by else ''}"
                return self._line(event.at, "running", workflow.id, said)
            case h.RunStopping(cause=cause, by=by, message=message):
                why = first_line(message) or cause
                # Without a reason of its own, who has cancelled it is the reason.
                said = f"stops: {why}" + (f" (by {by})" if by and not why.endswith(f" by {by}") else "")
                return self._line(event.at, "cancelled", workflow.id, said)
            case _:
                return None

    def _began(self, run: str, rerun: h.Rerun | None) -> str:
        steps = sum(is_leaf(s) and s.branch != "fallback" for s in self._plan.steps)
        said = f"{self._plan.workflow.version} started, {steps:,} step{'s' if steps != 1 else ''}, run {run}"
        if rerun is None:
            return said
        self._just_kept = rerun.mode != "all"
        kept = sum(self._state.step_status[i] == "completed" for i in self._state.kept)
        keeps = f", {kept:,} result{'s' if kept != 1 else ''} kept" if kept else ""
        return f"{said}, {rerun_text(rerun)}{keeps}"

    def _failed(self, event: h.StepFailed) -> Line:
        step = self._step(event.step)
        tries = f" ({attempt_text(step, event.attempt)})" if step.max_attempts > 1 else ""
        said = f"failed{self._spent(event.step, 'after')}{tries}: {_why(event.error)}"
        return self._line(event.at, "failed", event.step, said)

    def _waiting(self, event: h.StepWaiting) -> list[Line]:
        if event.approval is None:
            if self.quiet:
                return []
            said = f"waits {duration_text(event.until - event.at)}, until {self._time(event.until)}"
            if event.event is not None:
                limit = f" ({said.removeprefix('waits ')} at most)" if event.until else ""
                said = f"waits for {awaited_text(event.event)}{limit}"
            return [self._line(event.at, "waiting", event.step, said)]
        if event.approval.run:
            said = f"waits for run {event.approval.run}: {first_line(event.approval.message)}"
            return [] if self.quiet else [self._line(event.at, "waiting", event.step, said)]
        said = f"waits for approval: {first_line(event.approval.message)}"
        how = approve_command(self._state.run_id, event.step, event.approval)
        return [
            self._line(event.at, "waiting", event.step, said),
            Line(" " * 11).add(how, "key").add("  (or reject)", "dim"),
        ]

    # ---- parts of a line

    def _line(self, at: int, status: str, name: str, said: str) -> Line:
        line = Line()
        line.pieces = [  # our own text needs nothing to be safe
            (f"{self._time(at)} ", "dim"),
            (f"{self._theme.glyph(status)} ", STATUS_STYLE[status]),
            (safe(f"{self._prefix}{name}"), "strong"),
            (safe(f" {said}"), "bad" if status == "failed" else ""),
        ]
        return line

    def _time(self, at: int) -> str:
        second = at // 1000
        if self._clock[0] != second:
            moment = datetime.fromtimestamp(second, UTC).astimezone(self._zone)
            self._clock = (second, moment.strftime("%H:%M:%S"))
        return self._clock[1]

    def _step(self, step: str) -> PlanStep:
        return self._plan.steps[self._plan.number[step]]

    def _mended(self, event: h.StepCompleted) -> str:
        """What has not gone well in a step that has completed."""
        step, mended = self._step(event.step), event.mended
        if step.kind == "foreach" and mended:
            return f"; tolerated: {_why(mended)}"
        tries = self._tries(event.step, event.attempt)
        if mended is None:
            return tries
        # A step that ran instead has said so before.
        told = any(
            self._state.attempts[c] and self._plan.steps[c].branch == "fallback" for c in step.children
        )
        return f"{tries}, by its fallback{'' if told else f' after {_why(mended)}'}"

    def _is_slow(self, step: str) -> bool:
        """Whether its start is worth a line: work that takes its time."""
        planned = self._step(step)
        return is_leaf(planned) and planned.kind not in {
            "set",
            "module-operation",
            "wait",
            "emit",
            "approval",
        }

    def _spent(self, step: str, word: str = "in") -> str:
        i = self._plan.number[step]
        spent = took(self._state, i)
        return f" {word} {duration_text(spent)}" if spent else ""

    def _tries(self, step: str, attempt: int) -> str:
        return f" ({attempt_text(self._step(step), attempt)})" if attempt > 1 else ""


def _why(error: Failure) -> str:
    return f"{error.type}: {failure_text(error)}"
