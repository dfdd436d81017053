"""What OpenTelemetry's own variables ask for, and the way to a collector: OTLP over HTTP, by the SDK.

The SDK is the extra `otel`. It is imported in the thread that hands the spans over.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from mplp_cli import __version__
from mplp_cli.observe.otlp import SCOPE
from mplp_cli.observe.outlet import Send, SendingError, Sizes
from mplp_cli.observe.spans import CLIENT, INTERNAL, Span
from mplp_cli.workflow.tracing import Sampler, TraceSettings

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

INSTALL: Final = 'pip install "mplp-cli[otel]"'
_DEFAULT: Final = "http://localhost:4318"
_OTLP: Final = "OTEL_EXPORTER_OTLP_"
_SAMPLERS: Final = ("always_on", "always_off", "traceidratio")
#: Parameters of the exporter that a variable of the same name has.
_FILES: Final = {
    "certificate_file": "CERTIFICATE",
    "client_key_file": "CLIENT_KEY",
    "client_certificate_file": "CLIENT_CERTIFICATE",
}


class Collector(Struct, frozen=True, kw_only=True):
    """Where spans go over HTTP. `timeout` in seconds; `more`: what else the exporter is given."""

    endpoint: str
    headers: dict[str, str] = {}
    timeout: float = 10.0
    compression: str = ""
    more: dict[str, str] = {}

    @property
    def shown(self) -> str:
        """The address for people; what else stands in it may be secret."""
        parts = urlsplit(self.endpoint)
        port = "" if parts.port is None else f":{parts.port}"
        return f"{parts.scheme}://{parts.hostname or ''}{port}"


def is_off(environ: Mapping[str, str]) -> bool:
    """Whether nothing is exported, whatever else asks for it."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or _exporters(environ) == ["none"]


def _exporters(environ: Mapping[str, str]) -> list[str]:
    names = environ.get("OTEL_TRACES_EXPORTER", "").split(",")
    return [name.strip().lower() for name in names if name.strip()]


def collector_of(environ: Mapping[str, str], settings: TraceSettings) -> Collector | None:
    """The collector that variables or settings name; None if neither does. ValueError if it cannot be one."""

    def said(name: str) -> str:
        return (environ.get(f"{_OTLP}TRACES_{name}") or environ.get(f"{_OTLP}{name}") or "").strip()

    endpoint = environ.get(f"{_OTLP}TRACES_ENDPOINT", "").strip()
    base = environ.get(f"{_OTLP}ENDPOINT", "").strip() or settings.endpoint
    if not endpoint and not base and "otlp" not in _exporters(environ):
        return None
    endpoint = endpoint or f"{(base or _DEFAULT).rstrip('/')}/v1/traces"
    try:
        parts = urlsplit(endpoint)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise ValueError("the endpoint is no address such as http://localhost:4318")
    return Collector(
        endpoint=endpoint,
        headers=_pairs(said("HEADERS")),
        timeout=_number(said("TIMEOUT"), 10.0),
        compression=said("COMPRESSION").lower(),
        more={name: path for name, variable in _FILES.items() if (path := said(variable))},
    )


def sampler_of(environ: Mapping[str, str]) -> Sampler:
    """What OTEL_TRACES_SAMPLER says; `parentbased_always_on` if it says nothing, or nothing that is known."""
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    root = name.removeprefix("parentbased_")
    if root not in _SAMPLERS:
        return Sampler()
    ratio = _number(environ.get("OTEL_TRACES_SAMPLER_ARG", ""), 1.0)
    return Sampler(root, ratio if ratio <= 1 else 1.0, by_parent=root != name)


def resource_of(environ: Mapping[str, str], settings: TraceSettings) -> dict[str, str]:
    """Who tells: OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME, and what is known without them."""
    stated = _pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    name = environ.get("OTEL_SERVICE_NAME", "").strip() or stated.get("service.name") or settings.service
    return {
        "telemetry.sdk.language": "python",
        "service.version": __version__,
        **stated,
        "service.name": name or "mplp",
    }


