"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

StateDir = Annotated[
    str | None,
    typer.Option(
        "--state-dir",
        metavar="DIR",
        help="Where runs are stored [default: MPLP_STATE_DIR, else the nearest .mplp].",
    ),
]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text (NO_COLOR does the same).")]
SecretsFile = Annotated[
    str | None,
    typer.Option(
        "--secrets-file", metavar="FILE", help="Secrets that are not in the environment (NAME=value lines)."
    ),
]
DefinitionFile = Annotated[
    str | None,
    typer.Option("--definition", metavar="FILE", help="Another definition of the same workflow."),
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Leave the run to a process of its own and print its id.")
]
JUnit = Annotated[str | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit report to FILE.")]
TraceFile = Annotated[
    str | None,
    typer.Option("--trace", metavar="FILE", help="Add the run's spans to FILE (OTLP as JSON, one a line)."),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Take no result from the cache; what completes is kept in it.")
]
AskingStep = Annotated[
    str | None,
    typer.Argument(metavar="[STEP]", help="Which step; not needed if only one asks.", show_default=False),
]
AnsweredBy = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who answers [default: the user].", show_default=False),
]

BoundTo = Annotated[
    str,
    typer.Option(
        "--digest",
        metavar="DIGEST",
        help="Only if this is still what is asked (`mplp approvals --output json` has it).",
        show_default=False,
    ),
]


Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Leave the request and do not wait until it is heard.")
]


class TextOrJson(StrEnum):
    """How a query answers."""

    text = "text"
    json = "json"


class RunOutput(StrEnum):
    """How a run is shown."""

    auto = "auto"
    json = "json"
    jsonl = "jsonl"
    github = "github"
    quiet = "quiet"


#: Ways to show a run that only machines read.
MACHINE = (RunOutput.json, RunOutput.jsonl)


class CheckOutput(StrEnum):
    """How findings are shown."""

    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"


Output = Annotated[TextOrJson, typer.Option("--output", "-o", help="How to answer.")]
HowToRun = Annotated[
    RunOutput,
    typer.Option("--output", "-o", help="How to show the run; auto: live on a terminal, else lines."),
]
