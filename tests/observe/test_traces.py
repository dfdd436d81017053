"""Spans of runs, as a receiver of OTLP gets them."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from mplp_cli import api
from mplp_cli.assembly import incoming_of
from mplp_cli.observe import otel
from mplp_cli.observe.outlet import Outlet, Sizes
from mplp_cli.observe.spans import Span
from mplp_cli.observe.traces import PATIENCE
from mplp_cli.runtime import Runtime
from mplp_cli.workflow.published import Cause, Published
from mplp_cli.workflow.tracing import Sampler, Trace, incoming, run_span, stored_trace, trace_id
from tests.service import Asked, Reply, serving

SECRET, TOKEN = "s3cr3t-of-the-run", "tok3n-of-the-collector"
SERVER = str(Path(__file__).parent.parent / "agents" / "mcp_server.py")
OUTER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Received:
    """Spans by name, and everything that came, as bytes."""

    spans: list[Any] = field(default_factory=list)
    resources: list[Any] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def add(self, request: Any) -> None:
        for of in request.resource_spans:
            self.resources.append(of.resource)
            self.spans += [span for scope in of.scope_spans for span in scope.spans]

    def take(self, asked: Asked, _: int) -> Reply:
        zipped = asked.headers.get("content-encoding") == "gzip"
        body = gzip.decompress(asked.body) if zipped else asked.body
        self.raw.append(body)
        self.headers.append(asked.headers)
        self.add(ExportTraceServiceRequest.FromString(body))
        return Reply()

    @classmethod
    def of_file(cls, path: Path) -> Received:
        found = cls()
        for line in path.read_text().splitlines():
            document = json.loads(line)
            for span in (s for r in document["resourceSpans"] for sc in r["scopeSpans"] for s in sc["spans"]):
                links = span.get("links", [])
                for one, key in [(span, k) for k in ("traceId", "spanId", "parentSpanId") if k in span] + [
                    (link, k) for link in links for k in ("traceId", "spanId")
                ]:
                    one[key] = _base64(one[key])  # OTLP writes ids as hexadecimal, where protobuf has base64
            found.add(ParseDict(document, ExportTraceServiceRequest()))
        return found

    def one(self, name: str) -> Any:
        [found] = [span for span in self.spans if span.name == name]
        return found

    def path(self, span: Any) -> list[str]:
        """The names from the outermost span that is there to this one."""
        by_id = {one.span_id: one for one in self.spans}
        names = [span.name]
        while (span := by_id.get(span.parent_span_id)) is not None:
            names.insert(0, span.name)
        return names

    def check(self) -> None:
        """Nothing came twice, and every span lies within the one around it."""
        by_id = {one.span_id: one for one in self.spans}
        assert len(by_id) == len(self.spans)
        assert len({one.trace_id for one in self.spans}) == 1
        for one in self.spans:
            if (above := by_id.get(one.parent_span_id)) is not None:
                assert above.start_time_unix_nano <= one.start_time_unix_nano, one.name
                assert one.end_time_unix_nano <= above.end_time_unix_nano, one.name


def _base64(text: str) -> str:
    from base64 import b64encode

    return b64encode(bytes.fromhex(text)).decode()


def said(span: Any) -> dict[str, Any]:
    """The attributes of a span, or of an event."""
    found = {}
    for one in span.attributes:
        kind = one.value.WhichOneof("value")
        value = getattr(one.value, kind)
        found[one.key] = [v.string_value for v in value.values] if kind == "array_value" else value
    return found


def ids(value: str) -> tuple[str, str]:
    """Trace and span of a traceparent."""
    parsed = incoming(value)
    assert parsed is not None, value
    return parsed.trace, parsed.span


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("OTEL_", "TRACE"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write(folder: Path, text: str, name: str = "w.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


EVERYTHING = """
agents:
  - {id: writer, kind: openai, endpoint: "URL/v1", model: gpt-x, capabilities: [text]}
  - {id: tools, kind: mcp, command: [PYTHON, SERVER], repair-attempts: 0}
