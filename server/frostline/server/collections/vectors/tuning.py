"""What was measured about a vector index when it was built, and what follows for a search.

Which lists must be searched? Let c(K, j) be the share of the K nearest rows of a query that lies in its j-th nearest
list, measured on average. Without a filter, k neighbors take so many lists that the c(k, j) add up to the wanted
recall. A filter leaves h(j) of the n(j) rows of list j. Its k nearest rows lie among the K nearest of all rows where
the sum of K c(K, j) h(j) / n(j) reaches k, and are spread over the lists as the terms of that sum. So one table serves
every filter: one that is independent of the vectors gives K = k / selectivity, one that follows them passes over the
lists without matches and goes on to as many as hold the wanted share.
"""

import bisect
import math
from functools import cached_property
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from frostline.server.collections.config import IndexKind, Metric
from frostline.server.errors import DataDamaged

_SPARE = 2.0
"""How many times k matches a ball must hold in the mean, so that few queries have less than k in it."""

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=1 << 40)]

_CODES = 96
"""How many codes of 4 bits a row has at most, unless 4 dimensions share one."""


class Measured(BaseModel):
    """Recall of the 10 nearest, under filters of one sort.

    Attributes:
        selectivity: share of the rows that match; 1 without a filter.
        correlated: whether matching rows lie together.
        recall: measured share of the true neighbors that were found.
        plan: how they were found, mostly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    selectivity: Annotated[float, Field(gt=0, le=1)]
    correlated: bool
    recall: Share
    plan: str


class Tuning(BaseModel):
    """All about an index that is not in the index; kept beside it as JSON.

    Attributes:
        kind: flat (no index: rows are compared one by one), ivf_pq, rabitq or hnsw.
        metric: how close two vectors are.
        rows: how many vectors there are.
        dimensions: of each.
        min_recall: what was asked for.
        index_bytes: size of the index file.
        index_crc: crc-32 of the index file.
        lists: how many lists the rows are parted into; 0 where there are none.
        ball_sizes: ascending numbers of nearest rows; the last is `rows`.
        list_ranks: ascending numbers of nearest lists; the last is `lists`.
        coverage: `coverage[g][r]` is the mean share of the `ball_sizes[g]` nearest rows in the `list_ranks[r]` nearest
            lists.
        turned: how many dimensions the index knows of each row; see `rotation.py`. 0 where it knows them as they are.
        nprobe: lists searched for 10 and for 100 neighbors without a filter.
        filtered_shares: how much of the k nearest rows the lists searched must hold under a filter independent of the
            vectors, and under one that follows them.
        candidates: rows compared exactly, for 10 and for 100 neighbors.
        filtered_candidates: the same under a filter.
        ef: length of the queue of hnsw; 0 for other kinds.
        exact_rows: up to so many matching rows are compared one by one.
        row_seconds: what comparing one row exactly takes.
        code_seconds: what comparing one compressed row takes.
        measured: recall of the 10 nearest by sort of filter: at build, or when it was last measured.
        recall_at_100: recall of the 100 nearest without a filter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Annotated[IndexKind, Field(strict=False)]
    metric: Annotated[Metric, Field(strict=False)]
    rows: Count
    dimensions: Annotated[int, Field(ge=1, le=65_536)]
    min_recall: Share
    index_bytes: Count = 0
    index_crc: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    lists: Annotated[int, Field(ge=0, le=65_536)] = 0
    ball_sizes: list[Count] = []
    list_ranks: list[Count] = []
    coverage: list[list[Share]] = []
    turned: Annotated[int, Field(ge=0, le=1 << 17)] = 0
    nprobe: tuple[Count, Count] = (0, 0)
    filtered_shares: tuple[Share, Share] = (1.0, 1.0)
    candidates: tuple[Count, Count] = (0, 0)
    filtered_candidates: tuple[Count, Count] = (0, 0)
    ef: Annotated[int, Field(ge=0, le=1 << 20)] = 0
    exact_rows: Count = 0
    row_seconds: Annotated[float, Field(ge=0, le=1)] = 0.0
    code_seconds: Annotated[float, Field(ge=0, le=1)] = 0.0
    measured: list[Measured] = []
    recall_at_100: Share = 1.0

    @model_validator(mode="after")
    def _consistent(self) -> "Tuning":
        ends = [self.rows], [self.lists]
        for grid, end in zip((self.ball_sizes, self.list_ranks), ends, strict=True):
            if self.lists and (grid != sorted(set(grid)) or grid[-1:] != end or grid[0] < 1):
                raise ValueError("the grids of the coverage must ascend from 1 to all rows and lists")
        if [len(each) for each in self.coverage] != [len(self.list_ranks)] * len(self.ball_sizes):
            raise ValueError("the coverage must have a row per ball and a column per rank")
        return self

    @property
    def factory(self) -> str:
        """What the index is made of, in the words of FAISS's index factory."""
        return {
            IndexKind.IVF_PQ: f"PCAR{self.turned},IVF{self.lists},PQ{code_count(self.turned)}x4fs",
            IndexKind.RABITQ: f"PCAR{self.turned},IVF{self.lists},RaBitQfs",
            IndexKind.HNSW: "HNSW32,SQ8",
        }.get(self.kind, "Flat")

    @cached_property
    def spread(self) -> NDArray[np.float32]:
        """How the nearest rows spread over the lists: c(K, j), float32 of shape (balls, lists); rows add up to 1."""
        ranks = np.arange(self.lists + 1)
        cumulative = [np.interp(ranks, [0, *self.list_ranks], [0.0, *each]) for each in self.coverage]
        spread: NDArray[np.float32] = np.maximum(np.diff(np.array(cumulative), axis=1), 0).astype(np.float32)
        return spread

    def lists_for(self, k: float, share: float) -> int:
        """How many of the nearest lists hold this share of the k nearest rows."""
        held: NDArray[np.float32] = np.cumsum(self._spread_at(k), dtype=np.float32)
        return min(self.lists, int(np.count_nonzero(held < share)) + 1)

    def _spread_at(self, k: float) -> NDArray[np.float32]:
        """c(k, j), between the measured balls: float32 of shape (lists,)."""
        high = min(bisect.bisect_left(self.ball_sizes, k), len(self.ball_sizes) - 1)
        low = max(high - 1, 0)
        below, above = self.ball_sizes[low], self.ball_sizes[high]
        place = 0.0 if low == high else max(0.0, min(1.0, math.log(k / below) / math.log(above / below)))
        mixed: NDArray[np.float32] = self.spread[low] + np.float32(place) * (self.spread[high] - self.spread[low])
        return mixed

    def nprobe_for(self, k: float) -> int:
        """How many lists hold enough of the k nearest rows: between what 10 and 100 take, and in proportion beyond."""
        at_10, at_100 = self.nprobe
        if k <= 10:
            return at_10
        if k >= 100:
            beyond = self.lists_for(k, self.min_recall) / self.lists_for(100, self.min_recall)
            return min(self.lists, math.ceil(at_100 * beyond))
        return math.ceil(at_10 * math.exp(math.log(at_100 / at_10) * math.log10(k / 10)))

    def expected(self, selectivity: float, correlated: bool, k: int = 10) -> float:
        """Recall of the index, not of exact plans, measured with filters of this sort and the nearest selectivity."""
        at_10 = self._expected_at_10(selectivity, correlated)
        if k <= 10 or selectivity < 1:
            return at_10
        return float(np.interp(math.log10(k), [1, 2], [at_10, self.recall_at_100]))

    @property
    def suffices(self) -> bool:
        """Whether what was measured is what was asked for, wherever the index is used."""
        # Under filters, rabitq and ivf_pq compare all rows where they fell short at build, hnsw where it does now.
        filtered = self.kind is not IndexKind.HNSW and self.exact_rows < self.rows - 1
        indexed = [each for each in self.measured if not each.plan.startswith("exact")]
        counted = [each.recall for each in indexed if each.selectivity == 1 or filtered]
        return min(*counted, self.recall_at_100, 1.0) >= self.min_recall

    def _expected_at_10(self, selectivity: float, correlated: bool) -> float:
        indexed = [each for each in self.measured if not each.plan.startswith("exact")]
        like = [each for each in indexed if (each.selectivity < 1) == (selectivity < 1)]
        sort = [each for each in like if each.correlated == correlated]
        if not sort:  # none of this sort was left to the index at build
            return min((each.recall for each in indexed), default=1.0)
        return min(sort, key=lambda each: abs(math.log(each.selectivity / max(selectivity, 1e-9)))).recall

    def candidates_for(self, k: int, filtered: bool) -> int:
        """How many rows to compare exactly for k neighbors: between what 10 and 100 take, and in proportion beyond."""
        at_10, at_100 = self.filtered_candidates if filtered else self.candidates
        if k <= 10:
            return at_10
        if k >= 100:
            return -(-at_100 * k // 100)
        return round(float(np.interp(math.log10(k), [1, 2], [at_10, at_100])))


class Lists(NamedTuple):
    """Which lists to search.

    Attributes:
        ids: int64 of shape (q, p), nearest first; -1 behind a query's last.
        rows: how many rows they hold, of the query with the most.
    """

    ids: NDArray[np.int64]
    rows: int


def chosen_lists(
    tuning: Tuning,
    order: NDArray[np.int64],
    sizes: NDArray[np.int64],
    matches: NDArray[np.float32],
    k: int,
    share: float,
) -> Lists:
    """Chooses lists under a filter; see the head of this file.

    Args:
        tuning: of the index.
        order: int64 of shape (q, lists), all lists of each query, nearest first.
        sizes: int64 of shape (lists,), rows of each.
        matches: float32 of shape (lists,), about how many of them match.
        k: how many neighbors are wanted.
        share: how much of them the lists must hold.
    """
    density = (matches / np.maximum(sizes, 1)).astype(np.float32)[order]
    balls = np.asarray(tuning.ball_sizes, np.float32)
    reached = density @ tuning.spread.T * balls >= _SPARE * k
    ball = np.where(reached.any(axis=1), reached.argmax(axis=1), len(balls) - 1)
    parts = density * tuning.spread[ball]
    held = np.cumsum(parts, axis=1)
    total = np.maximum(held[:, -1:], np.finfo(np.float32).tiny)
    before = (held - parts) / total
    taken = (before < share) & (density > 0)
    ids = np.where(taken, order, -1)
    # Pushes the gaps of passed-over lists behind the last one taken.
    width = max(1, *np.count_nonzero(taken, axis=1).tolist())
    places = np.argsort(~taken, axis=1, kind="stable")[:, :width]
    rows = max((np.where(taken, sizes[order], 0).sum(axis=1)).tolist())
    return Lists(np.ascontiguousarray(np.take_along_axis(ids, places, axis=1)), rows)


def code_count(turned: int) -> int:
    """How many codes of 4 bits a row of so many dimensions, a multiple of 8, has.

    As few dimensions share a code as leave it at 96 codes: the fewer, the fewer rows must be compared exactly. Measured
    at 40 dimensions: 40 codes need 20 candidates for 10 neighbors, 20 codes need 60, and are no faster to scan.
    """
    return next(turned // each for each in (1, 2, 4) if turned // each <= _CODES or each == 4)


def read_tuning(path: Path) -> Tuning:
    """Reads a tuning table.

    Raises:
        DataDamaged: it is missing or not what was written.
    """
    try:
        if path.stat().st_size > 1 << 24:
            raise DataDamaged(f"{path.name} is larger than any tuning table; rebuild the segment")
        return Tuning.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataDamaged(f"{path.name} is not a tuning table, rebuild the segment: {str(error)[:200]}") from error
