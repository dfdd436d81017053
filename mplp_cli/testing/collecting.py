"""Finds files of test cases, and judges them with the workflows that they test."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from mplp_cli.errors import MplpError, Problem, UsageError
from mplp_cli.loading.cases import Cases, Tested, invalid, load_cases
from mplp_cli.runtime import Runtime
from mplp_cli.sources import Source, read_source
from mplp_cli.workflow.plan import Plan

#: What files of test cases are called.
ENDS = (".mplp-test.yaml", ".mplp-test.yml")


class Collected(Struct, frozen=True, kw_only=True):
    """A file of test cases and the workflow that it tests; `source` and `plan` are None if that cannot be run."""

    name: str
    text: bytes
    cases: Cases
    source: Source | None
    plan: Plan | None
    #: What is wrong, in the file and in the workflow, and the texts that it is about.
    problems: list[Problem]
    texts: dict[str, bytes]


def find_files(paths: Sequence[str]) -> list[Path]:
    """The files that are named, and those in the directories that are. UsageError if there are none."""
    found: list[Path] = []
    for name in paths or ["."]:
        path = Path(name)
        if path.is_dir():
            found += sorted(_below(path))
        elif path.exists():
            found.append(path)
        else:
            raise UsageError(f"cannot read {name}: no such file or directory")
    if not found:
        raise UsageError(
            f"there are no test files in {', '.join(paths or ['.'])}",
            hint="they are called NAME.mplp-test.yaml; `mplp help testing` shows one",
        )
    return list(dict.fromkeys(found))


def _below(directory: Path) -> Iterator[Path]:
    """Test files at any depth; not those in hidden directories."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            if not path.name.startswith((".", "__")) and path.name != "node_modules":
                yield from _below(path)
        elif path.name.endswith(ENDS):
            yield path


def collect(path: Path) -> Collected:
    """Read a file of test cases and its workflow. UsageError if the file cannot be read."""
    name = str(path)
    read = read_source(name)
    known: dict[str, tuple[Source, Plan]] = {}
    problems: list[Problem] = []
    texts = {name: read.text}

    def find(workflow: str) -> Tested:
        place = workflow if workflow.startswith("example:") else os.path.normpath(path.parent / workflow)
        try:
            source = read_source(place)
            runtime = Runtime(start=source.directory, ephemeral=True)
            loaded = runtime.load(source)
            errors = [problem for problem in loaded.problems if problem.severity == "error"]
            if loaded.plan is None:
                problems.extend(errors)
                texts.update({source.name: source.text, **loaded.texts})
                return Tested(wrong=invalid(len(errors), place))
            known["it"] = source, loaded.plan
            own = [agent.id for agent in loaded.plan.agents.agents]
            below = [a.id for one in loaded.plan.every_included() for a in one.plan.agents.agents]
            others = [entry.id for entry in runtime.roster.entries]
        except MplpError as error:
            return Tested(
                wrong=error.message, hint=error.hint or "the path starts from the directory of this file"
            )
        return Tested(
            steps={step.id: step.kind for step in loaded.plan.steps},
            agents=list(dict.fromkeys([*own, *below, *others])),
            secrets=loaded.plan.secrets,
        )

    cases = load_cases(read.text, name, find, lambda file: (path.parent / file).is_file())
    source, plan = known.get("it", (None, None))
    return Collected(
        name=name,
        text=read.text,
        cases=cases,
        source=source,
        plan=plan,
        problems=[*cases.problems, *problems],
        texts=texts,
    )
