"""What names stand for in one place of the file, and which may stand there.

A fallback may read `error`, `status` and `attempts` of the step that it stands in for; the steps of a loop,
its result so far. Which step may refer to which other one is decided in `links`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from mplp_cli.errors import Path, Problem
from mplp_cli.workflow import model
from mplp_cli.workflow.language.references import SCOPES, Reference
from mplp_cli.workflow.planning.links import ENV, KEY, Links, Where
from mplp_cli.workflow.published import FIELDS
from mplp_cli.workflow.suggest import did_you_mean

#: Places outside steps that are filled in before any step has run.
_NO_STEPS = {ENV: "the workflow's `env` and shared fallbacks", KEY: "the concurrency key"}
#: What `${workflow.x}` and `${run.x}` have.
WORKFLOW_FIELDS = ("id", "name", "version", "description")
RUN_FIELDS = ("id", "status", "cwd")

_NONE: Final[frozenset[str]] = frozenset()


class Use(Struct, frozen=True, gc=False):
    """One text with references: where it stands, and what it was compiled to.

    `here` is the number of a step or of a pseudo-place; `loop` is the loop whose steps have run by then, else -1.
    """

    here: int
    loop: int
    path: Path
    template: Any


class Scoping:
    """Judges references of one place at a time (`enter`) and gathers `needs`: step -> direct dependencies."""

    def __init__(
        self, workflow: model.Workflow, places: list[Where], number: dict[str, int], problems: list[Problem]
    ) -> None:
        self.workflow = workflow
        self.places = places
        self.number = number
        self.problems = problems
        self.links = Links(places, self._problem)
        #: Step -> those that it depends on.
        self.needs = self.links.needs
        #: Names of the workflow's `env` whose value holds a secret.
        self.secret_env: set[str] = set()
        self.secrets_allowed = False
        #: Every text with references, in the order of compiling; None where nobody looks at them.
        self.uses: list[Use] | None = None
        #: Whether `event` stands for the event at hand.
        self.event_allowed = False

    def enter(self, here: int) -> None:
        """References judged from now on stand in step `here`, or in one of the pseudo-places."""
        self.links.here = here
        self.links.after_steps_of = -1

    def enter_end(self) -> int:
        """References judged from now on are read when the steps of the loop at hand, which is given, have run."""
        self.links.after_steps_of = self.links.here
        return self.links.here

    def note(self, made: Any, path: Path) -> None:
        """What the text with references at `path` was compiled to, if somebody wants to look at it later."""
        if self.uses is not None:
            self.uses.append(Use(self.links.here, self.links.after_steps_of, path, made))

    def size(self, i: int) -> int:
        """How many steps stand inside step `i`, at any depth; they follow it."""
        last = i
        while self.places[last].children:
            last = self.places[last].children[-1]
        return last - i

    def loops(self) -> Iterator[int]:
        """The foreachs and loops around the place at hand, the innermost first."""
        i = self.links.here
        if i >= 0 and i != self.links.after_steps_of:
            i = self.places[i].loop
        while i >= 0:
            yield i
            i = self.places[i].loop

    def item_names(self) -> frozenset[str]:
        """The names of items in force at the place at hand."""
        if self.links.here < 0 or self.places[self.links.here].loop < 0:
            return _NONE
        steps = (self.places[i].step for i in self.loops())
        return frozenset(step.as_ for step in steps if isinstance(step, model.ForeachStep))

    def loop_names(self) -> frozenset[str]:
        """The names that are in force only inside a foreach or a loop."""
        return (
            self.item_names() | {"index"} if self.links.here >= 0 and next(self.loops(), -1) >= 0 else _NONE
        )

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
        elif scope == "run" and self.links.here == KEY:
            self._problem("ref-place", "a key that names the run is never shared with another run", path)
        elif scope == "run":
            self._known("field of `run`", reference, RUN_FIELDS, path)
        elif scope == "event":
            if self.event_allowed:
                self._known("field of `event`", reference, FIELDS, path)
            else:
                hint = "refer to the result of the step that waits: `${its-id.result.event.data}`"
                self._problem("ref-no-event", "`event` is known in the `where` of a `wait` only", path, hint)
        else:
            return self._loop_of(reference, path)
        return -1

    def _loop_of(self, reference: Reference, path: Path) -> int:
        """The number of the foreach or loop whose item or index is meant."""
        name = reference.step or reference.scope
        for i in self.loops():
            step = self.places[i].step
            if name == "index" and i == self.links.after_steps_of and path[-1:] == ("while",):
                count = f"`{step.id}.result.iterations` says how many there were"
                self._problem("ref-no-loop", "before the first iteration there is no `index`", path, count)
                return -1
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
        elif other == self.links.here:
            self._problem(
                "dep-self", f"`{name}` depends on itself", path, "remove it from its own dependencies"
            )
        else:
            self.links.link(other, path, declared=True)

    def _step(self, reference: Reference, path: Path) -> int:
        other = self.number.get(reference.step)
        if other is None:
            self._unknown_step(reference.step, path, "ref-unknown-step")
            return -1
        if self._so_far(other, reference):
            return other
        if other == self.links.here:
            self._problem(
                "ref-self",
                f"`{reference.step}` refers to its own {reference.field}",
                path,
                "a step can only use what other steps have produced",
            )
        elif self.links.here in _NO_STEPS:
            self._problem("ref-place", f"{_NO_STEPS[self.links.here]} cannot refer to steps", path)
        elif reference.field == "result" or not self._replaces(other):
            self.links.link(other, path, declared=False)
        return other

    def _so_far(self, other: int, reference: Reference) -> bool:
        """Whether it is the result so far of a loop, for the steps inside and for its conditions."""
        so_far = reference.field == "result" and reference.path[:1] in (("last",), ("iterations",))
        return so_far and isinstance(self.places[other].step, model.LoopStep) and other in self.loops()

    def _replaces(self, other: int) -> bool:
        """Whether the place at hand is, or stands in, a fallback of that step, which has failed by then."""
        i = self.links.here
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
        elif self.links.here == ENV:
            self.secret_env.add(str(path[2]))

    def _problem(self, code: str, message: str, path: Path, hint: str | None = None) -> None:
        self.problems.append(Problem(code=code, message=message, path=path, hint=hint))