workflow:
  id: all
  name: All
  version: 1.0.0
  secrets: [TOK]
  steps:
    - id: flaky
      type: shell
      env: {TOK: "${secrets.TOK}"}
      retry-policy: {max-retries: 1, initial-delay: 10ms}
      run: 'echo "it was $TOK" >&2; echo "$TRACEPARENT" > $MPLP_ATTEMPT_NUMBER; test $MPLP_ATTEMPT_NUMBER = 2'
    - id: call
      type: http
      url: URL/plain
      headers: {x-token: "${secrets.TOK}"}
    - {id: own, type: http, url: URL/own, headers: {TraceParent: mine}}
    - {id: write, type: agent, agent: writer, prompt: "write of ${call.status}"}
    - {id: tool, type: agent, agent: tools, input: {tool: echo, arguments: {a: 1}}}
    - id: each
      type: foreach
      items: [1]
      steps: [{id: inner, type: set, values: {x: 1}}]
    - {id: sub, type: workflow, file: sub.yaml}
"""
SUB = """
workflow: {id: sub, name: Sub, version: 1.0.0, steps: [{id: deep, type: shell, run: 'echo "$TRACEPARENT" > deep'}]}
"""


def test_a_receiver_gets_the_whole_tree_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    got, seen = Received(), dict[str, dict[str, str]]()

    def service(asked: Asked, _: int) -> Reply:
        seen[asked.path] = asked.headers
        used = {"prompt_tokens": 7, "completion_tokens": 3}
        choice = {"index": 0, "message": {"content": f"no {SECRET}"}, "finish_reason": "stop"}
        body = {"model": "gpt-x-1", "choices": [choice], "usage": used}
        return Reply(body=json.dumps(body).encode(), headers={"content-type": "application/json"})

    with serving(got.take) as collector, serving(service) as there:
        text = (
            EVERYTHING.replace("URL", there.base).replace("PYTHON", sys.executable).replace("SERVER", SERVER)
        )
        file = write(tmp_path, text)
        write(tmp_path, SUB, "sub.yaml")
        write(tmp_path, "traces: {results: true}", "mplp.yaml")
        monkeypatch.setenv("TOK", SECRET)
        monkeypatch.setenv("TRACEPARENT", OUTER)
        monkeypatch.setenv("TRACESTATE", "vendor=1")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.base)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{TOKEN}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "flows")
        report = api.run(file, state_dir=tmp_path / "state")
    assert report["status"] == "completed"
    got.check()
    top = got.one("invoke_workflow all")
    assert (top.trace_id.hex(), top.parent_span_id.hex()) == ids(OUTER)
    assert top.trace_state == "vendor=1"
    tree = {" > ".join(got.path(span)[1:]) for span in got.spans if span is not top}
    assert tree >= {
        "flaky > flaky #1",
        "flaky > flaky #2",
        "write > write #1 > invoke_agent writer",
        "tool > tool #1 > invoke_agent tools > execute_tool echo",
        "each > each[0] > each[0].inner",
        "sub > sub #1 > invoke_workflow sub > deep > deep #1",
    }
    call = said(got.one("invoke_agent writer"))
    assert call["gen_ai.operation.name"] == "invoke_agent"
    assert call["gen_ai.provider.name"] == "openai"
    assert (call["gen_ai.request.model"], call["gen_ai.response.model"]) == ("gpt-x", "gpt-x-1")
    assert (call["gen_ai.usage.input_tokens"], call["gen_ai.usage.output_tokens"]) == (7, 3)
    assert call["gen_ai.response.finish_reasons"] == ["stop"]
    assert call["mplp.run.id"] == report["runId"]
    failed = got.one("flaky #1")
    assert (failed.status.code, said(failed)["error.type"]) == (2, "ShellExitError")
    assert failed.status.message.endswith("it was ***")
    [retry] = [event for event in got.one("flaky").events if event.name == "mplp.step.retry"]
    assert said(retry)["mplp.attempt.number"] == 1
    told_of_their_spans(tmp_path, got, seen)
    # Secrets of the run and of the collector are nowhere in what came.
    assert got.headers[0]["authorization"] == f"Bearer {TOKEN}"
    everything = b"".join(got.raw)
    assert b"mplp.step.result" in everything
    assert SECRET.encode() not in everything
    assert TOKEN.encode() not in everything
    about = said(got.resources[0])
    assert (about["service.name"], about["team"]) == ("flows", "a b")


def told_of_their_spans(folder: Path, got: Received, seen: dict[str, dict[str, str]]) -> None:
    """What was started and called was told of the very span that it belongs to."""
    top = got.one("invoke_workflow all")
    for number in ("1", "2"):
        told = ids((folder / number).read_text().strip())
        assert told == (top.trace_id.hex(), got.one(f"flaky #{number}").span_id.hex())
    assert ids((folder / "deep").read_text().strip())[1] == got.one("deep #1").span_id.hex()
    assert ids(seen["/plain"]["traceparent"])[1] == got.one("call #1").span_id.hex()
    assert seen["/plain"]["tracestate"] == "vendor=1"
    assert seen["/own"]["traceparent"] == "mine"
    assert ids(seen["/v1/chat/completions"]["traceparent"])[1] == got.one("invoke_agent writer").span_id.hex()


DRIVE = [sys.executable, "-P", "-m", "mplp_cli"]
SLOW = """
workflow:
  id: slow
  name: Slow
  version: 1.0.0
  steps:
    - {id: first, type: shell, run: "true"}
    - {id: second, type: shell, dependencies: [first], run: 'test -e go || sleep 60'}
    - {id: third, type: shell, dependencies: [second], run: "false"}
