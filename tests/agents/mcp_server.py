"""A server of tools that speaks the older handshake, and can misbehave. Needs nothing but Python; starts at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

SCHEMA = {"type": "object"}
TOOLS: list[dict[str, Any]] = [
    {"name": "echo", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": True}},
    {"name": "about", "inputSchema": SCHEMA, "annotations": {"destructiveHint": False}},
    {"name": "erase", "inputSchema": SCHEMA},
    {"name": "fail", "inputSchema": SCHEMA},
    {"name": "die", "inputSchema": SCHEMA},
    {"name": "hang", "inputSchema": SCHEMA},
    {"name": "breed", "inputSchema": SCHEMA},
]


def said(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


def call(name: str, arguments: dict[str, Any], progress: object) -> dict[str, Any] | None:
    if name == "about":
        return said("me") | {"structuredContent": {"pid": os.getpid(), "env": dict(os.environ)}}
    if name == "fail":
        return said("it cannot\nbe done") | {"isError": True}
    if name == "die":
        sys.exit("the disk is on fire")
    if name == "hang":
        return None
    if name == "breed":
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        return said(str(child.pid))
    if progress is not None:
        params = {"progressToken": progress, "progress": 1, "total": 2, "message": "half way"}
        send({"method": "notifications/progress", "params": params})
    return said(json.dumps(arguments))


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def serve() -> None:
    result: dict[str, Any] | None
    for line in sys.stdin:
        message = json.loads(line)
        params = message.get("params") or {}
        match message.get("method"):
            case "initialize":
                info = {"name": "test", "version": "1"}
                result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list":
                result = {"tools": TOOLS}
            case "tools/call":
                token = (params.get("_meta") or {}).get("progressToken")
                result = call(params["name"], params.get("arguments") or {}, token)
                if result is None:
                    continue
            case _:
                if "id" in message:
                    send({"id": message["id"], "error": {"code": -32601, "message": "no such method"}})
                continue
        send({"id": message["id"], "result": result})


if __name__ == "__main__":
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve()
    while "stubborn" in sys.argv:
        signal.pause()
