"""Every operation of the API, in one table: requests go by it, and the OpenAPI document is made from it."""

from __future__ import annotations

from typing import Any, Final

from mplp_cli.observe.exposition import CONTENT_TYPE
from mplp_cli.serving import documents, hooks, looking, running, shapes, streams, telling
from mplp_cli.serving.incoming import BATCH, STRUCTURED
from mplp_cli.serving.operations import JSON, Operation

_ROOT: Final = "/api/v1"
_RUN: Final = f"{_ROOT}/runs/{{runId}}"
_APPROVAL: Final = f"{_ROOT}/approvals/{{approvalId}}"


def _get(name: str, path: str, about: str, act: Any, answer: Any, **more: Any) -> Operation:
    return Operation(id=name, method="GET", path=path, about=about, act=act, answers={200: answer}, **more)


def _post(name: str, path: str, about: str, act: Any, gives: dict[int, Any], **more: Any) -> Operation:
    return Operation(id=name, method="POST", path=path, about=about, act=act, answers=gives, **more)


def _verb(verb: str, about: str, act: Any, *fails: int) -> Operation:
    return _post(
        f"{verb}Run",
        f"{_RUN}/{verb}",
        about,
        act,
        {202: documents.RunAsked},
        names=shapes.OfRun,
        takes={JSON: shapes.Why},
        optional=True,
        fails=(404, 409, *fails),
    )


def _decision(verb: str, about: str, act: Any) -> Operation:
    return _post(
        verb,
        f"{_APPROVAL}/{verb}",
        about,
        act,
        {200: documents.ApprovalTold},
        names=shapes.OfApproval,
        takes={JSON: shapes.Decision},
        optional=True,
        fails=(404, 409),
    )


_HEALTH: Final = (
    _get("health", "/health", "Whether the server works.", looking.health, documents.Health, open=True),
    _get(
        "fullHealth",
        f"{_ROOT}/health",
        "The server and its parts.",
        looking.full_health,
        documents.FullHealth,
    ),
    _get(
        "metrics",
        "/metrics",
        "What was counted and measured, in the text format of Prometheus.",
        looking.metrics,
        str,
        gives=CONTENT_TYPE,
    ),
    _get("openapi", f"{_ROOT}/openapi.json", "This document.", looking.document, dict[str, Any]),
)

_WORKFLOWS: Final = (
    _get(
        "listWorkflows",
        f"{_ROOT}/workflows",
        "Workflows that can be started.",
        running.list_workflows,
        documents.Workflows,
    ),
    _get(
        "showWorkflow",
        f"{_ROOT}/workflows/{{workflowId}}",
        "A workflow, what it takes, and what starts it.",
        running.show_workflow,
        documents.WorkflowInFull,
        names=shapes.OfWorkflow,
        fails=(404,),
    ),
    _post(
        "fireTrigger",
        f"{_ROOT}/workflows/{{workflowId}}/triggers/{{triggerId}}/fire",
        "Publish what a trigger waits for, so that it starts a run.",
        looking.fire,
        {202: documents.Fired},
        names=shapes.OfTrigger,
        takes={JSON: shapes.Firing},
        optional=True,
        fails=(404, 429),
    ),
    _get("listTriggers", f"{_ROOT}/triggers", "What starts runs.", looking.triggers, documents.Triggers),
)

