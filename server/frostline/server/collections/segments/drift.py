"""Measures a segment again, in a process of its own: `python -m frostline.server.collections.segments.drift`.

What was measured at build speaks of queries like the rows that were there. Rows written since stand for the queries to
expect now, and rows that died are not found any more. See `child.py` for how it is asked and answers.
"""

import contextlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from frostline.server import child
from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.rows import database
from frostline.server.collections.rows.records import Rows
from frostline.server.collections.segments.parts import Part
from frostline.server.collections.segments.segment import Segment
from frostline.server.collections.vectors.exact import normalized
from frostline.server.collections.vectors.remeasuring import Remeasured, Sample, remeasured
from frostline.server.collections.vectors.selection import Selection
from frostline.server.collections.vectors.truth import FEWEST_QUERIES

DRIFT_SHARE = 0.1
"""A segment is measured again when so many rows have died in it or come behind it since the last time: this share of
its rows that live and of those that had died or come by then."""
NEWER_QUERIES = 1_024
OWN_QUERIES = 512


class Question(BaseModel):
    """What to measure.

    Attributes:
        database: the collection's file.
        folder: of the segment.
        config: of the collection.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: Path
    folder: Path
    config: CollectionConfig


class Answer(BaseModel):
    """What was measured, by slot; those without an index are left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recalls: dict[int, Remeasured] = {}


def is_due(live: int, changed: int, changed_before: int) -> bool:
    """Whether a segment should be measured again.

    Args:
        live: its rows that can be found.
        changed: rows of it that died since it was built, and rows that came behind it.
        changed_before: the same when it was last measured.
    """
    return abs(changed - changed_before) >= max(DRIFT_SHARE * (live + changed_before), FEWEST_QUERIES)


def measure(question: Question) -> Answer:
    """Measures a segment against exact search of its rows that live, with rows of it and behind it as queries."""
    segment = Segment(question.folder, question.config)
    with contextlib.closing(database.connect(question.database)) as connection:
        rows = Rows(connection, question.config)
        part = Part.of(segment, np.empty(0, np.int64))
        part = part.without(part.rows(rows.tombstones()))
        newer = _newer(rows, segment.last)
    recalls: dict[int, Remeasured] = {}
    for slot, field in enumerate(question.config.vectors):
        if segment.slot(slot).is_indexed:
            alive = segment.positions(slot, part.alive)
            samples = [_own(segment, slot, alive)]
            if len(found := [each[slot] for each in newer if slot in each]) >= FEWEST_QUERIES:
                samples.append(Sample(normalized(np.stack(found), field.metric), np.full(len(found), -1)))
            if alive.count > FEWEST_QUERIES:
                recalls[slot] = remeasured(segment.slot(slot), alive, samples)
    return Answer(recalls=recalls)


def _own(segment: Segment, slot: int, alive: Selection) -> Sample:
    positions = alive.positions()
    chosen = np.random.default_rng(5).choice(positions, min(OWN_QUERIES, len(positions)), replace=False)
    return Sample(segment.slot(slot).vectors[chosen], chosen)


def _newer(rows: Rows, last: int) -> list[dict[int, NDArray[np.float32]]]:
    """Vectors by slot of some rows that were written after a segment's last."""
    end = rows.last_internal_id()
    if end <= last:
        return []
    starts = np.random.default_rng(6).integers(last + 1, end, NEWER_QUERIES, endpoint=True)
    found: dict[int, dict[int, NDArray[np.float32]]] = {}
    for start in np.unique(starts).tolist():
        if row := next(rows.rows_between(start, end, 1), None):
            found[row[0].internal_id] = dict(row[0].vectors)
    return list(found.values())


def main() -> None:
    """Measures what is asked for on standard input."""
    child.carry_out(Question, lambda question: measure(question).model_dump())


if __name__ == "__main__":
    main()
