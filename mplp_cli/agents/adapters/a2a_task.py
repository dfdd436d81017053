"""What a remote agent has told of a task, and what it comes to.

Imported with the first call of such an agent: it needs the extra `a2a`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from a2a.types import Message, Part, StreamResponse, Task, TaskArtifactUpdateEvent, TaskState, TaskStatus
from google.protobuf.struct_pb2 import Value

from mplp_cli.agents.contract import AgentResult
from mplp_cli.errors import AgentError
from mplp_cli.workflow.values import Json

#: States in which nothing more happens to a task.
_ENDED: Final = frozenset(
    {
        TaskState.TASK_STATE_COMPLETED,
        TaskState.TASK_STATE_FAILED,
        TaskState.TASK_STATE_CANCELED,
        TaskState.TASK_STATE_REJECTED,
    }
)
#: States in which it waits for who has asked for it.
_ASKS: Final = frozenset({TaskState.TASK_STATE_INPUT_REQUIRED, TaskState.TASK_STATE_AUTH_REQUIRED})

#: Makes an error of the agent: its code, what is wrong, details.
Wrong = Callable[..., AgentError]


@dataclass
class Artifact:
    """A piece of a task's result, as far as it was told."""

    parts: list[Part]


class Told:
    """A task as it was told so far, or the message that was answered in place of one."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.task_id = self.context_id = ""
        self._tell = tell
        self._status = TaskStatus()
        self._artifacts: dict[str, Artifact] = {}
        self._message: Message | None = None

    @property
    def is_over(self) -> bool:
        """Whether an answer can be made of it."""
        return self.has_ended or self.state in _ASKS

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be told."""
        return self._message is not None or self.state in _ENDED

    @property
    def is_open(self) -> bool:
        """Whether there is a task that has not ended."""
        return bool(self.task_id) and self.state not in _ENDED

    @property
    def state(self) -> TaskState:
        return self._status.state

    @property
    def asks_for_input(self) -> bool:
        return self.state == TaskState.TASK_STATE_INPUT_REQUIRED

    @property
    def question(self) -> str:
        """What the agent says about how the task stands."""
        return _text(self._status.message.parts)

    # ---- what is told

    def add(self, event: StreamResponse) -> None:
        """One event of a stream, or a whole answer."""
        match event.WhichOneof("payload"):
            case "message":
                self._message = event.message
            case "task":
                self.is_now(event.task)
            case "status_update":
                update = event.status_update
                self._names(update.task_id, update.context_id)
                self._status.CopyFrom(update.status)
                if self.state == TaskState.TASK_STATE_WORKING and (said := self.question):
                    self._tell(f"{said}\n")
            case "artifact_update":
                self._names(event.artifact_update.task_id, event.artifact_update.context_id)
                self._piece(event.artifact_update)
            case _:
                pass

    def is_now(self, task: Task) -> None:
        """The whole task, as it stands."""
        self._names(task.id, task.context_id)
        self._status.CopyFrom(task.status)
        if task.artifacts or self.state in _ENDED:
            known = {**self._artifacts} if not task.artifacts else {}
            self._artifacts = known | {one.artifact_id: Artifact(list(one.parts)) for one in task.artifacts}

    def _names(self, task: str, context: str) -> None:
        self.task_id = task or self.task_id
        self.context_id = context or self.context_id

    def _piece(self, update: TaskArtifactUpdateEvent) -> None:
        known = self._artifacts.get(update.artifact.artifact_id)
        if known is None or not update.append:
            self._artifacts[update.artifact.artifact_id] = Artifact(list(update.artifact.parts))
        else:
            known.parts += update.artifact.parts
        if said := _text(update.artifact.parts):
            self._tell(said)

    # ---- what it comes to

    def result(self, wrong: Wrong) -> AgentResult:
        """The answer; AgentError if the task came to none."""
        if self._message is not None:
            return _result([self._message.parts])
        words, named = self.question, {"taskId": self.task_id, "contextId": self.context_id}
        match self.state:
            case TaskState.TASK_STATE_COMPLETED:
                found = [one.parts for one in self._artifacts.values()]
                # Some agents have nothing but last words.
                return _result(found or [self._status.message.parts])
            case TaskState.TASK_STATE_INPUT_REQUIRED:
                said = words or "it wants to know more, and does not say what"
                hint = "a run asks a person, and goes on with the answer"
                raise wrong("agent.input_required", f"it asks: {said}", hint=hint, **named, question=words)
            case TaskState.TASK_STATE_AUTH_REQUIRED:
                said = f"it wants credentials that it was not given{_after(words)}"
                hint = "`bearer-env` or `headers` of the agent can hold them"
                raise wrong("agent.remote", said, hint=hint, **named, state="auth-required")
            case TaskState.TASK_STATE_CANCELED:
                raise wrong("agent.cancelled", f"its task was cancelled{_after(words)}", **named)
            case _:
                failed = self.state == TaskState.TASK_STATE_FAILED
                said = "its task failed" if failed else "it has rejected the task"
                state = "failed" if failed else "rejected"
                raise wrong("agent.remote", f"{said}{_after(words)}", **named, state=state)


def _after(words: str) -> str:
    return f": {words}" if words else ""


def _result(groups: Iterable[Sequence[Part]]) -> AgentResult:
    """Text where there is nothing else; one other value as it is, several as a list."""
    texts, values = [], []
    for parts in groups:
        if text := _text(parts):
            texts.append(text)
        values += [_value(part) for part in parts if part.WhichOneof("content") in ("data", "raw", "url")]
    written = "\n".join(texts) if texts else None
    if values:
        return AgentResult(output=values[0] if len(values) == 1 else values, text=written)
    return AgentResult(output=written, text=written)


def _text(parts: Iterable[Part]) -> str:
    """Streamed text comes as many parts of one artifact: they follow each other without a gap."""
    return "".join(part.text for part in parts if part.WhichOneof("content") == "text")


def _value(part: Part) -> Json:
    if part.WhichOneof("content") == "data":
        return _json(part.data)
    held: dict[str, Any] = {"url": part.url} if part.url else {"base64": b64encode(part.raw).decode("ascii")}
    named = {"mediaType": part.media_type, "filename": part.filename}
    return held | {key: value for key, value in named.items() if value}


def _json(value: Value) -> Json:
    """A value as it was sent. On the way whole numbers lost their form, and maps their order: they get one by name."""
    match value.WhichOneof("kind"):
        case "struct_value":
            fields = value.struct_value.fields
            return {name: _json(fields[name]) for name in sorted(fields)}
        case "list_value":
            return [_json(one) for one in value.list_value.values]
        case "number_value":
            return int(value.number_value) if value.number_value.is_integer() else value.number_value
        case "null_value" | None:
            return None
        case kind:
            return getattr(value, kind)
