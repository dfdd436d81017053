"""What crash tests share: the library that ends a process at one of its system calls, and a small workflow."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.points import Points

SMALL = """
workflow:
  id: small
  name: One of everything
  version: 1.0.0
  inputs:
    file: {type: string}
  max-parallel: 2
  steps:
    - {id: words, type: set, values: {hello: world, file: "${inputs.file}"}}
    - {id: first, type: shell, dependencies: [words], run: 'echo first >> "${inputs.file}"'}
    - id: context
      type: module-operation
      module: context
      operation: create-context
      parameters: {name: "context of ${words.result.hello}"}
    - id: both
      type: parallel
      dependencies: [first]
      steps:
        - {id: left, type: shell, run: 'echo left >> "${inputs.file}"'}
        - {id: right, type: shell, run: 'echo right >> "${inputs.file}"'}
    - {id: news, type: emit, dependencies: [both], event: {type: small.half, data: "${words.result.hello}"}}
    - {id: heard, type: wait, event: {type: small.*, where: 'event.data == words.result.hello'}}
    - id: choice
      type: conditional
      dependencies: [both, context]
      condition: words.result.hello == "world"
      then:
        - id: flaky
          type: shell
          retry-policy: {max-retries: 2, backoff-strategy: fixed, initial-delay: 10ms}
          run: |
            if grep -q flaky "${inputs.file}"; then before=yes; else before=no; fi
            echo flaky >> "${inputs.file}"
            [ "$before" = yes ]
        - id: broken
          type: shell
          run: |
            echo broken >> "${inputs.file}"
            exit 7
          fallback-actions:
            - condition: error
              action: run-step
              step: {id: instead, type: shell, run: 'echo instead >> "${inputs.file}"'}
      else:
        - {id: never, type: shell, run: 'echo never >> "${inputs.file}"'}
  finally:
    - {id: last, type: shell, run: 'echo last >> "${inputs.file}"'}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The small workflow as a file."""
    file = tmp_path / "small.yaml"
    file.write_text(SMALL, "utf-8")
    return file


@pytest.fixture(scope="session")
def points(tmp_path_factory: pytest.TempPathFactory) -> Points:
    """The library, compiled."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler and a dynamic linker that knows LD_PRELOAD")
    library = tmp_path_factory.mktemp("crash") / "syscalls.so"
    source = Path(__file__).with_name("syscalls.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library, source, "-ldl"],
        check=True,
    )
    return Points(library)
