"""`mplp test`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import JUnit, NoColor

if TYPE_CHECKING:
    from mplp_cli.testing.collecting import Collected
    from mplp_cli.testing.conducting import Tried
    from mplp_cli.workflow.cases.coverage import Coverage
    from mplp_cli.workflow.cases.model import Verdict


class CaseOutput(StrEnum):
    """How cases are shown."""

    text = "text"
    json = "json"
    github = "github"


def main(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH]...", help="Test files, or directories with some [default: .]."),
    ] = None,
    chosen: Annotated[
        str, typer.Option("--case", "-k", metavar="TEXT", help="Only cases whose name contains it.")
    ] = "",
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop after the first that fails.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Write what came out in the place of expected values.")
    ] = False,
    junit: JUnit = None,
    output: Annotated[
        CaseOutput, typer.Option("--output", "-o", help="How to show the cases.")
    ] = CaseOutput.text,
    no_color: NoColor = False,
) -> None:
    """Run the test cases of workflows, offline.

    Cases stand in files called NAME.mplp-test.yaml. Each is a run in memory: mocks answer for agents and steps,
    people answer as the case says, waits take no time; then the run is held against what the case expects.

    Exit codes: 0 all passed, 1 a case failed, 2 a file is invalid or there are no cases.

    Examples:

      mplp test

      mplp test tests/release.mplp-test.yaml -k rejected --junit report.xml
    """
    from mplp_cli.testing.collecting import collect, find_files

    files = [collect(path) for path in find_files(paths or [])]
    _refuse_invalid(files, output, no_color=no_color)
    tried = _run(files, chosen, output, fail_fast=fail_fast, no_color=no_color)
    verdicts = [one.verdict for _, one in tried]
    if update:
        _update(files, verdicts)
    coverage = _coverage(tried)
    _show(verdicts, coverage, output, no_color=no_color)
    if junit:
        from mplp_cli.render.cases import write_cases_junit

        write_cases_junit(Path(junit), verdicts)
    raise typer.Exit(0 if all(one.passed for one in verdicts) else 1)


def _refuse_invalid(files: Sequence[Collected], output: CaseOutput, *, no_color: bool) -> None:
    """Show what is wrong with the files; end the command if anything is."""
    problems = list(dict.fromkeys(problem for file in files for problem in file.problems))
    bad = any(problem.severity == "error" for problem in problems)
    if bad and output is CaseOutput.json:
        from mplp_cli.errors import Exit, WorkflowValidationError

        error = WorkflowValidationError(problems)
        error.exit_code = Exit.USAGE
        raise error
    if problems and output is CaseOutput.github:
        from mplp_cli.render.github import annotation_lines

        sys.stdout.write(annotation_lines(problems))
    elif problems:
        from mplp_cli.cli.checking import show_texts

        texts = {name: text.decode("utf-8", "replace") for file in files for name, text in file.texts.items()}
        show_texts(problems, texts, no_color=no_color)
    if bad:
        raise typer.Exit(2)


def _run(
    files: Sequence[Collected], chosen: str, output: CaseOutput, *, fail_fast: bool, no_color: bool
) -> list[tuple[Collected, Tried]]:
    """Run the chosen cases one after the other, telling of each as it ends."""
    from msgspec.structs import replace

    from mplp_cli.errors import UsageError
    from mplp_cli.testing.conducting import conduct

    tried: list[tuple[Collected, Tried]] = []
    for file in files:
        assert file.cases.file is not None
        assert file.source is not None
        for number, case in enumerate(file.cases.file.cases):
            if chosen not in case.name:
                continue
            done = conduct(case, number, file.source, file.name)
            line, _ = file.cases.placed(("cases", number))
            mismatches = file.cases.all_placed(done.verdict.mismatches)
            done = replace(done, verdict=replace(done.verdict, line=line, mismatches=mismatches))
            tried.append((file, done))
            if output is CaseOutput.text:
                _tell(done.verdict, no_color=no_color)
            if fail_fast and not done.verdict.passed:
                return tried
    if not tried:
        names = [case.name for file in files if file.cases.file for case in file.cases.file.cases]
        raise UsageError(
            f"no case has {chosen!r} in its name", hint=f"the cases are: {', '.join(names[:10])}"
        )
    return tried


def _tell(verdict: Verdict, *, no_color: bool) -> None:
    from mplp_cli.cli.showing import show
    from mplp_cli.render.cases import verdict_lines

    show(lambda theme, width: verdict_lines(verdict, theme), no_color=no_color)
    sys.stdout.flush()


def _coverage(tried: Sequence[tuple[Collected, Tried]]) -> dict[str, Coverage]:
    """By workflow, over all cases of all files."""
    from mplp_cli.workflow.cases.coverage import together

    by_place: dict[Path, list[tuple[Collected, Tried]]] = {}
    for file, one in tried:
        assert file.source is not None
        by_place.setdefault(file.source.directory / Path(file.source.name).name, []).append((file, one))
    made = {}
    for those in by_place.values():
        file = those[0][0]
        assert file.source is not None
        assert file.plan is not None
        made[file.source.name] = together(file.plan, [one.taken for _, one in those])
    return made


def _update(files: Sequence[Collected], verdicts: Sequence[Verdict]) -> None:
    """Write actual values into the files, and say how many and what is left."""
    from mplp_cli.cli.showing import note
    from mplp_cli.render.junit import write_whole
    from mplp_cli.testing.rewriting import rewritten

    for file in files:
        wrong = [one for verdict in verdicts if verdict.file == file.name for one in verdict.mismatches]
        text, done = rewritten(file.text.decode("utf-8"), wrong)
        if done:
            write_whole(Path(file.name), text)
        if wrong:
            left = len(wrong) - done
            more = f"; {left} left: what is no plain value is not rewritten" if left else ""
            note(f"{file.name}: {done} of {len(wrong)} expectations rewritten{more}")


def _show(
    verdicts: Sequence[Verdict], coverage: dict[str, Coverage], output: CaseOutput, *, no_color: bool
) -> None:
    if output is CaseOutput.json:
        from mplp_cli.render.cases import cases_document
        from mplp_cli.render.machine import write_document

        write_document(cases_document(verdicts, coverage))
        return
    from mplp_cli.cli.showing import show
    from mplp_cli.render.cases import case_annotations, summary_lines

    if output is CaseOutput.github:
        sys.stdout.write(case_annotations(verdicts))
    show(lambda theme, width: summary_lines(verdicts, coverage), no_color=no_color)
