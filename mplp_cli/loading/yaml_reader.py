"""YAML text to plain data in one pass over the events of the C parser, strictly.

YAML 1.2 core schema; keys are text; one document; anchors, aliases and merge keys within a budget that
is counted before anything grows; no other tags; no key twice. Positions are not kept: most files are
right, and `places` finds them again when something is wrong.
"""

from __future__ import annotations

from typing import Any, Final

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import DocumentStartEvent
from ruamel.yaml.reader import ReaderError

from mplp_cli.errors import Problem
from mplp_cli.loading.reading import MAX_DEPTH, Reading, Unreadable, size_of, too_deep, written_twice
from mplp_cli.loading.scalars import MAY_MEAN_MORE, ambiguity, plain
from mplp_cli.loading.wording import kind_of, quoted
from mplp_cli.loading.yaml_events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    YamlText,
    mended,
)
from mplp_cli.loading.yaml_findings import CORE, YamlFindings
from mplp_cli.loading.yaml_syntax import character_problem, syntax_problem

#: Nodes that aliases may add to a document.
MAX_EXPANDED: Final = 100_000
_SCALAR_TAGS: Final[dict[str, tuple[type, ...]]] = {
    "int": (int,), "float": (float, int), "bool": (bool,), "null": (type(None),),
}  # fmt: skip
_MISSING: Final = object()
#: Where a value goes that has no key: into the list, or nowhere since it is the document.
_ITEM: Final = object()
_ROOT: Final = object()


def read_yaml(text: str) -> Reading:
    """The document of a YAML text. The text is known to be valid Unicode and not too large."""
    source = YamlText(text)
    try:
        return _read(source)
    except MarkedYAMLError as error:
        complaint = error
    other = mended(text, str(complaint.problem))
    if other is not None:
        try:
            return _read(other)
        except MarkedYAMLError as error:
            complaint = error
    return Reading(problems=[syntax_problem(complaint, text)])


def _read(source: YamlText) -> Reading:
    """The document; MarkedYAMLError if it is not YAML."""
    reader = _YamlReader(source)
    made = Reading(problems=reader.problems, mended=source if source.colon else None)
    try:
        reader.read()
        if reader.root is _MISSING:
            reader.problems.append(
                Problem(
                    code="file-empty",
                    message="the file is empty",
                    line=1,
                    column=1,
                    hint="`mplp init` writes a workflow to start from",
                )
            )
        else:
            made.value = reader.root
    except Unreadable as stop:
        reader.problems.append(stop.problem)
    except ReaderError:
        reader.problems.append(character_problem(source.text))
    made.keys = frozenset(reader.keys)
    return made


