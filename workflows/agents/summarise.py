"""An agent that says in a few sentences what a text file is about, by choosing the sentences with its usual words.

It reads {"path": ..., "sentences"?: 2} from standard input. Its answer is lines of JSON: what it is doing, and last

    {"output": {"path", "words", "title", "summary": [...]}}
"""

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

COMMON = set(
    "a an and are as at be but by for from has have if in into is it its not of on or that the their then there these"
    " they this to was what when where which who will with you your".split()
)


def find(path: str) -> Path:
    """A path from where the run was started; beside the workflow, if there is nothing there."""
    there = Path(os.environ.get("MPLP_CWD", "."), path)
    return there if there.exists() else Path(path)


def say(**what: object) -> None:
    """One line of the answer, at once."""
    print(json.dumps(what), flush=True)


def words_of(text: str) -> list[str]:
    """Its words that mean something."""
    return [word for word in re.findall(r"[a-z][a-z'-]+", text.lower()) if word not in COMMON]


def sentences_of(text: str) -> list[str]:
    """Sentences of running text: code, headings, tables and lists are none."""
    prose = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    lines = ["" if re.match(r"\s*([#|>*-]|\d+\.|[\w-]+:)", line) else line for line in prose.split("\n")]
    blocks = " ".join(lines).split("  ")
    found = [one.strip() for block in blocks for one in re.split(r"(?<=[.!?])\s+", block)]
    return [one for one in found if len(words_of(one)) > 2]


def main() -> None:
    """Answer the one request on standard input."""
    asked = json.load(sys.stdin)
    try:
        text = find(asked["path"]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"cannot read {asked['path']}: {error}")
    sentences = sentences_of(text)
    say(text=f"choosing from {len(sentences)} sentences of {asked['path']}")
    usual = Counter(words_of(text))

    def weight(number: int) -> float:
        words = words_of(sentences[number])
        return sum(usual[word] for word in words) / (len(words) + 5)

    best = sorted(range(len(sentences)), key=weight, reverse=True)[: asked.get("sentences", 2)]
    title = next((line.lstrip("# ").strip() for line in text.split("\n") if line.strip("# ")), "")
    say(
        output={
            "path": asked["path"],
            "words": len(text.split()),
            "title": title,
            "summary": [sentences[number] for number in sorted(best)],
        }
    )


if __name__ == "__main__":
    main()
