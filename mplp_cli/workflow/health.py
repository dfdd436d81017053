"""One word for the health of many components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Status = Literal["healthy", "unhealthy", "error"]
Overall = Literal["healthy", "warning", "degraded", "critical"]


def overall_of(statuses: Sequence[Status]) -> Overall:
    """One word for all: any error is critical; more than 3 in 10 unhealthy is degraded, fewer a warning."""
    unhealthy = statuses.count("unhealthy")
    if "error" in statuses:
        return "critical"
    # In whole numbers: three tenths are no binary fraction.
    if unhealthy * 10 > len(statuses) * 3:
        return "degraded"
    return "warning" if unhealthy else "healthy"
