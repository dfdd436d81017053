"""The invariants of the protocol, by id. Each is about the documents of one scope, one value at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from mplp_cli.exchange.rules import (
    Test,
    exists,
    iso,
    non_empty,
    one_of,
    some,
    text,
    uuid4,
    when_there,
)


class Invariant(Struct, frozen=True, kw_only=True):
    """One rule. `path` leads to the values that it is about, in documents of the kind `scope`.

    `same_as` is the object (kind, key) one of which must have the same value; one of the kind `scope` is the
    document itself. `where` says of which documents it holds.
    """

    id: str
    scope: str
    path: str
    needs: str
    test: Test = exists
    same_as: tuple[str, str] | None = None
    where: Callable[[dict[str, Any]], bool] = lambda body: True


_ID: Final = "must be a UUID of version 4 in lower case"
_TEXT: Final = "must not be empty"
_TIME: Final = "must be a date and time with its zone, such as 2026-01-31T12:00:00Z"


def _one(identifier: str, scope: str, path: str, *words: str, optional: bool = False) -> Invariant:
    """A value that is one of these words."""
    test = one_of(*words)
    needs = f"must be {words[0]}" if len(words) == 1 else f"must be one of {', '.join(words)}"
    return Invariant(
        id=identifier, scope=scope, path=path, needs=needs, test=when_there(test) if optional else test
    )


def _id(identifier: str, scope: str, path: str) -> Invariant:
    return Invariant(id=identifier, scope=scope, path=path, needs=_ID, test=uuid4)


def _text(identifier: str, scope: str, path: str, *, optional: bool = False) -> Invariant:
    test = when_there(non_empty) if optional else non_empty
    return Invariant(id=identifier, scope=scope, path=path, needs=_TEXT, test=test)


def _time(identifier: str, scope: str, path: str, *, optional: bool = False) -> Invariant:
    test = when_there(iso) if optional else iso
    return Invariant(id=identifier, scope=scope, path=path, needs=_TIME, test=test)


def _same(identifier: str, scope: str, path: str, kind: str) -> Invariant:
    needs = f"must be the id of the {kind}"
    return Invariant(id=identifier, scope=scope, path=path, needs=needs, same_as=(kind, f"{kind}_id"))


def _left_behind(body: dict[str, Any]) -> bool:
    """Whether a context's own events tell that it left `active`: work in it was over then."""
    status = body.get("status")
    kept = body.get("events")
    events = [e for e in kept if isinstance(e, dict)] if isinstance(kept, list) else []
    return status not in (None, "draft", "active") and any(
        event.get("event_type") == f"context.{status}" for event in events
    )


SINGLE_AGENT: Final = (
    _id("sa_requires_context", "context", "context_id"),
    Invariant(
        id="sa_context_must_be_active",
        scope="context",
        path="status",
        needs="must be active, or its events must tell how it came to its end",
        test=one_of("active"),
        where=lambda body: not _left_behind(body),
    ),
    _same("sa_plan_context_binding", "plan", "context_id", "context"),
    Invariant(id="sa_plan_has_steps", scope="plan", path="steps", needs="must hold a step", test=some),
    _id("sa_steps_have_valid_ids", "plan", "steps[*].step_id"),
    _text("sa_steps_agent_role_if_present", "plan", "steps[*].agent_role", optional=True),
    Invariant(id="sa_trace_not_empty", scope="trace", path="events", needs="must hold an event", test=some),
    _same("sa_trace_context_binding", "trace", "context_id", "context"),
    _same("sa_trace_plan_binding", "trace", "plan_id", "plan"),
)

#: Those about single values. The two about events that belong together are in `pairs`.
MULTI_AGENT: Final = (
    Invariant(
        id="map_session_requires_participants",
        scope="collab",
        path="participants",
        needs="must hold a participant",
        test=some,
    ),
    _one(
        "map_collab_mode_valid", "collab", "mode", "broadcast", "round_robin", "orchestrated", "swarm", "pair"
    ),
    _id("map_session_id_is_uuid", "collab", "collab_id"),
    _text("map_participants_have_role_ids", "collab", "participants[*].role_id"),
    Invariant(
        id="map_role_ids_non_empty",
        scope="collab",
        path="participants[*].role_id",
        needs="must be text",
        test=when_there(text),
    ),
    _text("map_participant_ids_are_non_empty", "collab", "participants[*].participant_id"),
    _one(
        "map_participant_kind_valid",
        "collab",
        "participants[*].kind",
        "agent",
        "human",
        "system",
        "external",
    ),
)

