"""What comes with mplp by name: pages of the reference, workflows, schemas. Without the argument parser."""

from __future__ import annotations

from pathlib import Path

PAGES = Path(__file__).parent.parent / "help"


#: From the first file to what surrounds it; a page that is not named here stands behind these.
ORDER = (
    *("workflow", "steps", "references", "conditions", "errors", "results"),
    *("runs", "events", "targets", "resources", "capacity", "monitor", "output", "exit-codes"),
    *("agents", "interfaces", "cassettes", "modules", "protocol", "testing", "ci", "api"),
)


def topics() -> list[str]:
    """The pages of the reference, in the order in which they are best read."""
    found = {path.stem for path in PAGES.glob("*.md")}
    return [*(name for name in ORDER if name in found), *sorted(found.difference(ORDER))]


def page(topic: str) -> str:
    """The text of a page."""
    return (PAGES / f"{topic}.md").read_text("utf-8")


def called(path: Path) -> str:
    """The shortest name by which a bundled workflow is found."""
    from mplp_cli.sources import example_path

    return path.stem if example_path(path.stem) == path else path.name


def schemas() -> dict[str, Path]:
    """The bundled schemas by name, that of workflow files first."""
    from mplp_cli.bundled import bundled

    folder = bundled("schemas")
    own = sorted(folder.glob("*.schema.json"), key=lambda path: (path.stem != "workflow.schema", path.stem))
    objects = sorted(folder.glob("*/*.schema.json"))
    return {path.name.removesuffix(".schema.json"): path for path in (*own, *objects)}
