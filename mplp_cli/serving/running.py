"""What the API does with workflows, runs and questions."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET

from mplp_cli import answering
from mplp_cli.errors import RunBusyError, RunStateError, UnknownRunError
from mplp_cli.protocols import ApprovalRecord, Control, Place, RunRecord
from mplp_cli.recorded import recorded
from mplp_cli.render.machine import event_object, run_document
from mplp_cli.render.stored import approval_object, children_objects, parent_object, run_object
from mplp_cli.render.tables import status_of
from mplp_cli.runtime import pause_undriven
from mplp_cli.serving.answers import Answer
from mplp_cli.serving.contract import Served
from mplp_cli.serving.operations import Call
from mplp_cli.serving.parts import Parts
from mplp_cli.serving.refusals import RequestError
from mplp_cli.workflow.events.triggers import WebhookTrigger
from mplp_cli.workflow.published import Cause
from mplp_cli.workflow.values import derived_uuid

_ENDED = ("completed", "failed", "cancelled")
#: Runs of the list that are read together: of each is found out whether somebody holds it.
_AT_ONCE: Final = 100


# ---- workflows ---------------------------------------------------------------------------------


def workflow_object(served: Served) -> dict[str, Any]:
    """A workflow that is served."""
    workflow = served.plan.workflow
    return {
        "id": served.id,
        "name": workflow.name,
        "version": workflow.version,
        "file": str(served.file),
        "broken": served.broken,
    }


def trigger_objects(served: Served) -> list[dict[str, Any]]:
    """The triggers of a workflow. Names of secrets are told, never their values."""
    found = []
    for trigger in served.triggers:
        declared = msgspec.to_builtins(trigger)
        kind = declared.pop("on")
        declared.pop("id")
        if isinstance(trigger, WebhookTrigger):
            declared["address"] = f"/hooks/{trigger.name}"
        found.append({"workflow": served.id, "id": trigger.id, "on": kind, "declared": declared})
    return found


async def list_workflows(call: Call) -> Answer:
    """Those that are served."""
    return Answer(200, {"workflows": [workflow_object(one) for one in call.parts.catalogue.all()]})


async def show_workflow(call: Call) -> Answer:
    """One, with what it takes and what starts it."""
    served = call.parts.catalogue.find(call.names.workflow_id)
    declared = served.plan.workflow.inputs
    inputs = {
        "type": "object",
        "properties": dict(declared),
        "required": [name for name, schema in declared.items() if "default" not in schema],
        "additionalProperties": False,
    }
    return Answer(200, {**workflow_object(served), "inputs": inputs, "triggers": trigger_objects(served)})


# ---- runs --------------------------------------------------------------------------------------


async def start_run(call: Call) -> Answer:
    """Accept a run: it is stored when this is answered."""
    body, key = call.body, call.headers.key
    served = call.parts.catalogue.find(body.workflow)
    if key is UNSET:
        run_id = call.parts.fleet.start(served, body.inputs, Cause(by="api"), priority=body.priority)
        return _started(run_id, served.id, existed=False)
    run_id = derived_uuid("api", key)
    # What was asked for under the key is kept with the run that came of it.
    asked = sha256(msgspec.json.encode(body, order="sorted")).hexdigest()[:32]
    if (found := _record(call.parts, run_id)) is not None:
        if found.cause is not None and found.cause.event != asked:
            raise RequestError(
                422,
                "the key was used for another request",
                hint="take a new Idempotency-Key for each run",
                details={"runId": run_id},
            )
        return _started(run_id, found.workflow_id, existed=True)
    cause = Cause(by="api", event=asked)
    call.parts.fleet.start(served, body.inputs, cause, run_id=run_id, priority=body.priority)
    return _started(run_id, served.id, existed=False)


def _started(run_id: str, workflow_id: str, *, existed: bool) -> Answer:
    document = {"runId": run_id, "workflowId": workflow_id, "existed": existed}
    return Answer(202, document, {"Location": f"/api/v1/runs/{run_id}"})


def _record(parts: Parts, run_id: str) -> RunRecord | None:
    # By the whole id only: a prefix, or a workflow's id, is for people at a terminal.
    return next((run for run in parts.store.find_runs(run_id) if run.id == run_id), None)


def run_of(parts: Parts, run_id: str) -> RunRecord:
    """A run by its id. UnknownRunError."""
    if (found := _record(parts, run_id)) is None:
        raise UnknownRunError(f"there is no run {run_id}")
    return found


async def list_runs(call: Call) -> Answer:
    """Newest first; those of sub-workflows belong to others, and are left out."""
    parts, asked = call.parts, call.query
    found = await _listed(parts, asked)
    shown = found[: asked.limit]
    turns = parts.store.turns.standings() if shown else {}
    last = shown[-1] if len(found) > asked.limit else None
    return Answer(
        200,
        {
            "runs": [run_object(run, turns.get(run.id)) for run in shown],
            "next": None if last is None else f"{last.created_at}.{last.id}",
        },
    )


async def _listed(parts: Parts, asked: Any) -> list[RunRecord]:
    """The runs of a page, and one more if there are any. Between two portions others have their turn."""
    workflow = None if asked.workflow is UNSET else asked.workflow
    statuses = [] if asked.status is UNSET else [asked.status]
    if asked.status == "interrupted":
        statuses = ["pending", "running"]
    place = None if asked.cursor is UNSET else _place(asked.cursor)
    found: list[RunRecord] = []
    while True:
        most = min(asked.limit + 1 - len(found), _AT_ONCE)
        some, place = parts.store.sift_runs(place, most, workflow_id=workflow, statuses=statuses)
        # Who holds a run tells whether it is interrupted; the store does not choose by it.
        found += [run for run in some if asked.status in (UNSET, status_of(run))]
        if place is None or len(found) > asked.limit:
            return found
        await asyncio.sleep(0)


def _place(cursor: str) -> Place:
    moment, _, last = cursor.partition(".")
    return int(moment), last


async def show_run(call: Call) -> Answer:
    """As `mplp status --output json`."""
    runtime, store = call.parts.runtime, call.parts.store
    record = run_of(call.parts, call.names.run_id)
    told = recorded(runtime, record)
    standing = store.turns.standings(record.id).get(record.id)
    document = run_document(told.plan, told.state, now=told.now, standing=standing, measured=True)
    related: dict[str, Any] = {"parent": parent_object(record)} if record.parent is not None else {}
    if told.plan.included:
        related["children"] = children_objects(store.runs(child_of=record.id)[::-1])
    if record.cause is not None:
        related["cause"] = msgspec.to_builtins(record.cause)
    if told.warning:
        related["planned"] = told.warning
    return Answer(200, {**document, "status": told.status, **related})


async def show_facts(call: Call) -> Answer:
    """As `--output jsonl`."""
    record = run_of(call.parts, call.names.run_id)
    found: list[dict[str, Any]] = []
    more = False
    for seq, fact in call.parts.store.history(record.id, call.query.after):
        if more := len(found) == call.query.limit:
            break
        found.append(event_object(seq, record.id, fact))
    return Answer(200, {"facts": found, "next": found[-1]["seq"] if more else None})


async def pause_run(call: Call) -> Answer:
    """What runs finishes, nothing new starts."""
    parts, record = call.parts, _going_on(call)
    if record.owned:
        _ask(parts, record, "pause", call.body.reason)
        return _asked(record, "pausing")
    if record.status == "paused":
        return _asked(record, "paused")
    return _asked(record, pause_undriven(parts.runtime, record.id, "api", call.body.reason))


async def resume_run(call: Call) -> Answer:
    """A pause that is not reached yet is taken back; else the run is taken up."""
    parts, record = call.parts, run_of(call.parts, call.names.run_id)
    if record.owned and record.status == "running":
        _ask(parts, record, "resume", call.body.reason)
        return _asked(record, "running")
    parts.fleet.take_up(record.id)
    return _asked(record, "resuming")


async def cancel_run(call: Call) -> Answer:
    """Running steps are ended; `finally` steps run."""
    return _end(call, "cancel")


async def kill_run(call: Call) -> Answer:
    """Everything ends at once."""
    return _end(call, "kill")


def _end(call: Call, verb: str) -> Answer:
    parts, record = call.parts, _going_on(call)
    _ask(parts, record, verb, call.body.reason)
    if not record.owned:
        # It hears of the request before anything of it starts.
        with suppress(RunBusyError):  # who holds it hears of it
            parts.fleet.take_up(record.id)
    return _asked(record, "cancelling")


def _going_on(call: Call) -> RunRecord:
    record = run_of(call.parts, call.names.run_id)
    if record.status in _ENDED:
        raise RunStateError(
            f"the run is {record.status} already", details={"runId": record.id, "status": record.status}
        )
    return record


def _ask(parts: Parts, record: RunRecord, verb: str, reason: str) -> None:
    parts.store.request(record.id, Control(seq=0, verb=verb, by="api", reason=reason))


def _asked(record: RunRecord, status: str) -> Answer:
    return Answer(202, {"runId": record.id, "workflowId": record.workflow_id, "status": status})


# ---- questions ---------------------------------------------------------------------------------


async def list_approvals(call: Call) -> Answer:
    """What runs ask a person."""
    state = "pending" if call.query.state == "pending" else None
    run = None if call.query.run is UNSET else run_of(call.parts, call.query.run).id
    found = call.parts.store.approvals(run_id=run, state=state)
    return Answer(200, {"approvals": [approval_object(one) for one in found]})


async def approve(call: Call) -> Answer:
    """Say yes; the first answer counts."""
    return _decide(call, "approved")


async def reject(call: Call) -> Answer:
    """Say no; the first answer counts."""
    return _decide(call, "rejected")


def _decide(call: Call, decision: Literal["approved", "rejected"]) -> Answer:
    parts, body = call.parts, call.body
    asked = _question(parts, call.names.approval_id)
    said = answering.Answer(decision, body.by, body.reason, body.digest)
    given = answering.give(parts.store, parts.runtime.clock.now(), asked, said, lambda form: body.inputs)
    return Answer(200, approval_object(given))


def _question(parts: Parts, identifier: str) -> ApprovalRecord:
    found = [one for one in parts.store.approvals(state=None) if one.id == identifier]
    if not found:
        raise RequestError(404, f"nothing was ever asked under the id {identifier}")
    return next((one for one in found if one.state == "pending"), found[-1])
