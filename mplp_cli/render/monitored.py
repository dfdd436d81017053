"""What is seen of a moment, for machines."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from mplp_cli.clock import rfc3339
from mplp_cli.observe.seen import Latency, Seen, SeenRun
from mplp_cli.resources.utilization import number_of


def monitor_record(seen: Seen) -> dict[str, Any]:
    """One look: `{at, metrics, analysis, alerts}`. What is not known is null."""
    return {
        "at": rfc3339(seen.at),
        "metrics": _metrics(seen),
        "analysis": to_builtins(seen.analysis),
        "alerts": [{**to_builtins(one), "since": rfc3339(one.since)} for one in seen.alerts],
    }


def _metrics(seen: Seen) -> dict[str, Any]:
    return {
        **to_builtins(seen.machine),
        "window": seen.window // 1_000,
        "runs": {
            "counts": dict(seen.counts),
            "list": [_run(run) for run in seen.runs],
        },
        "rates": {name: rate.now for name, rate in seen.rates.items()},
        "latencies": {name: _latency(found) for name, found in seen.latencies.items()},
        "resources": {
            kind.name: {
                "total": number_of(kind.name, kind.capacity),
                "allocated": number_of(kind.name, kind.taken),
                "waiting": kind.waiting,
                "by": [{"holder": who, "amount": number_of(kind.name, much)} for who, much in kind.holders],
            }
            for kind in seen.resources
        },
        "events": {
            "behind": dict(seen.behind),
            "retrying": dict(seen.retrying),
            "deadLetters": dict(seen.dead),
        },
        "agents": {
            one.name: {
                "calls": one.calls,
                "failed": one.failed,
                "tokensIn": one.tokens_in,
                "tokensOut": one.tokens_out,
                "costUsd": round(one.cost, 6),
            }
            for one in seen.agents
        },
    }


def _run(run: SeenRun) -> dict[str, Any]:
    return {
        "runId": run.id,
        "workflowId": run.workflow,
        "status": run.status,
        "startedAt": rfc3339(run.since),
        "endedAt": rfc3339(run.ended) if run.ended else None,
        "steps": {"ended": run.doing.ended, "total": run.doing.total, "queued": run.doing.queued},
    }


def _latency(found: Latency | None) -> dict[str, Any] | None:
    """Seconds."""
    return None if found is None else to_builtins(found)
