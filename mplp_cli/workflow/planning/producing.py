"""What each step gives, as a shape, and what a compiled value gives: made when a reference asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET

from mplp_cli.workflow import model
from mplp_cli.workflow.language.templates import Formula, Items, Look, Ref, Template, Text, Tree
from mplp_cli.workflow.plan import Included
from mplp_cli.workflow.planning.absences import may_skip
from mplp_cli.workflow.planning.links import Where
from mplp_cli.workflow.shapes.algebra import (
    BOOL,
    INT,
    LIST,
    NULL,
    NUMBER,
    TEXT,
    UNKNOWN,
    Case,
    ListOf,
    MapOf,
    Plain,
    Shape,
    cases,
    list_of,
    narrowed,
    one_of,
    record,
    written_out,
)
from mplp_cli.workflow.shapes.reaching import Gap, select
from mplp_cli.workflow.shapes.schemas import Signatures, from_schema, from_signature

#: Producers that are looked through one after the other; what lies behind is unknown.
_DEEPEST: Final = 40
_TEXTS: Final = MapOf({}, extra=TEXT)


def _shell(output: Shape) -> MapOf:
    plain = {"exitCode": INT, "stdout": TEXT, "stderr": TEXT, "output": output}
    return MapOf({**plain, "outputs": _TEXTS}, frozenset(plain))


_SHELL: Final = {"text": _shell(TEXT), "lines": _shell(ListOf(TEXT)), "json": _shell(UNKNOWN)}
_HTTP: Final = record(status=INT, headers=_TEXTS, body=UNKNOWN)
_EVENT: Final = record(id=TEXT, type=TEXT, source=TEXT, time=TEXT, data=UNKNOWN)
_WAITED: Final = record(by=Plain("string", ("time",)), waited=INT)
_AWAITED: Final = record(by=Plain("string", ("event",)), waited=INT, event=_EVENT)
_EMITTED: Final = record(eventId=TEXT)
#: What filters give, where one stands alone behind one reference.
_FILTERED: Final[dict[str, Shape]] = {
    "length": INT, "count": INT, "int": INT, "float": NUMBER, "string": TEXT, "upper": TEXT, "lower": TEXT,
    "trim": TEXT, "title": TEXT, "capitalize": TEXT, "tojson": TEXT, "list": LIST,
}  # fmt: skip


class Producers:
    """The shapes of the results of steps, by number; each is made once, when it is asked for."""

    def __init__(
        self,
        workflow: model.Workflow,
        places: Sequence[Where],
        compiled: Sequence[Mapping[str, Any]],
        included: Mapping[str, Included],
        signatures: Signatures,
    ) -> None:
        self._workflow = workflow
        self._places = places
        self._compiled = compiled
        self._included = included
        self._signatures = signatures
        self._known: dict[int, Shape] = {}
        self._reached: dict[tuple[int, tuple[str | int, ...]], tuple[Shape, Gap | None]] = {}
        self._inputs: dict[str, Shape] = {}
        #: What operations give, by module and operation.
        self._given: dict[tuple[str, str], Shape] = {}
        self._moving: dict[int, dict[str, Template]] = {}
        #: Steps whose shape is being made: one that depends on itself is unknown.
        self._open: set[int] = set()

    def at(self, ref: Ref) -> tuple[Shape, Gap | None]:
        """What lies at a path into a step's result, and why nothing may be there."""
        key = (ref.number, ref.path)
        found = self._reached.get(key)
        if found is None:
            found = self._reached[key] = self._reach(ref.number, ref.path)
        return found

    def _reach(self, number: int, path: tuple[str | int, ...]) -> tuple[Shape, Gap | None]:
        if number < 0:
            return UNKNOWN, None
        step = self._places[number].step
        # Of values that are written out only the one is looked at.
        if path and type(step) is model.SetStep and number not in self._known and self._simple(number):
            if number not in self._moving:
                body = self._compiled[number]["body"]
                self._moving[number] = dict(body.moving) if type(body) is Tree else {}
            moving = self._moving[number]
            if path[0] in moving:
                return select(self._guarded(number, moving[str(path[0])]), path, 1)
            if path[0] in step.values:
                return select(written_out(step.values[path[0]]), path, 1)
        return select(self.of(number), path)

    def _simple(self, number: int) -> bool:
        step = self._places[number].step
        return (
            step.result_schema is None
            and step.default is UNSET
            and not self._compiled[number].get("fallbacks")
        )

    def of(self, number: int) -> Shape:
        """The shape of a step's result."""
        known = self._known.get(number)
        if known is not None:
            return known
        if number < 0 or number in self._open or len(self._open) > _DEEPEST:
            return UNKNOWN
        self._open.add(number)
        try:
            found = self._known[number] = self._result(number)
        finally:
            self._open.discard(number)
        return found

    def _guarded(self, number: int, template: Template) -> Shape:
        """The shape of a value of step `number`, which may be asked for while its result is being made."""
        mark = -2 - number
        if mark in self._open or len(self._open) > _DEEPEST:
            return UNKNOWN
        self._open.add(mark)
        try:
            return self.value(template)
        finally:
            self._open.discard(mark)

    # ---- steps

    def _result(self, number: int) -> Shape:
        step, made = self._places[number].step, self._compiled[number]
        own = self._own(number, step, made)
        if step.result_schema is not None:
            return narrowed(own, from_schema(step.result_schema))
        ways = []
        for fallback in made.get("fallbacks", ()):
            if fallback.action == "use-value" and fallback.value is not UNSET:
                ways.append(Case(self.value(fallback.value), f"`{step.id}` falls back to a value", number))
            elif fallback.action == "run-step":
                instead = self.of(fallback.instead)
                ways.append(Case(instead, f"`{step.id}` falls back to another step", number))
        if step.default is not UNSET:
            ways.append(Case(written_out(made["default"]), f"`{step.id}` is skipped", number))
        return cases([Case(own, f"`{step.id}` runs as usual", number), *ways]) if ways else own

    def _operation(self, module: str, operation: str) -> Shape:
        """What an operation gives."""
        known = self._given.get((module, operation))
        if known is None:
            signature = self._signatures(module, operation)
            known = UNKNOWN if signature is None else from_signature(signature.result, signature)
            self._given[module, operation] = known
        return known

    def _own(self, number: int, step: model.Step, made: Mapping[str, Any]) -> Shape:
        match step:
            case model.ShellStep():
                return _SHELL[step.parse]
            case model.SetStep():
                return self.value(made["body"])
            case model.ModuleOperationStep():
                return self._operation(step.module, step.operation)
            case model.HttpStep():
                return _HTTP
            case model.WaitStep():
                return _WAITED if step.event is None else _AWAITED
            case model.EmitStep():
                return _EMITTED
            case model.ApprovalStep():
                form = record(**{name: from_schema(schema) for name, schema in step.inputs.items()})
                by = one_of([TEXT, NULL])
                return record(decision=Plain("string", ("approved",)), by=by, reason=by, at=TEXT, inputs=form)
            case model.WorkflowStep():
                found = self._included.get(step.file)
                return UNKNOWN if found is None else found.plan.gives
            case model.ParallelStep():
                return _settled(step)
            case model.ConditionalStep():
                return self._conditional(number, step)
            case model.ForeachStep():
                return self._each(number, step)
            case model.LoopStep():
                return record(iterations=INT, last=self._last(number, step))
        return UNKNOWN

    def _conditional(self, number: int, step: model.ConditionalStep) -> Shape:
        found = []
        for branch in ("then", "else"):
            members = [c for c in self._places[number].children if self._places[c].branch == branch]
            when = f"`{step.id}` takes its branch `{branch}`"
            if members:
                found += [
                    Case(case.shape, case.when or when, case.step) for case in self._end(members, number)
                ]
            elif branch == "else":
                found.append(
                    Case(NULL, f"the condition of `{step.id}` is false, and it has no `else`", number)
                )
        return cases(found)

    def _end(self, members: list[int], owner: int) -> Iterator[Case]:
        """What a block gives: the result of its last step, null if that is skipped."""
        last = members[-1]
        yield Case(self.of(last), "", owner)
        step = self._places[last].step
        if step.default is UNSET and may_skip(self._compiled[last]):
            yield Case(NULL, f"`{step.id}` is skipped", last)

    def _each(self, number: int, step: model.ForeachStep) -> Shape:
        found = list(self._end(self._places[number].children, number))
        if step.fail_on != "any" or step.tolerated_failures not in (0, "0%"):
            found.append(Case(NULL, f"an item of `{step.id}` fails, which is tolerated", number))
        if len(found) == 1:
            return ListOf(found[0].shape)
        usual = Case(found[0].shape, f"every item of `{step.id}` ends well", number)
        return ListOf(cases([usual, *found[1:]]))

    def _last(self, number: int, step: model.LoopStep) -> Shape:
        found = list(self._end(self._places[number].children, number))
        if step.while_ is not None:
            found.append(Case(NULL, f"`{step.id}` ends before its first iteration", number))
        if len(found) == 1:
            return found[0].shape
        return cases([Case(found[0].shape, f"`{step.id}` has iterated", number), *found[1:]])

    def so_far(self, number: int, path: tuple[str | int, ...]) -> tuple[Shape, Gap | None]:
        """What lies at a path into the result of a loop, for the steps inside it."""
        step = self._places[number].step
        found = list(self._end(self._places[number].children, number))
        first = Case(NULL, f"`{step.id}` is in its first iteration", number)
        last = cases([Case(found[0].shape, f"`{step.id}` has iterated", number), *found[1:], first])
        return select(record(iterations=INT, last=last), path)

    # ---- values

    def value(self, template: Template) -> Shape:
        """The shape of a compiled value."""
        match template:
            case Ref():
                return self.at(template)[0]
            case Look():
                return self.look(template)[0]
            case Text():
                return TEXT
            case Formula():
                return self._formula(template)
            case Items(items=items):
                return list_of([self.value(item) for item in items]) if len(items) <= _DEEPEST else LIST
            case Tree(fixed=fixed, moving=moving):
                made = dict(moving)
                fields = {
                    key: self.value(made[key]) if key in made else written_out(value, 1)
                    for key, value in fixed.items()
                }
                return MapOf(fields, frozenset(fields))
        return written_out(template)

    def _formula(self, formula: Formula) -> Shape:
        expression = formula.expression
        if expression.anyof:
            if len(expression.anyof) > 1 or len(expression.anyof[0]) > 1:
                return UNKNOWN
            clause = expression.anyof[0][0]
            if clause.operator or clause.negated:
                return BOOL
            return self.value(formula.names[clause.left]) if clause.left >= 0 else UNKNOWN
        words = expression.text.split()
        if len(words) == 3 and words[:2] == ["v0", "|"]:
            return _FILTERED.get(words[2], UNKNOWN)
        return UNKNOWN

    def look(self, look: Look) -> tuple[Shape, Gap | None]:
        """The shape of a reference that is not a step's result, and why nothing may be there."""
        reference = look.reference
        path = reference.path
        match reference.scope:
            case "inputs" if path and path[0] in self._workflow.inputs:
                name = str(path[0])
                if name not in self._inputs:
                    self._inputs[name] = from_schema(self._workflow.inputs[name])
                return select(self._inputs[name], path, 1)
            case "env" | "secrets" | "workflow" | "run" if path:
                return select(TEXT, path, 1)
            case "event" if path and path[0] in _EVENT.fields:
                return select(_EVENT, path)
            case "index":
                return select(INT, path)
            case "item" if look.number >= 0:
                repeat = self._compiled[look.number]["repeat"]
                items = self._guarded(look.number, repeat.items)
                return select(items.items, path) if isinstance(items, ListOf) else (UNKNOWN, None)
            case "step" if reference.field == "status":
                return select(TEXT, path)
            case "step" if reference.field == "attempts":
                return select(INT, path)
        return UNKNOWN, None


def _settled(step: model.ParallelStep) -> Shape:
    ids = Plain("string", tuple(child.id for child in step.steps))
    ends = Plain("string", ("fulfilled", "rejected"))
    one = record(stepId=ids, status=ends, value=UNKNOWN, error=UNKNOWN)
    fields: dict[str, Shape] = {"status": Plain("string", ("completed",)), "results": ListOf(one)}
    if step.race:
        fields |= {"winner": one_of([ids, NULL]), "value": UNKNOWN}
    return record(**fields)
