"""The states in which runs are recorded, and how each is brought about.

A step that must be at work when the process is killed waits for a file `go`; each step writes its id to `ran`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mplp_cli.workflow.fold import history as h

#: Facts so far -> whether it is time.
Moment = Callable[[Sequence[h.Event]], bool]


@dataclass(frozen=True, kw_only=True)
class State:
    """A workflow's steps (and more of its keys) as YAML, and when its process gets a signal (None: never)."""

    source: str
    when: Moment | None = None
    sign: signal.Signals = signal.SIGKILL
    #: The step that a person approves before the run is resumed.
    approve: str = ""
    #: Another run of the workflow holds its place meanwhile.
    behind: bool = False


def after(kind: type[h.Event], step: str = "") -> Moment:
    """When there is such a fact, of that step."""
    return lambda facts: any(isinstance(f, kind) and getattr(f, "step", step) == step for f in facts)


WAIT = "while ! test -e go; do sleep 0.02; done"

STATES = {
    "completed": State(
        source="""\
  steps:
    - {id: one, type: shell, run: echo one | tee -a ran}
    - {id: two, type: set, values: {said: "${one.result.output}"}}
  outputs: {said: "${two.result.said}"}
"""
    ),
    "running": State(
        source=f"""\
  steps:
    - {{id: one, type: shell, run: echo one | tee -a ran}}
    - {{id: two, type: shell, dependencies: [one], run: 'echo two >> ran; {WAIT}'}}
    - {{id: three, type: set, values: {{said: "${{one.result.output}} ${{two.status}}"}}, dependencies: [two]}}
  outputs: {{said: "${{three.result.said}}"}}
""",
        when=after(h.StepStarted, "two"),
    ),
    "claimed": State(
        source=f"""\
  steps:
    - {{id: one, type: shell, run: 'echo one >> ran; {WAIT}'}}
    - {{id: two, type: shell, run: echo two >> ran}}
    - {{id: three, type: shell, run: echo three >> ran}}
  outputs: {{done: "${{one.status}} ${{two.status}} ${{three.status}}"}}
""",
        when=lambda facts: after(h.StepsClaimed)(facts) and after(h.StepStarted, "one")(facts),
    ),
    "retrying": State(
        source="""\
  steps:
    - id: one
      type: shell
      retry-policy: {max-retries: 2, initial-delay: 1h, max-delay: 2h}
      run: echo one >> ran; test -e go; echo "attempt $MPLP_ATTEMPT_NUMBER"
  outputs: {said: "${one.result.output}"}
""",
        when=after(h.StepRetrying, "one"),
    ),
    "waiting": State(
        source="""\
  steps:
    - id: one
      type: shell
      run: echo one >> ran; cat go
      fallback-actions: [{condition: any, action: escalate-to-human, message: Go on?, approvers: [ann]}]
    - {id: two, type: set, values: {length: "${one.result.output | length}"}}
  outputs: {length: "${two.result.length}"}
""",
        approve="one",
    ),
    "failed": State(
        source="""\
  steps:
    - {id: one, type: shell, run: echo one | tee -a ran}
    - {id: two, type: shell, run: echo two >> ran; cat go, dependencies: [one]}
    - {id: three, type: set, values: {said: "${two.result.exitCode}"}}
    - {id: four, type: shell, run: echo four >> ran}
  outputs: {said: "${three.result.said | default(-1)}"}
  finally:
    - {id: last, type: shell, run: 'echo "it was ${run.status}"; echo last >> ran'}
"""
    ),
    "cancelled": State(
        source=f"""\
  grace: 200ms
  steps:
    - {{id: one, type: shell, run: 'echo one >> ran; {WAIT}'}}
    - {{id: two, type: set, values: {{}}, dependencies: [one]}}
  finally:
    - {{id: last, type: shell, run: echo last >> ran}}
""",
        when=after(h.StepStarted, "one"),
        sign=signal.SIGINT,
    ),
    "fallback": State(
        source=f"""\
  steps:
    - id: one
      type: shell
      run: echo one >> ran; exit 3
      fallback-actions:
        - condition: ShellExitError
          action: run-step
          step: {{id: instead, type: shell, run: 'echo instead >> ran; {WAIT}; echo mended'}}
    - id: two
      type: shell
      run: exit 4
      fallback-actions: [{{condition: any, action: use-value, value: {{output: valued}}}}]
  outputs: {{said: "${{one.result.output}} ${{two.result.output}}"}}
""",
        when=lambda facts: after(h.StepStarted, "instead")(facts) and after(h.StepCompleted, "two")(facts),
    ),
    "branches": State(
        source=f"""\
  steps:
    - {{id: size, type: set, values: {{n: 3}}}}
    - id: choice
      type: conditional
      condition: size.result.n > 2
      then:
        - {{id: large, type: shell, run: echo large | tee -a ran}}
        - {{id: larger, type: shell, run: 'echo larger >> ran; {WAIT}; echo larger'}}
      else: {{id: small, type: shell, run: echo small >> ran}}
    - id: both
      type: parallel
      steps:
        - {{id: left, type: shell, run: echo left | tee -a ran}}
        - {{id: right, type: shell, run: 'echo right >> ran; {WAIT}; echo right'}}
    - {{id: never, type: set, when: size.result.n > 5, values: {{}}}}
    - {{id: without, type: set, values: {{}}, dependencies: [never]}}
  outputs: {{chosen: "${{choice.result.output}}", left: "${{left.result.output}}", right: "${{right.result.output}}"}}
""",
        when=lambda facts: all(
            [
                after(h.StepStarted, "larger")(facts),
                after(h.StepStarted, "right")(facts),
                after(h.StepCompleted, "left")(facts),
            ]
        ),
    ),
    "finalizing": State(
        source=f"""\
  steps:
    - {{id: one, type: shell, run: echo one | tee -a ran}}
  outputs: {{said: "${{one.result.output}}"}}
  finally:
    - {{id: last, type: shell, run: 'echo last >> ran; {WAIT}'}}
""",
        when=after(h.StepStarted, "last"),
    ),
    "pending": State(
        source=f"""\
  concurrency: {{key: here}}
  steps:
    - {{id: one, type: shell, run: 'echo one >> ran; {WAIT}; echo one'}}
  outputs: {{said: "${{one.result.output}}"}}
""",
        when=after(h.RunStarted),
        behind=True,
    ),
    "repeating": State(
        source=f"""\
  steps:
    - id: each
      type: foreach
      items: [a, b, c]
      max-parallel: 1
      steps:
        - id: one
          type: shell
          run: 'echo one >> ran; test "${{item}}" = a || {WAIT}; echo "${{item}}"'
    - id: again
      type: loop
      max-iterations: 3
      until: more.result.n >= 2
      dependencies: [each]
      steps:
        - {{id: more, type: set, values: {{n: "${{index + 1}}"}}}}
  outputs: {{all: "${{each.result}}", times: "${{again.result.iterations}}"}}
""",
        when=after(h.StepStarted, "each[1].one"),
    ),
}
