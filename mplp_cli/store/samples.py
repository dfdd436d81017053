"""What was measured: the `Samples` of `protocols`, as rows that are small."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw
import msgspec

from mplp_cli.store.database import UNREADABLE, Database
from mplp_cli.workflow.metrics import (
    COARSER,
    RETENTION,
    Histogram,
    Labels,
    Sample,
    coarser,
    kind_of,
    together,
)

_ADD: Final = "INSERT INTO sample(level, source, since, at, body) VALUES(?, ?, ?, ?, ?)"
_BETWEEN: Final = (
    "SELECT source, since, at, body FROM sample"
    " WHERE level IN (0, 1, 2) AND at > ? AND at <= ? ORDER BY at, id"
)
_OLD: Final = (
    "SELECT id, source, since, at, body FROM sample WHERE level = ? AND at <= ? ORDER BY at, id LIMIT ?"
)
_FORGOTTEN: Final = " FROM sample WHERE level IN (0, 1, 2) AND at <= ?"
_TOTAL: Final = "SELECT source, since, at, body FROM counted WHERE source = ?"
_TOTALS: Final = "SELECT source, since, at, body FROM counted ORDER BY source"
_SET_TOTAL: Final = "INSERT OR REPLACE INTO counted(source, since, at, body) VALUES(?, ?, ?, ?)"
#: Rows that one transaction makes coarser: others must not wait for long.
_AT_ONCE: Final = 1_000

_Body = tuple[
    dict[str, dict[Labels, float]], dict[str, dict[Labels, Histogram]], dict[str, dict[Labels, float]]
]
_pack = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(_Body).decode
#: What reading a row says of one that is not what was written.
_DAMAGED: Final = (*UNREADABLE, zlib.error)


class SqliteSamples:
    """In the tables `sample` (by level: as taken, by minute, by hour) and `counted` (all that there ever was)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, *samples: Sample) -> None:
        if not samples:
            return
        with self._database.passing() as db:
            db.executemany(_ADD, [(0, *_row(sample)) for sample in samples])
            for kind in sorted({kind_of(sample.source) for sample in samples}):
                before = _samples(db.execute(_TOTAL, (kind,)))
                added = [sample for sample in samples if kind_of(sample.source) == kind]
                db.execute(_SET_TOTAL, _row(together(kind, [*before, *added])))

    def between(self, since: int, until: int) -> list[Sample]:
        return _samples(self._database.rows(_BETWEEN, (since, until)))

    def totals(self) -> list[Sample]:
        return _samples(self._database.rows(_TOTALS))

    def compact(self, now: int, retention: int = RETENTION) -> None:
        for level, (age, width) in enumerate(COARSER):
            limit = (now - age) // width * width
            while self._database.rows(_OLD, (level, limit, 1)):
                self._coarsen(level, limit, width)
        if self._database.rows(f"SELECT 1{_FORGOTTEN} LIMIT 1", (now - retention,)):
            with self._database.passing() as db:
                db.execute(f"DELETE{_FORGOTTEN}", (now - retention,))

    def _coarsen(self, level: int, limit: int, width: int) -> None:
        with self._database.passing() as db:
            rows: list[Any] = db.execute(_OLD, (level, limit, _AT_ONCE)).fetchall()
            made = coarser(_samples(row[1:] for row in rows), width)
            db.executemany(_ADD, [(level + 1, *_row(sample)) for sample in made])
            db.executemany("DELETE FROM sample WHERE id = ?", [row[:1] for row in rows])


class MemorySamples:
    """In lists."""

    def __init__(self) -> None:
        #: By level: as taken, by minute, by hour.
        self._levels: list[list[Sample]] = [[], [], []]
        self._totals: dict[str, Sample] = {}

    def add(self, *samples: Sample) -> None:
        self._levels[0] += samples
        for sample in samples:
            kind = kind_of(sample.source)
            before = [self._totals[kind]] if kind in self._totals else []
            self._totals[kind] = together(kind, [*before, sample])

    def between(self, since: int, until: int) -> list[Sample]:
        found = [sample for level in self._levels for sample in level if since < sample.at <= until]
        return sorted(found, key=lambda sample: sample.at)

    def totals(self) -> list[Sample]:
        return [total for _, total in sorted(self._totals.items())]

    def compact(self, now: int, retention: int = RETENTION) -> None:
        for level, (age, width) in enumerate(COARSER):
            limit = (now - age) // width * width
            old = sorted((s for s in self._levels[level] if s.at <= limit), key=lambda sample: sample.at)
            self._levels[level] = [s for s in self._levels[level] if s.at > limit]
            self._levels[level + 1] += coarser(old, width)
        self._levels = [[s for s in level if s.at > now - retention] for level in self._levels]


def unreadable_samples(database: Database) -> tuple[list[int], list[str]]:
    """Damaged rows: ids of samples, sources of totals."""
    samples = [row[0] for row in database.rows("SELECT id, body FROM sample") if _body(row[1]) is None]
    totals = [row[0] for row in database.rows("SELECT source, body FROM counted") if _body(row[1]) is None]
    return samples, totals


def drop_unreadable_samples(db: apsw.Connection, samples: Sequence[int], totals: Sequence[str]) -> None:
    """Remove damaged rows, in the transaction at hand."""
    db.executemany("DELETE FROM sample WHERE id = ?", [(one,) for one in samples])
    db.executemany("DELETE FROM counted WHERE source = ?", [(one,) for one in totals])


def _row(sample: Sample) -> tuple[str, int, int, bytes]:
    body = _pack((sample.counters, sample.histograms, sample.gauges))
    return sample.source, sample.since, sample.at, zlib.compress(body, 1)


def _samples(rows: Iterable[Any]) -> list[Sample]:
    """What rows (source, since, at, body) hold; an unreadable one is left out."""
    found = []
    for source, since, at, packed in rows:
        if (body := _body(packed)) is not None:
            counters, histograms, gauges = body
            found.append(
                Sample(
                    source=source, since=since, at=at, counters=counters, histograms=histograms, gauges=gauges
                )
            )
    return found


def _body(packed: bytes) -> _Body | None:
    try:
        body: _Body = _unpack(zlib.decompress(packed))
    except _DAMAGED:
        return None
    return body
