"""Where work on a request is done: a little at once, much in a thread, so that other callers need not wait."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message

T = TypeVar("T")

FEW_ITEMS = 64
"""A hop into a thread and back takes about as long as a little work on so many items."""
_FEW_BYTES = 1 << 18


async def off_loop(request: Message, items: int, work: Callable[[], T]) -> T:
    """Does work that does not wait for anything.

    Args:
        request: what it is done for.
        items: how many things it goes through.
        work: what is to be done.
    """
    if items <= FEW_ITEMS and request.ByteSize() <= _FEW_BYTES:
        return work()
    return await asyncio.to_thread(work)