_RUN: Final = ("pending", "running", "succeeded", "failed", "cancelled")

EVENTS: Final = (
    _id("obs_event_id_is_uuid", "stream", "event_id"),
    _text("obs_event_type_non_empty", "stream", "event_type"),
    _one(
        "obs_event_family_valid",
        "observability",
        "event_family",
        "import_process",
        "intent",
        "delta_intent",
        "impact_analysis",
        "compensation_plan",
        "methodology",
        "reasoning_graph",
        "pipeline_stage",
        "graph_update",
        "runtime_execution",
        "cost_budget",
        "external_integration",
    ),
    _time("obs_timestamp_iso_format", "stream", "timestamp"),
    _id("obs_pipeline_event_has_pipeline_id", "pipeline-stage-event", "pipeline_id"),
    _text("obs_pipeline_stage_id_non_empty", "pipeline-stage-event", "stage_id"),
    _one(
        "obs_pipeline_stage_status_valid",
        "pipeline-stage-event",
        "stage_status",
        "pending",
        "running",
        "completed",
        "failed",
        "skipped",
    ),
    _id("obs_graph_event_has_graph_id", "graph-update-event", "graph_id"),
    _one(
        "obs_graph_update_kind_valid",
        "graph-update-event",
        "update_kind",
        "node_add",
        "node_update",
        "node_delete",
        "edge_add",
        "edge_update",
        "edge_delete",
        "bulk",
    ),
    _id("obs_runtime_event_has_execution_id", "runtime-execution-event", "execution_id"),
    _one(
        "obs_runtime_executor_kind_valid",
        "runtime-execution-event",
        "executor_kind",
        "agent",
        "tool",
        "llm",
        "worker",
        "external",
    ),
    _one(
        "obs_runtime_status_valid",
        "runtime-execution-event",
        "status",
        "pending",
        "running",
        "completed",
        "failed",
        "cancelled",
    ),
)

INTEGRATION: Final = (
    _text("integration_tool_event_id_non_empty", "tool-event", "tool_id"),
    _one(
        "integration_tool_kind_valid",
        "tool-event",
        "tool_kind",
        "formatter",
        "linter",
        "test_runner",
        "generator",
        "other",
    ),
    _id("integration_tool_invocation_id_uuid", "tool-event", "invocation_id"),
    _one("integration_tool_status_valid", "tool-event", "status", *_RUN),
    _time("integration_tool_started_at_iso", "tool-event", "started_at", optional=True),
    _text("integration_file_path_non_empty", "file-update-event", "file_path"),
    _one(
        "integration_file_change_type_valid",
        "file-update-event",
        "change_type",
        "created",
        "modified",
        "deleted",
        "renamed",
    ),
    _time("integration_file_timestamp_iso", "file-update-event", "timestamp"),
    _text("integration_git_repo_url_non_empty", "git-event", "repo_url"),
    _text("integration_git_commit_id_non_empty", "git-event", "commit_id"),
    _text("integration_git_ref_name_non_empty", "git-event", "ref_name"),
    _one(
        "integration_git_event_kind_valid",
        "git-event",
        "event_kind",
        "commit",
        "push",
        "merge",
        "tag",
        "branch_create",
        "branch_delete",
    ),
    _time("integration_git_timestamp_iso", "git-event", "timestamp"),
    _text("integration_ci_provider_non_empty", "ci-event", "ci_provider"),
    _text("integration_ci_pipeline_id_non_empty", "ci-event", "pipeline_id"),
    _text("integration_ci_run_id_non_empty", "ci-event", "run_id"),
    _one("integration_ci_status_valid", "ci-event", "status", *_RUN),
    _time("integration_ci_started_at_iso", "ci-event", "started_at", optional=True),
    _time("integration_ci_completed_at_iso", "ci-event", "completed_at", optional=True),
)

_INTENT, _DELTA = "learning-intent-sample", "learning-delta-sample"

