"""The blocking transport: an operation on it never waits, it blocks."""

from __future__ import annotations

import queue
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc

from frostline.client import errors
from frostline.client._channel import Endpoint
from frostline.client._conversations import Conversations
from frostline.client._transport import A, Answers, Deadline, Q, Stream, Transport

if TYPE_CHECKING:
    from grpc import StreamStreamMultiCallable, UnaryUnaryMultiCallable

T = TypeVar("T")


def run(operation: Awaitable[T]) -> T:
    """Runs an operation over the blocking transport to its end, with or without an event loop around."""
    try:
        next(operation.__await__())
    except StopIteration as end:
        return cast(T, end.value)
    raise RuntimeError("an operation waited for something else than the blocking transport")


def iterate(answers: AsyncGenerator[T]) -> Iterator[T]:
    """Runs an operation with many answers, one step each."""
    try:
        while True:
            try:
                answer = run(anext(answers))
            except StopAsyncIteration:
                return
            yield answer
    finally:
        run(answers.aclose())


class BlockingTransport(Transport):
    """Blocks the thread that calls."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._conversations: dict[object, Conversations[Any, Any]] = {}

    async def call(self, rpc: UnaryUnaryMultiCallable[Q, A], request: Q, deadline: Deadline) -> A:
        """Sends one request and blocks until its answer is there."""
        try:
            return rpc(request, timeout=deadline.remaining_seconds(), metadata=self.endpoint.metadata)
        except grpc.RpcError as error:
            raise errors.from_rpc(error, self.endpoint.target, deadline.limit_seconds) from error

    async def ask(
        self,
        unary: UnaryUnaryMultiCallable[Q, A],
        stream: StreamStreamMultiCallable[Q, A],
        request: Q,
        deadline: Deadline,
    ) -> A:
        """Sends one request over a stream that stays open, and blocks until its answer is there."""
        conversations = self._conversations.get(stream)
        if conversations is None:
            start = partial(stream, metadata=self.endpoint.metadata)
            conversations = self._conversations.setdefault(stream, Conversations(start, self.endpoint.target))
        answer: A = conversations.ask(request, deadline)
        return answer

    def close(self) -> None:
        """Closes the connection; calls under way fail."""
        for conversations in self._conversations.values():
            conversations.close()
        super().close()

    async def sleep(self, seconds: float) -> None:
        """Blocks."""
        time.sleep(seconds)

    def _start(self, start: Callable[[Iterator[Q]], Answers[A]]) -> Stream[Q, A]:
        return _BlockingStream(start, self.endpoint.target)


class _BlockingStream(Stream[Q, A]):
    def __init__(self, start: Callable[[Iterator[Q]], Answers[A]], target: str) -> None:
        self._inbox: queue.SimpleQueue[A | grpc.RpcError | None] = queue.SimpleQueue()
        super().__init__(start, target)

    async def _take(self, timeout_seconds: float) -> A | grpc.RpcError | None:
        try:
            return self._inbox.get(timeout=max(timeout_seconds, 0.0))
        except queue.Empty:
            raise TimeoutError from None

    def _deliver(self, arrived: A | grpc.RpcError | None) -> None:
        self._inbox.put(arrived)
