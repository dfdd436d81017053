"""A layered drawing of boxes and arrows, downwards, in whole units of whatever draws it. Pure.

Boxes of one layer stand side by side; an arrow goes from one layer to a later one and passes those between at a
place of its own. Arrows leave a box at odd columns and come in at even ones, and those of one source share a track
between two layers: so two lines never run on top of each other unless they belong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from mplp_cli.workflow.graph import topological

#: How often the layers are put in order by their neighbours.
_SWEEPS: Final = 4
#: Width of an arrow that passes a layer.
_PASSING: Final = 2


class Hop(Struct, frozen=True):
    """An arrow between two layers that follow each other: from the row below what it leaves to the top of what it
    comes to, crossing over at height `track` if it does not go straight; from `clear` on nothing is beside it."""

    x1: int
    y1: int
    x2: int
    y2: int
    track: int
    clear: int


class Route(Struct, frozen=True):
    """An arrow from box `source` to box `target`, hop by hop."""

    source: int
    target: int
    hops: tuple[Hop, ...]


class Layout(Struct, frozen=True, kw_only=True):
    """Where the left upper corners of boxes are, the arrows, and how much room all of it takes."""

    places: Mapping[int, tuple[int, int]]
    routes: Sequence[Route]
    width: int
    height: int


def arrange(
    sizes: Mapping[int, tuple[int, int]],
    arrows: Sequence[tuple[int, int]],
    *,
    between: int = 2,
    below: int = 1,
) -> Layout:
    """Boxes by their keys with (width, height), and arrows (from, to) without a circle.

    `between` columns are kept between boxes, and `below` rows for each track between two layers.
    """
    before: dict[int, list[int]] = {key: [] for key in sizes}
    for source, target in dict.fromkeys(arrows):
        before[target].append(source)
    level: dict[int, int] = {}
    for key in topological(list(sizes), before.__getitem__):
        level[key] = 1 + max((level[one] for one in before[key]), default=-1)
    layers: list[list[int]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for key in sizes:
        layers[level[key]].append(key)
    room = dict(sizes)
    chains = _passing(arrows, level, layers, room)
    links: dict[int, list[int]] = {key: [] for key in room}
    for chain in chains.values():
        for source, target in pairwise(chain):
            links[source].append(target)
            links[target].append(source)
    _order(layers, links)
    x, width = _columns(layers, links, room, between)
    ports = {
        (a, b): _ports((x[a], room[a][0]), (x[b], room[b][0]), passes=(a not in sizes, b not in sizes))
        for chain in chains.values()
        for a, b in pairwise(chain)
    }
    tops, tracks, height = _rows(layers, chains, level, ports, room, below)

    def hop(a: int, b: int) -> Hop:
        out, into = ports[a, b]
        begin = tops[level[a]] + (sizes[a][1] if a in sizes else 0)
        clear = tops[level[a]] + max(room[key][1] for key in layers[level[a]])
        return Hop(out, begin, into, tops[level[b]], tracks.get(a, begin), clear)

    routes = [
        Route(source, target, tuple(hop(a, b) for a, b in pairwise(chain)))
        for (source, target), chain in chains.items()
    ]
    places = {key: (x[key], tops[level[key]]) for key in sizes}
    return Layout(places=places, routes=routes, width=width, height=height)


def _passing(
    arrows: Sequence[tuple[int, int]],
    level: dict[int, int],
    layers: list[list[int]],
    room: dict[int, tuple[int, int]],
) -> dict[tuple[int, int], list[int]]:
    """Each arrow as the boxes that it goes through; those that it only passes are new, with keys below 0."""
    chains = {}
    fresh = min([0, *room]) - 1
    for source, target in dict.fromkeys(arrows):
        chain = [source]
        for between in range(level[source] + 1, level[target]):
            room[fresh], level[fresh] = (_PASSING, 1), between
            layers[between].append(fresh)
            chain.append(fresh)
            fresh -= 1
        chains[source, target] = [*chain, target]
    return chains


def _order(layers: list[list[int]], links: Mapping[int, Sequence[int]]) -> None:
    """Put each layer in the order of the middles of its neighbours, downwards and upwards in turns."""
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        rows = range(1, len(layers)) if downwards else range(len(layers) - 2, -1, -1)
        for n in rows:
            beside = {key: place for place, key in enumerate(layers[n - 1 if downwards else n + 1])}
            middle = {}
            for place, key in enumerate(layers[n]):
                near = [beside[one] for one in links[key] if one in beside]
                middle[key] = (sum(near) / len(near) if near else float(place), place)
            layers[n].sort(key=middle.__getitem__)


def _columns(
    layers: Sequence[Sequence[int]],
    links: Mapping[int, Sequence[int]],
    room: Mapping[int, tuple[int, int]],
    between: int,
) -> tuple[dict[int, int], int]:
    """The left edge of every box: near the middle of its neighbours, as far as those beside it leave room."""
    x: dict[int, int] = {}
    widths = [sum(room[key][0] + between for key in layer) - between for layer in layers]
    width = max(widths, default=0)
    for layer, wide in zip(layers, widths, strict=True):
        at = (width - wide) // 2
        for key in layer:
            x[key] = at
            at += room[key][0] + between
    for downwards in (True, False, True):
        for n in range(len(layers)) if downwards else range(len(layers) - 1, -1, -1):
            beside = n - 1 if downwards else n + 1
            known = set(layers[beside]) if 0 <= beside < len(layers) else set()
            wanted = []
            for key in layers[n]:
                near = [x[one] + room[one][0] / 2 for one in links[key] if one in known]
                wanted.append(round(sum(near) / len(near) - room[key][0] / 2) if near else x[key])
            _settle(layers[n], wanted, x, room, between, width)
    return x, width


def _settle(
    layer: Sequence[int],
    wanted: Sequence[int],
    x: dict[int, int],
    room: Mapping[int, tuple[int, int]],
    between: int,
    width: int,
) -> None:
    """Give each box of a layer the place it wants, from the left; then push back what stands out on the right."""
    at = 0
    for key, place in zip(layer, wanted, strict=True):
        x[key] = max(at, place)
        at = x[key] + room[key][0] + between
    limit = width
    for key in reversed(layer):
        x[key] = max(0, min(x[key], limit - room[key][0]))
        limit = x[key] - between


def _ports(source: tuple[int, int], target: tuple[int, int], *, passes: tuple[bool, bool]) -> tuple[int, int]:
    """The columns at which an arrow leaves one box (x, width) and enters another: the same if it can go straight."""
    out, into = _port(source, odd=True), _port(target, odd=False)
    if _spans(target, out, edge=not passes[1]):
        return out, out
    return (into, into) if _spans(source, into, edge=not passes[0]) else (out, into)


def _port(box: tuple[int, int], *, odd: bool) -> int:
    middle = box[0] + box[1] // 2
    return middle if middle % 2 == int(odd) else middle - 1


def _spans(box: tuple[int, int], column: int, *, edge: bool) -> bool:
    """Whether a column is one of a box, its edges apart."""
    return box[0] + edge <= column < box[0] + box[1] - edge


def _rows(
    layers: Sequence[Sequence[int]],
    chains: Mapping[tuple[int, int], Sequence[int]],
    level: Mapping[int, int],
    ports: Mapping[tuple[int, int], tuple[int, int]],
    room: Mapping[int, tuple[int, int]],
    below: int,
) -> tuple[list[int], dict[int, int], int]:
    """The top of each layer, the height of the track of each source that needs one, and the whole height."""
    sources: list[dict[int, None]] = [{} for _ in layers]
    for chain in chains.values():
        for key, target in pairwise(chain):
            if ports[key, target][0] != ports[key, target][1]:
                sources[level[key]].setdefault(key)
    tops: list[int] = []
    tracks: dict[int, int] = {}
    top = 0
    for n, layer in enumerate(layers):
        tops.append(top)
        bottom = top + max(room[key][1] for key in layer)
        for place, key in enumerate(sources[n]):
            tracks[key] = bottom + below * (place + 1)
        top = bottom + below * (len(sources[n]) + 2) if n + 1 < len(layers) else bottom
    return tops, tracks, top
