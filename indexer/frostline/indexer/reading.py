"""Reads records by id, as many at once as an answer and the memory hold."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from frostline.client import Client, InvalidInput, Record

T = TypeVar("T")

READ_AT_ONCE = 32
"""Records whose contents are in memory together; one may have many megabytes."""


def found(
    client: Client, collection: str, ids: Sequence[str], *, content: bool = False, vectors: bool = False
) -> list[Record]:
    """Gets records, in several calls where one answer cannot hold them."""
    try:
        return client.get(collection, ids, include_content=content, include_vectors=vectors)
    except InvalidInput:
        if len(ids) < 2:
            raise
    half = len(ids) // 2
    return [
        *found(client, collection, ids[:half], content=content, vectors=vectors),
        *found(client, collection, ids[half:], content=content, vectors=vectors),
    ]


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cuts items into lists."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
