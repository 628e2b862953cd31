"""Waiting for a commit: who has written reads the write."""

import asyncio
from collections.abc import Callable

from frostline.server.api.inputs import Waiting
from frostline.server.collections.collection import Collection
from frostline.server.errors import DeadlineExceeded, ShuttingDown

LONGEST_SECONDS = 60.0
"""How long a caller without a deadline, or with a later one, waits."""
_AGAIN_SECONDS = 1.0
"""How often the collection is looked up again: its name may lead elsewhere by now."""
_MARGIN_SECONDS = 0.1  # kept of the caller's time, so that the answer can still say why
_MARGIN_SHARE = 0.1


async def at_sequence(find: Callable[[], Collection], sequence: int, waiting: Waiting) -> Collection:
    """Waits until a collection has come as far as a commit, for a minute at most.

    Args:
        find: finds the collection; called again now and then, since it may be deleted, or its name lead elsewhere.
        sequence: the commit; 0 for none.
        waiting: how long the caller waits.

    Raises:
        DeadlineExceeded: the commit has not come.
        NotFound: there is no such collection, or not any more.
        ShuttingDown: the server stops.
    """
    collection = find()
    if collection.sequence >= sequence:
        return collection
    clock = asyncio.get_running_loop().time
    begin = clock()
    end = begin + LONGEST_SECONDS
    if waiting.deadline is not None:
        left = waiting.deadline - begin
        end = min(end, waiting.deadline - min(_MARGIN_SECONDS, left * _MARGIN_SHARE))
    while collection.sequence < sequence:
        if (left := end - clock()) <= 0:
            raise DeadlineExceeded(
                f"collection {collection.config.id!r} is at sequence {collection.sequence} and did not come to "
                f"{sequence}, the min_sequence asked for, in {end - begin:.1f} s; wait longer, at most "
                f"{LONGEST_SECONDS:g} s at once, or take the sequence of a write"
            )
        try:
            await asyncio.wait_for(asyncio.wrap_future(collection.reached(sequence)), min(left, _AGAIN_SECONDS))
        except TimeoutError:
            pass
        except ShuttingDown:
            if find() is collection:  # else its name leads elsewhere by now, or to nothing
                raise
        collection = find()
    return collection
