"""The words for what happened. Compared by identity on the hot path: always take them from here."""

from __future__ import annotations

PENDING, QUEUED, RUNNING, RETRYING, WAITING = "pending", "queued", "running", "retrying", "waiting"
#: Of a run only.
PAUSED = "paused"
COMPLETED, FAILED, SKIPPED, OMITTED, CANCELLED = "completed", "failed", "skipped", "omitted", "cancelled"
#: End states of a step; of a run, `completed`, `failed` and `cancelled`.
ENDED = frozenset({COMPLETED, FAILED, SKIPPED, OMITTED, CANCELLED})
