from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from mplp_cli.errors import Problem
from mplp_cli.render.github import annotation, command, plain
from mplp_cli.render.ink import cells
from mplp_cli.render.machine import validate_document
from mplp_cli.render.problems import Source, one_problem, problem_lines, summary_line
from mplp_cli.render.sarif import sarif_document
from mplp_cli.render.theme import PLAIN, Theme

TEXT = st.text(st.characters() | st.sampled_from("%\r\n:,\x1b\t日👩\ud800[/red]#"), max_size=40)

FILE = (
    """\
workflow:
  id: release
  steps:
    - id: build
      dependancies: [checkout]
\t  run: echo "日本語" ${biuld.result}
    - id: build
      run: {long} ${{oops.result}} {long}
      when: >
        a and
        b
      text: "\x1b[31mred"
""".replace("{long}", "x" * 300)
    .replace("{{", "{")
    .replace("}}", "}")
)


def at(line: int, column: int, end: int, **more: Any) -> Problem:
    more = {"code": "some-code", "message": "something is wrong"} | more
    return Problem(file="release.yaml", line=line, column=column, end_line=line, end_column=end, **more)


PROBLEMS = [
    at(
        5,
        7,
        19,
        code="schema-unknown-key",
        message="unknown key `dependancies`",
        hint="did you mean `dependencies`?",
    ),
    at(6, 18, 33, code="ref-unknown-step", message="no step is called `biuld`", hint="did you mean `build`?"),
    at(
        7,
        11,
        16,
        code="plan-duplicate-id",
        message="step id `build` is used twice",
        related_line=4,
        related_column=11,
        related_end_column=16,
        hint="give each step its own id",
    ),
    at(8, 313, 328, code="ref-unknown-step", message="no step is called `oops`", severity="warning"),
    Problem(
        code="expr-boolean",
        message="not a boolean",
        file="release.yaml",
        line=10,
        column=9,
        end_line=11,
        end_column=10,
    ),
    at(12, 14, 18, message="a control character \x1b in [/red] text"),
    Problem(code="file-empty", message="the file is empty", file="other.yaml"),
]


@pytest.mark.parametrize("width", [40, 80, 140])
def test_problems_of_two_files(width: int, snapshot: SnapshotAssertion) -> None:
    lines = problem_lines(PROBLEMS, {"release.yaml": FILE}, PLAIN, width)
    assert "\n".join(line.plain.rstrip() for line in lines) == snapshot


def frame_of(problem: Problem, text: str, width: int = 80) -> tuple[str, str]:
    """The line shown and the line of marks under it, from the gutter on."""
    lines = one_problem(problem, Source(text), PLAIN, width)
    shown, marks = (line.plain.partition("│ ")[2] for line in lines[1:3])
    return shown, marks


@pytest.mark.parametrize(
    ("text", "column", "end", "under"),
    [
        ("key: value", 6, 11, "value"),
        ("\tkey: value", 7, 12, "value"),
        ("日本: 値段", 5, 7, "値段"),
        ("x: \x1b[31m", 4, 5, "\\x1b"),
        ("a" * 5_000 + " here " + "b" * 5_000, 5_002, 5_006, "here"),
    ],
)
def test_carets_stand_under_the_span(text: str, column: int, end: int, under: str) -> None:
    shown, marks = frame_of(at(1, column, end), text)
    begin = cells(shown[: shown.index(under)])
    assert marks == " " * begin + "^" * cells(under)


@given(TEXT, st.integers(1, 50), st.integers(0, 50), st.integers(24, 120))
def test_a_code_frame_fits_and_has_a_caret_wherever_the_span_is(
    text: str, column: int, end: int, width: int
) -> None:
    lines = one_problem(at(1, column, end), Source(text), PLAIN, width)
    assert len(lines) == 3
    assert "^" in lines[2].plain
    assert all(line.width <= max(width, 27) + 1 for line in lines[1:])
    assert "\x1b" not in "".join(line.plain for line in lines)


def test_a_line_of_megabytes_is_clipped_around_the_column() -> None:
    text = "[" * 4_000_000
    shown, marks = frame_of(at(1, 2_000_000, 2_000_001), text)
    assert len(shown) < 80
    assert marks.strip() == "^"


def test_a_place_outside_the_file_gives_no_frame() -> None:
    assert len(one_problem(at(99, 1, 2), Source("a: 1"), PLAIN, 80)) == 1


def test_the_second_place_of_a_finding_is_shown_with_its_line() -> None:
    problem = at(2, 1, 2, related_line=1, related_column=1, related_end_column=2)
    text = "\n".join(line.plain for line in one_problem(problem, Source("a\na"), PLAIN, 80))
    assert "see also: release.yaml:1:1" in text
    assert "~" in text


