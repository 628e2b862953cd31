"""Trainings under way: each goes on whoever watches it, and whoever watches hears how far it is.

Trainings wait here for their turn, not in threads: those are few, and everybody needs them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from frostline.server.errors import Overloaded
from frostline.server.heads.versions import Version

MOST_TRAININGS = 100
"""So many may be under way at once, most of them waiting."""
_RETRY_SECONDS = 30.0
_LOOK_SECONDS = 0.2
"""How often is looked whether there is something new to be told."""
_LONGEST_SILENCE_SECONDS = 30.0

T = TypeVar("T")

Report = Callable[[str, float], None]
"""Told what is being done, and how much of it all is done, of 1. May be called from any thread."""


@dataclass(slots=True, eq=False)
class _Training:
    task: "asyncio.Task[None]"
    step: str = "waiting"
    progress: float = 0.0


class Trainings:
    """Runs trainings of versions. Belongs to the event loop it is made in.

    Args:
        closing: set when the server stops; nobody is told any more then.
    """

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing
        self._running: dict[str, _Training] = {}
        self._kept: set[asyncio.Task[Any]] = set()
        self._turn, self._evaluation = asyncio.Lock(), asyncio.Lock()

    def expect_room(self) -> None:
        """Refuses one training more.

        Raises:
            Overloaded: too many are under way.
        """
        if len(self._running) >= MOST_TRAININGS:
            raise Overloaded(f"{MOST_TRAININGS} heads are being trained or wait for it; try again", _RETRY_SECONDS)

    def start(self, version: Version, work: Callable[[Report], Coroutine[Any, Any, None]]) -> None:
        """Begins a training.

        Args:
            version: what is trained.
            work: trains and stores it, also that it has failed; tells how far it is.
        """
        loop = asyncio.get_running_loop()

        def report(step: str, progress: float) -> None:
            loop.call_soon_threadsafe(self._tell, version.folder, step, progress)

        task = loop.create_task(work(report))
        self._running[version.folder] = _Training(task)
        task.add_done_callback(lambda _: self._running.pop(version.folder))

    async def in_turn(self, work: Callable[[], T]) -> T:
        """Does work in a thread, when all that came before is done."""
        async with self._turn:
            return await asyncio.to_thread(work)

    async def evaluated(self, work: Callable[[], T]) -> T:
        """Does work in a thread, when all evaluations that came before are done."""
        async with self._evaluation:
            return await asyncio.to_thread(work)

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Does steps that belong together, all of them also where the caller goes meanwhile."""
        task = asyncio.ensure_future(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return await asyncio.shield(task)

    async def watch(self, version: Version) -> AsyncIterator[tuple[str, float]]:
        """Says what is being done and how much of it all is done, when that changes and now and then, until the end."""
        clock = asyncio.get_running_loop().time
        told, told_at = ("", -1.0), 0.0
        while (training := self._running.get(version.folder)) and not self._closing.is_set():
            now = training.step, training.progress
            if now != told or clock() - told_at > _LONGEST_SILENCE_SECONDS:
                told, told_at = now, clock()
                yield told
            await asyncio.wait((training.task,), timeout=_LOOK_SECONDS)

    async def cancel(self, versions: Iterable[Version]) -> None:
        """Breaks off the trainings of versions, as far as there are any."""
        await self._cancel([self._running[each.folder] for each in versions if each.folder in self._running])

    async def close(self) -> None:
        """Breaks off all trainings."""
        await self._cancel(list(self._running.values()))

    async def _cancel(self, trainings: Iterable[_Training]) -> None:
        tasks = [training.task for training in trainings]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _tell(self, folder: str, step: str, progress: float) -> None:
        if training := self._running.get(folder):
            training.step, training.progress = step, progress
