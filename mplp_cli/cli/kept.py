"""The objects that a store keeps, for the commands that look at them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mplp_cli.protocols import ProtocolObject, Store
    from mplp_cli.render.objects import Kept


def kept(store: Store, kind: str | None = None, *, deleted: bool = True) -> list[Kept]:
    """All objects, or those of a kind; the deleted ones if they are asked for."""
    return [_kept(store, item) for item in list(store.objects(kind)) if deleted or item.body]


def _kept(store: Store, item: ProtocolObject) -> Kept:
    from mplp_cli.render.objects import Kept

    body = item.body
    if not body:
        body = next((one.body for one in reversed(store.object_versions(item.kind, item.id)) if one.body), {})
    return Kept(kind=item.kind, id=item.id, version=item.version, body=body, deleted=not item.body)


def one_kept(store: Store | None, name: str, kind: str | None = None) -> Kept:
    """The one object whose id is or begins with `name`. UsageError if there is none, or more than one."""
    from mplp_cli.errors import UsageError
    from mplp_cli.render.view import short_id

    found = [] if store is None else [o for o in store.objects(kind) if o.id.startswith(name.lower())]
    found = [o for o in found if o.id == name.lower()] or found
    if not found or store is None:
        what = f"{kind} object" if kind else "object"
        raise UsageError(f"there is no {what} {name!r}", hint="`mplp objects list` lists them")
    if len(found) > 1:
        listed = ", ".join(f"{o.kind} {short_id(o.id)}" for o in found[:5])
        more = "use more of its id" if len({o.id for o in found}) > 1 else "name its kind with --kind"
        raise UsageError(
            f"{name!r} means {len(found)} objects: {listed}",
            hint=more,
            details={"objects": [{"kind": o.kind, "id": o.id} for o in found]},
        )
    return _kept(store, found[0])


def check_kind(kind: str | None, there: Iterable[str] = ()) -> None:
    """UsageError if there is no such kind of objects; `there` are kinds that the store has."""
    from mplp_cli.errors import UsageError
    from mplp_cli.modules.catalogue import all_modules
    from mplp_cli.workflow.suggest import did_you_mean

    if kind is None or kind in there or kind in all_modules():
        return
    known = list(dict.fromkeys([*all_modules(), *there]))
    hint = did_you_mean(kind, known) or f"kinds: {', '.join(known)}"
    raise UsageError(f"there are no objects of the kind {kind!r}", hint=hint)
