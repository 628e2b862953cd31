"""Calls with deadlines and retries, and streams that go on where they broke, over either transport."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from itertools import count
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from frostline.client._channel import REQUEST_BYTES
from frostline.client._retry import Retry
from frostline.client._transport import A, Deadline, Q, Stream, Transport
from frostline.client.errors import FrostlineError, InvalidInput, Unavailable

if TYPE_CHECKING:
    from grpc import StreamStreamMultiCallable, UnaryUnaryMultiCallable

T = TypeVar("T")

WINDOW = 4
"""Batches sent ahead of the answers: enough to keep the server busy, few enough to bound memory on both sides."""
WRITE_WINDOW = 16
"""Ready vectors are sent further ahead, as long as they are small: what waits at the server is committed together."""
_WINDOW_BYTES = WINDOW * REQUEST_BYTES


class Caller:
    """Makes calls.

    Args:
        transport: carries them.
        retry: when a failed call is tried again.
        timeout_seconds: of calls that name none.
    """

    def __init__(self, transport: Transport, retry: Retry, timeout_seconds: float) -> None:
        self._transport = transport
        self._retry = retry
        self._timeout_seconds = timeout_seconds
        self._closed = False

    async def close(self) -> None:
        """Closes the connection; calls under way fail, and later ones are refused."""
        self._closed = True
        self._transport.close()

    async def _call(self, rpc: UnaryUnaryMultiCallable[Q, A], request: Q, timeout_seconds: float | None) -> A:
        return await self._persist(lambda deadline: self._transport.call(rpc, request, deadline), timeout_seconds)

    async def _ask(
        self,
        unary: UnaryUnaryMultiCallable[Q, A],
        stream: StreamStreamMultiCallable[Q, A],
        request: Q,
        timeout_seconds: float | None,
    ) -> A:
        return await self._persist(
            lambda deadline: self._transport.ask(unary, stream, request, deadline), timeout_seconds
        )

    async def _stream(
        self,
        rpc: StreamStreamMultiCallable[Q, A],
        requests: AsyncIterator[Q],
        timeout_seconds: float | None,
        window: int = WINDOW,
    ) -> AsyncGenerator[tuple[Q, A]]:
        # The time limit holds for each answer, retries included; what the caller does in between does not count.
        self._refuse_closed()
        pipe = _Pipe(self._transport, rpc)
        try:
            async for request in requests:
                pipe.send(request)
                while len(pipe.unanswered) >= (window if pipe.size_bytes < _WINDOW_BYTES else WINDOW):
                    yield await self._persist(pipe.answer, timeout_seconds)
            pipe.end()
            while pipe.unanswered:
                yield await self._persist(pipe.answer, timeout_seconds)
            await pipe.finish()
        finally:
            pipe.close()

    async def _call_or_stream(
        self,
        unary: UnaryUnaryMultiCallable[Q, A],
        stream: StreamStreamMultiCallable[Q, A],
        requests: AsyncIterator[Q],
        timeout_seconds: float | None,
        window: int = WINDOW,
    ) -> AsyncGenerator[tuple[Q, A]]:
        # One request is one call; several are a stream.
        first, second = await anext(requests, None), await anext(requests, None)
        if first is not None and second is None:
            yield first, await self._call(unary, first, timeout_seconds)
        elif first is not None and second is not None:
            rest = _chain(first, second, requests)
            async with aclosing(self._stream(stream, rest, timeout_seconds, window)) as pairs:
                async for pair in pairs:
                    yield pair

    async def _persist(self, attempt: Callable[[Deadline], Awaitable[T]], timeout_seconds: float | None) -> T:
        deadline = Deadline(self._timeout_seconds if timeout_seconds is None else timeout_seconds)
        for failures in count(1):
            self._refuse_closed()  # another thread may close it during a pause
            try:
                return await attempt(deadline)
            except FrostlineError as error:
                pause = self._retry.pause(error, failures, deadline.remaining_seconds(), random.random())
                if pause is None:
                    raise
            await self._transport.sleep(pause)
        raise AssertionError("count() ended")

    def _refuse_closed(self) -> None:
        if self._closed:
            raise InvalidInput("this client is closed; make another")


class _Pipe(Generic[Q, A]):
    """A stream that survives: after a break it is opened again and what is unanswered is sent again."""

    def __init__(self, transport: Transport, rpc: StreamStreamMultiCallable[Q, A]) -> None:
        self.unanswered: deque[Q] = deque()
        self.size_bytes = 0
        self._transport = transport
        self._rpc = rpc
        self._stream: Stream[Q, A] | None = None
        self._ended = False

    def send(self, request: Q) -> None:
        self.unanswered.append(request)
        self.size_bytes += request.ByteSize()
        if self._stream:
            self._stream.send(request)
        else:
            self._open()

    def end(self) -> None:
        self._ended = True
        if self._stream:
            self._stream.end()

    async def answer(self, deadline: Deadline) -> tuple[Q, A]:
        stream = self._stream or self._open()
        try:
            answer = await stream.receive(deadline)
            if answer is None:
                raise Unavailable(f"the server ended a stream with {len(self.unanswered)} requests unanswered")
        except FrostlineError:
            self.close()
            raise
        request = self.unanswered.popleft()
        self.size_bytes -= request.ByteSize()
        return request, answer

    async def finish(self) -> None:
        # All is answered: a clean end only keeps the server from seeing a cancelled call.
        if self._stream:
            with suppress(FrostlineError):
                await self._stream.receive(Deadline(1.0))

    def close(self) -> None:
        if self._stream:
            self._stream.close()
        self._stream = None

    def _open(self) -> Stream[Q, A]:
        self._stream = self._transport.stream(self._rpc)
        for request in self.unanswered:
            self._stream.send(request)
        if self._ended:
            self._stream.end()
        return self._stream


async def _chain(first: Q, second: Q, rest: AsyncIterator[Q]) -> AsyncIterator[Q]:
    yield first
    yield second
    async for request in rest:
        yield request


class _Page(Protocol):
    @property
    def next_page_token(self) -> str: ...


P = TypeVar("P", bound=_Page)


async def pages(ask: Callable[[str], Awaitable[P]]) -> AsyncIterator[P]:
    """Asks for page after page.

    Args:
        ask: gets the page of a page token.
    """
    page = await ask("")
    yield page
    while page.next_page_token:
        page = await ask(page.next_page_token)
        yield page
