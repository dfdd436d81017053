"""The graph of a workflow as it is drawn: steps, boxes around them, arrows; folded where there are too many. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from mplp_cli.workflow.fold.growth import id_in_file
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.graph import topological
from mplp_cli.workflow.plan import CONTAINERS, Plan, PlanStep

#: Steps beyond which those of one layer are drawn as one, and layers beyond which several are.
MOST: Final = 120
_BESIDE: Final = 6
_LAYERS: Final = 40
#: Which of several statuses stands for all: what people must see goes first.
_FIRST: Final = (
    "failed", "waiting", "retrying", "running", "queued", "cancelled", "pending", "omitted", "skipped", "completed",
)  # fmt: skip


class Node(Struct, frozen=True, kw_only=True):
    """One step, several drawn as one (`folded` has their ids), or a box around nodes (`inside` is not None).

    `counts` are statuses of what it stands for; empty where nothing has run.
    """

    key: int
    id: str
    kind: str
    counts: Mapping[str, int] = {}
    folded: tuple[str, ...] = ()
    inside: Graph | None = None
    #: Steps that the end of the run waited for.
    critical: bool = False

    @property
    def status(self) -> str:
        """The one that stands for all; empty if nothing has run."""
        return next((status for status in _FIRST if self.counts.get(status)), "")

    @property
    def size(self) -> int:
        """How many steps it stands for."""
        return len(self.folded) or 1


class Arrow(Struct, frozen=True):
    """`target` comes after `source`; `kind` is needs, fallback or finally."""

    source: int
    target: int
    kind: str = "needs"


class Graph(Struct, frozen=True, kw_only=True):
    """Nodes by their places in the file, and the arrows between them."""

    nodes: tuple[Node, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    #: How many steps it has that are drawn as one with others.
    folded: int = 0

    def every(self) -> Iterable[Node]:
        """The nodes, and those inside of them, each behind its box."""
        for node in self.nodes:
            yield node
            if node.inside is not None:
                yield from node.inside.every()


def graph_of(
    plan: Plan, state: RunState | None = None, critical: Iterable[int] = (), *, most: int = MOST
) -> Graph:
    """The graph of a plan, with how the steps of a run stand. What is repeated is drawn once, with counts.

    More than `most` steps are folded.
    """
    steps = [step for step in plan.steps if step.kind != "item" and step.item < 0]
    inside: dict[tuple[int, str], list[PlanStep]] = {}
    for step in steps:
        owner = step.parent
        if step.branch == "fallback" and plan.steps[owner].kind not in CONTAINERS:
            # It stands beside the step that it replaces.
            inside.setdefault((plan.steps[owner].parent, plan.steps[owner].branch), []).append(step)
        else:
            inside.setdefault((owner, step.branch), []).append(step)
    path = {id_in_file(plan.steps[i].id) for i in critical}
    drawn = _Drawn(plan, inside, _counts(plan, state), path, fold=len(steps) > most)
    return drawn.top()


def _counts(plan: Plan, state: RunState | None) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    if state is not None:
        for step in plan.steps:
            if step.loop < 0 and step.kind != "item":
                found.setdefault(id_in_file(step.id), Counter())[state.step_status[step.number]] += 1
    return found


_BRANCHES: Final = {"then": "if so", "else": "if not", "finally": "at the end"}


class _Drawn:
    """Makes nodes of steps, from the inside out. Boxes of branches have keys behind those of all steps."""

    def __init__(
        self,
        plan: Plan,
        inside: Mapping[tuple[int, str], Sequence[PlanStep]],
        counts: Mapping[str, Mapping[str, int]],
        path: set[str],
        *,
        fold: bool,
    ) -> None:
        self.plan, self.inside, self.counts, self.path, self.fold = plan, inside, counts, path, fold
        self.fresh = len(plan.steps)
        self.runs = bool(counts)

    def top(self) -> Graph:
        main = self.block(self.inside.get((-1, ""), ()))
        final = self.inside.get((-1, "finally"))
        if not final:
            return main
        box = self.box("finally", self.block(final))
        sinks = {node.key for node in main.nodes} - {arrow.source for arrow in main.arrows}
        ends = [Arrow(key, box.key, "finally") for key in sorted(sinks)]
        return Graph(nodes=(*main.nodes, box), arrows=(*main.arrows, *ends), folded=main.folded)

    def box(self, branch: str, inner: Graph) -> Node:
        """A branch of a conditional, or what comes at the end."""
        self.fresh += 1
        return Node(key=self.fresh, id=_BRANCHES[branch], kind=branch, inside=inner)

    def node(self, step: PlanStep) -> Node:
        inner = None
        if step.kind in CONTAINERS:
            blocks = [
                (b, self.inside[step.number, b]) for b in ("then", "else") if (step.number, b) in self.inside
            ]
            direct = [s for b in ("", "each", "fallback") for s in self.inside.get((step.number, b), ())]
            made = self.block(direct)
            boxes = tuple(self.box(branch, self.block(steps)) for branch, steps in blocks)
            inner = Graph(nodes=(*made.nodes, *boxes), arrows=made.arrows, folded=made.folded)
        counts = self.counts.get(step.id) or ({"pending": 1} if self.runs else {})
        return Node(
            key=step.number,
            id=step.id,
            kind=step.kind,
            counts=counts,
            inside=inner if inner is not None and inner.nodes else None,
            critical=step.id in self.path,
        )

    def block(self, steps: Sequence[PlanStep]) -> Graph:
        """Steps that stand beside each other, with their arrows."""
        members = {step.number for step in steps}
        arrows = [
            Arrow(d, step.number)
            for step in steps
            for d in dict.fromkeys(self.plan.before(step.number))
            if d in members
        ]
        arrows += [
            Arrow(step.parent, step.number, "fallback")
            for step in steps
            if step.branch == "fallback" and step.parent in members
        ]
        nodes = [self.node(step) for step in sorted(steps, key=lambda step: step.number)]
        return self._folded(nodes, arrows) if self.fold else Graph(nodes=tuple(nodes), arrows=tuple(arrows))

    def _folded(self, nodes: Sequence[Node], arrows: Sequence[Arrow]) -> Graph:
        """Steps of one layer and of one status as one, unless they are few; all steps of several layers, if those are
        many."""
        before: dict[int, list[int]] = {node.key: [] for node in nodes}
        for arrow in arrows:
            before[arrow.target].append(arrow.source)
        level: dict[int, int] = {}
        for key in topological([node.key for node in nodes], before.__getitem__):
            level[key] = 1 + max((level[d] for d in before[key]), default=-1)
        depth = max(level.values(), default=0) + 1
        banded = depth > _LAYERS
        groups: dict[tuple[int, str], list[Node]] = {}
        for node in nodes:
            layer = level[node.key] * _LAYERS // depth if banded else level[node.key]
            apart = "" if banded else f"{node.status}{node.inside is not None}"
            groups.setdefault((layer, apart), []).append(node)
        made: list[Node] = []
        stands: dict[int, int] = {}
        folded = 0
        for group in groups.values():
            if len(group) == 1 or (not banded and len(group) <= _BESIDE):
                made += group
                stands |= {node.key: node.key for node in group}
            else:
                made.append(self._as_one(group))
                folded += len(group)
                stands |= {node.key: group[0].key for node in group}
        ties = dict.fromkeys(
            (stands[one.source], stands[one.target], one.kind)
            for one in arrows
            if stands[one.source] != stands[one.target]
        )
        return Graph(nodes=tuple(made), arrows=tuple(Arrow(*tie) for tie in ties), folded=folded)

    def _as_one(self, group: Sequence[Node]) -> Node:
        counts: Counter[str] = Counter()
        for node in group:
            counts.update(node.counts)
        kinds = {node.kind for node in group}
        return Node(
            key=group[0].key,
            id=f"{len(group):,} steps",
            kind=kinds.pop() if len(kinds) == 1 else "",
            counts=counts,
            folded=tuple(node.id for node in group),
            critical=any(node.critical for node in group),
        )


def reduced(graph: Graph) -> Graph:
    """Without the arrows that follow from others."""
    before: dict[int, list[int]] = {node.key: [] for node in graph.nodes}
    for arrow in graph.arrows:
        before[arrow.target].append(arrow.source)
    place = {
        key: n for n, key in enumerate(topological([node.key for node in graph.nodes], before.__getitem__))
    }
    above: dict[int, int] = {}
    kept = set()
    for key in place:
        reached = 0
        for source in sorted(set(before[key]), key=place.__getitem__, reverse=True):
            if not reached >> place[source] & 1:
                kept.add((source, key))
            reached |= above[source] | 1 << place[source]
        above[key] = reached
    arrows = tuple(arrow for arrow in graph.arrows if (arrow.source, arrow.target) in kept)
    return Graph(nodes=graph.nodes, arrows=arrows, folded=graph.folded)
