"""Settings of a project: `mplp.yaml` of the nearest ancestor directory, typed and frozen.

Without such a file this costs a look into each ancestor and imports nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from mplp_cli.errors import UsageError
from mplp_cli.workflow.metrics import Measuring
from mplp_cli.workflow.resources import Kind
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mplp_cli.workflow.alerts import Alert
    from mplp_cli.workflow.events.routes import Routing
    from mplp_cli.workflow.events.rules import CorrelationRule
    from mplp_cli.workflow.tracing import TraceSettings

FILE = "mplp.yaml"
KNOWN: Final = (
    *("activation", "agents", "alerts", "events", "metrics", "modules", "policy", "probes", "resources"),
    *("retention", "state-dir", "traces"),
)

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 64
_MAX_VALUES = 100_000
#: Days and runs that `retention` may name.
_MOST_KEPT = 1_000_000
#: Addresses that `probes` may name; each may take seconds.
_MOST_PROBES = 16


class Retention(Struct, frozen=True, kw_only=True):
    """What `mplp runs prune` keeps: runs that ended in the last `days` days, and the last `runs` of them."""

    days: int | None = None
    runs: int | None = None


class Settings(Struct, frozen=True, kw_only=True):
    """What a project sets for all its workflows. `file` is where it was read, None for the defaults."""

    file: Path | None = None
    #: Absolute. None: found by looking for `.mplp`.
    state_dir: Path | None = None
    #: Files that define the project's agents, absolute; `file` itself among them if it does. None: it names none.
    agents: list[Path] | None = None
    #: Whether `file` says who takes over reserved interfaces; that is judged where agents are asked for.
    activation: bool = False
    #: Module name -> what the module is initialised with.
    modules: dict[str, dict[str, Json]] = {}
    #: Whether requests may go to public addresses only.
    deny_private: bool = False
    retention: Retention = Retention()
    #: HOST:PORT of what `mplp optimize` measures the distance to.
    probes: tuple[str, ...] = ()
    #: What there is of the kinds of resources that it states, in its order.
    resources: Mapping[str, Kind] = {}
    metrics: Measuring = Measuring()
    #: Where spans of runs go; files are absolute.
    traces: TraceSettings | None = None
    #: Whether `file` says something of events or alerts; whoever needs it has it judged (`roster.project_settings`).
    events: bool = False
    #: What it says of them, once it is judged.
    routing: Routing | None = None
    correlation_rules: tuple[CorrelationRule, ...] = ()
    alerts: tuple[Alert, ...] = ()


def load_settings(start: Path) -> Settings:
    """The settings in force for `start`. UsageError if the file cannot be read or says something unknown."""
    path = nearest(Path(os.path.abspath(start)), FILE)  # noqa: PTH100 - links are not followed
    if path is None:
        return Settings()
    document = _read(path)
    for key in document:
        if key not in KNOWN:
            raise _unknown_key(path, key)
    return Settings(
        file=path,
        state_dir=_state_dir(path, document.get("state-dir")),
        agents=_agents(path, document.get("agents")),
        activation="activation" in document,
        modules=_modules(path, document.get("modules")),
        deny_private=_deny_private(path, document.get("policy")),
        retention=_retention(path, document.get("retention")),
        probes=_probes(path, document.get("probes")),
        resources=_resources(path, document.get("resources")),
        metrics=_metrics(path, document.get("metrics")),
        traces=_traces(path, document.get("traces")),
        events="events" in document or "alerts" in document,
    )


def complaint(path: Path, key: str, value: object) -> UsageError | None:
    """What cannot be done with the value of a key of that file; None if nothing, or if it is judged elsewhere."""
    try:
        if key in _READERS:
            _READERS[key](path, value)
    except UsageError as error:
        return error
    return None


def nearest(start: Path, name: str) -> Path | None:
    """`name` in `start` or its nearest ancestor that has it.

    What another user may have put into a shared directory above (`/tmp`) is passed over: it counts
    only if it belongs to this user or to the owner of `start`.
    """
    for directory in (start, *start.parents):
        found = directory / name
        try:
            owner = found.stat().st_uid
        except OSError:
            continue
        if owner == os.geteuid() or owner == _owner(start):
            return found
    return None


def _owner(path: Path) -> int:
    try:
        return path.stat().st_uid
    except OSError:
        return -1


def _read(path: Path) -> dict[Any, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = path.read_bytes()
        if len(data) > _MAX_BYTES:
            raise _wrong(path, f"is larger than {_MAX_BYTES} bytes")
        text = data.decode("utf-8")
        try:
            document = _parsed(path, text, YAML(typ="safe"))
        except YAMLError as error:
            # The C parser does not take an address in [...] or {...}, which YAML 1.2 allows; the slow one does.
            if "':'" not in _spot(error):
                raise
            document = _parsed(path, text, YAML(typ="safe", pure=True))
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _wrong(path, f"is not UTF-8 (byte {error.start})") from error
    except (YAMLError, ValueError, RecursionError) as error:
        colon = "Put text with a `:` inside [...] or {...} in quotes." if "':'" in _spot(error) else None
        raise _wrong(path, f"is not valid YAML{_spot(error)}", colon) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise _wrong(path, "must be a map of settings")
    return document


def _parsed(path: Path, text: str, yaml: Any) -> Any:
    # Before anything is built: the C composer recurses, and would exhaust the stack of the process.
    if _depth(yaml.parse(text)) > _MAX_DEPTH:
        raise _wrong(path, f"is nested deeper than {_MAX_DEPTH} levels")
    return yaml.load(text)


def _depth(events: Iterable[Any]) -> int:
    """How deep the collections in a stream of events are nested; looked at no further than is allowed."""
    depth = deepest = 0
    for event in events:
        # By name: the parser may have been given other classes (`loading.yaml_events`).
        name = type(event).__name__
        if name in ("MappingStartEvent", "SequenceStartEvent"):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > _MAX_DEPTH:
                break
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            depth -= 1
    return deepest


def _spot(error: Exception) -> str:
    """` in line 3, column 5: ...` as far as the parser tells."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return f"{place}: {problem}" if problem else place


