"""The agents of a research team, as small programs: they find sentences that bear on a question, and put them together.

    research.py plan      {"objective", "roles"}                      -> {"steps"}
    research.py open      {"path"}                                    -> {"path", "text", "words"}
    research.py read      {"question", "tasks", "source": {"path", "text"}}  -> {"path", "findings", "summary"}
    research.py review    {"question", "readings"}                    -> {"decision", "reason", "confidence", "remarks"}
    research.py write     {"question", "readings", "review"}          -> {"title", "markdown"}

Input is JSON on standard input, the answer JSON on standard output.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

COMMON = set(
    "a an and are as at be but by can do does for from has have how if in into is it its not of on or should than that"
    " the their then there these they this to us was we what when where which who why will with would you your".split()
)
#: Findings of one source at most.
MOST = 4


def stems(text: str) -> set[str]:
    """The beginnings of its words that mean something: `caches` and `cached` are one."""
    words = re.findall(r"[a-z][a-z'-]+", text.lower())
    return {re.sub(r"(ing|ed|es|s)$", "", word)[:7] for word in words if word not in COMMON}


def sentences(text: str) -> list[tuple[int, str]]:
    """Sentences of running text, each with the line on which it begins; headings are none."""
    found: list[tuple[int, str]] = []
    line = 1
    for block in re.split(r"(\n\s*\n)", text):
        if not block.strip().startswith("#"):
            for match in re.finditer(r".+?[.!?](?=\s|$)", block, re.DOTALL):
                words = " ".join(match[0].split())
                start = match.start() + len(match[0]) - len(match[0].lstrip())
                found.append((line + block.count("\n", 0, start), words))
        line += block.count("\n")
    return found


def plan(given: dict[str, Any]) -> dict[str, Any]:
    """One step for each role that can do something, in an order that makes sense."""
    work = {
        "researcher": "Find in the sources what bears on: {0}",
        "reviewer": "Judge whether the findings answer: {0}",
        "writer": "Write down the answer to: {0}",
    }
    steps: list[dict[str, Any]] = []
    for role, words in work.items():
        if role in given["roles"]:
            before = [len(steps) - 1] if steps else []
            steps.append(
                {"description": words.format(given["objective"]), "agentRole": role, "dependsOn": before}
            )
    return {"steps": steps or [{"description": given["objective"]}]}


def open_source(given: dict[str, Any]) -> dict[str, Any]:
    """The text of a source: from where the run was started, else beside the workflow."""
    there = Path(os.environ.get("MPLP_CWD", "."), given["path"])
    text = (there if there.exists() else Path(given["path"])).read_text("utf-8")
    return {"path": given["path"], "text": text, "words": len(text.split())}


def read(given: dict[str, Any]) -> dict[str, Any]:
    """The sentences of a source that share most words with the question and the tasks."""
    asked, wanted = stems(given["question"]), stems(" ".join(given["tasks"]))
    scored = []
    for line, sentence in sentences(given["source"]["text"]):
        own = stems(sentence)
        score = 2 * len(own & asked) + len(own & (wanted - asked)) + bool(re.search(r"\d", sentence))
        scored.append((score, line, sentence))
    best = sorted(sorted(scored, key=lambda one: -one[0])[:MOST], key=lambda one: one[1])
    findings = [{"line": line, "text": text} for score, line, text in best if score > 1]
    path = given["source"]["path"]
    return {
        "path": path,
        "findings": findings,
        "summary": f"{len(findings)} of {len(scored)} sentences bear on it",
    }


def review(given: dict[str, Any]) -> dict[str, Any]:
    """Whether every source has something to say, and every word of the question is met."""
    readings = given["readings"]
    silent = [one["path"] for one in readings if not one["findings"]]
    said = stems(" ".join(finding["text"] for one in readings for finding in one["findings"]))
    asked = stems(given["question"])
    open_words = sorted(asked - said)
    remarks = [f"{path} says nothing about it" for path in silent]
    remarks += [f"nobody speaks of `{word}...`" for word in open_words]
    met = 1 - len(open_words) / len(asked) if asked else 0
    heard = 1 - len(silent) / len(readings) if readings else 0
    sound = heard >= 0.5 and met >= 0.5
    reason = f"{len(readings) - len(silent)} of {len(readings)} sources bear on it"
    return {
        "decision": "approve" if sound else "reject",
        "reason": f"{reason}; {met:.0%} of the question's words are met",
        "confidence": round(met * heard, 2),
        "remarks": remarks,
    }


def write(given: dict[str, Any]) -> dict[str, Any]:
    """A report: what each source says, with its lines, and what the reviewer has remarked."""
    title = given["question"].rstrip("?")
    lines = [f"# {title}", ""]
    for one in given["readings"]:
        lines += [f"## {one['path']}", ""]
        lines += [f"- {finding['text']} (line {finding['line']})" for finding in one["findings"]] or [
            "Nothing."
        ]
        lines.append("")
    lines += ["## Review", "", given["review"]["reason"] + ".", ""]
    lines += [f"- {remark}" for remark in given["review"]["remarks"]]
    return {"title": title, "markdown": "\n".join(lines).rstrip() + "\n"}


WORK = {"plan": plan, "open": open_source, "read": read, "review": review, "write": write}

if __name__ == "__main__":
    asked = json.load(sys.stdin)
    # With a prompt, which is for models, the data stands beside it.
    print(json.dumps(WORK[sys.argv[1]](asked["input"] if "prompt" in asked else asked)))
