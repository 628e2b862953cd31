"""Waiting for a commit: who has written reads the write."""

import asyncio
from collections.abc import Callable

from frostline.server.api.inputs import Waiting
from frostline.server.collections.collection import Collection
from frostline.server.errors import DeadlineExceeded

_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.05
_MARGIN_SECONDS = 0.1  # kept of the caller's time, so that the answer can still say why
_MARGIN_SHARE = 0.1


async def at_sequence(find: Callable[[], Collection], sequence: int, waiting: Waiting) -> Collection:
    """Waits until a collection has come as far as a commit.

    Asks again and again: a thread for each caller that waits would soon be too many.

    Args:
        find: finds the collection; called again after each pause, since it may be deleted.
        sequence: the commit; 0 for none.
        waiting: how long the caller waits.

    Raises:
        DeadlineExceeded: the commit has not come.
        NotFound: there is no such collection, or not any more.
    """
    collection = find()
    if collection.sequence >= sequence:
        return collection
    clock = asyncio.get_running_loop().time
    end = None
    if waiting.deadline is not None:
        left = waiting.deadline - clock()
        end = waiting.deadline - min(_MARGIN_SECONDS, left * _MARGIN_SHARE)
    pause = _FIRST_PAUSE_SECONDS
    while collection.sequence < sequence:
        if end is not None and clock() >= end:
            raise DeadlineExceeded(
                f"collection {collection.config.id!r} is at sequence {collection.sequence} and did not come to "
                f"{sequence}, the min_sequence asked for, in time; wait longer, or take the sequence of a write"
            )
        await asyncio.sleep(pause if end is None else min(pause, max(end - clock(), 0)))
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        collection = find()
    return collection