LEARNING: Final = (
    _id("learning_sample_id_is_uuid", "sample", "sample_id"),
    _text("learning_sample_family_non_empty", "sample", "sample_family"),
    _time("learning_sample_created_at_iso", "sample", "created_at"),
    Invariant(id="learning_sample_has_input_section", scope="sample", path="input", needs="must be there"),
    Invariant(id="learning_sample_has_output_section", scope="sample", path="output", needs="must be there"),
    _one(
        "learning_sample_feedback_label_valid",
        "sample",
        "meta.human_feedback_label",
        "approved",
        "rejected",
        "not_reviewed",
        optional=True,
    ),
    _text("learning_sample_source_flow_non_empty", "sample", "meta.source_flow_id", optional=True),
    _text("learning_intent_has_intent_id", _INTENT, "input.intent_id"),
    _one(
        "learning_intent_quality_label_valid",
        _INTENT,
        "output.resolution_quality_label",
        "good",
        "acceptable",
        "bad",
        "unknown",
        optional=True,
    ),
    _text("learning_delta_has_delta_id", _DELTA, "input.delta_id"),
    _one("learning_delta_scope_valid", _DELTA, "output.impact_scope", "local", "module", "system", "global"),
    _one(
        "learning_delta_risk_valid",
        _DELTA,
        "state.risk_level",
        "low",
        "medium",
        "high",
        "critical",
        optional=True,
    ),
)

#: Of each object, whatever stands beside it.
GOLDEN: Final = (
    _id("golden_context_id_is_uuid", "context", "context_id"),
    _one("golden_context_protocol_version", "context", "meta.protocol_version", "1.0.0"),
    Invariant(
        id="golden_context_schema_version", scope="context", path="meta.schema_version", needs="must be there"
    ),
    _text("golden_context_domain_non_empty", "context", "root.domain"),
    _id("golden_plan_id_is_uuid", "plan", "plan_id"),
    _id("golden_plan_step_ids_are_uuids", "plan", "steps[*].step_id"),
    _text("golden_plan_step_descriptions_non_empty", "plan", "steps[*].description"),
    _id("golden_confirm_id_is_uuid", "confirm", "confirm_id"),
    Invariant(
        id="golden_confirm_rejection_has_reason",
        scope="confirm",
        path="reason",
        needs="must say why it was rejected",
        test=non_empty,
        where=lambda body: body.get("status") == "rejected",
    ),
    _id("golden_trace_id_is_uuid", "trace", "trace_id"),
    _same("golden_trace_root_span_trace", "trace", "root_span.trace_id", "trace"),
    _time("golden_trace_event_times_are_iso", "trace", "events[*].timestamp"),
)

#: Of the objects that belong together.
GOLDEN_TOGETHER: Final = (
    _same("golden_plan_context_binding", "plan", "context_id", "context"),
    Invariant(
        id="golden_confirm_target_is_plan",
        scope="confirm",
        path="target_id",
        needs="must be the id of the plan",
        same_as=("plan", "plan_id"),
        where=lambda body: body.get("target_type") == "plan",
    ),
    _same("golden_trace_root_span_context", "trace", "root_span.context_id", "context"),
)


def _taken_back(body: dict[str, Any]) -> bool:
    """Whether a confirm's own events tell that nobody is asked any more."""
    kept = body.get("events")
    events = [e for e in kept if isinstance(e, dict)] if isinstance(kept, list) else []
    return body.get("status") == "cancelled" and any(
        e.get("event_type") == "confirm.cancelled" for e in events
    )


#: Of the objects of a run that has completed.
GOLDEN_AT_THE_END: Final = (
    Invariant(
        id="golden_confirm_is_resolved",
        scope="confirm",
        path="status",
        needs="must be approved or rejected when the work is over",
        test=one_of("approved", "rejected"),
        where=lambda body: not _taken_back(body),
    ),
)
TURNS: Final = "map_turn_completion_matches_dispatch"
BROADCASTS: Final = "map_broadcast_has_receivers"

#: Every id, also of those two.
IDS: Final = (
    *(
        invariant.id
        for group in (
            SINGLE_AGENT,
            MULTI_AGENT,
            EVENTS,
            INTEGRATION,
            LEARNING,
            GOLDEN,
            GOLDEN_TOGETHER,
            GOLDEN_AT_THE_END,
        )
        for invariant in group
    ),
    TURNS,
    BROADCASTS,
)
