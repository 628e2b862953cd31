"""Who liked what: users and items as a sparse matrix."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

MAX_RELATIVE_WEIGHT = 5.0
"""How much more than the average interaction one may count."""
_LEAST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True, eq=False)
class Liked:
    """Interactions as columns: those that speak for an item, one of a user and an item.

    Attributes:
        users: int64 of shape (n,), numbers of users, from 0.
        items: int64 of shape (n,), numbers of items, from 0.
        weights: float32 of shape (n,), above 0; 1 on average before the largest are cut to `MAX_RELATIVE_WEIGHT`.
        times: float64 of shape (n,), seconds since the epoch.
        user_count: users there are.
        item_count: items there are.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    weights: NDArray[np.float32]
    times: NDArray[np.float64]
    user_count: int
    item_count: int

    def of_users(self, chosen: NDArray[np.int64]) -> "Liked":
        """Those of some users, who keep their numbers."""
        among = np.zeros(self.user_count, np.bool_)
        among[chosen] = True
        return self._where(among[self.users])

    def of_items(self, chosen: NDArray[np.int64]) -> "Liked":
        """Those with some items, which get new numbers: their places among the chosen."""
        places = np.full(self.item_count, -1, np.int64)
        places[chosen] = np.arange(len(chosen))
        kept = self._where(places[self.items] >= 0)
        return Liked(kept.users, places[kept.items], kept.weights, kept.times, self.user_count, len(chosen))

    def matrix(self) -> csr_array:
        """float32 of shape (users, items)."""
        shape = self.user_count, self.item_count
        return csr_array((self.weights, (self.users, self.items)), shape=shape, dtype=np.float32)

    def counts(self) -> NDArray[np.int64]:
        """int64 of shape (items,): users who liked each."""
        return np.bincount(self.items, minlength=self.item_count)

    def histories(self) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
        """Each user who has any: number, items and weights, earliest first."""
        order = np.lexsort((self.times, self.users))
        users, items, weights = self.users[order], self.items[order], self.weights[order]
        starts = np.flatnonzero(np.diff(users, prepend=-1))
        for start, end in itertools.pairwise([*starts.tolist(), len(users)]):
            yield int(users[start]), items[start:end], weights[start:end]

    def _where(self, kept: NDArray[np.bool_]) -> "Liked":
        columns = self.users[kept], self.items[kept], self.weights[kept], self.times[kept]
        return Liked(*columns, self.user_count, self.item_count)


class LikedBuilder:
    """Gathers interactions. Kinds of one user and item add up; sums that are not above 0 are left out.

    Args:
        items: numbers of items by id of the record; interactions with others are passed over.
    """

    def __init__(self, items: dict[str, int]) -> None:
        self._items = items
        self._users: dict[str, int] = {}
        self._found: dict[tuple[int, int], tuple[float, float]] = {}

    def add(self, interactions: Iterable[tuple[str, str, float, float]]) -> None:
        """Adds interactions: user, record, weight, time."""
        for user, record, weight, time in interactions:
            item = self._items.get(record)
            if item is None:
                continue
            key = self._users.setdefault(user, len(self._users)), item
            before, earlier = self._found.get(key, (0.0, -np.inf))
            self._found[key] = before + weight, max(earlier, time)

    def build(self) -> Liked:
        """All that was added."""
        kept = [(*key, *value) for key, value in self._found.items() if value[0] > 0]
        table = np.array(kept, np.float64).reshape(len(kept), 4)
        weights = table[:, 2] / table[:, 2].mean() if kept else table[:, 2]
        return Liked(
            users=table[:, 0].astype(np.int64),
            items=table[:, 1].astype(np.int64),
            weights=np.clip(weights, _LEAST, MAX_RELATIVE_WEIGHT).astype(np.float32),
            times=table[:, 3].copy(),
            user_count=len(self._users),
            item_count=len(self._items),
        )
