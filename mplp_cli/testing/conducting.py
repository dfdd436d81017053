"""One case from its beginning to its verdict: a run in memory, with stand-ins, and people who answer at once."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from mplp_cli.agents.recording.cassette import read_cassette
from mplp_cli.agents.recording.tape import Replay
from mplp_cli.answering import Answer, give
from mplp_cli.errors import Failure, InputError, MplpError, OperationError, RunStateError
from mplp_cli.ids import SeededIds
from mplp_cli.loading import resolve_inputs
from mplp_cli.protocols import ApprovalRecord
from mplp_cli.running import EXITS, Run, Screen
from mplp_cli.runtime import Runtime
from mplp_cli.sources import Source, read_secrets
from mplp_cli.testing.doubles import Doubles
from mplp_cli.testing.hurrying import Hurry
from mplp_cli.workflow.cases.coverage import Way, taken_in
from mplp_cli.workflow.cases.judging import judge
from mplp_cli.workflow.cases.model import Case, Decision, Mismatch, Outcome, StepOutcome, Verdict
from mplp_cli.workflow.fold.growth import id_in_file
from mplp_cli.workflow.fold.history import Event, StepEmitted, StepWaiting
from mplp_cli.workflow.plan import Plan

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState

#: Who answers where nobody in particular is asked.
_SOMEBODY = "tester"


class Tried(Struct, frozen=True, kw_only=True):
    """How a case went, and the ways through the workflow that it has taken."""

    verdict: Verdict
    taken: frozenset[Way] = frozenset()


def conduct(case: Case, number: int, source: Source, file: str) -> Tried:
    """Run case number `number` (from 0) of `file`, and judge it. Places of mismatches are not known yet."""
    hurry = Hurry()
    real = hurry.monotonic()
    with tempfile.TemporaryDirectory(prefix="mplp-test-") as scratch:
        trial = _Trial(case, source, Path(file).parent, Path(scratch), hurry)
        outcome, state = trial.run()
    skipped = hurry.skipped
    path = ("cases", number)
    mismatches = [*judge(case.expect, outcome, (*path, "expect")), *trial.unmet(path)]
    return Tried(
        verdict=Verdict(
            file=file,
            name=case.name,
            line=0,
            took=round((hurry.monotonic() - real - skipped) * 1000),
            virtual=round((hurry.monotonic() - real) * 1000),
            mismatches=mismatches,
            outcome=outcome,
        ),
        taken=frozenset() if state is None else taken_in(state),
    )


@dataclass
class _People:
    """Those who answer: each decision once, in order."""

    runtime: Runtime
    left: list[tuple[int, Decision]]
    #: Answers given since the last look.
    fresh: int = 0
    #: What was wrong with answers: the number of the decision, and why.
    refused: list[tuple[int, str]] = field(default_factory=list)

    def hear(self, run: str, facts: Sequence[Event]) -> None:
        """Answer what committed facts of a run ask."""
        for fact in facts:
            if isinstance(fact, StepWaiting) and fact.approval is not None and not fact.approval.run:
                self._answer(run, fact.step)

    def _answer(self, run: str, step: str) -> None:
        pending = self.runtime.store.approvals(run_id=run)
        asked = next((one for one in pending if one.step == step), None)
        found = next((n for n, (_, said) in enumerate(self.left) if _is_for(said, step)), None)
        if asked is None or found is None:
            return
        number, said = self.left.pop(found)
        try:
            self._decide(asked, said)
        except (InputError, RunStateError) as error:
            self.refused.append((number, error.message))
        else:
            self.fresh += 1

    def _decide(self, asked: ApprovalRecord, said: Decision) -> None:
        by = said.by or next(iter(asked.approvers), _SOMEBODY)
        answer = Answer("approved" if said.decision == "approve" else "rejected", by, said.reason)
        give(self.runtime.store, self.runtime.clock.now(), asked, answer, lambda form: said.inputs)


def _is_for(said: Decision, step: str) -> bool:
    return said.step in ("", step, id_in_file(step))


class _Trial:
    """A run of a case."""

    def __init__(self, case: Case, source: Source, beside: Path, scratch: Path, hurry: Hurry) -> None:
        self._case = case
        self._source = source
        self._beside = beside
        self._hurry = hurry
        self._facts: list[Event] = []
        self.runtime = Runtime(start=source.directory, state_dir=str(scratch / "state"), ephemeral=True)
        self.runtime.environ |= {**case.env, **case.secrets}
        self.runtime.clock = hurry
        self.runtime.seeded = SeededIds(0)
        self._people = _People(self.runtime, list(enumerate(case.approvals)))
        self._doubles: Doubles | None = None

    def run(self) -> tuple[Outcome, RunState | None]:
        """The run from its beginning to where nobody takes it on."""
        with self.runtime as runtime:
            try:
                loaded = runtime.load(self._source)
                assert loaded.plan is not None, "it was judged before"
                plan = loaded.plan
                given = resolve_inputs(plan.workflow, self._case.inputs)
                secrets = read_secrets(plan.secrets, runtime.environ, None)
                self._double(plan)
                run = runtime.start(self._source, plan, given, secrets, self._screen())
                state = self._drive(run)
            except MplpError as error:
                return self._refusal(error), None
            return self._outcome(state), state

    def _double(self, plan: Plan) -> None:
        """Put the stand-ins into their places. UsageError if a recording cannot be used."""
        case, prices = self._case, {}
        if plan.agents.prices or any(step.kind == "agent" for step in plan.steps):
            prices = {**self.runtime.roster.prices, **plan.agents.prices}
        replay = Replay(read_cassette(self._beside / case.cassette)) if case.cassette else None
        self._doubles = Doubles(case, self._hurry, prices, replay)
        self.runtime.tape = self._doubles
        self.runtime.stand_ins = self._doubles

    def _drive(self, run: Run) -> RunState:
        """Drive it, and take it up again as long as there are answers for it."""
        while True:
            state = self._hurry.run(run.go)
            if state.status != "waiting" or not self._people.fresh:
                return state
            self._people.fresh = 0
            run = self.runtime.take_up(state.run_id, self._screen(state.run_id))

    def _screen(self, run: str = "") -> Screen:
        """Listens to a run and to its sub-workflows."""
        known = run

        def subscriber(facts: Sequence[Event]) -> None:
            nonlocal known
            for fact in facts:
                known = getattr(fact, "run", known)
            self._facts += facts
            self._people.hear(known, facts)

        return Screen(subscribers=[subscriber], inside=lambda step, plan, state: self._screen(state.run_id))

    # ---- what it has come to

    def _refusal(self, error: MplpError) -> Outcome:
        failure = Failure(type=error.type_name, message=error.message, details=error.details or None)
        return Outcome(status="refused", exit=int(error.exit_code), error=failure)

    def _outcome(self, state: RunState) -> Outcome:
        assert self._doubles is not None
        newest = [item for item in self.runtime.store.objects() if item.body]
        return Outcome(
            status=state.status,
            exit=int(EXITS[state.status]),
            error=state.error,
            outputs=state.outputs,
            steps=_steps(state),
            called=self._doubles.called,
            events=self._events(state),
            objects=dict(Counter(item.kind for item in newest)),
            invalid=list(self._invalid()),
            spent=self._doubles.spent,
        )

    def _events(self, state: RunState) -> dict[str, int]:
        """Facts, events of the protocol and of its profiles, and what was published, by type."""
        from mplp_cli.exchange.bundle import referred
        from mplp_cli.exchange.moments import Recorded, StepShape
        from mplp_cli.exchange.stream import protocol_stream

        store = self.runtime.store
        versions = list(store.versions(state.run_id))
        recorded = Recorded(
            run=state.run_id,
            workflow=state.plan.workflow.id,
            status=state.status,
            facts=[fact for _, fact in store.history(state.run_id)],
            versions=versions,
            steps={
                step.id: StepShape(step.number, step.kind, step.name, blueprint=step.loop >= 0)
                for step in state.plan.steps
            },
            others=referred(versions, store.objects()) if versions else [],
        )
        stream = protocol_stream(recorded).events
        counts = Counter(str(type(fact).__struct_config__.tag) for fact in self._facts)
        counts.update(str(event["event_type"]) for event in stream)
        counts.update(fact.event.type for fact in self._facts if isinstance(fact, StepEmitted))
        return dict(counts)

    def _invalid(self) -> Iterator[str]:
        """What is wrong with versions of objects that were written."""
        from mplp_cli.modules.schemas import check_object, object_schema

        store = self.runtime.store
        for newest in store.objects():
            for item in store.object_versions(newest.kind, newest.id):
                if item.body and object_schema(item.kind) is not None:
                    try:
                        check_object(item.kind, item.id, item.body)
                    except OperationError as error:
                        yield error.message

    def unmet(self, path: tuple[str | int, ...]) -> Iterator[Mismatch]:
        """Answers that were not wanted, or not taken."""
        for number, why in self._people.refused:
            here = (*path, "approvals", number)
            yield Mismatch(
                path=here, said=f"this answer was not taken: {why}", expected="an answer that counts"
            )
        for number, said in self._people.left:
            what = f"`{said.step}`" if said.step else "anything"
            here = (*path, "approvals", number)
            yield Mismatch(path=here, said=f"nobody was asked this: {what}", expected="a question")


def _steps(state: RunState) -> dict[str, StepOutcome]:
    return {
        step.id: StepOutcome(
            status=state.step_status[step.number],
            attempts=state.attempts[step.number],
            result=state.results[step.number],
            error=state.errors.get(step.number),
        )
        for step in state.plan.steps
        if step.loop < 0 and step.kind != "item"
    }
