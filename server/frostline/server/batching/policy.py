"""Which waiting items form the next batch. Pure: no clock, no threads, no I/O.

Rule 1: Items run together only where one run of the graph serves them all (equal `group`).

Rule 2: A batch costs its padded tokens: items times the longest of them. That never exceeds `max_tokens`, and there are
        never more than `max_items`. A single item that is too long on its own runs alone.

Rule 3: Every batch contains the oldest waiting item. So nothing starves: an item with k older ones waits for at most k
        batches before its own.

Rule 4: A batch is a run of neighbors in order of length. Of those that rules 1 to 3 allow it is the one with the most
        real tokens per padded token, a batch itself costing `RUN_COST_TOKENS`: short texts do not wait on padding for
        long ones, and no batch is needlessly small.

Rule 5: Items that are expired or cancelled are dropped before a batch is formed; they cost nothing.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, Protocol, TypeVar

RUN_COST_TOKENS = 32
"""What a run of the graph costs however small it is, in tokens: about 3 ms where 10,000 tokens take a second."""


class Item(Protocol):
    """What the policy must know of a waiting item."""

    @property
    def group(self) -> Hashable:
        """Items of equal groups may share a run."""
        ...

    @property
    def length(self) -> int:
        """Its tokens, at least 1."""
        ...

    @property
    def deadline(self) -> float:
        """When its result is no use any more, on the clock of `now`; infinite where there is none."""
        ...

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more."""
        ...


ItemT = TypeVar("ItemT", bound=Item)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a batch may cost.

    Attributes:
        max_tokens: padded tokens of a batch.
        max_items: items of a batch.
    """

    max_tokens: int
    max_items: int

    def capacity(self, length: int) -> int:
        """How many items fit when the longest has this length; at least one."""
        return max(1, min(self.max_items, self.max_tokens // length))


@dataclass(frozen=True, slots=True)
class Decision(Generic[ItemT]):
    """What becomes of the waiting items.

    Attributes:
        batch: run now; shortest first.
        dropped: expired or cancelled.
        waiting: go on waiting, oldest first.
    """

    batch: list[ItemT]
    dropped: list[ItemT]
    waiting: list[ItemT]


def decide(waiting: Sequence[ItemT], budget: Budget, now: float) -> Decision[ItemT]:
    """Forms the next batch.

    Args:
        waiting: items, oldest first.
        budget: what a batch may cost.
        now: the present, in seconds of the clock of the deadlines.

    Returns:
        Every waiting item, in exactly one of the three lists. The batch is empty only where all were dropped.
    """
    alive = [item for item in waiting if not item.cancelled and item.deadline > now]
    dropped = [item for item in waiting if item.cancelled or item.deadline <= now]
    if not alive:
        return Decision([], dropped, [])
    oldest = alive[0]
    group = sorted((item for item in alive if item.group == oldest.group), key=lambda item: item.length)
    anchor = next(index for index, item in enumerate(group) if item is oldest)
    start, end = _best_window([item.length for item in group], anchor, budget)
    batch = group[start:end]
    chosen = {id(item) for item in batch}
    return Decision(batch, dropped, [item for item in alive if id(item) not in chosen])


def _best_window(lengths: list[int], anchor: int, budget: Budget) -> tuple[int, int]:
    sums = [0, *accumulate(lengths)]
    best, best_value = (anchor, anchor + 1), 0.0
    for end in range(anchor + 1, len(lengths) + 1):
        longest = lengths[end - 1]
        capacity = budget.capacity(longest)
        if end - capacity > anchor:  # rule 3: longer ends only leave less room for the oldest
            break
        start = anchor
        value = _value(sums, start, end, longest)
        while start > 0 and end - start < capacity:
            wider = _value(sums, start - 1, end, longest)
            if wider < value:
                break
            start, value = start - 1, wider
        if value >= best_value:
            best, best_value = (start, end), value
    return best


def _value(sums: list[int], start: int, end: int, longest: int) -> float:
    return (sums[end] - sums[start]) / ((end - start) * longest + RUN_COST_TOKENS)
