"""A talk between agents: who is asked when, what is said, and why it ends. The dialog is written afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from mplp_cli.clock import rfc3339
from mplp_cli.errors import AgentError, OperationError
from mplp_cli.modules.builtin.dialog.model import NewMessage, participants_of
from mplp_cli.modules.consulting import TURNS, ask_all, ending, last, unusable
from mplp_cli.modules.contract import Parameters
from mplp_cli.modules.shapes import Text
from mplp_cli.protocols import Advice, Advisers, Question

if TYPE_CHECKING:
    from mplp_cli.modules.builtin.dialog.facilitating import FacilitateCommunication
    from mplp_cli.modules.session import Session

Mode = Literal["round-robin", "broadcast", "moderated", "pair"]
StopReason = Literal["until", "max_turns", "consensus", "budget", "error"]

#: What an agent answers that has nothing to add.
_PASS = "PASS"  # noqa: S105 - a word, no password


class Talk(Parameters, frozen=True, kw_only=True):
    """How a talk went. `turns` are those of its speakers, passes too."""

    turns: Annotated[int, Meta(ge=0)]
    stop_reason: StopReason
    reason: Annotated[str | None, Meta(description="in words, of a moderator or of the failure")] = None
    started_at: Text | None = None


class _Speaker(Struct, frozen=True):
    name: str
    role: str
    agent: str


async def hold(
    given: FacilitateCommunication, session: Session, advisers: Advisers
) -> FacilitateCommunication:
    """Let the agents among the participants talk; what they have said are the last of the messages then."""
    from mplp_cli.modules.builtin.dialog.facilitating import facilitate_communication

    if given.talk is not None:
        return given
    # Whatever would be refused afterwards is refused before anybody is asked.
    nothing_said = Talk(turns=0, stop_reason="max_turns")
    opened = facilitate_communication(replace(given, talk=nothing_said), session)
    exchange = _Exchange(given, advisers)
    try:
        await _MODES[given.mode or "round-robin"](exchange)
    except AgentError as error:
        stopped = ending(error, given.on_failure, exchange.turns)
        if stopped is None:
            raise
        exchange.end(stopped, error.message)
    talk = Talk(
        turns=exchange.turns,
        stop_reason=exchange.stopped or "max_turns",
        reason=exchange.reason,
        started_at=min([session.now(), *exchange.times]),
    )
    messages = [*given.messages, *exchange.messages]
    return replace(given, context_id=opened.context_id, messages=messages, talk=talk)


class _Exchange:
    """What has been said so far, and by whom; and the questions that come of it."""

    def __init__(self, given: FacilitateCommunication, advisers: Advisers) -> None:
        self.given, self.advisers = given, advisers
        everybody = participants_of(given.participants)
        self.speakers = [
            _Speaker(str(who.participant_id), who.role, who.agent_id) for who in everybody if who.agent_id
        ]
        if not self.speakers:
            raise OperationError(
                "nobody of the participants is an agent", hint="give an `agentId` to those that are to speak"
            )
        self._everybody = [str(who.participant_id) for who in everybody]
        self._said = [
            {"speaker": message.sender_id or message.role, "text": message.content}
            for message in given.messages
        ]
        self.most = given.max_turns or TURNS
        self.messages: list[NewMessage] = []
        self.times: list[str] = []
        self.turns = 0
        #: Turns since somebody has said something.
        self._passes = 0
        self.stopped: StopReason | None = None
        self.reason: str | None = None

    def rounds(self) -> int:
        """So many whole ones that there are at least as many turns as wanted."""
        return -(-self.most // len(self.speakers))

    def end(self, stopped: StopReason, reason: str | None = None) -> None:
        """Nothing is said any more."""
        self.stopped = self.stopped or stopped
        self.reason = reason or self.reason

    async def speak(self, turn: int, speaker: _Speaker) -> None:
        """One turn, numbered from 1. AgentError."""
        question = self.question(turn, speaker)
        self.hear(speaker, question, await self.advisers.ask(question))

    def question(self, turn: int, speaker: _Speaker) -> Question:
        """What a speaker is asked now."""
        called = f"`{speaker.name}`"
        if speaker.role != speaker.name:
            called += f" ({speaker.role})"
        about = f" about: {self.given.topic}" if self.given.topic else "."
        said = f"You are {called} and take part in a conversation{about}\nAnswer with what you say next, as text. "
        said += f"If you have nothing to add, answer {_PASS}."
        if self.given.until:
            said += f" The conversation ends when somebody says: {self.given.until}"
        return Question(
            key=f"turn-{turn}",
            agent=speaker.agent,
            input={"you": speaker.name, "role": speaker.role, "turn": turn, **self._background()},
            prompt=said,
        )

    def hear(self, speaker: _Speaker, question: Question, advice: Advice) -> None:
        """Take note of an answer, and whether it is the last one. AgentError if it cannot be used."""
        text, done = _read(question, advice)
        self.turns += 1
        when = rfc3339(advice.at) if advice.at else None
        self.times += [when] if when else []
        if text:
            self.messages.append(NewMessage(content=text, sender_id=speaker.name, timestamp=when))
            self._said.append({"speaker": speaker.name, "text": text})
        self._passes = 0 if text or done else self._passes + 1
        if done or (self.given.until and self.given.until in text):
            self.end("until")
        elif self._passes >= len(self.speakers):
            self.end("consensus")

    async def moderate(self, turn: int) -> _Speaker | None:
        """Who speaks next, by the moderator; None if the talk is over. AgentError if it names somebody else."""
        names = [speaker.name for speaker in self.speakers]
        question = Question(
            key=f"moderator-{turn}",
            agent=self.given.moderator or "",
            capability="" if self.given.moderator else "dialog.moderate",
            input={"turn": turn, "speakers": names, **self._background()},
            prompt="You moderate a conversation. Say who speaks next (nextSpeaker) or that it is over (done); and why.",
            schema={
                "type": "object",
                "properties": {
                    "nextSpeaker": {"enum": [*names, None]},
                    "reason": {"type": ["string", "null"]},
                    "done": {"type": "boolean"},
                },
            },
        )
        advice = await self.advisers.ask(question)
        answer = advice.output if isinstance(advice.output, dict) else {}
        if answer.get("done") is True:
            self.end("until", answer.get("reason"))
            return None
        for speaker in self.speakers:
            if speaker.name == answer.get("nextSpeaker"):
                return speaker
        said = f"it is not done, and names nobody of {', '.join(names)} to speak next"
        raise unusable(question, advice, said)

    def _background(self) -> dict[str, Any]:
        messages = last(self._said, self.given.context_window)
        return {"topic": self.given.topic, "participants": self._everybody, "messages": messages}


async def _round_robin(exchange: _Exchange) -> None:
    await _in_turn(exchange, exchange.rounds() * len(exchange.speakers))


async def _pair(exchange: _Exchange) -> None:
    if len(exchange.speakers) != 2:
        raise OperationError(
            f"a pair is two agents, not {len(exchange.speakers)}",
            hint="`agentId` says which of the participants are agents",
        )
    await _in_turn(exchange, exchange.most)


async def _in_turn(exchange: _Exchange, turns: int) -> None:
    for turn, speaker in enumerate(islice(cycle(exchange.speakers), turns), start=1):
        await exchange.speak(turn, speaker)
        if exchange.stopped:
            return


async def _broadcast(exchange: _Exchange) -> None:
    """Nobody of a round hears the others before the next one."""
    speakers = exchange.speakers
    for _ in range(exchange.rounds()):
        first = exchange.turns + 1
        questions = [exchange.question(turn, speaker) for turn, speaker in enumerate(speakers, start=first)]
        answers = await ask_all(exchange.advisers, questions)
        _listen(exchange, speakers, questions, answers)
        if exchange.stopped:
            return


def _listen(
    exchange: _Exchange,
    speakers: Sequence[_Speaker],
    questions: Sequence[Question],
    answers: Sequence[Advice | AgentError],
) -> None:
    """Everybody who has answered is heard, before it counts who has not."""
    failed = None
    for speaker, question, answer in zip(speakers, questions, answers, strict=True):
        if isinstance(answer, AgentError):
            failed = failed or answer
        else:
            exchange.hear(speaker, question, answer)
    if failed is not None:
        raise failed


async def _moderated(exchange: _Exchange) -> None:
    for turn in range(1, exchange.most + 1):
        speaker = await exchange.moderate(turn)
        if speaker is None:
            return
        await exchange.speak(turn, speaker)
        if exchange.stopped:
            return


def _read(question: Question, advice: Advice) -> tuple[str, bool]:
    """What is said, "" by who passes, and whether that is the end."""
    said: Any = advice.output
    done = False
    if isinstance(said, dict):
        done = said.get("done") is True
        said = said.get("text", "" if done or said.get("pass") is True else said)
    if said is None:
        return "", done
    if not isinstance(said, str):
        raise unusable(question, advice, "it is neither text nor a map with `text`, `done` or `pass`")
    text = said.strip()
    return "" if text == _PASS else text, done


_MODES: dict[Mode, Callable[[_Exchange], Awaitable[None]]] = {
    "round-robin": _round_robin,
    "broadcast": _broadcast,
    "moderated": _moderated,
    "pair": _pair,
}
