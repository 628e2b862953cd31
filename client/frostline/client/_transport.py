"""What operations need of the outside world: calls, streams, sleep.

Operations are written once, as coroutines over a transport. On the asyncio transport they wait; on the blocking one
nothing ever waits, so that one step runs a whole operation (`_blocking.run`). Both use gRPC's threaded channel, since
grpc.aio (1.85) reports "Internal error from Core" instead of the server's status when a stream breaks while it is
written to.
"""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from frostline.client import errors
from frostline.client._channel import Endpoint
from frostline.v1.collection_service_pb2_grpc import CollectionServiceStub
from frostline.v1.encoder_service_pb2_grpc import EncoderServiceStub
from frostline.v1.head_service_pb2_grpc import HeadServiceStub
from frostline.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from frostline.v1.record_service_pb2_grpc import RecordServiceStub
from frostline.v1.search_service_pb2_grpc import SearchServiceStub
from frostline.v1.snapshot_service_pb2_grpc import SnapshotServiceStub

if TYPE_CHECKING:
    from grpc import StreamStreamMultiCallable, UnaryStreamMultiCallable, UnaryUnaryMultiCallable

Q = TypeVar("Q", bound=Message)
A = TypeVar("A")

R = TypeVar("R", covariant=True)


class Answers(Protocol[R]):
    """A call of gRPC whose answers come one by one."""

    def __iter__(self) -> Iterator[R]: ...

    def cancel(self) -> object:
        """Gives the call up."""
        ...


class Deadline:
    """A moment until which answers are waited for.

    Args:
        limit_seconds: the time from now, as the caller gave it; errors name it.
    """

    def __init__(self, limit_seconds: float) -> None:
        self.limit_seconds = limit_seconds
        self._end = time.monotonic() + limit_seconds

    def remaining_seconds(self) -> float:
        """The time that is left; negative once it has passed."""
        return self._end - time.monotonic()


class Transport(ABC):
    """Carries calls to one server; safe to use from several threads.

    Args:
        endpoint: the server.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._channel = endpoint.channel()
        self.encoders = EncoderServiceStub(self._channel)
        self.collections = CollectionServiceStub(self._channel)
        self.records = RecordServiceStub(self._channel)
        self.searches = SearchServiceStub(self._channel)
        self.snapshots = SnapshotServiceStub(self._channel)
        self.heads = HeadServiceStub(self._channel)
        self.recommendations = RecommendationServiceStub(self._channel)

    @abstractmethod
    async def call(self, rpc: UnaryUnaryMultiCallable[Q, A], request: Q, deadline: Deadline) -> A:
        """Sends one request and waits for its answer.

        Raises:
            FrostlineError: the call failed, or no answer came in time.
        """

    async def ask(
        self,
        unary: UnaryUnaryMultiCallable[Q, A],
        stream: StreamStreamMultiCallable[Q, A],
        request: Q,
        deadline: Deadline,
    ) -> A:
        """Sends one request of a method that is there both ways, by the quicker one, and waits for its answer.

        Raises:
            FrostlineError: the call failed, or no answer came in time.
        """
        return await self.call(unary, request, deadline)

    def stream(self, rpc: StreamStreamMultiCallable[Q, A], requests: Iterator[Q] | None = None) -> Stream[Q, A]:
        """Starts a stream, fed by `send`, or by `requests` as fast as the server takes them."""
        return self._start(lambda sent: rpc(sent if requests is None else requests, metadata=self.endpoint.metadata))

    def watch(self, rpc: UnaryStreamMultiCallable[Q, A], request: Q) -> Stream[Q, A]:
        """Sends one request whose answers are received one by one."""
        return self._start(lambda _: rpc(request, metadata=self.endpoint.metadata))

    @abstractmethod
    def _start(self, start: Callable[[Iterator[Q]], Answers[A]]) -> Stream[Q, A]:
        """Starts a stream; see `Stream`."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Waits."""

    def close(self) -> None:
        """Closes the connection; calls under way fail."""
        self._channel.close()


class Stream(ABC, Generic[Q, A]):
    """One call with many answers, and many requests or one.

    Two threads serve it: one of gRPC sends, and one of ours receives, since gRPC's own waiting for an answer knows no
    time limit. So writing and reading never wait for each other.

    Args:
        start: starts the call, given what `send` is given.
        target: the server, for messages.
    """

    def __init__(self, start: Callable[[Iterator[Q]], Answers[A]], target: str) -> None:
        self._target = target
        self._outbox: queue.SimpleQueue[Q | None] = queue.SimpleQueue()
        self._call = start(iter(self._outbox.get, None))
        threading.Thread(target=self._read, name="frostline-stream", daemon=True).start()

    def send(self, request: Q) -> None:
        """Queues a request; never waits."""
        self._outbox.put(request)

    def end(self) -> None:
        """Says that no request follows."""
        self._outbox.put(None)

    def close(self) -> None:
        """Gives up what is left of the call; both threads end."""
        self._call.cancel()
        self._outbox.put(None)

    async def receive(self, deadline: Deadline) -> A | None:
        """Waits for the next answer; None where the server has ended the stream.

        Raises:
            FrostlineError: the stream broke, or no answer came in time.
        """
        try:
            arrived = await self._take(deadline.remaining_seconds())
        except TimeoutError:
            raise errors.late(self._target, deadline.limit_seconds) from None
        if isinstance(arrived, grpc.RpcError):
            raise errors.from_rpc(arrived, self._target, deadline.limit_seconds) from arrived
        return arrived

    @abstractmethod
    async def _take(self, timeout_seconds: float) -> A | grpc.RpcError | None:
        """Waits for what `_deliver` was given next; raises TimeoutError."""

    @abstractmethod
    def _deliver(self, arrived: A | grpc.RpcError | None) -> None:
        """Takes what has arrived from the thread that reads."""

    def _read(self) -> None:
        try:
            for answer in self._call:
                self._deliver(answer)
        except grpc.RpcError as error:
            self._deliver(error)
        else:
            self._deliver(None)
