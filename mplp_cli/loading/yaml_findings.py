"""What a YAML reader has found to be wrong, with the place of the event that it stands at."""

from __future__ import annotations

from typing import Any, Final

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.reading import CONTROL_HINT, MAX_PROBLEMS, Unreadable, control_character, path_to
from mplp_cli.loading.wording import escaped, quoted

#: The tags of YAML itself begin with it.
CORE: Final = "tag:yaml.org,2002:"


class YamlFindings:
    """Problems gathered while a document is read. Readers of files say `path`."""

    #: The container being filled, the key that waits for its value, and the same for those around it.
    here: Any
    key: Any
    outer: list[tuple[Any, Any]]
    problems: list[Problem]

    def path(self) -> Path:
        """Where the next value goes."""
        return path_to(self.outer, self.here, self.key)

    def problem(self, code: str, message: str, event: Any, path: Path, **more: Any) -> None:
        self.report(at_event(event, code=code, message=message, path=path, **more))

    def report(self, problem: Problem) -> None:
        # A hostile file must not make us keep a list as long as itself.
        if len(self.problems) < 10 * MAX_PROBLEMS:
            self.problems.append(problem)

    def stop(self, code: str, message: str, event: Any, hint: str) -> Unreadable:
        return Unreadable(at_event(event, code=code, message=message, path=self.path(), hint=hint))

    def refuse_tag(self, event: Any) -> None:
        tag = event.tag.replace(CORE, "!!")
        self.problem(
            "yaml-tag",
            f"the tag {quoted(tag)} is not allowed",
            event,
            self.path(),
            hint="remove it: a workflow is made of text, numbers, true, false, null, lists and mappings",
        )

    def check_characters(self, event: Any, text: str, path: Path, on: str = "value") -> None:
        if not text.isprintable() and (found := control_character(text)):
            where = f"the key {quoted(text)}" if on == "key" else f'"{escaped(text[:30])}"'
            self.problem(
                "file-control-character",
                f"the control character {found} stands in {where}",
                event,
                path,
                hint=CONTROL_HINT,
                on=on,
            )


def at_event(event: Any, **fields: Any) -> Problem:
    """A problem where an event stands."""
    start, end = event.start_mark, event.end_mark
    return Problem(
        line=start.line + 1,
        column=start.column + 1,
        end_line=end.line + 1,
        end_column=end.column + 1,
        **fields,
    )
