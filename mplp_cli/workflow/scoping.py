"""Who may refer to whom, and which dependency a reference stands for.

A step may refer to a step that must have ended before it starts. Both are lifted to the container
that they share: there, the one that holds the referring step comes to depend on the one that holds
the other. Refused: itself, its own container, a step inside a branch (it may not have run: refer to
its container), a later step of an ordered block, and a sibling inside one `parallel` (or a step inside
one) without a declared dependency. A fallback may read `error`, `status` and `attempts` of the step that
it stands in for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from mplp_cli.errors import Path, Problem
from mplp_cli.workflow import model
from mplp_cli.workflow.references import SCOPES, Reference
from mplp_cli.workflow.suggest import did_you_mean

#: Pseudo-numbers of the places outside steps that hold references.
OUTPUTS, ENV, FINALLY = -2, -3, -4
#: What `${workflow.x}` and `${run.x}` have.
WORKFLOW_FIELDS = ("id", "name", "version", "description")
RUN_FIELDS = ("id", "status", "cwd")


_NONE: Final[frozenset[str]] = frozenset()


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


class Scoping:
    """Judges references of one place at a time (`enter`) and gathers `needs`: step -> direct dependencies."""

    def __init__(
        self, workflow: model.Workflow, places: list[Where], number: dict[str, int], problems: list[Problem]
    ) -> None:
        self.workflow = workflow
        self.places = places
        self.number = number
        self.problems = problems
        self.needs: dict[int, dict[int, None]] = {}
        #: Names of the workflow's `env` whose value holds a secret.
        self.secret_env: set[str] = set()
        self.secrets_allowed = False
        self._here = OUTPUTS
        self._after_steps_of = -1

    def enter(self, here: int) -> None:
        """References judged from now on stand in step `here`, or in one of the pseudo-places."""
        self._here = here
        self._after_steps_of = -1

    def enter_end(self) -> int:
        """References judged from now on are read when the steps of the loop at hand, which is given, have run."""
        self._after_steps_of = self._here
        return self._here

    def size(self, i: int) -> int:
        """How many steps stand inside step `i`, at any depth; they follow it."""
        last = i
        while self.places[last].children:
            last = self.places[last].children[-1]
        return last - i

    def loops(self) -> Iterator[int]:
        """The foreachs and loops around the place at hand, the innermost first."""
        i = self._here
        if i >= 0 and i != self._after_steps_of:
            i = self.places[i].loop
        while i >= 0:
            yield i
            i = self.places[i].loop

    def item_names(self) -> frozenset[str]:
        """The names of items in force at the place at hand."""
        if self._here < 0 or self.places[self._here].loop < 0:
            return _NONE
        steps = (self.places[i].step for i in self.loops())
        return frozenset(step.as_ for step in steps if isinstance(step, model.ForeachStep))

    def loop_names(self) -> frozenset[str]:
        """The names that are in force only inside a foreach or a loop."""
        return self.item_names() | {"index"} if self._here >= 0 and next(self.loops(), -1) >= 0 else _NONE

    # ---- references

    def resolve(self, reference: Reference, path: Path) -> int:
        """The number of the step that a reference names, -1 if it names none. Problems are gathered."""
        scope = reference.scope
        if scope == "step":
            return self._step(reference, path)
        if scope == "inputs":
            self._known("input", reference, self.workflow.inputs, path)
        elif scope == "env":
            self._env(reference, path)
        elif scope == "secrets":
            self._secret(reference, path)
        elif scope == "workflow":
            self._known("field of `workflow`", reference, WORKFLOW_FIELDS, path)
        elif scope == "run":
            self._known("field of `run`", reference, RUN_FIELDS, path)
        else:
            return self._loop_of(reference, path)
        return -1

    def _loop_of(self, reference: Reference, path: Path) -> int:
        """The number of the foreach or loop whose item or index is meant."""
        name = reference.step or reference.scope
        for i in self.loops():
            step = self.places[i].step
            if name == "index" or (isinstance(step, model.ForeachStep) and step.as_ == name):
                return i
        hint = None
        if others := self.item_names():
            hint = "the item is called " + " or ".join(f"`{other}`" for other in sorted(others)) + " here"
        self._problem("ref-no-loop", f"`{name}` stands for nothing outside a `foreach`", path, hint)
        return -1

    def depend(self, name: str, path: Path) -> None:
        """An entry of `dependencies`."""
        other = self.number.get(name)
        if other is None:
            self._unknown_step(name, path, "dep-unknown")
        elif other == self._here:
            self._problem(
                "dep-self", f"`{name}` depends on itself", path, "remove it from its own dependencies"
            )
        else:
            self._link(other, path, declared=True)

    def _step(self, reference: Reference, path: Path) -> int:
        other = self.number.get(reference.step)
        if other is None:
            self._unknown_step(reference.step, path, "ref-unknown-step")
            return -1
        if self._so_far(other, reference):
            return other
        if other == self._here:
            self._problem(
                "ref-self",
                f"`{reference.step}` refers to its own {reference.field}",
                path,
                "a step can only use what other steps have produced",
            )
        elif self._here == ENV:
            self._problem(
                "ref-place", "the workflow's `env` and shared fallbacks cannot refer to steps", path
            )
        elif reference.field == "result" or not self._replaces(other):
            self._link(other, path, declared=False)
        return other

    def _so_far(self, other: int, reference: Reference) -> bool:
        """Whether it is the result so far of a loop, for the steps inside and for its conditions."""
        so_far = reference.field == "result" and reference.path[:1] in (("last",), ("iterations",))
        return so_far and isinstance(self.places[other].step, model.LoopStep) and other in self.loops()

    def _replaces(self, other: int) -> bool:
        """Whether the place at hand is, or stands in, a fallback of that step, which has failed by then."""
        i = self._here
        while i >= 0:
            if self.places[i].branch == "fallback" and self.places[i].parent == other:
                return True
            i = self.places[i].parent
        return False

    def _unknown_step(self, name: str, path: Path, code: str) -> None:
        hint = did_you_mean(name, [*self.number, *SCOPES]) or "steps are referred to by their `id`"
        self._problem(code, f"there is no step `{name}`", path, hint)

    def _known(self, what: str, reference: Reference, known: Any, path: Path) -> None:
        if not reference.path:
            return
        name = reference.path[0]
        if name not in known:
            listed = ", ".join(f"`{k}`" for k in known) or "there are none"
            self._problem(
                "ref-unknown-name",
                f"there is no {what} `{name}`",
                path,
                did_you_mean(str(name), known) or f"known: {listed}",
            )

    def _env(self, reference: Reference, path: Path) -> None:
        name = str(reference.path[0]) if reference.path else ""
        if name not in self.workflow.env:
            self._problem(
                "ref-env-undeclared",
                f"`{name}` is not declared under the workflow's `env`",
                path,
                did_you_mean(name, self.workflow.env)
                or f"add `{name}:` under the workflow's `env` to take it from the environment",
            )
        elif name in self.secret_env:
            self._problem(
                "ref-secret-place",
                f"`env.{name}` holds a secret",
                path,
                f"a shell step finds it in its environment as `${name}`",
            )

    def _secret(self, reference: Reference, path: Path) -> None:
        name = str(reference.path[0]) if reference.path else ""
        if name not in self.workflow.secrets:
            self._problem(
                "ref-unknown-name",
                f"`{name}` is not declared under the workflow's `secrets`",
                path,
                did_you_mean(name, self.workflow.secrets) or f"add `{name}` to `secrets`",
            )
        elif not self.secrets_allowed:
            self._problem(
                "ref-secret-place",
                "a secret may only be handed over in `env`, and in `headers` of an http step",
                path,
                f"write `env: {{{name}: ${{secrets.{name}}}}}` and use `${name}` in the script",
            )
        elif self._here == ENV:
            self.secret_env.add(str(path[2]))

    # ---- the rule

    def _link(self, other: int, path: Path, *, declared: bool) -> None:
        """`here` refers to `other`: allowed, and then a dependency in the container that both share."""
        name = self.places[other].step.id
        if self._here == OUTPUTS:
            self._outside(other, name, path)
            return
        if (inside := self._member_around(other, self._after_steps_of)) >= 0:
            self._outside(other, name, path, below=self.places[inside])
            return
        mine, theirs = self._lift(self._here, other)
        if mine < 0 or theirs < 0:
            self._problem(
                "ref-container",
                f"`{name}` and `{self.places[self._here].step.id}` contain each other",
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

    def _lift(self, here: int, other: int) -> tuple[int, int]:
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
            if where.branch == "finally" and self._here == OUTPUTS:
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
        self.problems.append(Problem(code=code, message=message, path=path, hint=hint))