class _YamlReader(YamlFindings):
    def __init__(self, source: YamlText) -> None:
        self.get = source.events()
        self.problems: list[Problem] = []
        self.root: Any = _MISSING
        #: Every distinct key; equal keys share one string.
        self.keys: dict[str, str] = {}
        #: Plain scalars whose meaning is settled and beyond doubt.
        self.known: dict[str, Any] = {}
        self.anchors: dict[str, Any] = {}
        #: The container being filled, and where the next value goes: a key of a mapping, None if its next key
        #: comes first, or one of the two marks.
        self.here: Any = None
        self.key: Any = _ROOT
        #: The same for every container around it, outermost first.
        self.outer: list[tuple[Any, Any]] = []
        #: Mappings with a `<<` that is still to be merged, innermost last.
        self.merging: list[dict[str, Any]] = []
        self.expanded = 0
        self.sizes: dict[int, tuple[int, int]] = {}

    def read(self) -> None:  # noqa: C901, PLR0912 - one call an event would be a third of all time
        """Read to the end. What is plain and common is done here; `one` does the rest."""
        get, known, name = self.get, self.known, self.keys.setdefault
        outer, merging = self.outer, self.merging
        here, key = self.here, self.key
        while (event := get()) is not None:
            kind = type(event)
            if kind is ScalarEvent:
                if event.anchor is None and event.ctag is None:
                    text = event.value
                    if key is None:
                        if text not in here and event.style != '"' and text != "<<":
                            key = name(text, text)
                            continue
                    else:
                        if event.implicit[0]:
                            value = known.get(text, _MISSING)
                        else:
                            value = text if text.isprintable() else _MISSING
                        if value is not _MISSING:
                            if key is _ITEM:
                                here.append(value)
                                continue
                            if key is not _ROOT:
                                here[key] = value
                                key = None
                                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                if not merging or merging[-1] is not here:
                    here, key = outer.pop()
                    if type(key) is str:
                        key = None
                    continue
            elif (
                (kind is MappingStartEvent or kind is SequenceStartEvent)
                and (key is _ITEM or type(key) is str)
                and event.anchor is None and event.ctag is None and len(outer) < MAX_DEPTH
            ):  # fmt: skip
                value = {} if kind is MappingStartEvent else []
                if key is _ITEM:
                    here.append(value)
                else:
                    here[key] = value
                outer.append((here, key))
                here = value
                key = None if kind is MappingStartEvent else _ITEM
                continue
            self.here, self.key = here, key
            if self.one(event, kind):
                return
            here, key = self.here, self.key

    # ---- events

    def one(self, event: Any, kind: type) -> bool:
        """Any event, with all its niceties. Whether the reading ends here."""
        if kind is ScalarEvent:
            if self.key is None:
                self.name(event)
            else:
                value = self.scalar(event)
                if event.anchor:
                    self.anchors[event.anchor] = value
                self.add(value)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            self.begin(event)
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            self.end()
        elif kind is AliasEvent:
            self.alias(event)
        elif kind is DocumentStartEvent:
            return not self.document(event)
        return False

    def document(self, event: Any) -> bool:
        """Whether the document that begins here is to be read: the first only."""
        if self.root is not _MISSING:
            self.problem(
                "yaml-documents",
                "a second document begins here",
                event,
                (),
                hint="one workflow a file: remove the `---` and what follows, or put it into its own file",
            )
            return False
        if event.version == (1, 1):
            self.problem(
                "yaml-version",
                "this file asks for YAML 1.1; it is read as YAML 1.2",
                event,
                (),
                hint="remove the %YAML line",
                severity="warning",
            )
        return True

    def scalar(self, event: Any) -> Any:
        """The value of a scalar that is not plain and known."""
        text: str = event.value
        if event.implicit[0] and event.tag is None:
            if text[:1] not in MAY_MEAN_MORE and text:
                self.known[text] = text
                return text
            return self.plain(event, text)
        if event.style == '"':
            self.check_characters(event, text, self.path())
        if event.tag is None or event.tag in ("!", CORE + "str"):
            return text
        allowed = _SCALAR_TAGS.get(event.tag.removeprefix(CORE)) if event.tag.startswith(CORE) else None
        if allowed is None:
            self.refuse_tag(event)
            return text
        value = self.plain(event, text)
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            self.problem("yaml-tag", f"{quoted(text)} is not what its tag says", event, self.path())
        return value

    def plain(self, event: Any, text: str) -> Any:
        try:
            value = plain(text)
        except OverflowError:
            self.problem(
                "file-number",
                f"{quoted(text)} is not a number that JSON can hold",
                event,
                self.path(),
                hint="put it in quotes if text is meant",
            )
            return text
        doubt = ambiguity(text, value) if event.implicit[0] else None
        if doubt is None:
            self.known[text] = value
        else:
            self.problem(
                "yaml-ambiguous-scalar", doubt[0], event, self.path(), hint=doubt[1], severity="warning"
            )
        return value

    def name(self, event: Any) -> None:
        """A key: text as it is written, whatever it would mean as a value."""
        text = self.keys.setdefault(event.value, event.value)
        if event.style == '"':
            self.check_characters(event, text, (*self.path(), text), on="key")
        if event.tag is not None and event.tag not in ("!", CORE + "str"):
            self.problem("yaml-key", f"the key {quoted(text)} has a tag; keys are text", event, self.path())
        if event.anchor:
            self.anchors[event.anchor] = text
        if text in self.here:
            end = event.end_mark
            self.report(
                written_twice(
                    "yaml-duplicate-key",
                    text,
                    (*self.path(), text),
                    event.start_mark.line + 1,
                    event.start_mark.column + 1,
                    (end.line + 1, end.column + 1),
                )
            )
        elif text == "<<" and event.implicit[0]:
            self.merging.append(self.here)
        self.key = text

    def begin(self, event: Any) -> None:
        value: Any = {} if type(event) is MappingStartEvent else []
        if self.key is None:
            raise self.stop(
                "yaml-key",
                "a key is text; a list or a mapping cannot be one",
                event,
                hint="a text that begins with `{` or `[` needs quotes",
            )
        if event.tag is not None and event.tag not in (
            "!",
            CORE + ("map" if type(value) is dict else "seq"),
        ):
            self.refuse_tag(event)
        if event.anchor:
            self.anchors[event.anchor] = value
        outer = (self.here, self.key)
        self.add(value)
        self.outer.append(outer)
        if len(self.outer) > MAX_DEPTH:
            raise Unreadable(too_deep(event.start_mark.line + 1, event.start_mark.column + 1))
        self.here, self.key = value, None if type(value) is dict else _ITEM

    def end(self) -> None:
        made = self.here
        self.here, self.key = self.outer.pop()
        if self.merging and self.merging[-1] is made:
            self.merging.pop()
            self.merge(made)
        if type(self.key) is str:
            self.key = None

    def alias(self, event: Any) -> None:
        name: str = event.anchor
        value = self.anchors.get(name, _MISSING)
        if value is _MISSING:
            hint = "an anchor must be written before its alias; text that begins with `*` needs quotes"
            said = f"no anchor {quoted('&' + name)} stands before this"
            self.problem("yaml-unknown-anchor", said, event, self.path(), hint=hint)
            value = f"*{name}"
        if isinstance(value, dict | list):
            if value is self.here or any(value is container for container, _ in self.outer):
                raise self.stop(
                    "yaml-alias-cycle",
                    f"the anchor {quoted('&' + name)} contains itself",
                    event,
                    hint="an alias cannot stand inside the value that it names",
                )
            nodes, height = size_of(value, self.sizes)
        else:
            nodes, height = 1, 0
        self.expanded += nodes
        if self.expanded > MAX_EXPANDED:
            raise self.stop(
                "yaml-alias-budget",
                f"aliases make the document grow by more than {MAX_EXPANDED:,} nodes",
                event,
                hint=f"the alias {quoted('*' + name)} goes over it; repeat less, or write it out",
            )
        if len(self.outer) + height > MAX_DEPTH:
            raise Unreadable(too_deep(event.start_mark.line + 1, event.start_mark.column + 1))
        if self.key is None:
            raise self.stop("yaml-key", "a key cannot be an alias", event, hint="write the key out")
        self.add(value)

    # ---- building

    def add(self, value: Any) -> None:
        if self.key is _ITEM:
            self.here.append(value)
        elif self.key is _ROOT:
            self.root = value
        else:
            self.here[self.key] = value
            self.key = None

    def merge(self, mapping: dict[str, Any]) -> None:
        """Apply the `<<` of a mapping that is complete: its own keys win, then the earlier of several."""
        source = mapping.pop("<<", None)
        sources = source if isinstance(source, list) else [source]
        if not all(isinstance(s, dict) for s in sources):
            self.report(
                Problem(
                    code="yaml-merge",
                    path=(*self.path(), "<<"),
                    message=f"`<<` takes a mapping or a list of mappings, not {kind_of(source)}",
                )
            )
            return
        for each in sources:
            for key, value in each.items():
                mapping.setdefault(key, value)
