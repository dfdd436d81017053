"""The workflows that steps of a workflow run: each file is read and judged once, before anything starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.reading import MAX_BYTES
from mplp_cli.loading.values import Fragment, unfit
from mplp_cli.loading.wording import count_of, quoted
from mplp_cli.workflow.model import Workflow, WorkflowStep
from mplp_cli.workflow.plan import Included, Plan, included_file
from mplp_cli.workflow.planning.compiling import Include
from mplp_cli.workflow.suggest import did_you_mean

if TYPE_CHECKING:
    from mplp_cli.loading.load import Loaded

#: Files inside each other, the outermost not counted.
MAX_LEVELS: Final = 16
#: Files that one workflow can lead to, and bytes of them all.
MAX_FILES: Final = 256
MAX_TOTAL: Final = MAX_BYTES
#: Runs that one step can lead to, if every step of every file ran once.
MAX_RUNS: Final = 10_000

#: The bytes of the file at an absolute path, at most one more than a file may have. OSError if there are none.
Read: TypeAlias = Callable[[str], bytes]


class Includes:
    """Finds the files of `workflow` steps. `problems` has what is wrong inside them, `texts` all by name."""

    def __init__(self, read: Read, load: Callable[[bytes, str, str, Include], Loaded]) -> None:
        self.problems: list[Problem] = []
        self.texts: dict[str, bytes] = {}
        self._read = read
        self._load = load
        self._loaded: dict[str, Loaded] = {}
        #: Runs that a file leads to, itself included, by path.
        self._runs: dict[str, int] = {}
        #: Path and name of the files that are being read, from the outermost.
        self._open: dict[str, str] = {}
        self._bytes = 0

    def of(self, directory: str, name: str) -> Include:
        """What reads the files of the steps of file `name`, which stands in `directory`."""
        if not self._open:
            self._open[os.path.join(directory, os.path.basename(name))] = name  # noqa: PTH118, PTH119
        return partial(self._include, directory, name)

    def _include(
        self, directory: str, name: str, step: WorkflowStep
    ) -> tuple[Included | None, list[Problem]]:
        if wrong := _not_a_path(step.file):
            return None, [wrong]
        path = os.path.normpath(os.path.join(directory, step.file))  # noqa: PTH118
        shown = os.path.normpath(os.path.join(os.path.dirname(name), step.file))  # noqa: PTH118, PTH120
        if path in self._open:
            names = list(self._open.values())[list(self._open).index(path) :]
            said = f"these workflows run each other: {' -> '.join([*names, shown])}"
            return None, [
                _problem("include-cycle", said, "a workflow cannot run itself, not through others either")
            ]
        try:
            loaded = self._loaded[path] if path in self._loaded else self._load_file(path, shown)
        except OSError as error:
            said = f"cannot read {quoted(shown)}: {error.strerror or error}"
            return None, [_problem("include-file", said, _similar(path, step.file))]
        except _RefusedError as error:
            return None, [
                _problem("include-budget", str(error), "a workflow needs fewer; is a step in the wrong file?")
            ]
        return self._judged(step, path, shown, loaded)

    def _judged(
        self, step: WorkflowStep, path: str, name: str, loaded: Loaded
    ) -> tuple[Included | None, list[Problem]]:
        if loaded.workflow is None or loaded.plan is None:
            errors = sum(p.severity == "error" for p in loaded.problems)
            said = f"{quoted(name)} is not valid: {count_of(errors, 'problem')}"
            return None, [_problem("include-invalid", said, "mend that file first")]
        if self._runs[path] > MAX_RUNS:
            said = f"{quoted(name)} leads to more than {MAX_RUNS:,} runs"
            return None, [
                _problem("include-budget", said, "each step that runs a workflow counts, at every level")
            ]
        found = Included(path=path, name=name, text=self.texts[name], plan=loaded.plan)
        return found, list(_inputs(step, loaded.workflow, name))

    def _load_file(self, path: str, name: str) -> Loaded:
        if len(self._open) > MAX_LEVELS:
            raise _RefusedError(f"workflows are nested deeper than {MAX_LEVELS} levels here")
        if len(self._loaded) >= MAX_FILES:
            raise _RefusedError(f"the workflow leads to more than {MAX_FILES} files")
        text = self._read(path)
        self._bytes += len(text)
        if self._bytes > MAX_TOTAL:
            raise _RefusedError(
                f"the files of the workflow are larger than {MAX_TOTAL // 1024 // 1024} MiB together"
            )
        self.texts[name] = text
        self._open[path] = name
        try:
            loaded = self._load(text, name, path, self.of(os.path.dirname(path), name))  # noqa: PTH120
        finally:
            del self._open[path]
        self._loaded[path] = loaded
        self._runs[path] = 1 + sum(self._runs_of(loaded.plan)) if loaded.plan is not None else 1
        self.problems += loaded.problems
        self.texts |= loaded.texts
        return loaded

    def _runs_of(self, plan: Plan) -> Iterator[int]:
        for step in plan.steps:
            if step.kind == "workflow":
                yield self._runs[plan.included[included_file(step)].path]


class _RefusedError(Exception):
    """There is more than can be taken."""


def stored(texts: Mapping[str, bytes]) -> Read:
    """Reads files that were stored with a run."""

    def read(path: str) -> bytes:
        if path not in texts:
            raise FileNotFoundError(0, "it was not stored with the run")
        return texts[path]

    return read


def on_disk(path: str) -> bytes:
    """Reads files as they are now."""
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        raise OSError(0, "it is not a file")
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read(MAX_BYTES + 1)


def _problem(code: str, message: str, hint: str | None, path: Path = ("file",), **more: Any) -> Problem:
    return Problem(code=code, message=message, hint=hint, path=path, **more)


def _not_a_path(file: str) -> Problem | None:
    if "${" in file or "$<" in file:
        said = "the file of a sub-workflow is written out: it is read before the run, and a reference has no value then"
        return _problem("include-file", said, "use a `conditional` step to choose between files")
    if file.startswith(("/", "~")):
        said = f"{quoted(file)} is not relative to this file"
        return _problem(
            "include-file", said, "write the path from the directory of this file, such as parts/build.yaml"
        )
    return None


def _similar(path: str, file: str) -> str | None:
    directory = os.path.dirname(path)  # noqa: PTH120
    try:
        near = did_you_mean(os.path.basename(path), os.listdir(directory))  # noqa: PTH119, PTH208
    except OSError:
        near = None
    return near or f"{quoted(file)} is looked for in the directory of this file"


def _inputs(step: WorkflowStep, workflow: Workflow, name: str) -> Iterator[Problem]:
    """What is known to be wrong with the inputs before their references are filled in."""
    for given, value in step.inputs.items():
        schema = workflow.inputs.get(given)
        if schema is None:
            declared = f"its inputs: {', '.join(workflow.inputs)}" if workflow.inputs else "it declares none"
            hint = did_you_mean(given, workflow.inputs) or declared
            said = f"{quoted(name)} has no input {quoted(given)}"
            yield _problem("include-input", said, hint, ("inputs", given), on="key")
        elif not moves(value):
            for place, why in unfit(Fragment(schema), value):
                said = f"the input {quoted(given)} of {quoted(name)}: {why}"
                yield _problem("include-input", said, None, ("inputs", given, *place))
    missing = [n for n, schema in workflow.inputs.items() if "default" not in schema and n not in step.inputs]
    if missing:
        names = ", ".join(quoted(n) for n in missing)
        said = f"{quoted(name)} needs the input{'s' if len(missing) > 1 else ''} {names}"
        yield _problem(
            "include-input", said, "give it under `inputs`", ("inputs",) if step.inputs else ("file",)
        )


def moves(value: Any) -> bool:
    """Whether a value may hold references."""
    if isinstance(value, dict):
        return any(map(moves, value.values()))
    if isinstance(value, list):
        return any(map(moves, value))
    return isinstance(value, str) and "$" in value
