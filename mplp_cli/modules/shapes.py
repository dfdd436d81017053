"""Values that several modules take or give."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from mplp_cli.modules.contract import Parameters

#: UUID version 4, lower case. The length closes the gap that `$` leaves for a line break at the end.
UUID4 = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
ObjectId = Annotated[str, Meta(pattern=UUID4, max_length=36, description="UUID version 4, lower case")]
Text = Annotated[str, Meta(min_length=1, description="text, not empty")]
PageNumber = Annotated[int, Meta(ge=1, description="page, from 1")]
PageSize = Annotated[int, Meta(ge=1, le=10_000, description="objects a page")]


class Assignment(Parameters, frozen=True, kw_only=True):
    """Somebody in a role of a context: what `role/assign-roles` gives and other modules take."""

    role: Text
    role_id: ObjectId | None = None
    participant_id: Text | None = None
    kind: Literal["agent", "human", "system", "external"] = "agent"
    agent_id: Text | None = None
    context_id: ObjectId | None = None
