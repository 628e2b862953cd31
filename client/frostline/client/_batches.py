"""Cuts what is large into requests, lazily."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Generic, TypeVar

from frostline.client._channel import REQUEST_BYTES
from frostline.client.errors import InvalidInput

T = TypeVar("T")


async def each(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """Goes through an iterable of either kind."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


class _Cutter(Generic[T]):
    def __init__(self, max_items: int, weight: Callable[[T], int], max_bytes: int) -> None:
        if max_items < 1:
            raise InvalidInput(f"batch_size {max_items} is too small; it must be at least 1")
        self._max_items = max_items
        self._weight = weight
        self._max_bytes = max_bytes
        self._size = 0
        self.batch: list[T] = []

    def add(self, item: T) -> list[T] | None:
        """Takes an item; gives the batch before it, where that is full."""
        heavy = self._weight(item)
        batch = self.batch
        if batch and (len(batch) == self._max_items or self._size + heavy > self._max_bytes):
            self.batch, self._size = [item], heavy
            return batch
        batch.append(item)
        self._size += heavy
        return None


async def cut(
    items: AsyncIterator[T], max_items: int, weight: Callable[[T], int], max_bytes: int = REQUEST_BYTES
) -> AsyncIterator[list[T]]:
    """Cuts items into lists of at most `max_items` and `max_bytes`; an item that weighs more goes alone.

    Where there are no items the one list is empty: the server still checks what else was asked.

    Raises:
        InvalidInput: `max_items` is not positive.
    """
    cutter = _Cutter(max_items, weight, max_bytes)
    async for item in items:
        if full := cutter.add(item):
            yield full
    yield cutter.batch


def cut_ready(
    items: Iterable[T], max_items: int, weight: Callable[[T], int], max_bytes: int = REQUEST_BYTES
) -> Iterator[list[T]]:
    """As `cut`, of items that nobody waits for."""
    cutter = _Cutter(max_items, weight, max_bytes)
    for item in items:
        if full := cutter.add(item):
            yield full
    yield cutter.batch
