"""What surrounds every call: the size limit, the status of a failure, and the count of calls under way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, Never, Protocol, cast

import grpc
from google.protobuf.message import Message

from frostline.server.api.status import MessageTooLarge, failure
from frostline.wire.reasons import TRAILER

Context = grpc.aio.ServicerContext[Any, Any]

_OURS = "/frostline."


class Requests(Protocol):
    """The messages of a stream, as they come."""

    def __aiter__(self) -> AsyncIterator[Any]:
        """Goes through them once."""
        ...


def deadline_of(context: Context) -> float | None:
    """When the caller stops waiting, in event-loop time; None where it waits for ever."""
    remaining = cast(float | None, context.time_remaining())  # the stubs forget callers without a deadline
    return None if remaining is None else asyncio.get_running_loop().time() + remaining


def authorization_of(context: Context) -> str:
    """The caller's `authorization` metadata; empty where there is none."""
    metadata = context.invocation_metadata() or ()
    return next((str(value) for key, value in metadata if key == "authorization"), "")


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Surrounds every call of Frostline's own services.

    gRPC's own limit on messages is above the one here, so that callers read which setting it comes from.

    Args:
        max_message_bytes: largest request and answer.
    """

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self) -> None:
        """Waits until no call is under way."""
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
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(handler.stream_stream, method), handler.request_deserializer, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(handler.unary_unary, method), handler.request_deserializer, handler.response_serializer
        )

    def _unary(self, behavior: Callable[[Any, Context], Awaitable[Message]], method: str) -> Callable[..., Any]:
        async def call(request: Message, context: Context) -> Message:
            with self._call():
                try:
                    self._check(request, "request")
                    return self._check(await behavior(request, context), "answer")
                except grpc.aio.AbortError:
                    raise
                except Exception as error:
                    await _abort(context, error, method)

        return call

    def _stream(
        self, behavior: Callable[[Requests, Context], AsyncIterator[Message]], method: str
    ) -> Callable[..., Any]:
        async def call(requests: Requests, context: Context) -> AsyncIterator[Message]:
            with self._call():
                try:
                    async for answer in behavior(self._checked(requests), context):
                        yield self._check(answer, "answer")
                except grpc.aio.AbortError:
                    raise
                except Exception as error:
                    await _abort(context, error, method)

        return call

    async def _checked(self, requests: Requests) -> AsyncIterator[Message]:
        async for request in requests:
            yield self._check(request, "request")

    def _check(self, message: Message, what: str) -> Message:
        size = message.ByteSize()
        if size > self._max_message_bytes:
            raise MessageTooLarge(
                f"{what} of {size} bytes is above the server's limit of {self._max_message_bytes} bytes "
                "(setting max_message_bytes); ask for or send less at once"
            )
        return message

    @contextmanager
    def _call(self) -> Generator[None]:
        self._under_way += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()


async def _abort(context: Context, error: Exception, method: str) -> Never:
    code, message, detail = failure(error, method)
    await context.abort(code, message, ((TRAILER, detail.SerializeToString()),))
