"""Streams of batches: several in work at once, answered in order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from frostline.server.errors import ShuttingDown

WINDOW = 4
"""Requests of one stream in work at once; the sender is held back beyond that."""
WRITE_WINDOW = 16
"""The same for writes: so many are committed together, with one sync of the disk."""

Q = TypeVar("Q")
A = TypeVar("A")


class Turn:
    """Keeps in order what must be: a request's turn comes once those before it are over.

    Where one fails its turn is never over, so nothing after it happens.
    """

    def __init__(self, before: asyncio.Event, over: asyncio.Event) -> None:
        self._before = before
        self._over = over

    async def come(self) -> None:
        """Waits for the turns before."""
        await self._before.wait()

    def over(self) -> None:
        """Lets the next have its turn."""
        self._over.set()


async def pipelined(
    requests: AsyncIterator[Q],
    answer: Callable[[Q, Turn], Awaitable[A]],
    closing: asyncio.Event,
    window: int = WINDOW,
) -> AsyncGenerator[A]:
    """Answers the requests of a stream.

    Args:
        requests: what the client sends.
        answer: works on one request; takes its turn around what must happen in order.
        closing: set when the server stops: what was read is answered, nothing more is read.
        window: how many requests are in work at once.

    Yields:
        The answers in the order of the requests.

    Raises:
        ShuttingDown: the server stops; all that was read is answered.
    """
    tasks: asyncio.Queue[asyncio.Task[A] | None] = asyncio.Queue()
    started: dict[asyncio.Task[A], None] = {}
    room = asyncio.Semaphore(window - 1)  # beside the one that is awaited
    reader = asyncio.create_task(_read(requests, answer, closing, tasks, started, room))
    try:
        while task := await tasks.get():
            yield await task
            del started[task]
            room.release()
        await reader
    finally:
        await _end(reader, *reversed(started))  # newest first: no write is done whose predecessor was withdrawn


async def until_closing(requests: AsyncIterator[Q], closing: asyncio.Event) -> AsyncGenerator[Q]:
    """Reads requests as long as the server does not stop. Belongs to the task that first reads.

    Raises:
        ShuttingDown: the server stops; what was read before is answered.
    """
    reader = asyncio.current_task()
    assert reader  # a coroutine of an event loop
    reading = False

    def stop(_: object) -> None:
        if reading:
            reader.cancel()

    closed = asyncio.create_task(closing.wait())
    closed.add_done_callback(stop)
    try:
        while not closing.is_set():
            reading = True
            try:
                request = await anext(requests)
            except StopAsyncIteration:
                return
            except asyncio.CancelledError:
                if not closing.is_set():
                    raise
                reader.uncancel()
                break
            finally:
                reading = False
            yield request
    finally:
        closed.cancel()
    raise ShuttingDown("the server is shutting down; what it answered is done, send the rest again")


async def _read(
    requests: AsyncIterator[Q],
    answer: Callable[[Q, Turn], Awaitable[A]],
    closing: asyncio.Event,
    tasks: "asyncio.Queue[asyncio.Task[A] | None]",
    started: "dict[asyncio.Task[A], None]",
    room: asyncio.Semaphore,
) -> None:
    before = asyncio.Event()
    before.set()
    try:
        async with aclosing(until_closing(requests, closing)) as arriving:
            async for request in arriving:
                over = asyncio.Event()
                task = asyncio.ensure_future(answer(request, Turn(before, over)))
                started[task] = None
                tasks.put_nowait(task)
                before = over
                await room.acquire()
    finally:
        tasks.put_nowait(None)


async def _end(*running: asyncio.Future[Any]) -> None:
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)  # else asyncio logs errors that nobody took
