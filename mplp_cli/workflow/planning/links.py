"""Who may refer to whom, and which dependency a reference stands for.

A step may refer to a step that must have ended before it starts. Both are lifted to the container
that they share: there, the one that holds the referring step comes to depend on the one that holds
the other. Refused: its own container, a step inside a branch or a loop (it may not have run, or many
times: refer to its container), a later step of an ordered block, and a sibling inside one `parallel` (or
a step inside one) without a declared dependency.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from mplp_cli.errors import Path
from mplp_cli.workflow import model

#: Pseudo-numbers of the places outside steps that hold references.
OUTPUTS, ENV, KEY = -2, -3, -4
#: Takes a code, a message, a path, and a hint.
Report = Callable[[str, str, Path, str | None], None]


class Where(Struct):
    """Where a step stands in the file."""

    step: Any
    parent: int
    branch: str
    path: Path
    children: list[int] = []
    #: The innermost foreach or loop around it.
    loop: int = -1
    #: Whether it stands in `finally`, at any depth.
    final: bool = False


class Links:
    """Judges which places may refer to which, and gathers `needs`: step -> direct dependencies."""

    def __init__(self, places: list[Where], report: Report) -> None:
        self.places = places
        self.needs: dict[int, dict[int, None]] = {}
        #: Where the reference at hand stands, and the loop whose steps have run by the time it is read.
        self.here = OUTPUTS
        self.after_steps_of = -1
        self._report = report

    def link(self, other: int, path: Path, *, declared: bool) -> None:
        """`here` refers to `other`: allowed, and then a dependency in the container that both share."""
        name = self.places[other].step.id
        if self.here == OUTPUTS:
            self._outside(other, name, path)
            return
        if (inside := self._member_around(other, self.after_steps_of)) >= 0:
            self._outside(other, name, path, below=self.places[inside])
            return
        mine, theirs = self.lifted(self.here, other)
        if mine < 0 or theirs < 0:
            self._problem(
                "ref-container",
                f"`{name}` and `{self.places[self.here].step.id}` contain each other",
                path,
                "a step cannot wait for its own container, nor a container for its own steps",
            )
            return
        outer, inner = self.places[mine], self.places[theirs]
        if not self._outside(other, name, path, below=inner):
            return
        if inner.branch == "finally" and outer.branch != "finally":
            self._problem("ref-later", f"`{name}` runs in `finally`, after everything else", path)
        elif outer.branch == "finally" and inner.branch != "finally":
            return  # everything has ended when `finally` begins; what has no result says so then
        elif outer.branch in ("then", "else", "each", "fallback", "finally"):
            if inner.branch != outer.branch or theirs > mine:
                self._problem(
                    "ref-later",
                    f"`{name}` does not run before `{outer.step.id}`",
                    path,
                    "the steps of a block run one after the other, in file order",
                )
        elif outer.parent >= 0 and not declared and theirs not in self.needs.get(mine, ()):
            self._problem(
                "ref-sibling",
                f"`{outer.step.id}` and `{name}` run at the same time",
                path,
                f"declare `dependencies: [{name}]` if `{outer.step.id}` is to wait for it",
            )
        else:
            self.needs.setdefault(mine, {})[theirs] = None

    def _member_around(self, other: int, loop: int) -> int:
        """The step standing directly in `loop` that is or holds `other`; -1 if none does."""
        while loop >= 0 and other >= 0:
            if self.places[other].parent == loop:
                return other
            other = self.places[other].parent
        return -1

    def lifted(self, here: int, other: int) -> tuple[int, int]:
        """Their ancestors (or themselves) in the container that they share; -1 for one inside the other."""
        places = self.places
        if places[here].parent == places[other].parent:
            return here, other
        chain = {-1: -1}
        below, i = -1, here
        while i >= 0:
            chain[i] = below
            below, i = i, places[i].parent
        chain[-1] = below
        below, i = -1, other
        while i not in chain:
            below, i = i, places[i].parent
        return chain[i], below

    def _outside(self, other: int, name: str, path: Path, below: Where | None = None) -> bool:
        """Whether `other` can be seen from outside its containers, up to `below`."""
        i = other
        while i >= 0 and self.places[i] is not below:
            where = self.places[i]
            if where.branch in ("then", "else", "each", "fallback"):
                self._problem("ref-inside-branch", *self._hidden(name, where, path))
                return False
            if where.branch == "finally" and self.here == OUTPUTS:
                self._problem("ref-later", f"`{name}` runs in `finally`, after the outputs are settled", path)
                return False
            i = where.parent
        return True

    def _hidden(self, name: str, where: Where, path: Path) -> tuple[str, Path, str]:
        """Message, path and hint for a reference to a step inside a branch or a loop."""
        box = self.places[where.parent].step
        if where.branch != "each":
            said = f"`{name}` may not have run: it stands in `{where.branch}` of `{box.id}`"
            return said, path, f"refer to `{box.id}.result`, the result of the branch that ran"
        said = f"`{name}` may run any number of times: it stands in the `{type(box).__struct_config__.tag}` `{box.id}`"
        if isinstance(box, model.LoopStep):
            return said, path, f"refer to `{box.id}.result.last`, the result of the last iteration"
        return said, path, f"refer to `{box.id}.result`, the list of the items' results"

    def _problem(self, code: str, message: str, path: Path, hint: str | None = None) -> None:
        self._report(code, message, path, hint)
