"""Module `core`: the manifest of an instance: which modules it has, in which versions, and how they stand.

Enabling and disabling change the manifest; whether a module of mplp runs is the hub's affair.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from msgspec import UNSET, Meta, UnsetType

from mplp_cli.errors import InvalidTransitionError, OperationError, UnknownObjectError
from mplp_cli.modules.allocating import ALLOCATE_RESOURCES, RELEASE_RESOURCES
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.coordination import COORDINATE_MODULES
from mplp_cli.modules.records import (
    PROTOCOL_VERSION,
    Transitions,
    change_object,
    check_move,
    make_event,
    make_object,
)
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import CoreBody, ModuleName, NewObject, ObjectId, Text
from mplp_cli.workflow import health

Status = Literal["draft", "active", "deprecated", "archived"]
ModuleStatus = Literal["enabled", "disabled", "experimental", "deprecated"]

TRANSITIONS: Transitions = {
    "draft": ("active",),
    "active": ("deprecated",),
    "deprecated": ("archived",),
    "archived": (),
}
MODULE_TRANSITIONS: Transitions = {
    "enabled": ("disabled",),
    "experimental": ("enabled", "disabled"),
    "disabled": ("enabled",),
    "deprecated": ("enabled", "disabled"),
}

CoreId = Annotated[ObjectId | None, Meta(description="the run's only one, else the only one, unless given")]


class Descriptor(Parameters, frozen=True, kw_only=True):
    """A module in the manifest."""

    module_id: ModuleName
    version: Text = PROTOCOL_VERSION
    status: ModuleStatus = "enabled"
    required: Annotated[bool | None, Meta(description="true: it cannot be disabled")] = None
    description: str | None = None


class Initialize(NewObject, frozen=True, kw_only=True):
    modules: Annotated[
        list[Descriptor | ModuleName] | None, Meta(description="names or maps; all ten unless given")
    ] = None
    protocol_version: Text = PROTOCOL_VERSION
    status: Status = "draft"
    core_id: ObjectId | None = None


class OneCore(Parameters, frozen=True, kw_only=True):
    core_id: CoreId = None


class MoveCore(Parameters, frozen=True, kw_only=True):
    core_id: CoreId = None
    reason: str | None = None


class EnableModule(Parameters, frozen=True, kw_only=True):
    module_id: ModuleName
    core_id: CoreId = None
    version: Annotated[Text | None, Meta(description="as it was; 1.0.0 for one that is added")] = None
    reason: str | None = None


class DisableModule(Parameters, frozen=True, kw_only=True):
    module_id: ModuleName
    core_id: CoreId = None
    reason: str | None = None


class GivenEvent(Parameters, frozen=True, kw_only=True):
    type: Text
    data: dict[str, Any] | None = None


class BroadcastEvent(Parameters, frozen=True, kw_only=True):
    event: GivenEvent
    core_id: CoreId = None


class CoreNow(Result, frozen=True, kw_only=True):
    core_id: ObjectId
    status: Status
    core: CoreBody


class Component(Result, frozen=True, kw_only=True):
    component: ModuleName
    status: health.Status
    details: dict[str, Any]
    error: str | UnsetType = UNSET
    timestamp: str


class CoreHealth(Result, frozen=True, kw_only=True):
    core_id: ObjectId
    status: Status
    overall: health.Overall
    components: list[Component]
    timestamp: str


class Broadcast(Result, frozen=True, kw_only=True):
    core_id: ObjectId
    event_id: ObjectId
    core: CoreBody


def initialize(given: Initialize, session: Session) -> CoreNow:
    """OperationError if a module is named twice or none is."""
    modules = get_args(ModuleName) if given.modules is None else given.modules
    listed = [item if isinstance(item, Descriptor) else Descriptor(module_id=item) for item in modules]
    names = [item.module_id for item in listed]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise OperationError(f"the module `{twice}` is named twice", details={"moduleId": twice})
    if not names:
        raise OperationError("a core needs at least one module", hint="leave `modules` out for all ten")
    body = make_object(
        session,
        "core",
        session.new_id("core", given.core_id),
        [make_event(session, "core", "initialized", {"modules": names})],
        given=given,
        protocol_version=given.protocol_version,
        status=given.status,
        modules=[_described(item) for item in listed],
    )
    return _now(session.put("core", body))


def get_core(given: OneCore, session: Session) -> CoreNow:
    """Gives the manifest."""
    return _now(_core(session, given.core_id))


def check_health(given: OneCore, session: Session) -> CoreHealth:
    """What the manifest says: a disabled module is unhealthy, a required one that is disabled an error."""
    body = _core(session, given.core_id)
    components = [_component(item, session.now()) for item in body["modules"]]
    return CoreHealth(
        core_id=body["core_id"],
        status=body["status"],
        overall=health.overall_of([component.status for component in components]),
        components=components,
        timestamp=session.now(),
    )


def enable_module(given: EnableModule, session: Session) -> CoreNow:
    """Enables a module; one that the manifest does not have is added."""
    body = _changeable(session, given.core_id)
    old = _find(body, given.module_id)
    if old is None:
        added = _described(Descriptor(module_id=given.module_id, version=given.version or PROTOCOL_VERSION))
        return _changed(session, body, [*body["modules"], added], "module.enabled", given)
    check_move("module", given.module_id, MODULE_TRANSITIONS, old["status"], "enabled")
    new = {**old, "status": "enabled", "version": given.version or old["version"]}
    modules = [new if item is old else item for item in body["modules"]]
    return _changed(session, body, modules, "module.enabled", given)


def disable_module(given: DisableModule, session: Session) -> CoreNow:
    """OperationError for a required module."""
    body = _changeable(session, given.core_id)
    old = _find(body, given.module_id)
    if old is None:
        raise UnknownObjectError(
            f"the core {body['core_id']} has no module `{given.module_id}`",
            hint=f"it has: {', '.join(item['module_id'] for item in body['modules'])}",
            details={"kind": "module", "id": given.module_id},
        )
    check_move("module", given.module_id, MODULE_TRANSITIONS, old["status"], "disabled")
    if old.get("required"):
        raise OperationError(
            f"the core {body['core_id']} requires the module `{given.module_id}`; it cannot be disabled",
            details={"coreId": body["core_id"], "moduleId": given.module_id},
        )
    modules = [{**item, "status": "disabled"} if item is old else item for item in body["modules"]]
    return _changed(session, body, modules, "module.disabled", given)


def broadcast_event(given: BroadcastEvent, session: Session) -> Broadcast:
    """Notes an event in the manifest, for everybody who reads it."""
    body = _changeable(session, given.core_id)
    data = {"type": given.event.type, "data": given.event.data}
    event = make_event(
        session, "core", "event.broadcast", {key: value for key, value in data.items() if value is not None}
    )
    changed = session.put("core", change_object(session, body, event))
    return Broadcast(core_id=body["core_id"], event_id=event["event_id"], core=changed)


def _core(session: Session, core_id: str | None) -> dict[str, Any]:
    if core_id is not None:
        return session.get("core", core_id)
    found = session.find("core", run=session.caller.run) or session.find("core")
    if len(found) == 1:
        return found[0]
    if found:
        raise OperationError(
            f"there are {len(found)} cores, and it is not clear which one is meant", hint="give `coreId`"
        )
    raise OperationError("there is no core yet", hint="`core/initialize` makes one")


def _changeable(session: Session, core_id: str | None) -> dict[str, Any]:
    body = _core(session, core_id)
    if body["status"] != "archived":
        return body
    raise InvalidTransitionError(
        f"the core {body['core_id']} is `archived` and stays as it is",
        details={"kind": "core", "id": body["core_id"], "status": "archived"},
    )


def _changed(
    session: Session,
    body: dict[str, Any],
    modules: list[dict[str, Any]],
    verb: str,
    given: EnableModule | DisableModule,
) -> CoreNow:
    data = {"moduleId": given.module_id} | ({} if given.reason is None else {"reason": given.reason})
    event = make_event(session, "core", verb, data)
    return _now(session.put("core", change_object(session, body, event, modules=modules)))


def _described(item: Descriptor) -> dict[str, Any]:
    fields = {name: getattr(item, name) for name in item.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not None}


def _find(body: dict[str, Any], module_id: str) -> dict[str, Any] | None:
    return next((item for item in body["modules"] if item["module_id"] == module_id), None)


def _component(item: dict[str, Any], now: str) -> Component:
    disabled = item["status"] == "disabled"
    lacking = disabled and item.get("required", False)
    return Component(
        component=item["module_id"],
        status="error" if lacking else "unhealthy" if disabled else "healthy",
        details={"status": item["status"], "version": item["version"]},
        error="it is required, and disabled" if lacking else UNSET,
        timestamp=now,
    )


def _now(body: dict[str, Any]) -> CoreNow:
    return CoreNow(core_id=body["core_id"], status=body["status"], core=body)


def _move(name: str, summary: str, to: Status, verb: str) -> Operation:
    def move(given: MoveCore, session: Session) -> CoreNow:
        body = _core(session, given.core_id)
        check_move("core", body["core_id"], TRANSITIONS, body["status"], to)
        data = None if given.reason is None else {"reason": given.reason}
        event = make_event(session, "core", verb, data)
        return _now(session.put("core", change_object(session, body, event, status=to)))

    return Operation(name=name, summary=summary, parameters=MoveCore, result=CoreNow, handler=move)


def _initialize(name: str) -> Operation:
    return Operation(
        name=name,
        summary="Make the manifest of an instance",
        parameters=Initialize,
        result=CoreNow,
        handler=initialize,
    )


def _health(name: str) -> Operation:
    return Operation(
        name=name,
        summary="Say in one word how the modules of the manifest stand, and how each does",
        parameters=OneCore,
        result=CoreHealth,
        handler=check_health,
    )


MODULE = make_module(
    "core",
    "The manifest of an instance",
    _initialize("initialize"),
    _initialize("init-core"),
    Operation(
        name="get-core", summary="Read a manifest", parameters=OneCore, result=CoreNow, handler=get_core
    ),
    _health("get-status"),
    _health("health-check"),
    _move("activate-core", "Put an instance to use", "active", "activated"),
    _move("deprecate-core", "Announce the end of an instance", "deprecated", "deprecated"),
    _move("archive-core", "Put a deprecated instance away", "archived", "archived"),
    Operation(
        name="enable-module",
        summary="Enable a module in the manifest, or add it",
        parameters=EnableModule,
        result=CoreNow,
        handler=enable_module,
    ),
    Operation(
        name="disable-module",
        summary="Disable a module in the manifest",
        parameters=DisableModule,
        result=CoreNow,
        handler=disable_module,
    ),
    COORDINATE_MODULES,
    ALLOCATE_RESOURCES,
    RELEASE_RESOURCES,
    Operation(
        name="broadcast-event",
        summary="Note an event in the manifest",
        parameters=BroadcastEvent,
        result=Broadcast,
        handler=broadcast_event,
    ),
    transitions=TRANSITIONS,
)
