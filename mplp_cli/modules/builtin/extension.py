"""Module `extension`: what a context is extended by, and invoking it.

mplp loads no code for an extension: it invokes those whose `config.handler` names a built-in handler
(`modules.invocation`). The others are records for whoever runs them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from mplp_cli.errors import InvalidTransitionError
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.invocation import config_problems, invoke, settings_of
from mplp_cli.modules.records import (
    Transitions,
    change_object,
    check_move,
    make_event,
    make_object,
    open_context,
    page_of,
)
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ExtensionBody, NewObject, ObjectId, PageNumber, PageSize, Text

Status = Literal["registered", "active", "inactive", "deprecated"]
ExtensionType = Literal["capability", "policy", "integration", "transformation", "validation", "other"]
_WORD = r"(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
Version = Annotated[
    str,
    Meta(
        pattern=r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
        rf"(-{_WORD}(\.{_WORD})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$",
        description="a SemVer version, such as 1.4.0 or 2.0.0-rc.1",
    ),
]

TRANSITIONS: Transitions = {
    "registered": ("active", "deprecated"),
    "active": ("inactive", "deprecated"),
    "inactive": ("active", "deprecated"),
    "deprecated": (),
}
#: Letters that a name has at most before `validate-extension` objects.
_NAME_LENGTH = 100


class RegisterExtension(NewObject, frozen=True, kw_only=True):
    context_id: ObjectId
    name: Text
    version: Version
    extension_type: ExtensionType = "other"
    status: Status = "registered"
    config: Annotated[
        dict[str, Any] | None,
        Meta(description="any keys; `handler` says what `invoke-extension` does, `permissions` lists text"),
    ] = None
    extension_id: ObjectId | None = None


class OneExtension(Parameters, frozen=True, kw_only=True):
    extension_id: ObjectId


class MoveExtension(Parameters, frozen=True, kw_only=True):
    extension_id: ObjectId
    reason: str | None = None


class UpdateExtensionConfig(Parameters, frozen=True, kw_only=True):
    extension_id: ObjectId
    config: Annotated[dict[str, Any], Meta(description="replaces the config there is")]


class ListExtensions(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId | None = None
    status: Status | None = None
    extension_type: ExtensionType | None = None
    name: Text | None = None
    page: PageNumber = 1
    limit: PageSize = 100


class CheckPermissions(Parameters, frozen=True, kw_only=True):
    extension_id: ObjectId
    permissions: Annotated[list[Text], Meta(description="what is wanted; nothing: only list them")] = field(
        default_factory=list
    )


class InvokeExtension(Parameters, frozen=True, kw_only=True):
    extension_id: ObjectId
    input: Any


class ExtensionNow(Result, frozen=True, kw_only=True):
    extension_id: ObjectId
    status: Status
    extension: ExtensionBody


class ExtensionConfig(Result, frozen=True, kw_only=True):
    extension_id: ObjectId
    config: dict[str, Any]


class Extensions(Result, frozen=True, kw_only=True):
    extensions: list[ExtensionBody]
    total: int
    page: int
    limit: int
    total_pages: int
    has_next: bool
    has_previous: bool


class Validated(Result, frozen=True, kw_only=True):
    extension_id: ObjectId
    valid: bool
    errors: list[str]


class Permissions(Result, frozen=True, kw_only=True):
    extension_id: ObjectId
    allowed: bool
    permissions: list[str]
    missing: list[str]


class Invoked(Result, frozen=True, kw_only=True):
    extension_id: ObjectId
    handler: str
    output: Any


def register_extension(given: RegisterExtension, session: Session) -> ExtensionNow:
    """Names may repeat: another version is another extension."""
    open_context(session, given.context_id)
    body = make_object(
        session,
        "extension",
        session.new_id("extension", given.extension_id),
        [make_event(session, "extension", "registered")],
        given=given,
        context_id=given.context_id,
        name=given.name,
        extension_type=given.extension_type,
        version=given.version,
        status=given.status,
        config=given.config,
    )
    return _now(session.put("extension", body))


def get_extension(given: OneExtension, session: Session) -> ExtensionNow:
    """Gives the extension."""
    return _now(session.get("extension", given.extension_id))


def list_extensions(given: ListExtensions, session: Session) -> Extensions:
    """Gives a page of extensions, oldest first."""
    found = session.find(
        "extension",
        context=given.context_id,
        status=given.status,
        extension_type=given.extension_type,
        name=given.name,
    )
    page = page_of(found, given.page, given.limit)
    return Extensions(extensions=page.items, **page.position)


def get_extension_config(given: OneExtension, session: Session) -> ExtensionConfig:
    """Gives the config; an empty one if there is none."""
    body = session.get("extension", given.extension_id)
    return ExtensionConfig(extension_id=given.extension_id, config=body.get("config", {}))


def update_extension_config(given: UpdateExtensionConfig, session: Session) -> ExtensionNow:
    """A deprecated extension stays as it is."""
    body = session.get("extension", given.extension_id)
    if body["status"] == "deprecated":
        raise InvalidTransitionError(
            f"the extension {given.extension_id} is `deprecated` and stays as it is",
            details={"kind": "extension", "id": given.extension_id, "status": "deprecated"},
        )
    before = body.get("config", {})
    keys = sorted(k for k in before.keys() | given.config.keys() if before.get(k) != given.config.get(k))
    event = make_event(session, "extension", "config.changed", {"keys": keys})
    return _now(session.put("extension", change_object(session, body, event, config=given.config)))


def validate_extension(given: OneExtension, session: Session) -> Validated:
    """Says whether the extension can be invoked; its version and fields were judged when it was registered."""
    body = session.get("extension", given.extension_id)
    errors = config_problems(body.get("config", {}))
    if len(body["name"]) > _NAME_LENGTH:
        errors.append(f"`name` has {len(body['name'])} characters, at most {_NAME_LENGTH} are usual")
    return Validated(extension_id=given.extension_id, valid=not errors, errors=errors)


def check_permissions(given: CheckPermissions, session: Session) -> Permissions:
    """Whether `config.permissions` lists everything that is wanted."""
    listed = settings_of(session.get("extension", given.extension_id).get("config", {})).permissions
    missing = [wanted for wanted in dict.fromkeys(given.permissions) if wanted not in listed]
    return Permissions(
        extension_id=given.extension_id, allowed=not missing, permissions=listed, missing=missing
    )


def invoke_extension(given: InvokeExtension, session: Session) -> Invoked:
    """Runs the built-in handler of an active extension on the input."""
    body = session.get("extension", given.extension_id)
    if body["status"] != "active":
        raise InvalidTransitionError(
            f"the extension {given.extension_id} is `{body['status']}`; only an active one is invoked",
            hint="`extension/activate-extension` makes it active" if TRANSITIONS[body["status"]] else None,
            details={"kind": "extension", "id": given.extension_id, "status": body["status"]},
        )
    name, output = invoke(body.get("config", {}), given.input)
    event = make_event(session, "extension", "invoked", {"handler": name})
    session.put("extension", change_object(session, body, event))
    return Invoked(extension_id=given.extension_id, handler=name, output=output)


def _now(body: dict[str, Any]) -> ExtensionNow:
    return ExtensionNow(extension_id=body["extension_id"], status=body["status"], extension=body)


def _move(name: str, summary: str, to: Status, verb: str) -> Operation:
    def move(given: MoveExtension, session: Session) -> ExtensionNow:
        body = session.get("extension", given.extension_id)
        check_move("extension", given.extension_id, TRANSITIONS, body["status"], to)
        data = None if given.reason is None else {"reason": given.reason}
        event = make_event(session, "extension", verb, data)
        return _now(session.put("extension", change_object(session, body, event, status=to)))

    return Operation(name=name, summary=summary, parameters=MoveExtension, result=ExtensionNow, handler=move)


MODULE = make_module(
    "extension",
    "What a context is extended by",
    Operation(
        name="register-extension",
        summary="Register an extension in a context",
        parameters=RegisterExtension,
        result=ExtensionNow,
        handler=register_extension,
    ),
    Operation(
        name="get-extension",
        summary="Read an extension",
        parameters=OneExtension,
        result=ExtensionNow,
        handler=get_extension,
    ),
    Operation(
        name="list-extensions",
        summary="List extensions, oldest first",
        parameters=ListExtensions,
        result=Extensions,
        handler=list_extensions,
    ),
    _move("activate-extension", "Put an extension to use", "active", "activated"),
    _move("deactivate-extension", "Take an extension out of use", "inactive", "deactivated"),
    _move("deprecate-extension", "Take an extension out of use for good", "deprecated", "deprecated"),
    Operation(
        name="get-extension-config",
        summary="Read the config of an extension",
        parameters=OneExtension,
        result=ExtensionConfig,
        handler=get_extension_config,
    ),
    Operation(
        name="update-extension-config",
        summary="Replace the config of an extension",
        parameters=UpdateExtensionConfig,
        result=ExtensionNow,
        handler=update_extension_config,
    ),
    Operation(
        name="validate-extension",
        summary="Say what keeps an extension from being invoked",
        parameters=OneExtension,
        result=Validated,
        handler=validate_extension,
    ),
    Operation(
        name="check-permissions",
        summary="Say whether an extension's config lists permissions",
        parameters=CheckPermissions,
        result=Permissions,
        handler=check_permissions,
    ),
    Operation(
        name="invoke-extension",
        summary="Run the built-in handler of an active extension",
        parameters=InvokeExtension,
        result=Invoked,
        handler=invoke_extension,
    ),
    needs=("context",),
)
