"""Traces: what a span costs, from the fact that ends it to the bytes that have left the process; what a collector
costs that never answers.

`python -m tests.bench.traces collector|file COUNT DIR` makes so many spans in a fresh process and prints JSON: seconds
of its processors, in all threads. The collector is another process (`python -m tests.bench.traces sink`).
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from mplp_cli.clock import SystemClock
from mplp_cli.loading import load_workflow
from mplp_cli.observe import otel
from mplp_cli.observe.otlp import to_file
from mplp_cli.observe.outlet import Outlet, Sizes
from mplp_cli.observe.traces import Traces
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.tracing import Sampler, TraceSettings, trace_of
from tests.bench.measure import Lab, Row, pairs

#: Microseconds of a span.
LIMIT = 60.0
RUN = "0c39a1bb-f1b0-4e4d-ab05-e75ddc260314"


def rows(lab: Lab) -> Iterator[Row]:
    """A span that goes to a collector, and one that goes to a file."""
    count = max(3, lab.sizes.steps)
    for what in ("collector", "file"):
        taken = []
        for _ in range(3):
            with lab.fresh() as folder:
                told = lab.python("-m", "tests.bench.traces", what, str(count), str(folder)).json
                taken.append(float(told["cpu"]) / told["spans"] * 1e6)
        yield Row(
            name=f"traces, {count:,} spans to a {what}",
            value=statistics.median(taken),
            unit="us CPU",
            limit=LIMIT,
            note="a third each of steps, attempts, calls of agents",
        )
    yield hanging(lab)


def hanging(lab: Lab) -> Row:
    """How much later a run ends whose collector takes connections and never answers."""
    file = lab.document("chain", 100, "set")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"http://127.0.0.1:{silent.getsockname()[1]}"

        def run(more: dict[str, str]) -> float:
            with lab.fresh() as state:
                words = lab.command("run", str(file), "--output", "quiet")
                return lab.run(words, {"MPLP_STATE_DIR": str(state), **more}).wall

        traced = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": at}
        ours, bare, _ = pairs(lambda: run(traced), lambda: run({}), lab.sizes.pairs)
    return Row(name="a collector that hangs, whole run", value=ours - bare, unit="s", limit=2.0, note="later")


def facts(count: int) -> Iterator[list[h.Event]]:
    """The commits of `count` steps that ask an agent, three spans each."""
    yield [h.RunStarted(1, RUN, "w", {}, {}, "/", 4)]
    used = h.Used(calls=1, input_tokens=100, output_tokens=20, time=5)
    call = h.Called(number=1, kind="openai", finish="stop")
    for number in range(count):
        step = f"s{number}"
        asked = h.AgentAsked(30, step, 1, "writer", used, "gpt-x", call=call)
        yield [h.StepQueued(10, step), h.StepStarted(20, step, 1)]
        yield [asked, h.StepCompleted(40, step, 1, {"n": 1})]
    yield [h.RunCompleted(50, None)]


def spans(what: str, count: int, folder: str) -> dict[str, float]:
    """Seconds of the processors for about so many spans."""
    steps = [{"id": f"s{n}", "type": "set", "values": {"n": 1}} for n in range(count // 3)]
    document = {"workflow": {"id": "w", "name": "W", "version": "1.0.0", "steps": steps}}
    plan = load_workflow(json.dumps(document).encode(), "w.json", check_operation=None).plan
    assert plan is not None
    trace = trace_of(RUN, None, Sampler())
    assert trace is not None
    told, resource = list(facts(len(steps))), otel.resource_of({}, TraceSettings())
    sink = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.traces", "sink"], stdout=subprocess.PIPE, text=True
    )
    with sink:
        assert sink.stdout is not None
        at = otel.Collector(endpoint=f"http://127.0.0.1:{sink.stdout.readline().strip()}/v1/traces")
        send = (
            otel.to_collector(at, resource) if what == "collector" else to_file(Path(folder) / "t", resource)
        )
        outlet = Outlet(what, lambda: send, Sizes(queue=1_000_000))
        watch = Traces([outlet], Sampler(), SystemClock()).watch(
            RunState(plan), trace, lambda v: v, lambda run: ()
        )
        began = time.process_time()
        for commit in told:
            watch(commit)
        said = outlet.close(60)
        taken = time.process_time() - began
        sink.kill()
    assert not said, said
    return {"cpu": taken, "spans": len(steps) * 3 + 1}


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    if sys.argv[1] == "sink":
        with HTTPServer(("127.0.0.1", 0), _Sink) as server:
            sys.stdout.write(f"{server.server_address[1]}\n")
            sys.stdout.flush()
            server.serve_forever()
    sys.stdout.write(json.dumps(spans(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
