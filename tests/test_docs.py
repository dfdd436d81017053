"""What the docs show runs, and what they list is what there is."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mplp_cli.errors import Exit
from mplp_cli.exchange.invariants import IDS
from mplp_cli.modules.catalogue import builtin_modules
from mplp_cli.workflow.language.conditions import BUILTIN_CONDITIONS, OPERATORS
from mplp_cli.workflow.language.lexer import FILTERS
from tests.conftest import Mplp

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
HELP = ROOT / "mplp_cli" / "help"
PAGES = [README, *sorted(HELP.glob("*.md"))]
CONTRIBUTORS = sorted((ROOT / ".github").glob("*.md"))

#: The first line of what is no workflow, and is called so.
BESIDE = re.compile(r"# (\S+\.yaml)\n")
HEAD = "workflow:\n  id: shown\n  name: Shown\n  version: 1.0.0\n"
STEPS = "  steps: [{id: only, type: set, values: {}}]\n"


def name_of(page: Path) -> str:
    return page.stem


def blocks(page: Path, language: str) -> Iterator[str]:
    """The fenced blocks of a page in that language."""
    for match in re.finditer(
        rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    ):
        yield match.group(1)


def whole(block: str) -> str:
    """A block as a whole workflow file: what it leaves out is put around it."""
    if block.startswith("workflow:"):
        return block
    inside = "".join(f"  {line}" if line.strip() else line for line in block.splitlines(keepends=True))
    return HEAD + inside + ("" if re.search(r"^steps:", block, re.MULTILINE) else STEPS)


def files(page: Path) -> dict[str, str]:
    """The workflows of a page by file name: those that have an id go by it, the others are numbered."""
    found = {}
    for number, block in enumerate(blocks(page, "yaml")):
        if BESIDE.match(block):
            continue
        named = re.match(r"workflow:\n  id: (\S+)", block)
        found[f"{named.group(1)}.yaml" if named else f"{number}.yaml"] = whole(block)
    return found


def others(page: Path) -> dict[str, str]:
    """What a page shows of files that are no workflows: those whose first line names them, `# agents.yaml`."""
    shown = [(BESIDE.match(block), block) for block in blocks(page, "yaml")]
    return {named.group(1): block for named, block in shown if named}


def commands(page: Path) -> list[tuple[list[str], int]]:
    """The commands of the console blocks of a page, with their exit codes (0, unless `# exit N` says so)."""
    found = []
    for block in blocks(page, "console"):
        for line in block.splitlines():
            assert line.startswith("$ mplp "), line
            words = shlex.split(line, comments=True)
            said = re.search(r"# exit (\d+)$", line)
            found.append((words[2:], int(said.group(1)) if said else 0))
    return found


@pytest.fixture
def reader(tmp_path: Path) -> Mplp:
    """Somebody who types off what a page shows."""
    mplp = Mplp(tmp_path)
    mplp.env |= {"REPORT_TOKEN": "a token for tests", "HOOK_SECRET": "a secret for tests"}
    return mplp


def write(page: Path, directory: Path) -> list[str]:
    for name, text in (files(page) | others(page)).items():
        (directory / name).write_text(text, "utf-8")
    return list(files(page))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_workflow_that_is_shown_is_valid(page: Path, reader: Mplp, tmp_path: Path) -> None:
    if names := write(page, tmp_path):
        ended = reader("validate", *names, "--output", "json")
        assert ended.document == {"valid": True, "problems": []}


@pytest.mark.parametrize("page", [page for page in PAGES if "mplp.yaml" in others(page)], ids=name_of)
def test_the_settings_that_are_shown_are_valid(page: Path, reader: Mplp, tmp_path: Path) -> None:
    write(page, tmp_path)
    found = reader("validate", "mplp.yaml", "--output", "json").document["problems"]
    assert [one for one in found if one["severity"] == "error"] == []


def test_every_agent_that_is_shown_can_be_used_but_for_its_variables(reader: Mplp, tmp_path: Path) -> None:
    page = HELP / "agents.md"
    write(page, tmp_path)
    assert reader("agents", "register", "linter.yaml").code == 0
    found = reader("agents", "doctor", "--output", "json").document["agents"]
    assert {one["kind"] for one in found} == {"python", "command", "http", "openai", "mock"}
    codes = {(one["id"], ill["code"]) for one in found for ill in one["ailments"]}
    assert codes == {("planner", "variable-unset")}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_workflow_that_is_shown_runs(page: Path, reader: Mplp, tmp_path: Path) -> None:
    typed = {word for words, _ in commands(page) for word in words}
    for name in write(page, tmp_path):
        if name not in typed:
            ended = reader("run", name, "--output", "quiet")
            assert ended.code == 0, (name, ended.err)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_shown_runs(page: Path, reader: Mplp, tmp_path: Path) -> None:
    write(page, tmp_path)
    for words, code in commands(page):
        ended = reader(*words)
        assert ended.code == code, (words, ended.err)
        assert "Traceback" not in ended.err


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_program_that_is_shown_runs(page: Path, reader: Mplp, tmp_path: Path) -> None:
    write(page, tmp_path)
    for block in blocks(page, "python"):
        program = [sys.executable, "-W", "error", "-c", block]
        done = subprocess.run(
            program, cwd=tmp_path, env=reader.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_the_readme_has_the_two_commands_that_the_checks_run() -> None:
    shown = list(blocks(README, "sh"))
    marks = re.findall(r"^<!-- (\w+) command -->\n```sh$", README.read_text("utf-8"), re.MULTILINE)
    assert marks == ["first", "second"]
    assert [block.count("\n") for block in shown] == [1, 1], "each is one line to paste"
    assert shown[0].split()[-3:-1] == [".venv/bin/mplp", "run"]
    assert (ROOT / shown[0].split()[-1]).is_file()
    assert "-m pytest" in shown[1]


@pytest.mark.parametrize("page", [README, HELP / "exit-codes.md"], ids=name_of)
def test_the_table_of_exit_codes_is_complete(page: Path) -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", page.read_text("utf-8"), re.MULTILINE)
    assert [int(code) for row in rows for code in row.split(",")] == list(Exit)


def test_the_reference_lists_every_operation() -> None:
    table = re.findall(r"^\| `(\w+)` \| (`.*`) \|$", (HELP / "steps.md").read_text("utf-8"), re.MULTILINE)
    listed = {module: operations.strip("`").split("` `") for module, operations in table}
    there = {
        name: [o.name for o in module.operations.values() if not o.reserved and o.name != "set-governance"]
        for name, module in builtin_modules().items()
    }
    assert {name: listed[name] for name in there} == there


def test_the_reference_lists_every_invariant_and_every_code_of_verify() -> None:
    listed = set(re.findall(r"`([a-z_-]+)`", (HELP / "protocol.md").read_text("utf-8")))
    assert set(IDS) <= listed
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "mplp_cli" / "exchange").glob("*.py"))
    codes = set(re.findall(r'code="([a-z-]+)"', sources))
    assert len(codes) >= 6
    assert codes <= listed


def test_the_reference_lists_every_filter() -> None:
    [listed] = re.findall(
        r"^Filters: (.*?)\.$", (HELP / "references.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert listed.split() == sorted(FILTERS)


@pytest.mark.parametrize(("heading", "there"), [("step-result", OPERATORS), ("custom", BUILTIN_CONDITIONS)])
def test_the_reference_lists_every_condition(heading: str, there: Mapping[str, object]) -> None:
    section = (
        (HELP / "conditions.md").read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    )
    first_cells = re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE)
    assert set(re.findall(r"`([a-z-]+)`", " ".join(first_cells))) == set(there)


@pytest.mark.parametrize("page", sorted(HELP.glob("*.md")), ids=name_of)
def test_a_help_page_can_be_read_as_plain_text_at_80_columns(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.startswith("# ")
    code = "".join(re.findall(r"(?ms)^```\w+\n(.*?)^```$", text)).splitlines()
    prose = [line for line in text.splitlines() if not line.startswith("|") and line not in code]
    assert not [line for line in prose if len(line) > 80]
    assert not [line for line in code if len(line) > 76], "it is shown indented"


@pytest.mark.parametrize("page", [README, *CONTRIBUTORS], ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target
