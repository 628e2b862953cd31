"""Trainings under way: each goes on whoever watches it, and whoever watches hears how far it is."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from frostline.server.errors import InUse

_LOOK_SECONDS = 0.2
"""How often is looked whether there is something new to be told."""
_LONGEST_SILENCE_SECONDS = 30.0

Report = Callable[[str, float], None]
"""Told what is being done, and how much of it all is done, of 1. May be called from any thread."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Training:
    task: "asyncio.Task[None]"
    step: str = "waiting"
    progress: float = 0.0


class Trainings:
    """Runs trainings, one for each head at a time. Belongs to the event loop it is used in."""

    def __init__(self) -> None:
        self._running: dict[str, _Training] = {}

    def expect_none(self, name: str) -> None:
        """Refuses to train a head that is being trained.

        Raises:
            InUse: it is.
        """
        if name in self._running:
            raise InUse(f"head {name!r} is being trained; wait until it is ready, or delete it")

    def start(self, name: str, work: Callable[[Report], Awaitable[None]]) -> None:
        """Begins a training.

        Args:
            name: of the head.
            work: trains and stores it, also that it has failed; tells how far it is.

        Raises:
            InUse: the head is being trained.
        """
        self.expect_none(name)
        loop = asyncio.get_running_loop()

        def report(step: str, progress: float) -> None:
            loop.call_soon_threadsafe(self._tell, name, step, progress)

        async def train() -> None:
            try:
                await work(report)
            except Exception:
                _log.exception("head %r: its training has ended unexpectedly", name)

        task = loop.create_task(train())
        self._running[name] = _Training(task)
        task.add_done_callback(lambda _: self._running.pop(name))

    async def watch(self, name: str) -> AsyncIterator[tuple[str, float]]:
        """Says what is being done and how much of it all is done, when that changes and now and then, until the end."""
        clock = asyncio.get_running_loop().time
        told, told_at = ("", -1.0), 0.0
        while training := self._running.get(name):
            now = training.step, training.progress
            if now != told or clock() - told_at > _LONGEST_SILENCE_SECONDS:
                told, told_at = now, clock()
                yield told
            await asyncio.wait((training.task,), timeout=_LOOK_SECONDS)

    async def cancel(self, name: str) -> None:
        """Breaks off the training of a head, if there is one."""
        if training := self._running.get(name):
            training.task.cancel()
            await asyncio.wait((training.task,))

    async def close(self) -> None:
        """Breaks off all trainings."""
        for name in list(self._running):
            await self.cancel(name)

    def _tell(self, name: str, step: str, progress: float) -> None:
        if training := self._running.get(name):
            training.step, training.progress = step, progress
