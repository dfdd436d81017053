"""Deleting an object: not while others refer to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mplp_cli.errors import OperationError
from mplp_cli.modules.session import Session

_SHOWN = 5


def remove_unused(
    session: Session, kind: str, identifier: str, users: Iterable[tuple[str, dict[str, Any]]], hint: str
) -> None:
    """Delete an object that neither `users` (kind, body) nor an approval refers to; else OperationError."""
    session.get(kind, identifier)
    named = [(user, body[f"{user}_id"]) for user, body in users]
    named += [("confirm", body["confirm_id"]) for body in session.find("confirm", target_id=identifier)]
    named = list(dict.fromkeys(named))  # a confirm about a context also belongs to it
    if named:
        shown = ", ".join(f"{user} {other}" for user, other in named[:_SHOWN])
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        raise OperationError(
            f"the {kind} {identifier} cannot be deleted: {shown}{more} would refer to nothing",
            hint=hint,
            details={"kind": kind, "id": identifier, "usedBy": [{"kind": k, "id": i} for k, i in named]},
        )
    session.remove(kind, identifier)