"""


def mplp(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DRIVE, *arguments, "--state-dir", str(folder / "state")],
        cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_a_run_that_was_killed_goes_on_in_its_trace_and_nothing_comes_twice(tmp_path: Path) -> None:
    write(tmp_path, SLOW)
    file = tmp_path / "t.jsonl"
    process = subprocess.Popen(
        [*DRIVE, "run", "w.yaml", "--trace", "t.jsonl", "--output", "jsonl", "--state-dir", "state"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        run = json.loads(process.stdout.readline())["runId"]
        until(lambda: file.exists() and b"first #1" in file.read_bytes())
        os.kill(process.pid, signal.SIGKILL)
    (tmp_path / "go").touch()
    ended = mplp(tmp_path, "resume", run, "--trace", "t.jsonl", TRACEPARENT=OUTER)
    assert ended.returncode == 1, ended.stderr
    got = Received.of_file(file)
    got.check()
    names = sorted(span.name for span in got.spans)
    assert names == [
        *(
            "first",
            "first #1",
            "invoke_workflow slow",
            "second",
            "second #1",
            "second #2",
            "third",
            "third #1",
        ),
    ]
    top = got.one("invoke_workflow slow")
    assert (top.trace_id.hex(), top.span_id.hex()) == (trace_id(run), run_span(run))
    assert not top.parent_span_id
    assert said(got.one("second #1"))["error.type"] == "Interrupted"
    # It failed; what it does when it is tried again is another span, which says so.
    mplp(tmp_path, "retry", run, "--trace", "t.jsonl")
    again = Received.of_file(file)
    again.check()
    tops = [span for span in again.spans if span.name == "invoke_workflow slow"]
    assert [link.span_id for link in tops[1].links] == [top.span_id]
    assert "third #2" in {span.name for span in again.spans}
    # A rerun is a trace of its own, with a link to the first.
    mplp(tmp_path, "rerun", run, OTEL_TRACES_EXPORTER="none")
    mplp(tmp_path, "rerun", run, "--trace", "r.jsonl")
    rerun = Received.of_file(tmp_path / "r.jsonl")
    rerun.check()
    [link] = rerun.one("invoke_workflow slow").links
    assert (link.trace_id, link.span_id) == (top.trace_id, top.span_id)


@contextmanager
def hanging() -> Iterator[str]:
    """A service that lets connect, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"


def test_a_collector_that_hangs_delays_the_end_by_two_seconds_at_most_and_is_told_of(tmp_path: Path) -> None:
    write(tmp_path, SLOW)
    (tmp_path / "go").touch()
    with hanging() as base:
        ended = mplp(tmp_path, "run", "w.yaml", OTEL_EXPORTER_OTLP_ENDPOINT=base.replace("//", "//u:p@"))
    assert ended.returncode == 1
    [line] = [line for line in ended.stderr.splitlines() if "exported" in line]
    assert line == f"mplp: 7 spans were not exported to {base}: no answer in time"
    assert PATIENCE < 2


