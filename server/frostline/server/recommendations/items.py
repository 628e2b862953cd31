"""The records of a collection as items: what each is, in memory."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.rows.columns import Columns
from frostline.server.recommendations.features import FeatureMap


class Items:
    """A number for each record id, and what the record of this id is. A record that is written again keeps its number.

    Args:
        features: makes features.
    """

    def __init__(self, features: FeatureMap) -> None:
        self.features = features
        self.record_ids: list[str] = []
        self._numbers: dict[str, int] = {}
        self._by_row: dict[int, int] = {}
        self._matrix = np.zeros((1, features.width), np.float32)
        self._rows = np.zeros(1, np.int64)
        self._alive = np.zeros(1, np.bool_)
        self.last_row = 0
        self.live_count = 0

    def __len__(self) -> int:
        return len(self.record_ids)

    @property
    def matrix(self) -> NDArray[np.float32]:
        """Features, float32 of shape (n, d)."""
        return self._matrix[: len(self)]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Internal ids of the records, int64 of shape (n,)."""
        return self._rows[: len(self)]

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Whether there is a record now, of shape (n,)."""
        return self._alive[: len(self)]

    def number(self, record_id: str) -> int | None:
        """The number of a record, there now or before; None where there never was one."""
        return self._numbers.get(record_id)

    def numbers(self, columns: Columns) -> NDArray[np.int64]:
        """Those that records have or, where they are new, will have with `write`: int64 of shape (m,)."""
        new: dict[str, int] = {}
        return np.array(
            [
                number
                if (number := self._numbers.get(each)) is not None
                else new.setdefault(each, len(self) + len(new))
                for each in columns.record_ids
            ],
            np.int64,
        )

    def write(self, columns: Columns) -> NDArray[np.int64]:
        """Takes records that were written, in the order they were.

        Returns:
            Their numbers, int64 of shape (m,).
        """
        numbers = self.numbers(columns)
        for number, record_id in zip(numbers.tolist(), columns.record_ids, strict=True):
            if number == len(self.record_ids):
                self.record_ids.append(record_id)
                self._numbers[record_id] = number
        self._reserve(len(self))
        self.live_count += int((~self._alive[np.unique(numbers)]).sum())
        self._alive[numbers] = True
        self._rows[numbers] = columns.internal_ids
        self._by_row.update(zip(columns.internal_ids.tolist(), numbers.tolist(), strict=True))
        width = self.features.vector_width
        self._matrix[numbers, :width] = self.features.vectors(columns.vectors)
        self._matrix[numbers, width:] = self.features.fields(columns.payloads)
        self.last_row = int(columns.internal_ids[-1])
        return numbers

    def remove(self, rows: list[int]) -> None:
        """Takes away records whose rows are gone; those that were written again meanwhile have other rows and stay."""
        for row in rows:
            number = self._by_row.pop(row, None)
            if number is not None and self._rows[number] == row and self._alive[number]:
                self._alive[number] = False
                self.live_count -= 1

    def _reserve(self, count: int) -> None:
        if count > len(self._rows):
            more = max(count, 2 * len(self._rows)) - len(self._rows)
            self._matrix = np.pad(self._matrix, ((0, more), (0, 0)))
            self._rows = np.pad(self._rows, (0, more))
            self._alive = np.pad(self._alive, (0, more))


def read_items(chunks: Iterable[Columns], config: CollectionConfig, features: FeatureMap | None = None) -> Items:
    """Takes all records of a collection.

    Args:
        chunks: the records, in the order they were last written.
        config: of the collection.
        features: makes their features; learned from them where there is none yet.
    """
    if features is None:
        chunks = list(chunks)
        payloads = [payload for chunk in chunks for payload in chunk.payloads]
        features = FeatureMap.learned([field.space.dimensions for field in config.vectors], config.fields, payloads)
    items = Items(features)
    for chunk in chunks:
        items.write(chunk)
    return items
