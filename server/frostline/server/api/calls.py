"""What surrounds every call: the size limit, the status of a failure, and the count of calls under way."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Never, Protocol, cast

import grpc
from google.protobuf.message import Message

from frostline.server.api.request_bytes import RequestBytes
from frostline.server.api.status import MessageTooLarge, failure
from frostline.wire.reasons import TRAILER

Context = grpc.aio.ServicerContext[Any, Any]

_OURS = "/frostline."
_UPLOAD = "/frostline.v1.EncoderService/AddEncoder"  # its requests are pieces, written one by one and not answered each


class Requests(Protocol):
    """The messages of a stream, as they come."""

    def __aiter__(self) -> AsyncIterator[Any]:
        """Goes through them once."""
        ...


def deadline_of(context: Context) -> float | None:
    """When the caller stops waiting, in event-loop time; None where it waits for ever."""
    remaining = cast(float | None, context.time_remaining())  # the stubs forget callers without a deadline
    return None if remaining is None else asyncio.get_running_loop().time() + remaining


def metadata_of(context: Context) -> dict[str, str]:
    """The call's metadata; keys are in lower case."""
    return {key: str(value) for key, value in context.invocation_metadata() or ()}


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Surrounds every call of Frostline's own services.

    gRPC's own limit on messages is above the one here, so that callers read which setting it comes from.

    Args:
        max_message_bytes: largest request and answer.
        request_bytes: counts what is in work; unary calls beyond its limit are refused, streams wait.
    """

    def __init__(self, max_message_bytes: int, request_bytes: RequestBytes) -> None:
        self._max_message_bytes = max_message_bytes
        self._request_bytes = request_bytes
        self._under_way = 0
        self._wrapped: dict[str, Any] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self) -> None:
        """Waits until no call is under way; one is until its answer has been sent."""
        await self._idle.wait()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401 - gRPC's handlers are generic in what they carry
        """Wraps the handler of a method; see `grpc.aio.ServerInterceptor`."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        if method not in self._wrapped:
            self._wrapped[method] = self._wrap(handler, method)
        return self._wrapped[method]

    def _wrap(self, handler: Any, method: str) -> Any:  # noqa: ANN401 - as above
        kinds = handler.request_deserializer, handler.response_serializer
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(self._stream(handler.stream_stream, method), *kinds)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._answers(handler.unary_stream, method), *kinds)
        return grpc.unary_unary_rpc_method_handler(self._unary(handler.unary_unary, method), *kinds)

    def _unary(self, behavior: Callable[[Any, Context], Awaitable[Message]], method: str) -> Callable[..., Any]:
        async def call(request: Message, context: Context) -> Message:
            taken = 0
            self._begin(context, lambda: self._request_bytes.free(taken))
            try:
                size = self._check(request, "request")
                self._request_bytes.take(size)
                taken = size
                answer = await behavior(request, context)
                self._check(answer, "answer")
                return answer
            except Exception as error:
                await _abort(context, error, method)

        return call

    def _answers(self, behavior: Callable[[Any, Context], AsyncIterator[Message]], method: str) -> Callable[..., Any]:
        async def call(request: Message, context: Context) -> AsyncIterator[Message]:
            taken = 0
            self._begin(context, lambda: self._request_bytes.free(taken))
            try:
                size = self._check(request, "request")
                self._request_bytes.take(size)
                taken = size
                async for answer in behavior(request, context):
                    self._check(answer, "answer")
                    yield answer
            except Exception as error:
                await _abort(context, error, method)

        return call

    def _stream(
        self, behavior: Callable[[Requests, Context], AsyncIterator[Message]], method: str
    ) -> Callable[..., Any]:
        async def call(requests: Requests, context: Context) -> AsyncIterator[Message]:
            in_work: deque[int] = deque()
            self._begin(context, lambda: self._request_bytes.free(sum(in_work)))
            try:
                async for answer in behavior(self._admitted(requests, in_work, method), context):
                    if in_work:
                        self._request_bytes.free(in_work.popleft())
                    self._check(answer, "answer")
                    yield answer
            except Exception as error:
                await _abort(context, error, method)

        return call

    async def _admitted(self, requests: Requests, in_work: deque[int], method: str) -> AsyncIterator[Message]:
        async for request in requests:
            size = self._check(request, "request")
            if method != _UPLOAD:
                await self._request_bytes.wait(size, lambda: sum(in_work))
                in_work.append(size)
            yield request

    def _check(self, message: Message, what: str) -> int:
        size = message.ByteSize()
        if size > self._max_message_bytes:
            raise MessageTooLarge(
                f"{what} of {size} bytes is above the server's limit of {self._max_message_bytes} bytes "
                "(setting max_message_bytes); ask for or send less at once"
            )
        return size

    def _begin(self, context: Context, free: Callable[[], None]) -> None:
        """Counts a call until its answer has been sent, and frees then what it took."""
        self._under_way += 1
        self._idle.clear()

        def end(_: object) -> None:
            free()
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

        cast(Any, context).add_done_callback(end)  # the stubs want a class of their own


async def _abort(context: Context, error: Exception, method: str) -> Never:
    code, message, detail = failure(error, method)
    await context.abort(code, message, ((TRAILER, detail.SerializeToString()),))
