"""What each fact of a run means for its spans.

Times are those of the facts. A run that is taken up again has its history told first, of which only what is still open
counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from mplp_cli.errors import Failure
from mplp_cli.observe.spans import CLIENT, Attributes, Span, Spans
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.statuses import CANCELLED, COMPLETED, ENDED, FAILED
from mplp_cli.workflow.plan import CONTAINERS
from mplp_cli.workflow.tracing import attempt_id, run_span, span_id

#: Kinds of agents -> who provides them, as the conventions call it.
_PROVIDERS: Final = {"openai": "openai"}


def spans_of(spans: Spans, facts: Iterable[h.Event]) -> list[Span]:
    """The spans that these facts end, the inner ones first."""
    for fact in facts:
        take = _TAKEN.get(type(fact))
        if take is not None:
            take(spans, fact)
    if spans.doubtful:
        _settle(spans)
    made, spans.made = spans.made, []
    return made


def _settle(spans: Spans) -> None:
    """End the steps that a person's answer, or an event of their own, has ended."""
    state = spans.state
    for step, at in spans.doubtful.items():
        number = state.plan.number.get(step)
        if number is not None and (status := state.step_status[number]) in ENDED:
            spans.end(step, at, status, state.errors.get(number))
    spans.doubtful.clear()


def _tag(fact: h.Event) -> str:
    return str(fact.__struct_config__.tag)


# ---- the run -----------------------------------------------------------------------------------


def _run_started(spans: Spans, fact: h.RunStarted) -> None:
    spans.began = fact.at


def _run_resumed(spans: Spans, fact: h.RunResumed) -> None:
    if not spans.began:  # it had ended
        spans.began = fact.at
        return
    lost = Failure(type="Interrupted", message="the process that drove the run was lost")
    for step, begun in spans.steps.items():
        spans.end_attempt(step, begun, fact.at, lost)
    spans.events.append((fact.at, "mplp.run.resumed", {"mplp.by": fact.by}))


def _run_redefined(spans: Spans, fact: h.RunRedefined) -> None:
    spans.since = fact.at


def _run_stopping(spans: Spans, fact: h.RunStopping) -> None:
    told: Attributes = {"mplp.cause": fact.cause, "mplp.by": fact.by, "message": fact.message}
    spans.events.append((fact.at, "mplp.run.stopping", told))


def _run_rests(spans: Spans, fact: h.RunWaiting | h.RunPaused) -> None:
    spans.events.append((fact.at, f"mplp.{_tag(fact)}", {}))


def _run_ended(spans: Spans, fact: h.RunCompleted | h.RunFailed | h.RunCancelled) -> None:
    for step in list(spans.steps)[::-1]:
        spans.end(step, fact.at, CANCELLED)
    workflow, run = spans.state.plan.workflow, spans.trace
    told: Attributes = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": workflow.name,
        "mplp.workflow.id": workflow.id,
        "mplp.run.status": _tag(fact).partition(".")[2],
    }
    if spans.results and fact.outputs is not None:
        told["mplp.run.outputs"] = spans.written(fact.outputs)
    links = [] if spans.repeats is None else [spans.repeats]
    if spans.life:
        links = [(run.trace, run_span(run.run, spans.life - 1))]
    spans.make(
        spans.run,
        "" if run.incoming is None else run.incoming.span,
        f"invoke_workflow {workflow.id}",
        (spans.began, fact.at),
        told,
        spans.events,
        fact.error if isinstance(fact, h.RunFailed) else None,
        links=links,
    )
    spans.life += 1
    spans.run, spans.events, spans.began = run_span(run.run, spans.life), [], 0


# ---- steps -------------------------------------------------------------------------------------


def _step_queued(spans: Spans, fact: h.StepQueued) -> None:
    spans.opened(fact.step, fact.at)


def _step_started(spans: Spans, fact: h.StepStarted) -> None:
    begun = spans.opened(fact.step, fact.at)
    if spans.kind(fact.step) not in CONTAINERS:
        begun.attempt, begun.began, begun.since, begun.calls = fact.attempt, fact.at, spans.since, 0


def _step_completed(spans: Spans, fact: h.StepCompleted) -> None:
    begun, told = spans.opened(fact.step, fact.at), Attributes()
    if fact.hit is not None:
        told = {"mplp.cache.hit": True, "mplp.cache.run": fact.hit.run}
    if spans.results:
        told["mplp.step.result"] = spans.written(fact.result)
    if fact.mended is not None:
        begun.events.append((fact.at, "mplp.step.mended", _error(fact.mended)))
    spans.end(fact.step, fact.at, COMPLETED, None, told, fact.usage)


def _step_failed(spans: Spans, fact: h.StepFailed) -> None:
    spans.opened(fact.step, fact.at)
    spans.end(fact.step, fact.at, FAILED, fact.error, None, fact.usage)


def _step_dropped(spans: Spans, fact: h.StepSkipped | h.StepOmitted | h.StepCancelled) -> None:
    status, usage = _tag(fact).partition(".")[2], getattr(fact, "usage", None)
    spans.end(fact.step, fact.at, status, None, {"mplp.step.reason": fact.reason}, usage)


def _step_retrying(spans: Spans, fact: h.StepRetrying) -> None:
    begun = spans.opened(fact.step, fact.at)
    spans.end_attempt(fact.step, begun, fact.at, fact.error, fact.usage)
    told: Attributes = {"mplp.attempt.number": fact.attempt, "mplp.retry.delay_ms": fact.delay}
    begun.events.append((fact.at, "mplp.step.retry", told | _error(fact.error)))


