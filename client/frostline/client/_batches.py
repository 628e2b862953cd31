"""Cuts what is large into requests, lazily."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import TypeVar

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


async def cut(
    items: AsyncIterator[T], max_items: int, weight: Callable[[T], int], max_bytes: int = REQUEST_BYTES
) -> AsyncIterator[list[T]]:
    """Cuts items into lists of at most `max_items` and `max_bytes`; an item that weighs more goes alone.

    Where there are no items the one list is empty: the server still checks what else was asked.

    Raises:
        InvalidInput: `max_items` is not positive.
    """
    if max_items < 1:
        raise InvalidInput(f"batch_size {max_items} is too small; it must be at least 1")
    batch: list[T] = []
    size = 0
    async for item in items:
        heavy = weight(item)
        if batch and (len(batch) == max_items or size + heavy > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += heavy
    yield batch
