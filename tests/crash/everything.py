"""A workflow with every step type there is, for runs that are killed at any of their calls.

A step type is covered by its line in `PARTS`. What acts leaves a line with its step's id in `${inputs.file}`:
a shell step by `echo` (of `$MPLP_STEP_ID` where it has several instances), a request by asking `${inputs.service}`
for it, a function by `marks:mark`, an agent by writing into the file that its prompt names. How often each step acts,
and which steps complete, is learned from a run that nothing happens to.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from tests.service import Asked, Reply

#: Step type -> a step of that type, on one line. Each stands at the top level of the workflow.
PARTS: Final[dict[str, str]] = {
    "set": '{id: words, type: set, values: {hello: world, file: "${inputs.file}"}}',
    "shell": """{id: first, type: shell, dependencies: [words], run: 'echo first >> "${inputs.file}"'}""",
    "wait": "{id: moment, type: wait, for: 10ms}",
    "module-operation": (
        "{id: context, type: module-operation, module: context, operation: create-context,"
        ' parameters: {name: "context of ${words.result.hello}"}}'
    ),
    "http": '{id: posted, type: http, method: POST, url: "${inputs.service}/posted", query: {file: "${inputs.file}"}}',
    "python": '{id: called, type: python, call: "marks:mark", arguments: {file: "${inputs.file}", line: called}}',
    "agent": '{id: consulted, type: agent, agent: marker, prompt: "${inputs.file}", dependencies: [words]}',
    "parallel": (
        "{id: both, type: parallel, dependencies: [first], steps: ["
        """{id: left, type: shell, run: 'echo left >> "${inputs.file}"'}, """
        """{id: right, type: shell, run: 'echo right >> "${inputs.file}"'}]}"""
    ),
    "foreach": (
        "{id: each, type: foreach, items: [a, b, c], max-parallel: 2, steps: ["
        """{id: part, type: shell, run: 'echo "$MPLP_STEP_ID" >> "${inputs.file}"'}]}"""
    ),
    "loop": (
        "{id: again, type: loop, max-iterations: 2, steps: ["
        """{id: turn, type: shell, run: 'echo "$MPLP_STEP_ID" >> "${inputs.file}"'}]}"""
    ),
    "conditional": (
        "{id: choice, type: conditional, dependencies: [both, context], condition: words.result.hello == 'world', "
        """then: [{id: taken, type: shell, run: 'echo taken >> "${inputs.file}"'}], """
        """else: [{id: never, type: shell, run: 'echo never >> "${inputs.file}"'}]}"""
    ),
    "emit": '{id: news, type: emit, dependencies: [both], event: {type: small.half, data: "${words.result.hello}"}}',
    "approval": (
        '{id: agreed, type: approval, message: "Go on?", approvers: [ann], inputs: {how: {type: string}}}'
    ),
    "workflow": '{id: inner, type: workflow, file: inner.yaml, inputs: {file: "${inputs.file}"}}',
}

_TWICE = """
        if grep -qx {0} "${{inputs.file}}"; then before=yes; else before=no; fi
        echo {0} >> "${{inputs.file}}"
        [ "$before" = yes ]"""

#: What has no step type of its own: an event, a retry, a step that stands in for another, a person who is asked.
_MORE = f"""
    - {{id: heard, type: wait, event: {{type: small.*, where: event.data == words.result.hello}}}}
    - id: told
      type: shell
      dependencies: [heard, agreed]
      run: |
        [ "${{heard.result.event.type}} ${{agreed.result.inputs.how}}" = "small.half gently" ]
        echo told >> "${{inputs.file}}"
    - id: flaky
      type: shell
      dependencies: [choice]
      retry-policy: {{max-retries: 2, backoff-strategy: fixed, initial-delay: 10ms}}
      run: |{_TWICE.format("flaky")}
    - id: broken
      type: shell
      dependencies: [choice]
      run: |
        echo broken >> "${{inputs.file}}"
        exit 7
      fallback-actions:
        - condition: error
          action: run-step
          step: {{id: instead, type: shell, run: 'echo instead >> "${{inputs.file}}"'}}
    - id: asked
      type: shell
      run: |{_TWICE.format("asked")}
      fallback-actions: [{{condition: any, action: escalate-to-human}}]
"""

EVERYTHING: Final = f"""
agents:
  - id: marker
    kind: command
    command: [sh, -c, 'echo consulted >> "$(cat)"; echo noted']
    input: text
    output: text
workflow:
  id: everything
  name: One of everything
  version: 1.0.0
  inputs:
    file: {{type: string}}
    service: {{type: string}}
  max-parallel: 2
  steps:
    - {
    '''
    - '''.join(PARTS.values())
}
{_MORE}
  finally:
    - {{id: last, type: shell, run: 'echo last >> "${{inputs.file}}"'}}
"""

#: The sub-workflow; it asks somebody too. No id of a step of it is one of the outer workflow.
INNER: Final = """
workflow:
  id: inside
  name: A part of everything
  version: 1.0.0
  inputs:
    file: {type: string}
  steps:
    - {id: begun, type: shell, run: 'echo begun >> "${inputs.file}"'}
    - {id: allowed, type: approval, dependencies: [begun], message: "Is this right?"}
    - {id: ended, type: shell, dependencies: [allowed], run: 'echo ended >> "${inputs.file}"'}
  finally:
    - {id: tidied, type: shell, run: 'echo tidied >> "${inputs.file}"'}
"""

#: The module `marks`.
MARKS: Final = """
def mark(file: str, line: str) -> str:
    with open(file, "a", encoding="utf-8") as lines:
        lines.write(line + "\\n")
    return line
"""


def leave_a_mark(asked: Asked, _before: int) -> Reply:
    """The service: the name of the path is a line in the file that the query names."""
    parts = urlsplit(asked.path)
    with open(parse_qs(parts.query)["file"][0], "a", encoding="utf-8") as lines:  # noqa: PTH123 (as in MARKS)
        lines.write(parts.path.lstrip("/") + "\n")
    return Reply(body=b"noted")
