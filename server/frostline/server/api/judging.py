"""Questions about heads, encoders and examples that take long: answered one after the other, beside trainings."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from frostline.server.api.progress import Progress
from frostline.server.errors import ShuttingDown
from frostline.server.heads.orders import Question
from frostline.server.heads.trainer import Work
from frostline.server.heads.workshop import Workshop
from frostline.server.report import Report

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """How far an answer is.

    Attributes:
        step: what is being done.
        done: how much of it all, of 1.
    """

    step: str
    done: float


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """The end of a tale.

    Attributes:
        answer: what was asked for.
    """

    answer: T


class Judging:
    """Answers questions in processes of their own. Belongs to the event loop it is made in.

    Args:
        workshop: runs the processes.
        closing: set when the server stops; nobody is told any more then.
    """

    def __init__(self, workshop: Workshop, closing: asyncio.Event) -> None:
        self._workshop = workshop
        self._closing = closing
        self._turn = asyncio.Lock()

    async def answer(
        self, prepare: Callable[[Path], Question], report: Report, about: Path | None = None
    ) -> dict[str, Any]:
        """Has a question answered when all that came before are; breaks it off when the caller goes.

        Args:
            prepare: writes what the question is about into an empty folder, and gives the question; runs in a thread.
            report: told how far it is.
            about: folder of a head; its end breaks the question off.

        Raises:
            TrainingFailed: the process ended without an answer, or the head was deleted.
            InvalidInput: there is no answer to that; says why.
            ShuttingDown: the server stops.
        """
        waits = self._turn.locked()
        if waits:
            report("waiting", 0.0)
        async with self._turn:
            if waits:
                report("starting", 0.0)
            work = Work(about)
            try:
                return await asyncio.to_thread(self._workshop.judge, prepare, report, work)
            except asyncio.CancelledError:
                work.stop(ShuttingDown("nobody waits for the answer any more"))
                raise

    async def told(self, work: Callable[[Report], Coroutine[Any, Any, T]]) -> AsyncGenerator[Told | Answered[T]]:
        """Does work, says how far it is, and in the end what came of it.

        Args:
            work: is told whom to tell how far it is; broken off when the caller goes.

        Raises:
            ShuttingDown: the server stops.
        """
        progress = Progress()
        task = asyncio.create_task(work(progress.report))
        try:
            async for step, done in progress.until_done(task, self._closing):
                yield Told(step, done)
            if not task.done():
                raise ShuttingDown("the server is stopping")
            yield Answered(task.result())
        finally:
            task.cancel()
            await asyncio.wait((task,))
