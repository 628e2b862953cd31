"""How far work is that takes long, for whoever watches it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

_LOOK_SECONDS = 0.2
"""How often is looked whether there is something new to be told."""
_LONGEST_SILENCE_SECONDS = 30.0


class Progress:
    """What a task does, and how much of it all is done. Belongs to the event loop it is made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = "starting", 0.0

    @property
    def now(self) -> tuple[str, float]:
        """What was reported last; may be asked from any thread."""
        return self._now

    def report(self, step: str, done: float) -> None:
        """Is told how far it is, from any thread.

        Args:
            step: what is being done.
            done: how much of it all, of 1.
        """
        self._loop.call_soon_threadsafe(self._set, step, done)

    async def until_done(self, task: "asyncio.Task[Any]", closing: asyncio.Event) -> AsyncIterator[tuple[str, float]]:
        """Says what is being done and how much of it all is done, when that changes and now and then.

        Args:
            task: ends the tale.
            closing: ends it too: the server stops.
        """
        told, told_at = ("", -1.0), 0.0
        while not (task.done() or closing.is_set()):
            if self._now != told or self._loop.time() - told_at > _LONGEST_SILENCE_SECONDS:
                told, told_at = self._now, self._loop.time()
                yield told
            await asyncio.wait((task,), timeout=_LOOK_SECONDS)

    def _set(self, step: str, done: float) -> None:
        self._now = step, done