@pytest.mark.parametrize(
    ("errors", "warnings", "said"),
    [(2, 1, "2 errors, 1 warning in 1 file"), (1, 0, "1 error in 1 file"), (0, 2, "2 warnings in 1 file")],
)
def test_the_summary_counts(errors: int, warnings: int, said: str) -> None:
    found = [at(1, 1, 2)] * errors + [at(1, 1, 2, severity="warning")] * warnings
    assert summary_line(found).plain == said


def test_the_same_in_ascii_has_no_other_character() -> None:
    lines = problem_lines([PROBLEMS[0]], {"release.yaml": FILE}, Theme(unicode=False))
    assert "\n".join(line.plain for line in lines).isascii()


# ---- machines ----------------------------------------------------------------------------------


def test_the_document_of_validate_has_the_stable_keys() -> None:
    document = validate_document([PROBLEMS[0]])
    assert document["valid"] is False
    assert document["problems"] == [
        {
            "code": "schema-unknown-key",
            "class": "structure",
            "severity": "error",
            "message": "unknown key `dependancies`",
            "file": "release.yaml",
            "line": 5,
            "column": 7,
            "endLine": 5,
            "endColumn": 19,
            "path": [],
            "hint": "did you mean `dependencies`?",
        }
    ]


def test_the_document_of_validate_names_the_second_place() -> None:
    (found,) = validate_document([PROBLEMS[2]])["problems"]
    assert found["related"] == [{"label": "see also", "line": 4, "column": 11}]


def test_warnings_leave_a_file_valid() -> None:
    assert validate_document([at(1, 1, 2, severity="warning")])["valid"] is True


def parse_command(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner of GitHub reads it."""
    match = re.fullmatch(r"::([a-z-]+)(?: ([^\n]*?))?::(.*)", line)
    assert match is not None, line
    properties = dict(pair.split("=", 1) for pair in match[2].split(",")) if match[2] else {}

    def decode(text: str, codes: dict[str, str]) -> str:
        for code, char in codes.items():
            text = text.replace(code, char)
        return text.replace("%25", "%")

    data = {"%0D": "\r", "%0A": "\n"}
    return (
        match[1],
        {k: decode(v, data | {"%3A": ":", "%2C": ","}) for k, v in properties.items()},
        decode(match[3], data),
    )


@given(TEXT, TEXT.filter(lambda t: t.isprintable() and t.strip() and "%" not in t))
def test_a_workflow_command_is_one_line_that_reads_back(message: str, title: str) -> None:
    line = command("error", message, {"title": title, "line": 3})
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    name, properties, said = parse_command(line)
    assert (name, properties) == ("error", {"title": title, "line": "3"})
    if message.replace("\n", "").isprintable() and "%" not in message:
        assert said == message


def test_an_annotation_names_file_line_column_and_title() -> None:
    name, properties, said = parse_command(
        annotation(at(3, 5, 9, message="bad: 100%,\nreally", hint="fix it"))
    )
    assert name == "error"
    assert properties == {
        "file": "release.yaml",
        "line": "3",
        "endLine": "3",
        "col": "5",
        "endColumn": "9",
        "title": "some-code",
    }
    assert said == "bad: 100%,\nreally\nhelp: fix it"


@given(TEXT)
def test_text_of_a_step_is_no_command(text: str) -> None:
    assert "##[" not in plain(text)
    assert "##[" not in plain(f"##[{text}##[set-env")


def test_sarif_has_the_shape_that_code_scanning_reads() -> None:
    log = sarif_document(PROBLEMS, {"schema-unknown-key": "A key that the format does not have."})
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [r["id"] for r in rules] == sorted({p.code for p in PROBLEMS})
    assert len(run["results"]) == len(PROBLEMS)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning"}
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"]
        assert all(value >= 1 for value in place.get("region", {}).values())
    (key,) = [r for r in rules if r["id"] == "schema-unknown-key"]
    assert key["help"]["text"] == "A key that the format does not have."
    (twice,) = [r for r in run["results"] if r["ruleId"] == "plan-duplicate-id"]
    assert twice["relatedLocations"][0]["physicalLocation"]["region"]["startLine"] == 4
    region = run["results"][1]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 5, "startColumn": 7, "endColumn": 19}


@given(
    st.lists(st.builds(at, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), message=TEXT, code=TEXT))
)
def test_sarif_holds_whatever_is_found(problems: list[Problem]) -> None:
    (run,) = sarif_document(problems)["runs"]
    assert len(run["results"]) == len(problems)
    for result in run["results"]:
        result["message"]["text"].encode()
        region = result["locations"][0]["physicalLocation"].get("region", {"startLine": 1})
        assert region["startLine"] >= 1
        assert region.get("endColumn", 99) >= region.get("startColumn", 1)


@pytest.mark.parametrize(
    ("file", "uri"),
    [("a b/c.yaml", "a%20b/c.yaml"), ("/tmp/x.yaml", "file:///tmp/x.yaml"), ("日.yaml", "%E6%97%A5.yaml")],
)
def test_sarif_names_files_as_uris(file: str, uri: str) -> None:
    log = sarif_document([Problem(code="c", message="m", file=file)])
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == uri
