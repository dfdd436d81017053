"""Words of other tools for what the format has, and where to write what stands elsewhere."""

from __future__ import annotations

from typing import Final

_INSIDE: Final = "write `resources` at the steps inside it: each holds them while it runs"
_WAITS: Final = "nothing is held while a step waits; write `resources` at the steps that work"
_NO_TIME: Final = "it takes no time; write `resources` at the steps that work"
#: Steps that hold no resources, by their title -> where to write them instead.
HOLD_NOTHING: Final[dict[str, str]] = {
    **dict.fromkeys(("parallel step", "conditional step", "foreach step", "loop step"), _INSIDE),
    "workflow step": "write `resources` at the steps of its file, or `defaults: {resources: ...}` there",
    **dict.fromkeys(("approval step", "wait step"), _WAITS),
    **dict.fromkeys(("set step", "emit step"), _NO_TIME),
}
#: What people write who come from elsewhere -> the key here.
WORDS: Final[dict[str, str]] = {
    "depends-on": "dependencies", "dependsOn": "dependencies", "depends_on": "dependencies", "needs": "dependencies",
    "requires": "dependencies", "after": "dependencies", "depends": "dependencies", "deps": "dependencies",
    "script": "run", "cmd": "run", "bash": "run", "sh": "run", "args": "command", "argv": "command",
    "if": "when", "condition": "when", "retries": "retry-policy", "retry": "retry-policy",
    "on-error": "fallback-actions", "on-failure": "fallback-actions", "onError": "fallback-actions",
    "onFailure": "fallback-actions", "fallback": "fallback-actions", "workdir": "cwd", "working-directory": "cwd",
    "working_directory": "cwd", "dir": "cwd", "params": "parameters", "with": "parameters", "arguments": "parameters",
    "environment": "env", "variables": "env", "max-attempts": "max-retries", "attempts": "max-retries",
    "backoff": "backoff-strategy", "delay": "initial-delay", "duration": "for", "seconds": "for",
    "kwargs": "arguments", "function": "call", "uri": "url", "endpoint": "url", "verb": "method",
    "payload": "json", "data": "body", "status": "expect-status", "redirects": "follow-redirects", "jobs": "steps",
    "tasks": "steps", "children": "steps", "branches": "steps", "title": "name", "uses": "type",
    "kind": "type", "cleanup": "finally", "on-exit": "finally", "parallelism": "max-parallel",
    "max-concurrency": "max-parallel", "schema": "result-schema", "output-schema": "result-schema",
    "memoize": "cache", "max-age": "ttl", "auth": "bearer-env", "api-key-env": "bearer-env", "token": "bearer-env",
    "api-key": "bearer-env", "prompt": "instructions", "system": "instructions", "system-prompt": "instructions",
    "cpus": "cpu", "cores": "cpu", "mem": "memory", "ram": "memory",
    "disk": "storage", "bandwidth": "network", "requirements": "resources", "resource-requirements": "resources",
    "base-url": "endpoint", "skills": "capabilities", "role": "name", "backstory": "instructions", "fn": "entrypoint",
}  # fmt: skip
#: Words of other tools for step types.
TYPE_WORDS: Final[dict[str, str]] = {
    "bash": "shell", "sh": "shell", "script": "shell", "command": "shell", "run": "shell", "exec": "shell",
    "module": "module-operation", "operation": "module-operation", "sleep": "wait", "delay": "wait",
    "request": "http", "fetch": "http", "curl": "http", "rest": "http", "webhook": "http", "https": "http",
    "llm": "agent", "ask": "agent", "model": "agent", "ai": "agent", "prompt": "agent",
    "function": "python", "py": "python", "call": "python", "if": "conditional", "switch": "conditional",
    "subworkflow": "workflow", "sub-workflow": "workflow", "include": "workflow", "call-workflow": "workflow",
    "branch": "conditional", "for": "foreach", "for-each": "foreach", "map": "foreach", "each": "foreach",
    "while": "loop", "repeat": "loop", "until": "loop", "race": "parallel", "assign": "set", "variables": "set",
    "publish": "emit", "notify": "emit", "confirm": "approval", "approve": "approval", "gate": "approval",
    "manual": "approval", "human": "approval", "input": "approval", "event": "wait", "signal": "wait",
}  # fmt: skip
#: Words of other tools for keys of what is declared of events -> the key here.
EVENT_WORDS: Final[dict[str, str]] = {
    "timezone": "time-zone", "timeZone": "time-zone", "tz": "time-zone", "zone": "time-zone", "cron": "schedule",
    "crontab": "schedule", "every": "schedule", "at": "schedule", "when": "on", "type": "on", "trigger": "on",
    "catchup": "catch-up", "missed": "catch-up", "misfire": "catch-up", "concurrency": "overlap",
    "concurrency-policy": "overlap", "concurrencyPolicy": "overlap", "on-overlap": "overlap", "files": "paths",
    "patterns": "paths", "glob": "paths", "globs": "paths", "watch": "paths", "path": "paths", "debounce": "settle",
    "hook": "path", "endpoint": "path", "parameters": "inputs", "params": "inputs", "with": "inputs", "args": "inputs",
    "match": "where", "filter": "match", "pattern": "match", "on": "match", "event": "match", "if": "where",
    "condition": "where", "data": "where", "expression": "where", "to": "target", "sink": "target", "send": "target",
    "destination": "target", "retry": "retry-policy", "retries": "retry-policy", "concurrent": "at-once",
    "max-parallel": "at-once", "parallelism": "at-once", "fifo": "ordered", "url": "webhook", "http": "webhook",
    "https": "webhook", "exec": "command", "run": "command", "shell": "command", "cmd": "command", "log": "file",
    "function": "handler", "python": "handler", "plugin": "handler", "within": "window", "timeframe": "window",
    "time-window": "window", "period": "window", "count": "minimum-events", "threshold": "minimum-events",
    "min-events": "minimum-events", "group-by": "key", "by": "key", "then": "actions", "action": "actions",
    "publish": "emit", "exclude": "drop", "ignore": "drop", "deny": "drop", "include": "keep", "allow": "keep",
    "add": "set", "replace": "set", "transform": "set",
}  # fmt: skip
#: Words of other tools for what a trigger is on.
TRIGGER_WORDS: Final[dict[str, str]] = {
    "schedule": "cron", "crontab": "cron", "timer": "cron", "interval": "cron", "time": "cron", "calendar": "cron",
    "push": "webhook", "pull_request": "webhook", "http": "webhook", "request": "webhook", "hook": "webhook",
    "repository_dispatch": "webhook", "path": "file", "files": "file", "watch": "file", "fs": "file",
    "change": "file", "sensor": "file", "start": "startup", "boot": "startup", "@reboot": "startup",
    "reboot": "startup", "init": "startup", "signal": "event", "message": "event", "topic": "event",
}  # fmt: skip
#: What other tools call a run that is started by hand, and what is said of it.
NO_TRIGGERS: Final = frozenset({"manual", "workflow_dispatch", "workflow-dispatch", "dispatch", "api"})
BY_HAND: Final = (
    "it needs no trigger: `mplp run` starts a workflow by hand, and a server offers each of its workflows"
)
