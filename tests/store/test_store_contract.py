"""The contract of `Store` and `Journal`, over every store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

from mplp_cli.errors import (
    Failure,
    LostOwnershipError,
    RunBusyError,
    RunStateError,
    StoreError,
    UnknownRunError,
)
from mplp_cli.protocols import (
    CachedResult,
    Communication,
    Control,
    Definition,
    ModuleState,
    Place,
    ProtocolObject,
    Relation,
    Store,
    Subscription,
    Switched,
    Wiring,
)
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.estimates import Measured, Profile
from mplp_cli.workflow.fold.answers import Given
from mplp_cli.workflow.fold.history import (
    Approval,
    Event,
    Keep,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunPaused,
    RunPausing,
    RunRedefined,
    RunResumed,
    RunStopping,
    RunWaiting,
    StepCancelled,
    StepCompleted,
    StepDecided,
    StepEmitted,
    StepFailed,
    StepStarted,
    StepWaiting,
)
from mplp_cli.workflow.published import Published
from tests.store.sample import START, FixedClock, asks, new_run, run_id, started, step

BROKEN = Failure(type="ShellExitError", message="exit code 1")
CANCEL = Control(seq=0, verb="cancel", by="ann", reason="enough")


def status(store: Store, number: int = 1) -> str:
    return store.find_runs(run_id(number))[0].status


# ---- histories


def test_a_history_is_read_as_it_was_written(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    facts: list[Event] = [started(), *step(1), *step(2), asks()]
    journal.append(facts[1:3])
    journal.append(facts[3:])
    assert list(journal.read()) == facts
    assert list(store.history(run_id(1))) == list(enumerate(facts))


def test_a_history_can_be_read_from_anywhere(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    journal.append(step(1))
    assert [seq for seq, _ in store.history(run_id(1), after=0)] == [1, 2]
    assert list(store.history(run_id(1), after=2)) == []
    assert list(store.history(run_id(1), after=99)) == []


def test_a_reader_sees_what_was_there_when_it_began_and_may_go_on_later(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    seen = store.history(run_id(1))
    assert next(seen)[0] == 0
    journal.append(step(1))
    assert [seq for seq, _ in store.history(run_id(1), after=0)] == [1, 2]


def test_an_empty_append_changes_nothing(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    journal.append([])
    assert list(journal.read()) == [started()]


def test_histories_do_not_mix(store: Store) -> None:
    first = store.create_run(new_run(1), [started(1)])
    second = store.create_run(new_run(2), [started(2)])
    for number in range(10):
        first.append(step(number))
        second.append(step(number + 100))
    assert list(first.read()) == [started(1), *(f for n in range(10) for f in step(n))]
    assert list(second.read()) == [started(2), *(f for n in range(10) for f in step(n + 100))]


def test_the_definition_comes_back_byte_for_byte(store: Store) -> None:
    new = new_run()
    store.create_run(new, [])
    found = store.definition(new.id)
    assert (found.source, found.source_name, found.plan) == (new.source, new.source_name, new.plan)
    assert (found.source_dir, found.cwd) == (new.source_dir, new.cwd)


def test_what_is_asked_of_an_unknown_run_is_refused(store: Store) -> None:
    calls = (
        lambda: store.own_run("nope", "ann"),
        lambda: store.definition("nope"),
        lambda: store.history("nope"),
        lambda: store.request("nope", CANCEL),
        lambda: store.decide("nope", "review", "approved", "ann", "", START),
    )
    for call in calls:
        with pytest.raises(UnknownRunError, match="there is no run 'nope'"):
            call()


# ---- the list of runs


def test_runs_are_listed_newest_first(store: Store) -> None:
    for number in (1, 3, 2):
        store.create_run(new_run(number), [])
    assert [run.id for run in store.runs()] == [run_id(3), run_id(2), run_id(1)]
    assert [run.id for run in store.runs(limit=2)] == [run_id(3), run_id(2)]


def test_of_runs_of_the_same_millisecond_the_later_is_newer(store: Store) -> None:
    for number in (2, 1):
        store.create_run(new_run(number, created_at=START), [])
    assert [run.id for run in store.runs()] == [run_id(1), run_id(2)]


def test_runs_are_filtered_by_workflow_and_status(store: Store) -> None:
    store.create_run(new_run(1), [started(1)])
    store.create_run(new_run(2, "other"), [started(2)])
    store.create_run(new_run(3, "other"), [])
    assert [run.id for run in store.runs(workflow_id="other")] == [run_id(3), run_id(2)]
    assert [run.id for run in store.runs(status="running")] == [run_id(2), run_id(1)]
    assert [run.id for run in store.runs(workflow_id="other", status="running")] == [run_id(2)]


def listed(store: Store, limit: int, behind: Place | None = None, **asked: Any) -> list[str]:
    """The ids of what is behind a place, part by part."""
    found: list[str] = []
    while True:
        some, behind = store.sift_runs(behind, limit, **asked)
        assert len(some) <= limit
        found += [run.id for run in some]
        if behind is None:
            return found


def test_the_list_of_runs_is_sifted_part_by_part(store: Store) -> None:
    assert store.sift_runs(None, 5) == ([], None)
    # Two of each moment, and of those the later is newer.
    for number in range(1, 9):
        new = new_run(number, "other" if number % 3 == 0 else "own", created_at=START + number // 2)
        store.create_run(new, [started(number)] if number % 4 else [])
    child = replace(new_run(9), relation=Relation(kind="child", run=run_id(1), step="a"))
    store.create_run(child, [started(9)])
    every = [run_id(number) for number in range(8, 0, -1)]
    for limit in (1, 3, 8, 99):
        assert listed(store, limit) == every
        for at, name in enumerate(every):
            place = START + (8 - at) // 2, name
            assert listed(store, limit, place) == every[at + 1 :]
        assert listed(store, limit, workflow_id="other") == [run_id(6), run_id(3)]
        assert listed(store, limit, statuses=["pending"]) == [run_id(8), run_id(4)]
        assert listed(store, limit, statuses=["pending", "running"]) == every
        assert listed(store, limit, workflow_id="other", statuses=["pending"]) == []
        assert listed(store, limit, (START + 3, run_id(6)), statuses=["running"], workflow_id="own") == [
            run_id(5),
            run_id(2),
            run_id(1),
        ]
    # What is behind a run that is gone is older than it was.
    assert listed(store, 3, (START + 2, run_id(77))) == [run_id(3), run_id(2), run_id(1)]
    assert [run.status for run in store.sift_runs(None, 1)[0]] == ["pending"]


def test_little_is_looked_at_of_a_long_list_of_runs(durable: SqliteStore) -> None:
    durable.create_run(new_run(1), [started(1)])
    with durable._database.writing() as db:
        db.execute(
            "WITH n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500)"
            " INSERT INTO run(id, workflow_id, name, status, epoch, owner, created_at)"
            " SELECT printf('n%d', n), 'many', 'Many', 'completed', 1, '', ? + n / 3 FROM n",
            (START + 10,),
        )
    found, place = durable.sift_runs(None, 5, statuses=["running"])
    assert (found, place) == ([], (START + 10 + 500, "n1501"))
    assert listed(durable, 5, statuses=["running"]) == [run_id(1)]
    assert listed(durable, 999, workflow_id="many") == [f"n{n}" for n in range(2_500, 0, -1)]


def test_a_run_is_found_by_id_prefix_or_workflow(store: Store) -> None:
    for number in (1, 2, 17):
        store.create_run(new_run(number), [])
    assert [run.id for run in store.find_runs(run_id(2))] == [run_id(2)]
    assert [run.id for run in store.find_runs(run_id(2)[:8].upper())] == [run_id(2)]
    assert [run.id for run in store.find_runs("1")] == [run_id(17), run_id(1)]
    assert [run.id for run in store.find_runs("release-notes")] == [run_id(17), run_id(2), run_id(1)]


@pytest.mark.parametrize("name", ["", "%", "_", "0000001%", "release", "zzz", "\U0010ffff"])
def test_what_names_no_run_finds_none(store: Store, name: str) -> None:
    store.create_run(new_run(), [])
    assert store.find_runs(name) == []


def test_an_id_is_used_once(store: Store) -> None:
    store.create_run(new_run(), [started()]).close()
    with pytest.raises(RunStateError, match="exists already"):
        store.create_run(new_run(), [])
    assert not store.find_runs(run_id(1))[0].owned
    assert len(list(store.history(run_id(1)))) == 1


# ---- status


def test_a_run_without_facts_is_pending(store: Store) -> None:
    store.create_run(new_run(), [])
    assert status(store) == "pending"


def test_the_status_follows_the_history(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    assert status(store) == "running"
    journal.append([asks(), RunWaiting(at=START)])
    assert status(store) == "waiting"
    journal.append([RunResumed(at=START, by="ann")])
    assert status(store) == "running"
    journal.append([RunStopping(at=START, cause="cancel", by="ann")])
    assert status(store) == "running"
    journal.append([RunCancelled(at=START + 7, by="ann")])
    record = store.find_runs(run_id(1))[0]
    assert (record.status, record.ended_at) == ("cancelled", START + 7)


@pytest.mark.parametrize(
    ("end", "name"), [(RunCompleted(at=START), "completed"), (RunCancelled(at=START), "cancelled")]
)
def test_a_run_that_has_ended_takes_no_more_facts(store: Store, end: Event, name: str) -> None:
    journal = store.create_run(new_run(), [started(), end])
    late: list[list[Event]] = [
        step(1),
        [RunResumed(at=START, by="ann")],
        [RunFailed(at=START, error=BROKEN)],
        [RunCompleted(at=START)],
    ]
    for facts in late:
        with pytest.raises(RunStateError, match=f"is {name}; nothing more"):
            journal.append(facts)
    assert status(store) == name
    assert list(journal.read()) == [started(), end]


def test_nothing_may_follow_an_end_in_the_same_batch(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    with pytest.raises(RunStateError):
        journal.append([RunCompleted(at=START), *step(1)])
    assert (status(store), list(journal.read())) == ("running", [started()])


def test_a_failed_run_can_be_resumed_and_only_that(store: Store) -> None:
    journal = store.create_run(new_run(), [started(), RunFailed(at=START, error=BROKEN)])
    with pytest.raises(RunStateError):
        journal.append(step(1))
    journal.append([RunResumed(at=START, by="ann"), *step(1), RunCompleted(at=START + 9)])
    record = store.find_runs(run_id(1))[0]
    assert (record.status, record.ended_at) == ("completed", START + 9)


def test_a_resumed_run_has_not_ended(store: Store) -> None:
    journal = store.create_run(new_run(), [started(), RunFailed(at=START, error=BROKEN)])
    journal.append([RunResumed(at=START, by="ann")])
    record = store.find_runs(run_id(1))[0]
    assert (record.status, record.ended_at) == ("running", None)


# ---- ownership


def test_a_run_is_owned_until_its_journal_is_closed(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    assert store.find_runs(run_id(1))[0].owned
    journal.close()
    assert not store.find_runs(run_id(1))[0].owned
    journal.close()


def test_an_owned_run_is_refused_to_others_and_the_refusal_names_the_owner(store: Store) -> None:
    store.create_run(new_run(), [started()])
    with pytest.raises(
        RunBusyError, match=f"process {os.getpid()} on .* since 2023-11-14T22:13:20"
    ) as refused:
        store.own_run(run_id(1), "bob")
    assert refused.value.details["pid"] == os.getpid()


def test_owning_a_run_raises_its_epoch_and_names_the_owner(store: Store) -> None:
    store.create_run(new_run(), [started()]).close()
    journal = store.own_run(run_id(1), "bob")
    record = store.find_runs(run_id(1))[0]
    assert (record.epoch, record.owner, record.owned) == (2, "bob", True)
    journal.append(step(1))
    assert list(journal.read()) == [started(), *step(1)]


def test_a_journal_that_was_given_up_writes_nothing_more(store: Store) -> None:
    old = store.create_run(new_run(), [started()])
    old.close()
    new = store.own_run(run_id(1), "bob")
    with pytest.raises(LostOwnershipError):
        old.append(step(1))
    old.close()
    assert store.find_runs(run_id(1))[0].owned
    assert list(new.read()) == [started()]


# ---- requests


def test_requests_arrive_once_and_in_order(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    assert journal.controls() == []
    for reason in ("one", "two"):
        store.request(run_id(1), Control(seq=0, verb="cancel", by="ann", reason=reason))
    assert [(c.verb, c.by, c.reason) for c in journal.controls()] == [
        ("cancel", "ann", "one"),
        ("cancel", "ann", "two"),
    ]
    assert journal.controls() == []
    store.request(run_id(1), CANCEL)
    assert [c.reason for c in journal.controls()] == ["enough"]


def test_a_request_goes_to_its_run_only(store: Store) -> None:
    first, second = (store.create_run(new_run(n), [started(n)]) for n in (1, 2))
    store.request(run_id(2), CANCEL)
    assert first.controls() == []
    assert len(second.controls()) == 1


def test_a_request_made_while_nobody_owned_the_run_waits_for_the_next_owner(store: Store) -> None:
    store.create_run(new_run(), [started()]).close()
    store.request(run_id(1), CANCEL)
    assert [c.verb for c in store.own_run(run_id(1), "bob").controls()] == ["cancel"]


def test_a_request_that_was_not_acted_upon_is_seen_by_the_next_owner(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    store.request(run_id(1), CANCEL)
    assert len(journal.controls()) == 1
    journal.append(step(1))
    journal.close()
    assert len(store.own_run(run_id(1), "bob").controls()) == 1


def test_a_request_that_was_acted_upon_is_not(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    store.request(run_id(1), CANCEL)
    assert len(journal.controls()) == 1
    journal.append([RunStopping(at=START, cause="cancel", by="ann")])
    journal.close()
    assert store.own_run(run_id(1), "bob").controls() == []


def test_a_run_is_left_to_nobody_only_when_every_request_was_seen(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    store.request(run_id(1), CANCEL)
    assert not journal.park([*step(1), RunWaiting(at=START)])
    assert list(journal.read()) == [started()]
    assert status(store) == "running"
    assert len(journal.controls()) == 1
    assert journal.park([*step(1), RunWaiting(at=START)])
    assert len(list(journal.read())) == 4
    assert status(store) == "waiting"


def test_an_answer_is_a_request_too(store: Store) -> None:
    journal = store.create_run(new_run(), [started(), asks()])
    store.decide(run_id(1), "review", "approved", "ann", "", START)
    assert not journal.park([RunWaiting(at=START)])
    journal.controls()
    assert journal.park([RunWaiting(at=START)])


def test_an_owner_that_was_taken_over_leaves_nothing_to_nobody(store: Store) -> None:
    first = store.create_run(new_run(), [started()])
    first.close()
    store.own_run(run_id(1), "bob")
    with pytest.raises(LostOwnershipError):
        first.park([RunWaiting(at=START)])
    assert status(store) == "running"


def test_a_paused_run_is_in_the_list_and_can_be_asked_for_its_end(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    assert journal.park([RunPausing(at=START, by="ann"), RunPaused(at=START)])
    journal.close()
    assert [run.status for run in store.runs(status="paused")] == ["paused"]
    store.request(run_id(1), CANCEL)
    journal = store.own_run(run_id(1), "bob")
    assert [control.verb for control in journal.controls()] == ["cancel"]
    journal.append([RunResumed(at=START, by="bob")])
    assert status(store) == "running"


def test_a_pause_that_was_asked_for_means_the_owner_of_that_time(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    for verb in ("pause", "kill", "resume"):
        store.request(run_id(1), Control(seq=0, verb=verb, by="ann"))
    assert [control.verb for control in journal.controls()] == ["pause", "kill", "resume"]
    journal.close()
    assert [control.verb for control in store.own_run(run_id(1), "bob").controls()] == ["kill"]


def test_a_run_that_stops_can_still_be_killed(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    for verb in ("cancel", "kill", "pause"):
        store.request(run_id(1), Control(seq=0, verb=verb, by="ann"))
    journal.append([RunStopping(at=START, cause="cancel", by="ann")])
    assert [control.verb for control in journal.controls()] == ["kill"]
    journal.append([RunStopping(at=START, cause="kill", by="ann")])
    journal.close()
    assert store.own_run(run_id(1), "bob").controls() == []


def test_a_request_to_a_run_that_has_ended_is_refused(store: Store) -> None:
    store.create_run(new_run(), [started(), RunFailed(at=START, error=BROKEN)])
    with pytest.raises(RunStateError, match="is failed already"):
        store.request(run_id(1), CANCEL)


def test_a_request_that_came_too_late_does_not_stop_the_resumed_run(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    store.request(run_id(1), CANCEL)
    journal.append([RunFailed(at=START, error=BROKEN)])
    journal.close()
    assert store.own_run(run_id(1), "bob").controls() == []


# ---- questions


def test_a_question_is_listed_until_it_is_answered(store: Store) -> None:
    store.create_run(new_run(), [started(), asks(at=START + 3), RunWaiting(at=START + 3)])
    [question] = store.approvals()
    assert (question.run, question.workflow_id, question.step) == (run_id(1), "release-notes", "review")
    assert (question.message, question.approvers) == ("May review go on?", ["ann", "bob"])
    assert (question.id, question.attempt, question.asked_at) == ("confirm-review-1", 1, START + 3)
    store.decide(run_id(1), "review", "approved", "ann", "looks good", START + 9)
    assert store.approvals() == []
    [answered] = store.approvals(state="approved")
    assert (answered.by, answered.reason, answered.decided_at) == ("ann", "looks good", START + 9)
    assert store.approvals(state=None, run_id=run_id(1)) == [answered]
    assert store.approvals(state=None, run_id=run_id(2)) == []


@pytest.mark.parametrize(("decision", "verb"), [("approved", "approve"), ("rejected", "reject")])
def test_an_answer_reaches_the_owner(store: Store, decision: str, verb: str) -> None:
    journal = store.create_run(new_run(), [started(), asks()])
    record = store.decide(run_id(1), "review", decision, "ann", "because", START)
    assert record.state == decision
    assert [(c.verb, c.step, c.by, c.reason) for c in journal.controls()] == [
        (verb, "review", "ann", "because")
    ]


def test_an_answer_waits_for_the_owner_to_come_back(store: Store) -> None:
    store.create_run(new_run(), [started(), asks(), RunWaiting(at=START)]).close()
    store.decide(run_id(1), "review", "approved", "ann", "", START)
    assert [(c.verb, c.step) for c in store.own_run(run_id(1), "bob").controls()] == [("approve", "review")]


def test_the_first_answer_wins_and_the_second_is_shown_it(store: Store) -> None:
    journal = store.create_run(new_run(), [started(), asks()])
    store.decide(run_id(1), "review", "approved", "ann", "looks good", START)
    with pytest.raises(
        RunStateError, match=r"'review' .* was approved by ann already, at 2023-.*: looks good"
    ):
        store.decide(run_id(1), "review", "rejected", "bob", "", START)
    assert store.approvals(state=None)[0].state == "approved"
    assert [c.verb for c in journal.controls()] == ["approve"]


def test_an_answer_to_no_question_is_refused(store: Store) -> None:
    store.create_run(new_run(), [started()])
    with pytest.raises(RunStateError, match="asks nothing"):
        store.decide(run_id(1), "review", "approved", "ann", "", START)


def test_an_answer_that_was_taken_up_is_not_delivered_again(store: Store) -> None:
    journal = store.create_run(new_run(), [started(), asks()])
    store.decide(run_id(1), "review", "approved", "ann", "", START)
    journal.append([StepDecided(at=START, step="review", decision="approved", by="ann")])
    journal.append([StepStarted(at=START, step="review", attempt=2), asks(attempt=2)])
    journal.close()
    assert store.own_run(run_id(1), "bob").controls() == []
    assert [a.attempt for a in store.approvals()] == [2]


def test_an_answer_that_only_the_history_knows_is_shown_too(store: Store) -> None:
    journal = store.create_run(new_run(), [started(), asks()])
    journal.append(
        [StepDecided(at=START + 1, step="review", decision="rejected", by="timeout", reason="late")]
    )
    [question] = store.approvals(state="rejected")
    assert (question.by, question.reason, question.decided_at) == ("timeout", "late", START + 1)


@pytest.mark.parametrize(
    "end",
    [
        StepCancelled(at=START + 5, step="review", attempt=1, reason="run stops"),
        StepFailed(at=START + 5, step="review", attempt=1, error=BROKEN),
        RunStopping(at=START + 5, cause="cancel"),
        RunCancelled(at=START + 5),
        RunFailed(at=START + 5, error=BROKEN),
    ],
    ids=lambda end: type(end).__name__,
)
def test_a_question_is_withdrawn_when_its_step_is_over(store: Store, end: Event) -> None:
    journal = store.create_run(new_run(), [started(), asks()])
    journal.append([end])
    assert store.approvals() == []
    assert [a.decided_at for a in store.approvals(state="withdrawn")] == [START + 5]
    with pytest.raises(RunStateError, match="was withdrawn"):
        store.decide(run_id(1), "review", "approved", "ann", "", START)


def test_another_step_that_ends_withdraws_nothing(store: Store) -> None:
    journal = store.create_run(new_run(), [started(), asks("review"), asks("budget")])
    journal.append([StepCancelled(at=START, step="budget", attempt=1, reason="")])
    assert [a.step for a in store.approvals()] == ["review"]


# ---- objects


def test_the_newest_version_of_each_object_is_listed(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    plan = [ProtocolObject("Plan", "p1", n, {"title": f"version {n}"}) for n in (1, 2, 10)]
    role = ProtocolObject("Role", "r1", 1, {"name": "reviewer"})
    journal.append(step(1), [plan[0], role])
    journal.append([], plan[1:])
    assert list(store.objects()) == [plan[2], role]
    assert list(store.objects("Role")) == [role]
    assert list(store.objects("Trace")) == []
    assert store.newer("Plan", "p1", 2) == plan[2]
    assert store.newer("Plan", "p1", 10) is None
    assert store.newer("Plan", "p2", 0) is None


def test_every_version_of_what_a_run_made_is_listed(store: Store) -> None:
    def version(kind: str, name: str, number: int, *tags: str) -> ProtocolObject:
        return ProtocolObject(kind, name, number, {"meta": {"tags": list(tags)}, "n": number})

    mine = f"run:{run_id(1)}"
    gone = ProtocolObject("plan", "p1", 3, {})
    made = [version("context", "c1", 1, "draft", mine), version("context", "c1", 2, mine)]
    made += [version("plan", "p1", 1, mine), version("plan", "p1", 2, mine), gone]
    others = [
        version("plan", "p2", 1, f"run:{run_id(2)}"),
        version("role", "r1", 1),
        version("role", "r2", 1),
    ]
    says = ProtocolObject("trace", "t1", 1, {"meta": {"tags": []}, "seen": [mine]})
    journal = store.create_run(new_run(), [started()])
    journal.append([], [*made[::-1], *others, says])
    assert list(store.versions(run_id(1))) == made
    assert list(store.versions(run_id(2))) == others[:1]
    assert list(store.versions(run_id(3))) == []


def test_many_objects_are_listed_in_order(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    made = [ProtocolObject("Trace", f"t{n:05d}", 1, {"n": n}) for n in range(2_500)]
    journal.append([], made)
    assert list(store.objects("Trace")) == made


def test_of_two_runs_that_change_an_object_the_second_writes_nothing(store: Store) -> None:
    first, second = (store.create_run(new_run(n), [started(n)]) for n in (1, 2))
    first.append(step(1), [ProtocolObject("Plan", "p1", 1, {"by": 1})])
    with pytest.raises(StoreError, match="another run changed"):
        second.append(step(2), [ProtocolObject("Plan", "p1", 1, {"by": 2})])
    assert [o.body for o in store.objects()] == [{"by": 1}]
    assert list(store.history(run_id(2), after=0)) == []
    with pytest.raises(StoreError):
        second.append(step(2))


def test_objects_are_stored_without_a_run(store: Store) -> None:
    first = [ProtocolObject("Plan", "p1", 1, {"n": 1}), ProtocolObject("Role", "r1", 1, {"n": 2})]
    store.record(first)
    assert list(store.objects()) == first
    changed = ProtocolObject("Plan", "p1", 2, {"n": 3})
    store.record([changed])
    assert list(store.objects("Plan")) == [changed]
    assert store.runs() == []


def test_objects_of_runs_and_of_nobody_are_versions_of_one_another(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    versions = [ProtocolObject("Plan", "p1", n, {"n": n}) for n in (1, 2, 3)]
    journal.append([], versions[:1])
    store.record(versions[1:2])
    journal.append([], versions[2:])
    assert store.object_versions("Plan", "p1") == versions
    assert store.object_versions("Role", "p1") == store.object_versions("Plan", "p") == []


def test_the_versions_of_a_deleted_object_stay(store: Store) -> None:
    versions = [ProtocolObject("Plan", "p1", 1, {"n": 1}), ProtocolObject("Plan", "p1", 2, {})]
    for version in versions:
        store.record([version])
    assert store.object_versions("Plan", "p1") == versions
    assert list(store.objects()) == versions[1:]


def test_of_objects_of_which_one_was_changed_meanwhile_nothing_is_stored(store: Store) -> None:
    store.record([ProtocolObject("Plan", "p1", 1, {"by": 1})])
    second = [ProtocolObject("Role", "r1", 1, {}), ProtocolObject("Plan", "p1", 1, {"by": 2})]
    with pytest.raises(StoreError) as caught:
        store.record(second)
    assert caught.value.details["cause"] == "conflict"
    assert [o.body for o in store.objects()] == [{"by": 1}]
    store.record([ProtocolObject("Plan", "p1", 2, {"by": 2})])


def test_an_object_that_json_cannot_hold_is_not_stored(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, FixedClock())
    with pytest.raises(StoreError, match="cannot be written as JSON"):
        store.record([ProtocolObject("Plan", "p1", 1, {"n": object()})])
    assert list(store.objects()) == []
    store.close()


# ---- the store itself


def test_a_check_counts_what_is_there(store: Store) -> None:
    journal = store.create_run(new_run(), [started(), asks()])
    journal.append(step(1), [ProtocolObject("Plan", "p1", 1, {})])
    store.request(run_id(1), CANCEL)
    facts = store.check()
    names = ("runs", "facts", "objects", "requests", "approvals")
    assert [facts[name] for name in names] == [1, 4, 1, 1, 1]


# ---- answers that are bound to a question, and carry a form


def with_form(attempt: int = 1) -> StepWaiting:
    form = {"where": {"type": "string"}}
    question = Approval(f"confirm-{attempt}", "Where to?", ["ann"], own=True, form=form)
    return StepWaiting(at=START + attempt, step="ask", attempt=attempt, approval=question)


def test_a_question_has_its_form_and_an_answer_its_inputs(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    journal.append([with_form()])
    [asked] = store.approvals()
    assert (asked.form, asked.inputs, len(asked.digest)) == ({"where": {"type": "string"}}, {}, 32)
    given = Given(asked.digest, {"where": "north"})
    answered = store.decide(run_id(1), "ask", "approved", "ann", "why not", START + 9, given)
    assert (answered.inputs, answered.digest) == ({"where": "north"}, asked.digest)
    assert store.approvals(state=None) == [answered]
    [control] = journal.controls()
    assert control.data == {"digest": asked.digest, "inputs": {"where": "north"}, "at": START + 9}
    journal.append([StepDecided(START + 10, "ask", "approved", "ann", "why not", {"where": "north"})])
    assert store.approvals(state=None) == [answered]


def test_an_answer_to_another_question_is_refused_and_changes_nothing(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    other = store.create_run(new_run(2), [started(2)])
    journal.append([with_form()])
    other.append([with_form()])
    [first] = store.approvals(run_id=run_id(1))
    journal.append([with_form(attempt=2)])
    for run, digest in ((1, first.digest), (2, first.digest), (2, "0" * 32)):
        with pytest.raises(RunStateError, match="asks something else"):
            store.decide(run_id(run), "ask", "approved", "ann", "", START, Given(digest))
    assert [asked.state for asked in store.approvals()] == ["pending", "pending"]
    assert journal.controls() == other.controls() == []


def test_a_question_that_nobody_answers_in_time_is_withdrawn(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    journal.append([with_form()])
    journal.append([StepDecided(START + 5, "ask", "expired", reason="nobody answered")])
    assert [(a.state, a.reason) for a in store.approvals(state=None)] == [("withdrawn", "nobody answered")]


# ---- published events


def told(name: str, **data: object) -> Published:
    return Published(id=name, type="build.done", source="ci", at=START, data=data)


def test_events_of_steps_and_of_people_stand_in_one_order(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    assert (store.board.last(), store.board.following(0), store.board.newest(9)) == (0, [], [])
    store.board.publish(told("one", n=1, text="\u2028"))
    after = store.board.last()
    journal.append([StepEmitted(START, "e", 1, told("two"))])
    store.board.publish(told("three"))
    assert [event.id for _, event in store.board.following(0)] == ["one", "two", "three"]
    assert [event.id for _, event in store.board.following(after)] == ["two", "three"]
    assert store.board.newest(99) == store.board.following(0)
    assert store.board.newest(99)[0][1] == told("one", n=1, text="\u2028")
    assert [event.id for _, event in store.board.newest(2)] == ["two", "three"]
    assert store.board.last() == store.board.newest(99)[-1][0]


def test_an_event_is_published_once(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    store.board.publish(told("one", n=1))
    journal.append([StepEmitted(START, "e", 1, told("one", n=2))])
    store.board.publish(told("one", n=3))
    assert [event.data for _, event in store.board.newest(99)] == [{"n": 1}]


def test_a_journal_hands_out_a_thousand_events_at_once(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    journal.append([StepEmitted(START, "e", 1, told(f"e{number}")) for number in range(1_100)])
    first = store.board.following(0)
    assert [event.id for _, event in first] == [f"e{number}" for number in range(1_000)]
    assert len(store.board.following(first[-1][0])) == 100


def test_an_event_that_json_cannot_hold_is_refused(store: Store) -> None:
    if not isinstance(store, SqliteStore):
        pytest.skip("nothing is encoded in memory")
    with pytest.raises(StoreError):
        store.board.publish(told("one", n=float("nan"), x=object()))


# ---- the cache


def kept(key: str, until: int = 0, at: int = START, result: object = 1) -> StepCompleted:
    return StepCompleted(at=at, step="build", attempt=1, result=result, keep=Keep(key, until))


def test_a_result_is_kept_with_the_fact_of_its_completion_and_found_by_the_beginning_of_its_key(
    store: Store,
) -> None:
    journal = store.create_run(new_run(), [started()])
    journal.append([kept("w/build/1/a", START + 5, result={"ü": [1, None]}), *step(1), kept("w/build/1/b")])
    journal.append([kept("w/build/10/a"), kept("w/build/1")])
    assert [one.key for one in store.cached("w/build/1/")] == ["w/build/1/a", "w/build/1/b"]
    assert store.cached("w/build/1/a") == [
        CachedResult(
            key="w/build/1/a", step="build", run=run_id(1), at=START, until=START + 5, result={"ü": [1, None]}
        )
    ]
    assert store.cached("W/") == []


def test_the_last_result_under_a_key_stays(store: Store) -> None:
    store.create_run(new_run(1), [started(1)]).append([kept("k", result="first")])
    store.create_run(new_run(2), [started(2)]).append([kept("k", at=START + 1, result="second")])
    assert [(one.run, one.result) for one in store.cached("k")] == [(run_id(2), "second")]


def test_nothing_is_kept_of_facts_that_are_refused(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    with pytest.raises(RunStateError):
        journal.append([RunCompleted(at=START), kept("k")])
    assert store.cached("") == []


# ---- sub-workflows


def test_the_runs_of_a_sub_workflow_are_found_by_the_run_they_belong_to(store: Store) -> None:
    store.create_run(new_run(1), [started(1)])
    for number in (2, 3):
        child = replace(
            new_run(number, "sub"), relation=Relation(kind="child", run=run_id(1), step=f"step-{number}")
        )
        store.create_run(child, [started(number)])
    store.create_run(replace(new_run(4), relation=Relation(kind="rerun", run=run_id(1))), [started(4)])
    assert [run.id for run in store.runs(child_of=run_id(1))] == [run_id(3), run_id(2)]
    assert store.runs(child_of=run_id(2)) == []
    [found] = store.find_runs(run_id(3))
    assert found.parent == Relation(kind="child", run=run_id(1), step="step-3")
    [again] = store.find_runs(run_id(4))
    assert (again.parent, again.relation) == (None, Relation(kind="rerun", run=run_id(1)))


def test_the_runs_of_sub_workflows_can_be_left_out_of_the_list(store: Store) -> None:
    store.create_run(new_run(1), [started(1)])
    store.create_run(
        replace(new_run(2), relation=Relation(kind="child", run=run_id(1), step="a")), [started(2)]
    )
    assert [run.id for run in store.runs()] == [run_id(2), run_id(1)]
    assert [run.id for run in store.runs(children=False, limit=1)] == [run_id(1)]


def test_the_files_that_a_workflow_includes_are_stored_with_it(store: Store) -> None:
    included = {"/project/sub.yaml": b"workflow: {}\n" * 100, "/project/\xe4.yaml": b"\xff\x00"}
    store.create_run(replace(new_run(1), included=included), [started(1)])
    store.create_run(new_run(2), [started(2)])
    assert store.definition(run_id(1)).included == included
    assert store.definition(run_id(2)).included == {}


def test_a_run_shows_the_last_request_that_nobody_has_acted_upon(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    assert store.find_runs(run_id(1))[0].last_request == 0
    store.request(run_id(1), CANCEL)
    first = store.find_runs(run_id(1))[0].last_request
    assert [control.seq for control in journal.controls()] == [first]
    store.request(run_id(1), CANCEL)
    assert store.find_runs(run_id(1))[0].last_request > first
    journal.append([RunStopping(START, "cancel")])
    assert store.find_runs(run_id(1))[0].last_request == 0


def test_a_question_of_a_sub_workflow_is_not_one_of_its_parent(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    asked = Approval("c-1", "Deploy?", run=run_id(2), step="deploy")
    journal.append([StepWaiting(START, "call", 1, approval=asked)])
    assert store.approvals() == []
    with pytest.raises(RunStateError, match="asks nothing"):
        store.decide(run_id(1), "call", "approved", "ann", "", START)


# ---- relations, and another definition


def test_a_run_says_what_it_was_made_for(store: Store) -> None:
    rerun = Relation(kind="rerun", run=run_id(1), step="build")
    store.create_run(new_run(1), [started(1)])
    store.create_run(structs.replace(new_run(2), relation=rerun), [started(2)])
    assert [run.relation for run in store.runs()] == [rerun, None]
    assert store.find_runs(run_id(2))[0].relation == rerun


def test_another_definition_is_stored_with_the_fact_that_says_so(store: Store) -> None:
    journal = store.create_run(new_run(), [started(), asks("review"), asks("gone")])
    journal.append([RunFailed(at=START, error=BROKEN)])
    fact = RunRedefined(START, "ann", [], {"tag": "v2"}, 4, ["gone"])
    other = Definition(source=b"other", source_name="o.yaml", source_dir="/o", cwd="/c", plan=b"{}")
    journal.redefine(fact, other)
    assert store.definition(run_id(1)) == other
    assert list(journal.read())[-1] == fact
    assert status(store) == "failed"
    journal.append([RunResumed(START, "ann")])
    assert status(store) == "running"


def test_a_step_that_is_there_no_longer_asks_nothing(store: Store) -> None:
    journal = store.create_run(new_run(), [started(), asks("review"), asks("gone")])
    stored = store.definition(run_id(1))
    journal.redefine(RunRedefined(START, "ann", [], {}, 4, ["gone"]), stored)
    assert [(a.step, a.state) for a in store.approvals(state=None)] == [
        ("review", "pending"),
        ("gone", "withdrawn"),
    ]
    with pytest.raises(RunStateError):
        store.decide(run_id(1), "gone", "approved", "ann", "", START)


def test_an_owner_that_was_taken_over_changes_no_definition(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    stored = store.definition(run_id(1))
    journal.close()
    store.own_run(run_id(1), by="ann")
    other = structs.replace(stored, source=b"other")
    with pytest.raises(LostOwnershipError):
        journal.redefine(RunRedefined(START, "ann", [], {}, 4), other)
    assert store.definition(run_id(1)) == stored


# ---- what the hub keeps


def test_states_of_modules_and_subscriptions_are_kept_once(store: Store) -> None:
    board = store.switchboard
    assert board.wiring() == Wiring()
    board.set_state("plan", ModuleState("stopped", 5, "ann"))
    board.set_state("plan", ModuleState("running", 7, "bob"))
    told = Subscription("trace", "plan", "plan.created")
    board.subscribe([told, told])
    board.subscribe([told, Subscription("role", "context", "*")])
    assert board.wiring() == Wiring(
        {"plan": ModuleState("running", 7, "bob")}, [Subscription("role", "context", "*"), told]
    )
    board.unsubscribe([told, Subscription("nobody", "plan", "x")])
    assert board.wiring().subscriptions == [Subscription("role", "context", "*")]


def test_interfaces_are_active_from_when_they_were_activated_first(store: Store) -> None:
    board = store.switchboard
    board.activate(["plan.a", "plan.b"], Switched(5, "ann"))
    board.activate(["plan.b", "role.c"], Switched(7))
    board.deactivate(["plan.a", "nobody.d"])
    assert board.wiring().active == {"plan.b": Switched(5, "ann"), "role.c": Switched(7)}


def said(number: int, target: str = "plan") -> Communication:
    return Communication(
        kind="message",
        correlation_id=f"c{number}",
        timestamp=number,
        source="role",
        target=target,
        type="ping",
    )


def test_the_log_comes_with_facts_or_with_objects_or_alone(store: Store) -> None:
    body = {"plan_id": "p1"}
    journal = store.create_run(new_run(), [started()])
    journal.append([step(1)[0]], [ProtocolObject("plan", "p1", 1, body)], [said(1), said(2, "trace")])
    store.record([ProtocolObject("plan", "p1", 2, {})], [said(3)])
    store.record([], [said(4)])
    assert [line.correlation_id for line in store.switchboard.log(10)] == ["c1", "c2", "c3", "c4"]
    assert [line.correlation_id for line in store.switchboard.log(2, "plan")] == ["c3", "c4"]
    assert store.switchboard.log(1)[0] == said(4)


def test_objects_that_somebody_else_wrote_meanwhile_leave_nothing_behind(store: Store) -> None:
    first = ProtocolObject("plan", "p1", 1, {"plan_id": "p1"})
    store.record([first])
    with pytest.raises(StoreError) as caught:
        store.record([ProtocolObject("role", "r1", 1, {}), first], [said(1)])
    assert caught.value.details["cause"] == "conflict"
    assert list(store.objects()) == [first]
    assert store.switchboard.log(10) == []


# ---- what runs have shown


def shown(number: int, **steps: Measured) -> Profile:
    return Profile(run=run_id(number), at=START + number, steps=steps)


def test_what_a_run_has_shown_is_stored_with_its_end_and_the_newest_comes_first(store: Store) -> None:
    profiles = [shown(n, **{f"s{n}": Measured(n, 10 * n, 3, None, 1 << 40)}) for n in (1, 2, 3)]
    for n, profile in enumerate(profiles, 1):
        journal = store.create_run(new_run(n), [started(n)])
        assert len(list(store.profiles("release-notes", 20))) == n - 1
        journal.append([RunCompleted(START + n)], profile=profile)
    store.create_run(new_run(4, "other"), [started(4)]).append([RunCompleted(START)], profile=shown(4))
    assert list(store.profiles("release-notes", 20)) == profiles[::-1]
    assert list(store.profiles("release-notes", 2)) == profiles[:0:-1]
    assert list(store.profiles("unknown", 20)) == []


def test_what_a_failed_run_has_shown_is_replaced_when_it_ends_again(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    journal.append([RunFailed(START, BROKEN)], profile=shown(1, a=Measured(1, 5, 0)))
    whole = shown(1, a=Measured(1, 5, 0), b=Measured(1, 7, 1, 4, 9))
    journal.append([RunResumed(START, "ann"), RunCompleted(START)], profile=whole)
    assert list(store.profiles("release-notes", 20)) == [whole]


def test_an_owner_that_was_taken_over_leaves_no_profile(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    store.own_run(run_id(1), "bob", take_over=True)
    with pytest.raises(LostOwnershipError):
        journal.append([RunCompleted(START)], profile=shown(1, a=Measured(1, 5, 0)))
    assert list(store.profiles("release-notes", 20)) == []