def test_who_hands_spans_over_never_waits_and_what_does_not_fit_is_counted() -> None:
    free, sent = threading.Event(), list[int]()

    def send(spans: Any) -> None:
        free.wait(30)
        sent.append(len(spans))

    outlet = Outlet("there", lambda: send, Sizes(queue=5, batch=2, delay=60))
    span = Span(trace="0" * 32, span="0" * 16, parent="", name="n", start=1, end=2)
    outlet.put([span] * 2)
    until(lambda: outlet._going == 2)  # the first are on their way
    outlet.put([span] * 9)
    assert outlet.close(0.01) == "11 spans were not exported to there: no answer in time"
    free.set()
    until(lambda: not outlet._thread.is_alive())
    outlet = Outlet("there", lambda: send, Sizes(queue=50, batch=2, delay=60))
    outlet.put([span] * 9)
    assert outlet.close(30) == ""
    assert sum(sent[1:]) == 9


def test_an_outlet_goes_on_after_an_error_that_nobody_knew_of() -> None:
    sent = list[int]()

    def send(spans: Any) -> None:
        sent.append(len(spans))
        if len(sent) == 1:
            raise ValueError("the secret")

    outlet = Outlet("there", lambda: send, Sizes(queue=50, batch=2, delay=60))
    outlet.put([Span(trace="0" * 32, span="0" * 16, parent="", name="n", start=1, end=2)] * 5)
    assert outlet.close(30) == "2 spans were not exported to there: ValueError"
    assert sent == [2, 2, 1]


def test_without_the_extra_a_run_says_how_to_install_it_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(
        tmp_path, "workflow: {id: w, name: W, version: 1.0.0, steps: [{id: a, type: set, values: {x: 1}}]}"
    )
    monkeypatch.setattr(otel, "find_spec", lambda name: None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert api.run(file, ephemeral=True)["status"] == "completed"
    assert 'traces need the extra `otel`, which is not installed: pip install "mplp-cli[otel]"' in caplog.text
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    caplog.clear()
    api.run(file, ephemeral=True)
    assert not caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "", "00", OUTER.upper(), OUTER.replace("00-", "ff-"), OUTER + "-x",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    ],
)  # fmt: skip
def test_what_is_no_traceparent_is_no_parent(text: str) -> None:
    assert incoming(text) is None


def test_a_parent_comes_back_as_it_was_stored_and_a_later_version_is_understood() -> None:
    parent = incoming(OUTER, "a=1,b=2")
    assert parent is not None
    assert stored_trace(parent.text) == parent
    assert incoming(OUTER, "a\nb") == incoming(OUTER)
    later = incoming("cc" + OUTER[2:] + "-more")
    assert later is not None
    assert later.parent == OUTER


def test_a_run_belongs_to_the_trace_of_the_event_that_started_it_and_not_to_the_environment(
    tmp_path: Path,
) -> None:
    environ = {"TRACEPARENT": OUTER.replace("b7", "c7"), "TRACESTATE": "e=1"}
    with Runtime(start=tmp_path, ephemeral=True, environ=environ) as runtime:
        event = Published(id="e1", type="t", source="s", at=1, more={"traceparent": OUTER})
        runtime.store.board.publish(event)
        assert incoming_of(runtime, None, Cause(by="trigger:t", event="e1")) == OUTER
        assert incoming_of(runtime, None, Cause(by="api")) == ""
        assert incoming_of(runtime, None, None) == f"{environ['TRACEPARENT']} e=1"


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5, 1.0])
def test_the_sampler_keeps_what_the_sdk_keeps(ratio: float) -> None:
    ours, theirs = Sampler("traceidratio", ratio, by_parent=False), TraceIdRatioBased(ratio)
    kept = 0
    for number in range(200):
        trace = trace_id(str(number))
        kept += ours.keeps(trace, None)
        decided = theirs.should_sample(None, int(trace, 16), "n").decision
        assert ours.keeps(trace, None) == (decided is Decision.RECORD_AND_SAMPLE)
    assert abs(kept - 200 * ratio) < 40
    unsampled = Trace("0" * 31 + "1", "0" * 15 + "1", flags=0)
    environ = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(ratio)}
    assert not otel.sampler_of(environ).keeps(unsampled.trace, unsampled)
    assert otel.sampler_of({}).keeps(unsampled.trace, None)
