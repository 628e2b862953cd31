"""The asyncio transport: gRPC's threads work, the event loop waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import grpc

from frostline.client import errors
from frostline.client._transport import A, Answers, Deadline, Q, Stream, Transport

if TYPE_CHECKING:
    from grpc import UnaryUnaryMultiCallable


class AsyncioTransport(Transport):
    """Waits in the event loop that runs."""

    async def call(self, rpc: UnaryUnaryMultiCallable[Q, A], request: Q, deadline: Deadline) -> A:
        """Sends one request and waits for its answer; a cancelled task cancels the call."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        call = rpc.future(request, timeout=deadline.remaining_seconds(), metadata=self.endpoint.metadata)
        call.add_done_callback(lambda _: _tell(loop, done.set))
        try:
            await done.wait()
        except asyncio.CancelledError:
            call.cancel()
            raise
        try:
            return call.result()
        except grpc.RpcError as error:
            raise errors.from_rpc(error, self.endpoint.target, deadline.limit_seconds) from error

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    def _start(self, start: Callable[[Iterator[Q]], Answers[A]]) -> Stream[Q, A]:
        return _AsyncioStream(start, self.endpoint.target)  # its answers arrive in the running event loop


class _AsyncioStream(Stream[Q, A]):
    def __init__(self, start: Callable[[Iterator[Q]], Answers[A]], target: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[A | grpc.RpcError | None] = asyncio.Queue()
        super().__init__(start, target)

    async def _take(self, timeout_seconds: float) -> A | grpc.RpcError | None:
        async with asyncio.timeout(timeout_seconds):
            return await self._inbox.get()

    def _deliver(self, arrived: A | grpc.RpcError | None) -> None:
        _tell(self._loop, lambda: self._inbox.put_nowait(arrived))


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    # A loop that was closed meanwhile has nobody left who waits.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(what)
