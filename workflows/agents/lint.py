"""An agent that looks for blemishes in a text file.

It reads {"path": ..., "longest"?: 100} from standard input and answers with

    {"path", "lines", "findings": [{"line", "rule", "message"}]}
"""

import json
import os
import re
import sys
from pathlib import Path

#: A word that is followed by itself.
TWICE = re.compile(r"\b([A-Za-z]+)[ \t]+\1\b", re.IGNORECASE)


def find(path: str) -> Path:
    """A path from where the run was started; beside the workflow, if there is nothing there."""
    there = Path(os.environ.get("MPLP_CWD", "."), path)
    return there if there.exists() else Path(path)


def findings(text: str, longest: int) -> list[dict[str, object]]:
    """What is wrong, line by line."""
    found = []

    def note(line: int, rule: str, message: str) -> None:
        found.append({"line": line, "rule": rule, "message": message})

    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > longest:
            note(number, "long-line", f"{len(line)} characters, more than {longest}")
        if line != line.rstrip():
            note(number, "trailing-space", "the line ends in blanks")
        if "\t" in line:
            note(number, "tab", "there is a tab in it")
        for match in TWICE.finditer(line):
            note(number, "word-twice", f"`{match[1]}` stands twice")
    if text and not text.endswith("\n"):
        note(text.count("\n") + 1, "no-newline", "the file does not end in a newline")
    return found


def main() -> None:
    """Answer the one request on standard input."""
    asked = json.load(sys.stdin)
    try:
        text = find(asked["path"]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"cannot read {asked['path']}: {error}")
    found = findings(text, asked.get("longest", 100))
    json.dump({"path": asked["path"], "lines": len(text.splitlines()), "findings": found}, sys.stdout)


if __name__ == "__main__":
    main()
