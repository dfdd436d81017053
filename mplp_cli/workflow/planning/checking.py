"""Whether references fit: the fields that they name, the values that they bring, and what may not be there.

Everything is decided by shapes (`workflow/shapes`), which allow at least what may come: an error is certain, and a
warning names the way that a run must take to get there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mplp_cli.errors import Path, Problem, Severity
from mplp_cli.workflow import model
from mplp_cli.workflow.language.references import written
from mplp_cli.workflow.language.templates import Formula, Look, Ref, Text
from mplp_cli.workflow.plan import Included
from mplp_cli.workflow.planning.absences import Absences
from mplp_cli.workflow.planning.links import Where
from mplp_cli.workflow.planning.producing import Producers
from mplp_cli.workflow.planning.scoping import Use
from mplp_cli.workflow.planning.telling import key_hint, lacks, misfit_hint, misfit_message
from mplp_cli.workflow.shapes.algebra import (
    BOOL,
    INT,
    LIST,
    MAP,
    NULL,
    NUMBER,
    TEXT,
    UNKNOWN,
    Plain,
    Shape,
    Unknown,
    one_of,
)
from mplp_cli.workflow.shapes.reaching import Gap, Misfit, fits, wanted_at
from mplp_cli.workflow.shapes.schemas import Signatures, from_schema, from_signature

#: Expressions with one of these words can cope with a value that is not there.
_COPES: Final = frozenset({"default", "d", "defined", "undefined"})
#: Those with one of these may not look at it at all.
_CHOOSES: Final = frozenset({"if", "and", "or"})
_CONDITIONS: Final[frozenset[str | int]] = frozenset({"when", "condition", "until", "while"})
_DURATION: Final = one_of([TEXT, INT])
#: Whatever can stand inside longer text: all but null.
_IN_TEXT: Final = one_of([TEXT, NUMBER, BOOL, LIST, MAP])


class Checking:
    """Judges the uses of one workflow. What is wrong goes into `problems`."""

    def __init__(
        self,
        places: Sequence[Where],
        producers: Producers,
        absences: Absences,
        signatures: Signatures,
        included: Mapping[str, Included],
        problems: list[Problem],
    ) -> None:
        self._places = places
        self._producers = producers
        self._absences = absences
        self._signatures = signatures
        self._included = included
        self._problems = problems
        #: What is wanted, by the step's kind of work: parameters of an operation, inputs of a file.
        self._parameters: dict[Any, Shape] = {}

    def check(self, use: Use) -> None:
        """Judge one text with references."""
        template = use.template
        match template:
            case Ref() | Look():
                self._name(use, template)
            case Formula():
                self._names(use, template)
            case Text(pieces=pieces):
                for piece in pieces:
                    if isinstance(piece, Formula):
                        self._names(use, piece)
                    elif isinstance(piece, Ref | Look):
                        self._name(use, piece)
                        given = self._producers.value(piece)
                        if type(given) is not Plain or given.kind == "null":
                            self._misfit(use, piece, fits(given, _IN_TEXT))
        wanted = self._wanted(use, template)
        if wanted is not None:
            self._misfit(use, template, fits(self._producers.value(template), wanted))

    # ---- names

    def _names(self, use: Use, formula: Formula) -> None:
        copes, chooses = _manner(formula)
        for name in formula.names:
            self._name(use, name, copes=copes, chooses=chooses)

    def _name(self, use: Use, name: Ref | Look, *, copes: bool = False, chooses: bool = False) -> None:
        """One reference: its path, and whether its step has a result at all."""
        if isinstance(name, Look):
            gap = self._producers.look(name)[1]
        elif name.number < 0:
            return
        else:
            gap = self._reached(use, name)
        if gap is not None:
            self._gap(use, name, gap, copes=copes, chooses=chooses)
        elif isinstance(name, Ref) and not (copes or chooses) and not self._absences.none:
            self._absence(use, name)

    def _reached(self, use: Use, ref: Ref) -> Gap | None:
        if ref.path[:1] == ("last",) and self._is_inside(use, ref.number):
            return self._producers.so_far(ref.number, ref.path)[1]
        return self._producers.at(ref)[1]

    def _is_inside(self, use: Use, number: int) -> bool:
        """Whether a step is a loop around the place of a use, whose steps have not run by then."""
        i = use.here
        while i >= 0 and (i != number or i == use.here):
            i = self._places[i].parent
        return i == number and isinstance(self._places[number].step, model.LoopStep)

    def _gap(self, use: Use, name: Ref | Look, gap: Gap, *, copes: bool, chooses: bool) -> None:
        reference = name.path if isinstance(name, Ref) else name.reference.path
        whole = self.written(name)
        key = reference[gap.depth]
        if copes:
            return  # it says what stands in for what is not there
        if gap.case is None:
            said, code = lacks(gap.holder, key, written(self._root(name), reference[: gap.depth]))
            self._report(use, code, said, key_hint(gap.holder, key), "error")
        elif not chooses and not self._asked(use, name, {gap.case.step}):
            self._may_be_missing(use, whole, gap.case.when)

    def _absence(self, use: Use, ref: Ref) -> None:
        if self._is_inside(use, ref.number):
            return
        found = self._absences.of(ref.number, use.here, use.loop)
        if found is None or self._asked(use, ref, {found.step}):
            return
        whole = self.written(ref)
        if found.certain:
            said = f"`{whole}` is never there: {found.why}"
            self._report(
                use, "ref-may-be-missing", said, "change that `when`, or give the step a `default`", "error"
            )
        else:
            self._may_be_missing(use, whole, found.why)

    def _asked(self, use: Use, name: Ref | Look, steps: set[int]) -> bool:
        number = name.number if isinstance(name, Ref) else -1
        in_when = use.here >= 0 and use.path[len(self._places[use.here].path) :][:1] == ("when",)
        return self._absences.is_asked(use.here, {number, *steps}, in_when=in_when)

    def _may_be_missing(self, use: Use, whole: str, when: str) -> None:
        said = f"`{whole}` is not there if {when}"
        self._report(use, "ref-may-be-missing", said, f'write `{whole} | default("")`', "warning")

    # ---- what is wanted

    def _wanted(self, use: Use, template: Any) -> Shape | None:
        """What the place of a use takes, if that is known and a reference could break it."""
        if use.here < 0:
            return None
        where = self._places[use.here]
        rest = use.path[len(where.path) :]
        waits = isinstance(where.step, model.WaitStep) and rest[0] == "until"
        if isinstance(template, Formula) and _is_condition(rest) and not waits:
            return BOOL
        match where.step:
            case model.ModuleOperationStep() if rest[0] == "parameters":
                if isinstance(template, Text) and isinstance(template.pieces[0], str):
                    return None  # that it is text is seen without its references
                return self._parameter(where.step, rest[1:])
            case model.WorkflowStep() if rest[0] == "inputs" and len(rest) > 1:
                return self._input(where.step, str(rest[1]), rest[2:])
            case model.ForeachStep() if rest == ("items",):
                return LIST
            case model.HttpStep() if rest == ("url",) and isinstance(template, Ref | Look):
                return TEXT
            case model.WaitStep() if rest == ("for",):
                return _DURATION
            case model.WaitStep() if rest == ("until",):
                return TEXT
            case model.LoopStep() if rest == ("delay",):
                return _DURATION
        return None

    def _parameter(self, step: model.ModuleOperationStep, path: Path) -> Shape:
        key = (step.module, step.operation)
        if key not in self._parameters:
            signature = self._signatures(*key)
            self._parameters[key] = (
                UNKNOWN if signature is None else from_signature(signature.parameters, signature)
            )
        return wanted_at(self._parameters[key], path)

    def _input(self, step: model.WorkflowStep, name: str, path: Path) -> Shape:
        key = (step.file, name)
        if key not in self._parameters:
            found = self._included.get(step.file)
            declared = {} if found is None else found.plan.workflow.inputs
            self._parameters[key] = from_schema(declared.get(name, {}))
        return wanted_at(self._parameters[key], path)

    def _misfit(self, use: Use, template: Any, misfit: Misfit | None) -> None:
        if misfit is None or isinstance(misfit.given, Unknown):
            return
        whole = self.written(template)
        if misfit.case is None:
            said = misfit_message(misfit, whole, _named(use.path))
            self._report(use, "ref-wrong-type", said, misfit_hint(misfit, whole, use.path), "error")
        elif not self._asked(use, template, {misfit.case.step}):
            if misfit.given == NULL:
                said = f"`{whole}` is null if {misfit.case.when}"
                self._report(
                    use, "ref-may-be-missing", said, f'write `{whole} | default("", true)`', "warning"
                )
            else:
                said = f"{misfit_message(misfit, whole, _named(use.path))}, if {misfit.case.when}"
                self._report(use, "ref-wrong-type", said, misfit_hint(misfit, whole, use.path), "warning")

    # ---- words

    def written(self, template: Any) -> str:
        """A reference as it stands in the file; text for anything else."""
        match template:
            case Ref(path=path):
                return written(self._root(template), path)
            case Look(reference=reference):
                return str(reference)
            case Formula(expression=expression):
                return expression.source if len(expression.source) <= 60 else f"{expression.source[:57]}..."
        return "the text"

    def _root(self, name: Ref | Look) -> str:
        if isinstance(name, Ref):
            return f"{self._places[name.number].step.id}.result"
        reference = name.reference
        return (
            f"{reference.step}.{reference.field}"
            if reference.scope == "step"
            else reference.step or reference.scope
        )

    def _report(self, use: Use, code: str, said: str, hint: str | None, severity: Severity) -> None:
        self._problems.append(Problem(code=code, message=said, path=use.path, hint=hint, severity=severity))


def _manner(formula: Formula) -> tuple[bool, bool]:
    """Whether an expression copes with a value that is not there, and whether it may not look at it."""
    anyof = formula.expression.anyof
    if anyof:
        return False, len(anyof) > 1 or len(anyof[0]) > 1
    words = set(formula.expression.text.split("\n"))
    return not _COPES.isdisjoint(words), not _CHOOSES.isdisjoint(words)


def _is_condition(rest: Path) -> bool:
    """Whether a place in a step takes a condition; below `condition` other values may stand beside it."""
    return rest[0] in _CONDITIONS and rest[1:] in ((), ("expression",))


def _named(path: Path) -> str:
    """The key at which a value stands."""
    return next((part for part in reversed(path) if isinstance(part, str)), "it")
