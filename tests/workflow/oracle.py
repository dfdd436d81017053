"""How the steps of a workflow must end, worked out from the format alone: nothing of the engine is used.

Beside the ends of the format there are `tainted` (omitted because of a failure further up), `either` (omitted, and
which of its dependencies decided that depends on time) and `?` (what becomes of it depends on time).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

BAD = {"failed", "cancelled", "tainted"}
IN_THE_WAY = BAD | {"skipped", "omitted", "either"}


def start(join: Any, ends: Sequence[str]) -> str:
    """What becomes of a step whose dependencies have ended so: `runs`, or an end."""
    there, completed = set(ends), ends.count("completed")
    if not ends or join == "all-ended":
        return "runs"
    if "?" in there or (join == "none-failed" and not BAD & there and "either" in there):
        return "?"
    if join == "none-failed":
        return "tainted" if BAD & there else "runs"
    needed: int = join["count"] if isinstance(join, dict) else len(ends) if join == "all-completed" else 1
    if completed >= needed:
        return "runs"
    why = {
        "tainted" if end in BAD else "either" if end == "either" else "omitted" for end in there & IN_THE_WAY
    }
    return why.pop() if len(why) == 1 else "either"


def inside(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps that stand directly inside a step, whether or not it runs."""
    for key in ("then", "else") if step["type"] in ("foreach", "loop") else ("steps", "then", "else"):
        yield from step.get(key, ())
    for action in step.get("fallback-actions", ()):
        if "step" in action:
            yield action["step"]


def total(ends: Sequence[str], limit: int) -> str:
    """The end of a container that fails when so many of its children have ended badly."""
    bad, unsure = sum(end in BAD for end in ends), sum(end in ("?", "either") for end in ends)
    return "failed" if bad >= limit else "?" if bad + unsure >= limit else "completed"


class Oracle:
    """`ends` is what becomes of each step of a document whose scripts are those of the bench."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.ends: dict[str, str] = {}
        #: What the names of steps begin with inside the item at hand.
        self._item = ""
        tops = self._in_order(document["steps"], breaks=document.get("execution") == "sequential")
        tops += self._in_order(document.get("finally", []), breaks=False)
        self.run = "failed" if "failed" in tops else "?" if "?" in tops else "completed"

    def _in_order(self, steps: list[dict[str, Any]], *, breaks: bool) -> list[str]:
        broken, ends = "", []
        for step in steps:  # dependencies stand before their dependents
            needs = [self.ends[self._item + needed] for needed in step.get("dependencies", ())]
            ends.append(self._end(step, broken or start(step.get("join", "all-completed"), needs)))
            if breaks:
                broken = broken or {"failed": "tainted", "?": "?"}.get(ends[-1], "")
        return ends

    def _end(self, step: dict[str, Any], end: str) -> str:
        if end == "runs" and step.get("when") == "false":
            end = "skipped"
        if end != "runs":
            for inner in inside(step):
                self._end(inner, end)
        end = self._run(step) if end == "runs" else end
        self.ends[self._item + step["id"]] = end
        return end

    def _run(self, step: dict[str, Any]) -> str:
        match step["type"]:
            case "parallel":
                ends = self._in_order(step["steps"], breaks=False)
                return total(ends, {"any": 1, "all": len(ends), "none": len(ends) + 1}[step["fail-on"]])
            case "conditional":
                taken, other = ("then", "else") if step["condition"] == "true" else ("else", "then")
                for passed_over in step.get(other, ()):
                    self._end(passed_over, "skipped")
                return self._block(step.get(taken, []))
            case "foreach":
                ends = [self._one(step, index) for index in range(len(step["items"]))]
                limit = {"any": 1, "all": len(ends), "none": len(ends) + 1}[step.get("fail-on", "any")]
                return total(ends, max(limit, step.get("tolerated-failures", 0) + 1)) if ends else "completed"
            case "loop":
                for index in range(step["max-iterations"]):
                    if (end := self._one(step, index)) != "completed":
                        return end
                return "completed"
        word, *times = step.get("run", "ok").split()
        retries = step.get("retry-policy", {}).get("max-retries", 0)
        if word == "fail" and not (times and retries >= int(times[0])):
            return self._fall_back(step)
        for unneeded in inside(step):
            self._end(unneeded, "skipped")
        return "completed"

    def _block(self, steps: list[dict[str, Any]]) -> str:
        return total([end for end in self._in_order(steps, breaks=True) if end in ("failed", "?")], 1)

    def _one(self, step: dict[str, Any], index: int) -> str:
        """An item of a foreach, an iteration of a loop."""
        around, name = self._item, f"{self._item}{step['id']}[{index}]"
        self._item = f"{name}."
        self.ends[name] = self._block(step["steps"])
        self._item = around
        return self.ends[name]

    def _fall_back(self, step: dict[str, Any]) -> str:
        for action in step.get("fallback-actions", ()):
            if action["action"] != "run-step":
                return {"skip": "skipped", "use-value": "completed"}[action["action"]]
            return "failed" if self._end(action["step"], "runs") in BAD else "completed"
        return "failed"