def _wrong(path: Path, what: str, hint: str | None = None) -> UsageError:
    return UsageError(f"{path} {what}", hint=hint, details={"file": str(path)})


def _unknown_key(path: Path, key: object) -> UsageError:
    from difflib import get_close_matches

    close = get_close_matches(str(key), KNOWN, n=1)
    keys = ", ".join(f"`{known}`" for known in KNOWN)
    hint = f"Did you mean `{close[0]}`?" if close else f"The keys are {keys}."
    return _wrong(path, f"has an unknown key {key!r}", hint)


def _state_dir(path: Path, value: object) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value or "\0" in value:
        raise _wrong(path, "must name a directory as text under `state-dir`")
    # Relative to the file, not to where the command was started.
    return path.parent / os.path.expanduser(value)  # noqa: PTH111 - a home that is not known stays as written


def _agents(path: Path, value: object) -> list[Path] | None:
    """`agents: FILE`, a list of files, or definitions; the latter are judged where agents are asked for."""
    named = [value] if isinstance(value, str) else value
    if isinstance(named, list) and named and all(isinstance(name, str) for name in named):
        if any(not name or "\0" in name for name in named):
            raise _wrong(path, "must name files as text under `agents`")
        return [path.parent / os.path.expanduser(name) for name in named]  # noqa: PTH111 - as for `state-dir`
    if value is not None and not isinstance(value, list | dict):
        raise _wrong(path, "must name a file or define agents under `agents`")
    return None if value is None else [path]


def _modules(path: Path, value: object) -> dict[str, dict[str, Json]]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(path, "must have a map of module names under `modules`")
    for name, configuration in value.items():
        if not isinstance(name, str) or not isinstance(configuration, dict):
            raise _wrong(path, f"must have a map under `modules` for {name!r}")
    _check_json(path, value)
    return value


def _deny_private(path: Path, policy: object) -> bool:
    """`policy: {network: {deny-private: true}}`. A key that is not understood is not passed over: it would protect."""
    network = _only(path, policy, "policy", "network")
    denied = _only(path, network, "policy.network", "deny-private")
    if denied is not None and not isinstance(denied, bool):
        raise _wrong(path, "must say true or false under `policy.network.deny-private`")
    return denied is True


def _retention(path: Path, value: object) -> Retention:
    """`retention: {days: 90, runs: 1000}`, each of them optional."""
    if value is None:
        return Retention()
    if not isinstance(value, dict):
        raise _wrong(path, "must have a map under `retention`")
    for key, limit in value.items():
        if key not in ("days", "runs"):
            what = f"has an unknown key {key!r} under `retention`"
            raise _wrong(path, what, "The keys are `days` and `runs`.")
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MOST_KEPT:
            raise _wrong(path, f"must have a whole number from 1 to {_MOST_KEPT:,} under `retention.{key}`")
    return Retention(**value)


