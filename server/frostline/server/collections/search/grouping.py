"""Few hits of one group."""

from collections import Counter
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.search.payload_paths import first_value
from frostline.server.collections.search.payload_reading import read_payloads
from frostline.server.collections.search.query import Explanation
from frostline.server.collections.search.search_port import View

CHUNK_ROWS = 64


class GroupValues:
    """Group values of rows, each read once.

    A record belongs to the group of the first value that its path leads to, like the first author; null is no value.

    Args:
        view: where from.
        path: of the payload field.
        explanation: gets the seconds of reading.
    """

    def __init__(self, view: View, path: Sequence[str], explanation: Explanation) -> None:
        self._view = view
        self._path = path
        self._explanation = explanation
        self._values: dict[int, bytes | None] = {}

    def __call__(self, internal_ids: NDArray[np.int64]) -> list[bytes | None]:
        """Reads the values of rows.

        Args:
            internal_ids: int64 of shape (n,), each once.

        Returns:
            n canonical JSON values, empty where a record has none; None where its row is damaged.
        """
        wanted = internal_ids.tolist()
        if missing := [each for each in wanted if each not in self._values]:
            started = perf_counter()
            self._values.update(dict.fromkeys(missing))
            for payloads in read_payloads(self._view, np.array(missing, np.int64)):
                for internal_id, payload in payloads.items():
                    self._values[internal_id] = first_value(payload, self._path) or b""
            self._explanation.read_seconds += perf_counter() - started
        return [self._values[each] for each in wanted]


def grouped(
    internal_ids: NDArray[np.int64],
    values: Callable[[NDArray[np.int64]], list[bytes | None]],
    max_per_group: int,
    count: int,
) -> tuple[list[int], list[bytes]]:
    """Keeps the best few of each group; records without a value are groups of their own.

    Args:
        internal_ids: int64 of shape (n,), best first.
        values: gives group values as `GroupValues` does; asked no further than needed.
        max_per_group: the most of a group.
        count: the most to keep.

    Returns:
        The places of those kept, ascending, and their group values. Damaged rows are not kept.
    """
    places: list[int] = []
    groups: list[bytes] = []
    sizes: Counter[bytes] = Counter()
    for begin in range(0, len(internal_ids), CHUNK_ROWS):
        for place, value in enumerate(values(internal_ids[begin : begin + CHUNK_ROWS]), begin):
            if value is None or (value and sizes[value] == max_per_group):
                continue
            sizes[value] += 1
            places.append(place)
            groups.append(value)
            if len(places) == count:
                return places, groups
    return places, groups


def full_groups(groups: Sequence[bytes], max_per_group: int) -> frozenset[bytes]:
    """The groups that have as many hits as they may; records without a value are in none."""
    return frozenset(group for group, size in Counter(groups).items() if group and size == max_per_group)