def _step_waiting(spans: Spans, fact: h.StepWaiting) -> None:
    begun = spans.opened(fact.step, fact.at)
    spans.end_attempt(fact.step, begun, fact.at, fact.error, fact.usage)
    what = "a person" if fact.approval is not None else "a time" if fact.event is None else fact.event.type
    begun.events.append((fact.at, "mplp.step.waiting", {"mplp.waits.for": what}))


def _step_decided(spans: Spans, fact: h.StepDecided) -> None:
    told: Attributes = {"mplp.decision": fact.decision, "mplp.by": fact.by}
    spans.opened(fact.step, fact.at).events.append((fact.at, "mplp.step.decided", told))
    spans.doubtful[fact.step] = fact.at


def _step_emitted(spans: Spans, fact: h.StepEmitted) -> None:
    told: Attributes = {"mplp.event.type": fact.event.type, "mplp.event.id": fact.event.id}
    spans.opened(fact.step, fact.at).events.append((fact.at, "mplp.event.published", told))
    spans.end(fact.step, fact.at, COMPLETED)


def _step_fell_back(spans: Spans, fact: h.StepFellBack) -> None:
    begun = spans.opened(fact.step, fact.at)
    spans.end_attempt(fact.step, begun, fact.at, fact.error, fact.usage)
    told: Attributes = {"mplp.fallback.step": fact.instead}
    begun.events.append((fact.at, "mplp.step.fallback", told | _error(fact.error)))


def _error(error: Failure) -> Attributes:
    return {"error.type": error.type, "message": error.message}


# ---- agents ------------------------------------------------------------------------------------


def _agent_asked(spans: Spans, fact: h.AgentAsked) -> None:
    run, begun, call, used = spans.trace.run, spans.steps.get(fact.step), fact.call, fact.used
    count, since = 1, spans.since
    if begun is not None:
        begun.calls += 1
        count, since = begun.calls, begun.since
    call = call or h.Called(number=count)
    attempt = attempt_id(run, fact.step, fact.attempt, since)
    span, times = span_id(attempt, "call", call.number), (fact.at - used.time, fact.at)
    place: Attributes = {"mplp.step.id": fact.step, "mplp.attempt.number": fact.attempt}
    error = None
    if fact.code:
        said = f"the call of agent `{fact.agent}` ended with {fact.code}"
        error = Failure(type=fact.code, message=said)
    if call.tool:
        tool: Attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": call.tool, **place}
        if call.kind == "mcp":
            tool["mcp.method.name"] = "tools/call"
        spans.make(
            span_id(span, "tool"), span, f"execute_tool {call.tool}", times, tool, (), error, kind=CLIENT
        )
    told: Attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": fact.agent,
        "gen_ai.agent.name": fact.agent,
        **place,
        **_asked(fact, call),
        **_used(used),
    }
    spans.make(span, attempt, f"invoke_agent {fact.agent}", times, told, (), error, kind=CLIENT)


def _asked(fact: h.AgentAsked, call: h.Called) -> Attributes:
    told: Attributes = {}
    if call.kind:
        told["mplp.agent.kind"] = call.kind
    if call.kind in _PROVIDERS:
        told["gen_ai.provider.name"] = _PROVIDERS[call.kind]
    if fact.model:
        told |= {"gen_ai.request.model": call.wanted or fact.model, "gen_ai.response.model": fact.model}
    if call.finish:
        told["gen_ai.response.finish_reasons"] = [call.finish]
    return told


def _used(used: h.Used) -> Attributes:
    """What a call has used. As the conventions count tokens, those of a cache are input as well."""
    told: Attributes = {}
    if used.tokens and not used.unmetered:
        told["gen_ai.usage.input_tokens"] = used.input_tokens + used.cache_read + used.cache_write
        told["gen_ai.usage.output_tokens"] = used.output_tokens
    if used.cache_read:
        told["gen_ai.usage.cache_read.input_tokens"] = used.cache_read
    if used.cache_write:
        told["gen_ai.usage.cache_creation.input_tokens"] = used.cache_write
    if used.nano_usd:
        told["mplp.agent.cost_usd"] = used.usd
    return told


#: What is done with which fact; the others have no part in spans.
_TAKEN: Final[dict[type, Callable[[Spans, Any], None]]] = {
    h.RunStarted: _run_started,
    h.RunResumed: _run_resumed,
    h.RunRedefined: _run_redefined,
    h.RunStopping: _run_stopping,
    h.RunWaiting: _run_rests,
    h.RunPaused: _run_rests,
    h.RunCompleted: _run_ended,
    h.RunFailed: _run_ended,
    h.RunCancelled: _run_ended,
    h.StepQueued: _step_queued,
    h.StepStarted: _step_started,
    h.StepCompleted: _step_completed,
    h.StepFailed: _step_failed,
    h.StepSkipped: _step_dropped,
    h.StepOmitted: _step_dropped,
    h.StepCancelled: _step_dropped,
    h.StepRetrying: _step_retrying,
    h.StepWaiting: _step_waiting,
    h.StepDecided: _step_decided,
    h.StepEmitted: _step_emitted,
    h.StepFellBack: _step_fell_back,
    h.AgentAsked: _agent_asked,
}
