"""Measures the recall of an index again, when rows have come and gone since it was built."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from frostline.server.collections.vectors.measuring import among
from frostline.server.collections.vectors.segment import SegmentVectors
from frostline.server.collections.vectors.selection import Selection
from frostline.server.collections.vectors.truth import FEWEST, NEIGHBORS, PLAIN_NEIGHBORS, SELECTIVITIES
from frostline.server.collections.vectors.tuning import Tuning

_TOGETHER = 64


class Sample(NamedTuple):
    """Queries of one sort.

    Attributes:
        queries: float32 of shape (q, d), q at least 1; normalised where the metric is cosine.
        rows: int64 of shape (q,): the position of each in the segment, -1 where it is not there.
    """

    queries: NDArray[np.float32]
    rows: NDArray[np.int64]


class Remeasured(BaseModel):
    """Recall of one index, the lowest of several samples, where the index and not a comparison of rows answers.

    Attributes:
        at_10: of the 10 nearest, by the share of rows that a filter lets through, independent of the vectors; 1 for no
            filter.
        at_100: of the 100 nearest without a filter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_10: dict[float, float] = {}
    at_100: Annotated[float, Field(ge=0, le=1)] = 1.0

    def published(self, tuning: Tuning) -> Tuning:
        """A tuning table with this recall in place of that at build."""
        measured = [
            each
            if each.correlated or each.plan.startswith("exact")
            else each.model_copy(update={"recall": self.at_10.get(each.selectivity, each.recall)})
            for each in tuning.measured
        ]
        return tuning.model_copy(update={"measured": measured, "recall_at_100": self.at_100})


def remeasured(segment: SegmentVectors, alive: Selection, samples: Sequence[Sample]) -> Remeasured:
    """Compares what an index finds with an exact search.

    Args:
        segment: with an index.
        alive: its rows that can be found.
        samples: of the queries to expect, at least one.
    """
    plain: list[dict[int, float]] = [_recall(segment, alive, each, (NEIGHBORS, PLAIN_NEIGHBORS)) for each in samples]
    at_10: dict[float, float] = _lowest([{1.0: each[NEIGHBORS]} for each in plain if NEIGHBORS in each])
    random = np.random.default_rng(4)
    for selectivity in SELECTIVITIES:
        count = int(selectivity * alive.count)
        if count < FEWEST:
            continue
        chosen = random.choice(alive.positions(), count, replace=False, shuffle=False)
        selection = Selection.of(chosen, alive.rows)
        found = [_recall(segment, selection, each, (NEIGHBORS,)) for each in samples]
        at_10 |= _lowest([{selectivity: each[NEIGHBORS]} for each in found if each])
    at_100 = min((each[PLAIN_NEIGHBORS] for each in plain if PLAIN_NEIGHBORS in each), default=1.0)
    return Remeasured(at_10=at_10, at_100=at_100)


def _lowest(recalls: Sequence[dict[float, float]]) -> dict[float, float]:
    return {key: min(each[key] for each in recalls) for key in recalls[0]} if recalls else {}


def _recall(
    segment: SegmentVectors, selection: Selection, sample: Sample, neighbors: Sequence[int]
) -> dict[int, float]:
    """Recall by number of neighbors; none where rows were compared one by one."""
    hits, wanted, indexed = dict.fromkeys(neighbors, 0), dict.fromkeys(neighbors, 0), dict.fromkeys(neighbors, True)
    for start in range(0, len(sample.rows), _TOGETHER):
        queries = np.ascontiguousarray(sample.queries[start : start + _TOGETHER])
        own = sample.rows[start : start + _TOGETHER]
        # One more than wanted: a query may itself be a row.
        true = segment.search(queries, max(neighbors) + 1, selection, exact_only=True)
        for k in neighbors:
            found = segment.search(queries, k + 1, selection)
            indexed[k] = indexed[k] and not found.plan.name.startswith("exact")
            for place, row in enumerate(own):
                answer = true.rows[place][true.rows[place] != row][:k]
                hits[k] += int(among(found.rows[place][found.rows[place] != row][:k], answer).sum())
                wanted[k] += len(answer)
    return {k: hits[k] / wanted[k] for k in neighbors if indexed[k]}
