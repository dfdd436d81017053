"""The catalogue: every metric that there is. Durations are seconds, sizes bytes. Pure.

Counters whose names begin with `process_` or `system_` are kept by the system: samples hold them as they are, among
the gauges.
"""

from __future__ import annotations

from typing import Final

from mplp_cli.workflow.metrics import Metric


def _counter(name: str, help: str, *labels: str, unit: str = "") -> Metric:
    return Metric(name=name, kind="counter", help=help, labels=labels, unit=unit)


def _gauge(name: str, help: str, *labels: str, unit: str = "") -> Metric:
    return Metric(name=name, kind="gauge", help=help, labels=labels, unit=unit)


def _duration(name: str, help: str, *labels: str) -> Metric:
    return Metric(name=name, kind="histogram", help=help, labels=labels, unit="s")


_CATALOGUE: Final = (
    # ---- runs and steps ----
    _counter("mplp_runs_started_total", "Runs that began.", "workflow"),
    _counter("mplp_runs_total", "Runs that ended, by how.", "workflow", "status"),
    _duration("mplp_run_duration_seconds", "From the beginning of a run to its end.", "workflow"),
    _counter("mplp_steps_total", "Steps that ended, by how.", "type", "status"),
    _counter("mplp_step_attempts_total", "Attempts of steps that began.", "type"),
    _counter("mplp_step_retries_total", "Attempts that failed and are tried again.", "type"),
    _duration("mplp_step_duration_seconds", "From the first attempt of a step to its end.", "type"),
    _duration("mplp_step_queue_seconds", "From the moment a step could begin until it did."),
    _duration("mplp_slot_wait_seconds", "Of that, the time for which there was no free slot, and no room in the pool."),
    _duration("mplp_commit_seconds", "What a commit of the journal took."),
    # ---- events ----
    _counter("mplp_events_total", "Events that were published.", "type"),
    _counter("mplp_event_deliveries_total", "Deliveries of events, by what became of them.", "route", "state"),
    _duration("mplp_event_delivery_seconds", "From the moment an event was published until it was delivered.", "route"),
    _gauge("mplp_events_pending", "Deliveries that are to be tried again.", "route"),
    _gauge("mplp_dead_letters", "Events that could not be delivered.", "route"),
    _counter("mplp_rule_events_total", "Events that correlation rules mean, by what became of them.", "rule", "state"),
    # ---- agents ----
    _counter("mplp_agent_calls_total", "Calls of agents that ended; the code is `ok`, or an error.", "agent", "code"),
    _duration("mplp_agent_call_seconds", "What a call of an agent took.", "agent"),
    _counter("mplp_agent_tokens_total", "Tokens, `input` and `output`.", "agent", "direction"),
    _counter("mplp_agent_cost_usd_total", "What the calls cost.", "agent", unit="USD"),
    # ---- the pool ----
    _gauge("mplp_resource_used", "What runs hold of the pool.", "kind"),
    _gauge("mplp_resource_capacity", "What there is in the pool.", "kind"),
    # ---- of measuring itself ----
    _counter("mplp_samples_skipped_total", "Samples that were not taken, because the one before took too long."),
    _counter("mplp_series_overflow_total", "Values counted under `other`: there are too many series.", "metric"),
    # ---- the process that takes the sample ----
    _counter("process_cpu_seconds_total", "CPU time of the process.", unit="s"),
    _gauge("process_resident_memory_bytes", "Memory of the process that is in use.", unit="B"),
    _gauge("process_open_fds", "Files and connections that the process has open."),
    _gauge("process_threads", "Threads of the process."),
    _gauge("process_start_time_seconds", "When the process began, since the epoch.", unit="s"),
    # ---- the machine ----
    _gauge("system_cpu_utilization_ratio", "Part of all cores that worked since the sample before."),
    _gauge("system_cpu_logical_count", "Cores."),
    _gauge("system_memory_limit_bytes", "Memory that there is.", unit="B"),
    _gauge("system_memory_usage_bytes", "Memory that is not available.", unit="B"),
    _gauge("system_filesystem_limit_bytes", "Size of the file system of the state directory.", unit="B"),
    _gauge("system_filesystem_usage_bytes", "Of that, what is not free.", unit="B"),
    _counter("system_disk_io_bytes_total", "Read from disks and written to them.", "direction", unit="B"),
    _counter("system_network_io_bytes_total", "Received and sent.", "direction", unit="B"),
)  # fmt: skip

#: By name.
METRICS: Final = {metric.name: metric for metric in _CATALOGUE}


def is_kept_by_system(metric: Metric) -> bool:
    """Whether it is a counter that samples hold as it is."""
    return metric.kind == "counter" and not metric.name.startswith("mplp_")
