"""What is said about references that do not fit, and how to mend them."""

from __future__ import annotations

from mplp_cli.errors import Path
from mplp_cli.workflow.language.references import written
from mplp_cli.workflow.shapes.algebra import (
    NULL,
    Cases,
    ListOf,
    MapOf,
    OneOf,
    Plain,
    Shape,
    described,
    one_of,
)
from mplp_cli.workflow.shapes.reaching import Misfit, fits
from mplp_cli.workflow.suggest import did_you_mean

#: Keys of a map that are listed at most.
_LISTED = 12


def lacks(holder: Shape, key: str | int, where: str) -> tuple[str, str]:
    """The sentence and the code for a path that leads nowhere; `where` is the value that lacks `key`."""
    shown = f"[{key}]" if isinstance(key, int) else f"`{key}`"
    if isinstance(holder, MapOf) and isinstance(key, str):
        return f"`{where}` has no {shown}", "ref-unknown-field"
    return f"`{where}` is {described(holder)}, which has no {shown}", "ref-wrong-type"


def key_hint(holder: Shape, key: str | int) -> str | None:
    """How to reach something in what is there."""
    if isinstance(holder, ListOf):
        return "an element is reached by its number: [0]" if isinstance(key, str) else None
    if not isinstance(holder, MapOf):
        return None
    if isinstance(key, int):
        return f"a key is reached by its name: {_listed(holder)}"
    return did_you_mean(key, holder.fields) or f"it has {_listed(holder)}"


def _listed(holder: MapOf) -> str:
    names = list(holder.fields)
    shown = ", ".join(f"`{name}`" for name in names[:_LISTED])
    return (shown + (", ..." if len(names) > _LISTED else "")) or "no keys"


def misfit_message(misfit: Misfit, whole: str, target: str) -> str:
    """What does not fit where it is used; `target` is the key there."""
    at = written(whole, misfit.path)
    if misfit.missing:
        return f"`{at}` has no `{misfit.missing}`, which `{target}` needs"
    if misfit.unknown:
        return f"`{at}` has `{misfit.unknown}`, which `{target}` does not take"
    return f"`{at}` is {described(misfit.given)}, and `{target}` takes {_taken(misfit.given, misfit.wanted)}"


def _taken(given: Shape, wanted: Shape) -> str:
    """What is wanted, in so far as it says why this is not: that null would do as well does not."""
    if isinstance(wanted, OneOf):
        wanted = one_of([member for member in wanted.members if member != NULL])
    if isinstance(given, Plain) and isinstance(wanted, Plain) and given.kind == "string" and wanted.pattern:
        return f"{described(wanted)} of the form {wanted.pattern}"
    return described(wanted)


def misfit_hint(misfit: Misfit, whole: str, path: Path) -> str | None:
    """What the writer may have meant."""
    given, wanted = misfit.given, misfit.wanted
    if isinstance(wanted, OneOf):
        wanted = one_of([member for member in wanted.members if member != NULL])
    if misfit.missing or misfit.unknown:
        return None
    at = written(whole, misfit.path)
    if isinstance(given, MapOf):
        name = next((part for part in reversed(path) if isinstance(part, str)), "")
        if name in given.fields and fits(given.fields[name], wanted) is None:
            return f"did you mean `{written(at, (name,))}`?"
        return f"a map has parts: {_listed(given)}" if given.fields else None
    if isinstance(given, Plain):
        return _plain_hint(given, wanted, at)
    if (
        isinstance(given, ListOf)
        and not isinstance(wanted, OneOf | Cases)
        and fits(given.items, wanted) is None
    ):
        return f"one element of it is `{written(at, (0,))}`"
    return None


def _plain_hint(given: Plain, wanted: Shape, at: str) -> str | None:
    if isinstance(wanted, ListOf):
        return f"a list with it alone is written [${{{at}}}]" if fits(given, wanted.items) is None else None
    if not isinstance(wanted, Plain):
        return None
    if wanted.options and given.options:
        return did_you_mean(str(given.options[0]), map(str, wanted.options))
    if wanted.kind == "string" and given.kind != "null":
        return f"write `{at} | string`"
    if given.kind == "string" and wanted.kind in ("integer", "number"):
        return f"write `{at} | {'int' if wanted.kind == 'integer' else 'float'}`"
    if wanted.kind == "boolean":
        return f'compare it: `{at} == "..."`' if given.kind == "string" else f"compare it: `{at} > 0`"
    return None
