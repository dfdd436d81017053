"""Every invariant refuses what it is about, by its id; what is right is accepted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.exchange import invariants
from mplp_cli.exchange.bundle import MANIFEST, digest
from mplp_cli.exchange.verifying import verify
from tests.exchange.flow import CONTEXT, EVENTS, GONE, OBJECTS, SAMPLES, Flow, change, uuid

OTHER = uuid(99)
OLD = "123e4567-e89b-12d3-a456-426614174000"

#: Invariant -> (document, path, value): a change that it refuses.
MUTATIONS: dict[str, tuple[str, str, Any]] = {
    "sa_requires_context": ("context", "context_id", CONTEXT.upper().replace("0", "A")),
    "sa_context_must_be_active": ("context", "status", "suspended"),
    "sa_plan_context_binding": ("plan", "context_id", OTHER),
    "sa_plan_has_steps": ("plan", "steps", []),
    "sa_steps_have_valid_ids": ("plan", "steps.0.step_id", OLD),
    "sa_steps_agent_role_if_present": ("plan", "steps.0.agent_role", ""),
    "sa_trace_not_empty": ("trace", "events", []),
    "sa_trace_context_binding": ("trace", "context_id", OTHER),
    "sa_trace_plan_binding": ("trace", "plan_id", OTHER),
    "map_session_requires_participants": ("collab", "participants", []),
    "map_collab_mode_valid": ("collab", "mode", "choir"),
    "map_session_id_is_uuid": ("collab", "collab_id", OLD),
    "map_participants_have_role_ids": ("collab", "participants.0.role_id", GONE),
    "map_role_ids_non_empty": ("collab", "participants.0.role_id", 7),
    "map_participant_ids_are_non_empty": ("collab", "participants.0.participant_id", ""),
    "map_participant_kind_valid": ("collab", "participants.0.kind", "robot"),
    "map_turn_completion_matches_dispatch": ("done", "payload.role_id", OTHER),
    "map_broadcast_has_receivers": ("received", "session_id", OTHER),
    "obs_event_id_is_uuid": ("sa", "event_id", OLD),
    "obs_event_type_non_empty": ("intent", "event_type", ""),
    "obs_event_family_valid": ("intent", "event_family", "gossip"),
    "obs_timestamp_iso_format": ("dispatched", "timestamp", "yesterday"),
    "obs_pipeline_event_has_pipeline_id": ("stage", "pipeline_id", OLD),
    "obs_pipeline_stage_id_non_empty": ("stage", "stage_id", ""),
    "obs_pipeline_stage_status_valid": ("stage", "stage_status", "stuck"),
    "obs_graph_event_has_graph_id": ("graph", "graph_id", GONE),
    "obs_graph_update_kind_valid": ("graph", "update_kind", "node_paint"),
    "obs_runtime_event_has_execution_id": ("execution", "execution_id", "one"),
    "obs_runtime_executor_kind_valid": ("execution", "executor_kind", "robot"),
    "obs_runtime_status_valid": ("execution", "status", "stuck"),
    "integration_tool_event_id_non_empty": ("tool", "payload.tool_id", ""),
    "integration_tool_kind_valid": ("tool", "payload.tool_kind", "hammer"),
    "integration_tool_invocation_id_uuid": ("tool", "payload.invocation_id", OLD),
    "integration_tool_status_valid": ("tool", "payload.status", "completed"),
    "integration_tool_started_at_iso": ("tool", "payload.started_at", "noon"),
    "integration_file_path_non_empty": ("file", "payload.file_path", ""),
    "integration_file_change_type_valid": ("file", "payload.change_type", "touched"),
    "integration_file_timestamp_iso": ("file", "payload.timestamp", GONE),
    "integration_git_repo_url_non_empty": ("git", "payload.repo_url", ""),
    "integration_git_commit_id_non_empty": ("git", "payload.commit_id", ""),
    "integration_git_ref_name_non_empty": ("git", "payload.ref_name", GONE),
    "integration_git_event_kind_valid": ("git", "payload.event_kind", "rebase"),
    "integration_git_timestamp_iso": ("git", "payload.timestamp", "2026-02-30T00:00:00Z"),
    "integration_ci_provider_non_empty": ("ci", "payload.ci_provider", ""),
    "integration_ci_pipeline_id_non_empty": ("ci", "payload.pipeline_id", ""),
    "integration_ci_run_id_non_empty": ("ci", "payload.run_id", ""),
    "integration_ci_status_valid": ("ci", "payload.status", "green"),
    "integration_ci_started_at_iso": ("ci", "payload.started_at", "noon"),
    "integration_ci_completed_at_iso": ("ci", "payload.completed_at", "2026-01-31"),
    "learning_sample_id_is_uuid": ("sample", "sample_id", OLD),
    "learning_sample_family_non_empty": ("sample", "sample_family", ""),
    "learning_sample_created_at_iso": ("sample", "created_at", "noon"),
    "learning_sample_has_input_section": ("sample", "input", GONE),
    "learning_sample_has_output_section": ("sample", "output", GONE),
    "learning_sample_feedback_label_valid": ("sample", "meta.human_feedback_label", "nice"),
    "learning_sample_source_flow_non_empty": ("sample", "meta.source_flow_id", ""),
    "learning_intent_has_intent_id": ("intent-sample", "input.intent_id", ""),
    "learning_intent_quality_label_valid": ("intent-sample", "output.resolution_quality_label", "fine"),
    "learning_delta_has_delta_id": ("delta-sample", "input.delta_id", GONE),
    "learning_delta_scope_valid": ("delta-sample", "output.impact_scope", "galaxy"),
    "learning_delta_risk_valid": ("delta-sample", "state.risk_level", "extreme"),
    "golden_context_id_is_uuid": ("context", "context_id", OLD),
    "golden_context_protocol_version": ("context", "meta.protocol_version", "1.0.1"),
    "golden_context_schema_version": ("context", "meta.schema_version", GONE),
    "golden_context_domain_non_empty": ("context", "root.domain", " "),
    "golden_plan_id_is_uuid": ("plan", "plan_id", OLD),
    "golden_plan_context_binding": ("plan", "context_id", OTHER),
    "golden_plan_step_ids_are_uuids": ("plan", "steps.0.step_id", "one"),
    "golden_plan_step_descriptions_non_empty": ("plan", "steps.0.description", ""),
    "golden_confirm_id_is_uuid": ("confirm", "confirm_id", OLD),
    "golden_confirm_target_is_plan": ("confirm", "target_id", OTHER),
    "golden_confirm_is_resolved": ("confirm", "status", "pending"),
    "golden_confirm_rejection_has_reason": ("confirm", "reason", GONE),
    "golden_trace_id_is_uuid": ("trace", "trace_id", OLD),
    "golden_trace_root_span_trace": ("trace", "root_span.trace_id", OTHER),
    "golden_trace_root_span_context": ("trace", "root_span.context_id", OTHER),
    "golden_trace_event_times_are_iso": ("trace", "events.0.timestamp", "noon"),
}

#: What the schemas accept: these say no although each document alone is well-formed.
ONLY_TOGETHER = {
    "sa_context_must_be_active",
    "sa_plan_context_binding",
    "sa_trace_not_empty",
    "sa_trace_context_binding",
    "sa_trace_plan_binding",
    "map_participants_have_role_ids",
    "map_turn_completion_matches_dispatch",
    "map_broadcast_has_receivers",
    "golden_confirm_target_is_plan",
    "golden_confirm_is_resolved",
    "golden_trace_root_span_context",
}


def codes(*paths: Path) -> set[str]:
    return {problem.code for problem in verify(paths).problems}


def test_a_flow_in_which_all_is_right_is_accepted(tmp_path: Path) -> None:
    verdict = verify([Flow().write(tmp_path / "flow")])
    assert verdict.problems == []
    assert verdict.good
    assert verdict.documents == len(OBJECTS) + len(EVENTS) + len(SAMPLES)


def test_every_invariant_of_the_protocol_is_there() -> None:
    assert len(invariants.IDS) == len(set(invariants.IDS)) == 9 + 9 + 12 + 19 + 12 + 16
    assert set(MUTATIONS) == set(invariants.IDS)


def test_the_ids_are_those_of_the_protocol(shared: Path) -> None:
    from ruamel.yaml import YAML

    theirs = {
        one["id"]
        for path in (shared / "mplp-v1" / "invariants").glob("*.yaml")
        for one in YAML(typ="safe").load(path.read_text("utf-8"))["invariants"]
    }
    assert {name for name in invariants.IDS if not name.startswith("golden_")} == theirs


@pytest.mark.parametrize("invariant", MUTATIONS)
def test_an_invariant_refuses_what_breaks_it(invariant: str, tmp_path: Path) -> None:
    name, path, value = MUTATIONS[invariant]
    flow = Flow()
    change(flow.named(name), path, value)
    verdict = verify([flow.write(tmp_path / "flow")])
    [problem, *_] = [problem for problem in verdict.problems if problem.code == invariant]
    assert not verdict.good
    file = "events.ndjson" if name in EVENTS else f"{name}.json"
    assert Path(problem.file).name == file or invariant.startswith("map_")
    assert problem.line > 0
    assert problem.column > 0
    assert problem.hint


@pytest.mark.parametrize("invariant", sorted(name for name in ONLY_TOGETHER if MUTATIONS[name][0] in OBJECTS))
def test_what_only_the_others_can_tell_is_accepted_of_a_document_alone(
    invariant: str, tmp_path: Path
) -> None:
    name, path, value = MUTATIONS[invariant]
    flow = Flow()
    change(flow.named(name), path, value)
    directory = flow.write(tmp_path / "flow")
    assert codes(directory / f"{name}.json") == set()


def test_a_directory_with_two_contexts_is_no_flow(tmp_path: Path) -> None:
    flow = Flow()
    flow.objects["context"]["status"] = "draft"
    directory = flow.write(tmp_path / "flow")
    assert "sa_context_must_be_active" in codes(directory)
    other = flow.objects["context"] | {"context_id": OTHER}
    (directory / "context-2.json").write_text(json.dumps(other))
    assert codes(directory) == set()


@pytest.mark.parametrize("status", ["suspended", "closed", "archived"])
def test_a_context_may_have_been_left_when_the_work_was_over(status: str, tmp_path: Path) -> None:
    flow = Flow()
    flow.objects["context"]["status"] = status
    assert codes(flow.write(tmp_path / "flow")) == {"sa_context_must_be_active"}
    event = {"event_id": uuid(70), "event_type": f"context.{status}", "source": "context"}
    flow.objects["context"]["events"] = [event | {"timestamp": "2026-01-31T12:00:00Z"}]
    assert codes(flow.write(tmp_path / "flow")) == set()


def test_a_question_that_was_taken_back_needs_no_answer(tmp_path: Path) -> None:
    flow = Flow()
    flow.objects["confirm"]["status"] = "cancelled"
    assert codes(flow.write(tmp_path / "flow")) == {"golden_confirm_is_resolved"}
    event = {"event_id": uuid(70), "event_type": "confirm.cancelled", "source": "confirm"}
    flow.objects["confirm"]["events"] = [event | {"timestamp": "2026-01-31T12:00:00Z"}]
    assert codes(flow.write(tmp_path / "flow")) == set()


def _as_export(directory: Path, **says: Any) -> Path:
    """Put a manifest beside the documents."""
    profiles = {name: {"status": "complete", "missing": []} for name in ("sa", "map")}
    files = [
        {"path": path.name, "kind": path.name.split(".")[0], "size": 0, "sha256": digest(path.read_bytes())}
        for path in sorted(directory.iterdir())
        if path.name != MANIFEST
    ]
    manifest = {
        "formatVersion": 1,
        "runId": uuid(90),
        "workflowId": "letter",
        "status": "completed",
        "endedAt": "2026-01-31T12:00:00Z",
        "profiles": profiles,
        "files": files,
    }
    (directory / MANIFEST).write_text(json.dumps(manifest | says))
    return directory


def test_an_export_is_held_to_what_its_manifest_says(tmp_path: Path) -> None:
    flow = Flow()
    flow.objects["confirm"]["status"] = "pending"
    flow.objects["context"]["status"] = "draft"
    del flow.events["done"]
    directory = flow.write(tmp_path / "flow")
    found = {
        "golden_confirm_is_resolved",
        "sa_context_must_be_active",
        "map_turn_completion_matches_dispatch",
    }
    assert codes(_as_export(directory)) == found
    assert codes(_as_export(directory, status="failed")) == found - {"golden_confirm_is_resolved"}
    waiting = _as_export(directory, status="waiting", endedAt=None)
    assert codes(waiting) == {"sa_context_must_be_active"}
    absent = {name: {"status": "absent", "missing": []} for name in ("sa", "map")}
    assert codes(_as_export(directory, status="waiting", endedAt=None, profiles=absent)) == set()


def test_of_an_object_of_a_plug_in_only_the_checksum_is_checked(tmp_path: Path) -> None:
    directory = Flow().write(tmp_path / "flow")
    (directory / "mood-1.json").write_text(json.dumps({"mood_id": "1", "context_id": 7}))
    assert "object-schema" in codes(_as_export(directory))
    manifest = json.loads((directory / MANIFEST).read_text())
    for one in manifest["files"]:
        one["kind"] = "mood" if one["path"] == "mood-1.json" else one["kind"]
    (directory / MANIFEST).write_text(json.dumps(manifest))
    assert codes(directory) == set()
    (directory / "mood-1.json").write_text("{}")
    assert codes(directory) == {"export-checksum"}


def _wrong_manifests() -> Iterator[tuple[str, Any]]:
    yield "files", None
    yield "files", [{"path": "../secret", "sha256": "0"}]
    yield "files", [7]
    yield "formatVersion", 2
    yield "runId", 7
    yield "endedAt", 7
    yield "status", None
    yield "profiles", {}
    yield "profiles", {"sa": {"status": "fine"}, "map": {"status": "absent"}}


@pytest.mark.parametrize(("key", "value"), list(_wrong_manifests()))
def test_a_manifest_that_is_none_is_refused_at_its_place(key: str, value: Any, tmp_path: Path) -> None:
    directory = _as_export(Flow().write(tmp_path / "flow"))
    manifest = json.loads((directory / MANIFEST).read_text())
    (directory / MANIFEST).write_text(json.dumps(manifest | {key: value}, indent=1))
    [problem] = [p for p in verify([directory]).problems if p.code == "export-manifest"]
    assert problem.path[0] == key
    assert problem.line > 1


# ---- the protocol's examples -------------------------------------------------------------------


def test_the_protocols_examples_are_accepted_one_by_one(shared: Path) -> None:
    examples = sorted((shared / "mplp-v1" / "examples").glob("*.json"))
    assert len(examples) > 20
    for example in examples:
        verdict = verify([example])
        assert (verdict.problems, verdict.documents) == ([], 1), example.name
    assert verify([shared / "mplp-v1" / "examples"]).problems == []
