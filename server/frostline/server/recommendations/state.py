"""What is known of a collection's items and of all users together, kept up with its commits."""

import threading
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.collection import Collection
from frostline.server.collections.rows.columns import Columns
from frostline.server.collections.rows.commit import Commit
from frostline.server.recommendations.carrying import Carrying
from frostline.server.recommendations.items import read_items
from frostline.server.recommendations.learned import Learned
from frostline.server.recommendations.popularity import HALF_LIVES, Popularity
from frostline.server.recommendations.strategies.content import ContentHeads

_ROWS_AT_ONCE = 4096
_GROWTH = 2
"""Features are found out anew when there are so many times more records than when they were."""
_FEWEST_TO_GROW = 100
MOST_WAITING = 20_000
"""Records in commits that wait, which hold their vectors."""
_INTERACTIONS_OF_A_RECORD = 20
"""So many take as much memory."""


class State:
    """All but histories, which are read where they are kept. Reading it takes a while; then it follows.

    Commits are only noted when they come, and worked in by `catch_up`: whoever asks pays for what has changed. Where
    many wait since nobody asks, no more are noted, and all is read anew when somebody does.

    Args:
        collection: what it is about.
        learned: what was learned from all users, where there is something.
        on_forgotten: called, by the writer's thread, when interactions were deleted. Must be quick.
    """

    def __init__(
        self, collection: Collection, learned: Learned | None, on_forgotten: Callable[[], None] = lambda: None
    ) -> None:
        self._collection = collection
        self._lock = threading.Lock()
        self._commits: deque[Commit] = deque()
        self._waiting = 0
        self.overrun = False
        self._on_forgotten = on_forgotten
        self._following = collection.follow(self._hear)
        try:
            self._config = collection.config
            # In this order, so that there is an item for whatever counts. Where there is none, its record was deleted
            # in between, and the interactions with it.
            totals = collection.interactions.totals(HALF_LIVES)
            self.items = read_items(collection.columns(), self._config, learned.features if learned else None)
            self.sequence = totals.sequence
            self.popularity = Popularity(len(self.items), totals.reference)
            for record_id, count, sums in zip(totals.records, totals.positives, totals.sums, strict=True):
                if (number := self.items.number(record_id)) is not None:
                    self.popularity.start(number, int(count), sums.tolist())
            self.center = self.items.matrix.mean(axis=0) if len(self.items) else np.zeros(self.items.features.width)
            self.center = self.center.astype(np.float32)
            self.heads = ContentHeads(self.items.features.width)
            self._add_heads(np.flatnonzero(self.popularity.counts(len(self.items))))
            self.carrying = Carrying(learned, self.items) if learned else None
            self.changes = 0
            self._read_count = len(self.items)
        except BaseException:
            self._following.end()
            raise

    def close(self) -> None:
        """Stops following."""
        self._following.end()

    def catch_up(self) -> None:
        """Works in the commits that have come since."""
        with self._lock:
            while self._commits:
                self._work_in(self._commits.popleft())

    @property
    def stale(self) -> bool:
        """Whether it should be read anew.

        Much has happened since somebody asked, or nothing was learned and there are other fields or many more records.
        """
        grown = len(self.items) > max(_FEWEST_TO_GROW, _GROWTH * self._read_count)
        changed = grown or self._collection.config.fields != self._config.fields
        return self.overrun or (self.carrying is None and changed)

    def _hear(self, commit: Commit) -> None:
        if not self.overrun:
            self._waiting = _size(commit) + (self._waiting if self._commits else 0)
            self._commits.append(commit)
            self.overrun = self._waiting > MOST_WAITING
        if commit.forgotten:
            self._on_forgotten()

    def _work_in(self, commit: Commit) -> None:
        for added in commit.added:
            if added.internal_ids[-1] > self.items.last_row:
                self._write(Columns.of(added, self._config))
        if commit.sequence > self.sequence:
            for each in commit.recorded:
                self._count(each.record, each.weight, each.time, 1)
            for erased in commit.erased:
                columns = erased.records, erased.weights.tolist(), erased.times.tolist()
                for record, weight, time in zip(*columns, strict=True):
                    self._count(record, weight, time, -1)
            self.sequence = commit.sequence
        self.items.remove(commit.removed)
        if commit.forgotten and self.carrying and commit.sequence > self.carrying.learned.sequence:
            self.carrying = None  # it may hold what shall be forgotten

    def _write(self, columns: Columns) -> None:
        known = [n for each in columns.record_ids if (n := self.items.number(each)) is not None]
        counted = self._counted(np.unique(np.array(known, np.int64)))
        self.heads.remove(self.items.matrix[counted] - self.center)
        numbers = np.unique(self.items.write(columns))
        self.heads.add(self.items.matrix[counted] - self.center)
        if self.carrying:
            self.carrying.write(self.items, numbers)

    def _count(self, record: str, weight: float, time: float, sign: int) -> None:
        number = self.items.number(record)
        self.changes += 1
        if number is None:
            return
        before = self.popularity.has(number)
        self.popularity.change(number, weight, time, sign)
        if before != (after := self.popularity.has(number)):
            features = self.items.matrix[number : number + 1] - self.center
            if after:
                self.heads.add(features)
            else:
                self.heads.remove(features)

    def _counted(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        return numbers[self.popularity.counts(len(self.items))[numbers] > 0]

    def _add_heads(self, numbers: NDArray[np.int64]) -> None:
        for start in range(0, len(numbers), _ROWS_AT_ONCE):
            self.heads.add(self.items.matrix[numbers[start : start + _ROWS_AT_ONCE]] - self.center)


def _size(commit: Commit) -> int:
    return sum(map(len, commit.added)) + len(commit.recorded) // _INTERACTIONS_OF_A_RECORD