def _metrics(path: Path, value: object) -> Measuring:
    """`metrics: off`, or a map."""
    if value is None:
        return Measuring()
    from mplp_cli.workflow.measuring import measuring
    from mplp_cli.workflow.stated import StatementError

    try:
        return measuring(value)
    except StatementError as error:
        raise _wrong(path, str(error), error.hint) from None


def _probes(path: Path, value: object) -> tuple[str, ...]:
    """`probes: ["example.org:443", "[::1]:8080"]`."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MOST_PROBES:
        raise _wrong(path, f"must have a list of at most {_MOST_PROBES} addresses under `probes`")
    for probe in value:
        host, _, port = probe.rpartition(":") if isinstance(probe, str) else ("", "", "")
        bracketed = host.startswith("[") and host.endswith("]")
        if (
            not host
            or (":" in host and not bracketed)
            or not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16)
        ):
            raise _wrong(
                path, f"has {probe!r} under `probes`", 'Write "HOST:PORT" or "[::1]:PORT", in quotes.'
            )
    return tuple(value)


def _resources(path: Path, value: object) -> Mapping[str, Kind]:
    """`resources: {cpu: 8, memory: [{id: a, capacity: 4GiB}], custom: {llm-slot: 4}}`, each of them optional."""
    if value is None:
        return {}
    from mplp_cli.workflow.stated import StatementError, stated_kinds

    try:
        return stated_kinds(value)
    except StatementError as error:
        raise _wrong(path, str(error), error.hint) from None


def _traces(path: Path, value: object) -> TraceSettings | None:
    """`traces: {endpoint: "http://localhost:4318", file: traces.jsonl, service: mplp, results: false}`."""
    if value is None:
        return None
    from msgspec.structs import replace

    from mplp_cli.workflow.stated import StatementError
    from mplp_cli.workflow.tracing import stated_traces

    try:
        stated = stated_traces(value)
    except StatementError as error:
        raise _wrong(path, str(error), error.hint) from None
    if not stated.file:
        return stated
    return replace(stated, file=str(path.parent / os.path.expanduser(stated.file)))  # noqa: PTH111 - as for `state-dir`


def _only(path: Path, value: object, name: str, key: str) -> object:
    """What stands under the one key that the map `name` may have."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _wrong(path, f"must have a map under `{name}`")
    for other in value:
        if other != key:
            raise _wrong(path, f"has an unknown key {other!r} under `{name}`", f"The key is `{key}`.")
    return value.get(key)


def _check_json(path: Path, value: object) -> None:
    """UsageError unless `value` is JSON of a bounded size: no dates, no other keys than text, no cycles."""
    waiting: list[tuple[object, int]] = [(value, 0)]
    for _ in range(_MAX_VALUES):
        if not waiting:
            return
        item, depth = waiting.pop()
        if isinstance(item, dict):
            waiting.extend((inner, depth + 1) for inner in item.values())
            odd = next((key for key in item if not isinstance(key, str)), None)
            if odd is not None:
                raise _wrong(path, f"has a key that is not text under `modules`: {odd!r}")
        elif isinstance(item, list):
            waiting.extend((inner, depth + 1) for inner in item)
        elif not _is_scalar(item):
            what = f"has a value under `modules` that JSON cannot hold: {item!r}"
            raise _wrong(path, what, "Put it into quotes.")
        if depth > _MAX_DEPTH:
            raise _wrong(path, f"contains itself under `modules`, or is deeper than {_MAX_DEPTH} levels")
    raise _wrong(path, f"has more than {_MAX_VALUES} values under `modules`")


def _is_scalar(item: object) -> bool:
    if isinstance(item, float):
        return math.isfinite(item)
    return item is None or isinstance(item, str | bool | int)


_READERS: Final[Mapping[str, Callable[[Path, object], object]]] = {
    "state-dir": _state_dir,
    "agents": _agents,
    "modules": _modules,
    "policy": _deny_private,
    "retention": _retention,
    "metrics": _metrics,
    "probes": _probes,
    "resources": _resources,
    "traces": _traces,
}
