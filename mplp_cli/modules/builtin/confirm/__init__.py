"""Module `confirm`: questions to people who decide, and the answers.

The protocol's confirm object has no list of approvers: mode, approvers and weights stand in the event
`confirm.requested`, and as they are from then on in `confirm.delegated` and `confirm.escalated`. An answer that does
not settle the question is an event `confirm.decision.approved` or `.rejected`.
"""

from __future__ import annotations

from mplp_cli.modules.builtin.confirm.asking import OPERATIONS
from mplp_cli.modules.builtin.confirm.model import TRANSITIONS
from mplp_cli.modules.contract import make_module

MODULE = make_module("confirm", "Approvals", *OPERATIONS, transitions=TRANSITIONS)
