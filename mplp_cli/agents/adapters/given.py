"""What an agent is given of a request, as data and as text."""

from __future__ import annotations

import json
from typing import Any

from mplp_cli.agents.contract import AgentRequest
from mplp_cli.workflow.values import Json


def arguments_of(request: AgentRequest) -> dict[str, Any]:
    """The input by name, with `prompt` beside its keys. An input that is no map is called `input`."""
    value = request.input
    made = dict(value) if isinstance(value, dict) else {} if value is None else {"input": value}
    return made if request.prompt is None else {**made, "prompt": request.prompt}


def data_of(request: AgentRequest) -> Json:
    """One value: the input as it is; with a prompt `{prompt, input?}`."""
    if request.prompt is None:
        return request.input
    return {"prompt": request.prompt, **({} if request.input is None else {"input": request.input})}


def text_of(request: AgentRequest) -> str:
    """The prompt, with the input below it as JSON, and with what was wrong before."""
    parts = [] if request.prompt is None else [request.prompt]
    if isinstance(request.input, str):
        parts.append(request.input)
    elif request.input is not None:
        parts.append(json.dumps(request.input, ensure_ascii=False, indent=2))
    return "\n\n".join([*parts, *([request.repair] if request.repair else [])])
