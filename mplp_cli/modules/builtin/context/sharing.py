"""The state that everybody in a context shares: variables under one version, in `root.shared_state`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, field

from mplp_cli.errors import OperationError
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.records import change_object, make_event, open_context
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ContextBody, ObjectId, Text
from mplp_cli.workflow.suggest import did_you_mean

Version = Annotated[int, Meta(ge=0)]


class UpdateSharedState(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId
    variables: Annotated[dict[str, Any] | None, Meta(description="set these; others stay")] = None
    key: Annotated[Text | None, Meta(description="set one variable, to `value`")] = None
    value: Any = UNSET
    expected_version: Annotated[
        Version | None, Meta(description="refuse if the state has another version by now; 0: there is none")
    ] = None


class GetSharedState(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId
    key: Annotated[Text | None, Meta(description="only this variable")] = None


class SharedState(Result, frozen=True, kw_only=True):
    context_id: ObjectId
    version: int
    variables: dict[str, Any]


class SharedStateNow(SharedState, frozen=True, kw_only=True):
    context: ContextBody


class _Shared(Struct, frozen=True):
    """`root.shared_state`. Version 0: nothing has been shared yet."""

    version: Version = 0
    variables: dict[str, Any] = field(default_factory=dict)


def update_shared_state(given: UpdateSharedState, session: Session) -> SharedStateNow:
    """Sets variables and raises the version by one; with `expectedVersion` only from that version."""
    body = open_context(session, given.context_id)
    state = _shared(body)
    if given.expected_version not in {None, state.version}:
        raise OperationError(
            f"the shared state of the context {given.context_id} is at version {state.version},"
            f" not {given.expected_version}",
            hint="`context/get-shared-state` gives what it is by now",
            details={"contextId": given.context_id, "version": state.version},
        )
    changes = _changes(given)
    version, variables = state.version + 1, {**state.variables, **changes}
    event = make_event(session, "context", "state.synced", {"version": version, "keys": sorted(changes)})
    root = {**body["root"], "shared_state": {"version": version, "variables": variables}}
    changed = session.put("context", change_object(session, body, event, root=root))
    return SharedStateNow(context_id=given.context_id, version=version, variables=variables, context=changed)


def get_shared_state(given: GetSharedState, session: Session) -> SharedState:
    """Gives all variables, or one."""
    state = _shared(session.get("context", given.context_id))
    variables = state.variables
    if given.key is not None:
        if given.key not in variables:
            raise OperationError(
                f"the context {given.context_id} shares no `{given.key}`",
                hint=did_you_mean(given.key, variables),
                details={"contextId": given.context_id, "key": given.key},
            )
        variables = {given.key: variables[given.key]}
    return SharedState(context_id=given.context_id, version=state.version, variables=variables)


def _changes(given: UpdateSharedState) -> dict[str, Any]:
    if (given.key is None) != (given.value is UNSET):
        raise OperationError("`key` and `value` belong together", hint="or give a map as `variables`")
    changes = dict(given.variables or {})
    if given.key is not None:
        changes[given.key] = given.value
    if not changes:
        raise OperationError(
            "`context/update-shared-state` is given nothing to share", hint="give `variables`, for one"
        )
    return changes


def _shared(body: dict[str, Any]) -> _Shared:
    # `root` is open: whoever made the context may have put anything there.
    try:
        return msgspec.convert(body["root"].get("shared_state", {}), _Shared)
    except msgspec.ValidationError as error:
        raise OperationError(
            f"`root.shared_state` of the context {body['context_id']} is no shared state: {error}",
            hint="it is a map with `version` and `variables`",
            details={"kind": "context", "id": body["context_id"]},
        ) from error


OPERATIONS = (
    Operation(
        name="update-shared-state",
        summary="Set variables that everybody in a context shares",
        parameters=UpdateSharedState,
        result=SharedStateNow,
        handler=update_shared_state,
        any_of=(("variables", "key"),),
    ),
    Operation(
        name="get-shared-state",
        summary="Read the variables that a context shares, and their version",
        parameters=GetSharedState,
        result=SharedState,
        handler=get_shared_state,
    ),
)
