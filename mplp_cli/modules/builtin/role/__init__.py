"""Module `role`: named roles, what they may do, and who has them in a context.

The protocol's role object names no context and nobody who has it: the context stands in its
`meta.tags` (`context:<id>`), each assignment in an event `role.assigned`, its end in `role.revoked`.
"""

from __future__ import annotations

from mplp_cli.modules.builtin.role import assigning, capabilities, keeping
from mplp_cli.modules.contract import make_module

MODULE = make_module(
    "role",
    "Roles, who has them and what they may do",
    *assigning.OPERATIONS,
    *keeping.OPERATIONS,
    *capabilities.OPERATIONS,
    needs=("context",),
)