_RUNS: Final = (
    _post(
        "startRun",
        f"{_ROOT}/runs",
        "Start a run. It is stored when this is answered.",
        running.start_run,
        {202: documents.Started},
        headers=shapes.Once,
        takes={JSON: shapes.Start},
        fails=(404, 409, 429),
    ),
    _get(
        "listRuns",
        f"{_ROOT}/runs",
        "Runs, newest first.",
        running.list_runs,
        documents.Runs,
        query=shapes.WhichRuns,
    ),
    _get(
        "showRun",
        _RUN,
        "Where a run stands: every step, results, outputs.",
        running.show_run,
        documents.RunInFull,
        names=shapes.OfRun,
        fails=(404, 409),
    ),
    _get(
        "listFacts",
        f"{_RUN}/history",
        "What happened in a run.",
        running.show_facts,
        documents.Facts,
        names=shapes.OfRun,
        query=shapes.WhichFacts,
        fails=(404,),
    ),
    _get(
        "streamFacts",
        f"{_RUN}/stream",
        "What happens in a run, as it happens; from its beginning, or after a fact.",
        streams.stream_facts,
        documents.Sent,
        names=shapes.OfRun,
        query=shapes.StreamedFacts,
        headers=shapes.Resuming,
        fails=(404, 429),
        streams=True,
    ),
    _verb("pause", "Pause a run: what runs finishes, nothing new starts.", running.pause_run),
    _verb("resume", "Go on with a paused, interrupted, waiting or failed run.", running.resume_run, 429),
    _verb("cancel", "Cancel a run: its steps end, `finally` steps run.", running.cancel_run, 429),
    _verb("kill", "End a run at once.", running.kill_run, 429),
)

_QUESTIONS: Final = (
    _get(
        "listApprovals",
        f"{_ROOT}/approvals",
        "What runs ask a person.",
        running.list_approvals,
        documents.Approvals,
        query=shapes.WhichApprovals,
        fails=(404,),
    ),
    _decision("approve", "Say yes to a question. The first answer counts.", running.approve),
    _decision("reject", "Say no to a question. The first answer counts.", running.reject),
)

_EVENTS: Final = (
    _post(
        "publishEvents",
        f"{_ROOT}/events",
        "Publish a CloudEvent, or a batch. They are durable when this is answered.",
        telling.publish,
        {202: documents.TakenEvents},
        takes={STRUCTURED: shapes.CloudEvent, BATCH: list[shapes.CloudEvent], JSON: shapes.CloudEvent},
        raw=True,
        fails=(429,),
    ),
    _get(
        "listEvents",
        f"{_ROOT}/events",
        "Published events in their order: the last ones, or those after a number.",
        telling.list_events,
        documents.Events,
        query=shapes.WhichEvents,
    ),
    _get(
        "streamEvents",
        f"{_ROOT}/events/stream",
        "Published events as they come.",
        streams.stream_events,
        documents.Sent,
        query=shapes.StreamedEvents,
        headers=shapes.Resuming,
        fails=(429,),
        streams=True,
    ),
    _get(
        "listRoutes",
        f"{_ROOT}/routes",
        "How far the readers of events are.",
        telling.list_routes,
        documents.Routes,
    ),
    _get(
        "listDeadLetters",
        f"{_ROOT}/dead-letters",
        "Events that routes could not deliver.",
        telling.list_letters,
        documents.DeadLetters,
        query=shapes.WhichLetters,
    ),
)

_LETTERS: Final = tuple(
    _post(
        f"{verb}DeadLetters",
        f"{_ROOT}/dead-letters/{verb}",
        about,
        act,
        {200: documents.Changed},
        takes={JSON: shapes.Letters},
    )
    for verb, about, act in (
        ("replay", "Deliver dead letters again, 1,000 at most.", telling.replay_letters),
        ("drop", "Give dead letters up, 1,000 at most.", telling.drop_letters),
    )
)

_HOOKS: Final = (
    _post(
        "receiveWebhook",
        "/hooks/{name}",
        "A webhook, signed as Standard Webhooks say. Answered with 200 if it came before.",
        hooks.receive,
        {202: documents.Received, 200: documents.Received},
        names=shapes.OfHook,
        headers=shapes.Signed,
        takes={JSON: Any, "text/plain": str, "application/octet-stream": bytes},
        raw=True,
        expects=hooks.expect_signature,
        fails=(401, 409, 429),
        open=True,
    ),
)

OPERATIONS: Final = (*_HEALTH, *_WORKFLOWS, *_RUNS, *_QUESTIONS, *_EVENTS, *_LETTERS, *_HOOKS)
