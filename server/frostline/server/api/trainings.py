"""Trainings under way: each goes on whoever watches it, and whoever watches hears how far it is.

Trainings wait here for their turn, not in threads: those are few, and everybody needs them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from frostline.server.api.progress import Progress
from frostline.server.errors import Overloaded
from frostline.server.heads.versions import Version
from frostline.server.report import Report

MOST_TRAININGS = 100
"""So many may be under way at once, most of them waiting."""
_RETRY_SECONDS = 30.0

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Training:
    task: "asyncio.Task[None]"
    progress: Progress


class Trainings:
    """Runs trainings of versions. Belongs to the event loop it is made in.

    Args:
        closing: set when the server stops; nobody is told any more then.
    """

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing
        self._running: dict[str, _Training] = {}
        self._kept: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Lock()

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
        progress = Progress()
        task = asyncio.create_task(work(progress.report))
        self._running[version.folder] = _Training(task, progress)
        task.add_done_callback(lambda _: self._running.pop(version.folder))

    async def in_turn(self, work: Callable[[], T], report: Report) -> T:
        """Does work in a thread, when all that came before is done."""
        waits = self._turn.locked()
        if waits:
            report("waiting", 0.0)
        async with self._turn:
            if waits:
                report("starting", 0.0)
            return await asyncio.to_thread(work)

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Does steps that belong together, all of them also where the caller goes meanwhile."""
        task = asyncio.ensure_future(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return await asyncio.shield(task)

    async def watch(self, version: Version) -> AsyncIterator[tuple[str, float]]:
        """Says what is being done and how much of it all is done, when that changes and now and then, until the end."""
        if training := self._running.get(version.folder):
            async for told in training.progress.until_done(training.task, self._closing):
                yield told

    def now(self, version: Version) -> tuple[str, float] | None:
        """What is being done for a version and how much of it all is done; None where it is not being trained.

        May be asked from any thread.
        """
        training = self._running.get(version.folder)
        return training.progress.now if training else None

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