def sizes_of(environ: Mapping[str, str]) -> Sizes:
    """How spans are gathered: OTEL_BSP_MAX_QUEUE_SIZE, OTEL_BSP_MAX_EXPORT_BATCH_SIZE, OTEL_BSP_SCHEDULE_DELAY (ms)."""
    usual = Sizes()
    queue = max(1, round(_number(environ.get("OTEL_BSP_MAX_QUEUE_SIZE", ""), usual.queue)))
    batch = max(1, round(_number(environ.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", ""), usual.batch)))
    delay = _number(environ.get("OTEL_BSP_SCHEDULE_DELAY", ""), usual.delay * 1_000)
    return Sizes(queue=queue, batch=min(queue, batch), delay=max(delay, 1) / 1_000)


def _pairs(text: str) -> dict[str, str]:
    """`a=1,b=2`; values are as in a URL. What is no pair is passed over."""
    found = (pair.partition("=") for pair in text.split(","))
    return {name.strip(): unquote(value.strip()) for name, mark, value in found if mark and name.strip()}


def _number(text: str, usual: float) -> float:
    fits = re.fullmatch(r"\s*\d{1,12}(\.\d{1,12})?\s*", text, re.ASCII)
    return float(text) if fits else float(usual)


# ---- the SDK -----------------------------------------------------------------------------------


def lacks_extra() -> str:
    """What is missing for a collector, and how it is installed; empty if nothing is. Nothing is imported."""
    try:
        found = find_spec("opentelemetry.exporter.otlp.proto.http") and find_spec("opentelemetry.sdk")
    except ModuleNotFoundError:
        found = None
    return "" if found else f"traces need the extra `otel`, which is not installed: {INSTALL}"


def to_collector(collector: Collector, resource: Mapping[str, str]) -> Send:
    """Sends to a collector. SendingError."""
    # It would write on standard error; what matters of it is told at the end, once.
    logging.getLogger("opentelemetry").addHandler(_SAID)
    try:
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import SpanExportResult

        known = {one.value for one in Compression}
        more: dict[str, Any] = dict(collector.more)
        exporter: OTLPSpanExporter = OTLPSpanExporter(
            endpoint=collector.endpoint,
            headers=collector.headers,
            timeout=collector.timeout,
            compression=Compression(collector.compression) if collector.compression in known else None,
            **more,
        )
        translate = _translator(Resource(dict(resource)))
    except Exception as error:
        raise SendingError(f"the exporter cannot be used: {type(error).__name__}") from error

    def send(spans: Sequence[Span]) -> None:
        _SAID.last = ""
        try:
            result = exporter.export([translate(one) for one in spans])
        except Exception as error:
            raise SendingError(type(error).__name__) from error
        if result is not SpanExportResult.SUCCESS:
            raise SendingError(_SAID.last or "it did not take them")

    return send


def _translator(resource: Resource) -> Callable[[Span], ReadableSpan]:
    """What makes a span one of the SDK."""
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

    scope, flags, fine = InstrumentationScope(SCOPE, __version__), TraceFlags(TraceFlags.SAMPLED), Status()
    kinds = {number: SpanKind(number - 1) for number in (INTERNAL, CLIENT)}

    @lru_cache(64)
    def stated(text: str) -> TraceState:
        return TraceState.from_header([text] if text else [])

    @lru_cache(4_096)  # who is around many spans is named by each of them
    def context(trace: str, span: str, state: str) -> SpanContext:
        return SpanContext(int(trace, 16), int(span, 16), False, flags, stated(state))

    def translate(one: Span) -> ReadableSpan:
        attributes: Any = one.attributes
        return ReadableSpan(
            name=one.name,
            context=context(one.trace, one.span, one.state),
            parent=context(one.trace, one.parent, one.state) if one.parent else None,
            resource=resource,
            attributes=attributes,
            events=[Event(name, told, at * 1_000_000) for at, name, told in one.events],
            links=[Link(context(trace, span, "")) for trace, span in one.links],
            kind=kinds[one.kind],
            status=fine if one.error is None else Status(StatusCode.ERROR, one.error),
            start_time=one.start * 1_000_000,
            end_time=one.end * 1_000_000,
            instrumentation_scope=scope,
        )

    return translate


class _Said(logging.Handler):
    """The last thing that the SDK had to say."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            # It may quote what a collector answered, and is shown in a terminal.
            said = " ".join(record.getMessage().split())[:200]
            self.last = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in said)


_SAID: Final = _Said()
