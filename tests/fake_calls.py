"""What a fake server does with every call: remembers it, and fails as a test has scripted."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from frostline.v1 import embedding_pb2 as v1
from frostline.v1.error_pb2 import ErrorDetail
from frostline.wire.reasons import TRAILER, Reason

Fault = Callable[[grpc.ServicerContext], None]
Code = grpc.StatusCode


def fails(code: grpc.StatusCode, message: str = "scripted", reason: str = "", hint: float | None = None) -> Fault:
    """A fault that ends the call; with a reason it carries Frostline's trailer, without it looks like gRPC's own."""

    def fault(context: grpc.ServicerContext) -> None:
        if reason:
            detail = ErrorDetail(reason=reason, log_id="log-7" if reason == Reason.INTERNAL else "")
            if hint is not None:
                detail.retry_after.FromNanoseconds(round(hint * 1e9))
            context.set_trailing_metadata(((TRAILER, detail.SerializeToString()),))
        context.abort(code, message)

    return fault


def stalls(seconds: float) -> Fault:
    """A fault that only takes time."""
    return lambda _: time.sleep(seconds)


def item_error(index: int, code: int = 3, reason: str = Reason.INVALID_INPUT) -> v1.ItemError:
    """Why one item of a batch failed."""
    return v1.ItemError(index=index, code=code, reason=reason, message="this one is bad; leave it out")


class Calls:
    """Remembers calls, and fails where it is told to.

    Attributes:
        requests: every request as (method, message), in order of arrival.
        metadata: of every call, the client's metadata.
        faults: for each method, what happens to its next calls, one each; None lets a call through.
        breaks: for each stream, a number of answers after which it breaks with UNAVAILABLE.
        pauses: for each stream, seconds before each answer.
        ended: how each stream of the server ended: "served" or "cut".
        page_size: items of a page of any list.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.metadata: list[dict[str, Any]] = []
        self.faults: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self.breaks: defaultdict[str, deque[int]] = defaultdict(deque)
        self.pauses: defaultdict[str, deque[float]] = defaultdict(deque)
        self.ended: list[str] = []
        self.page_size = 2

    def of(self, *methods: str) -> list[Any]:
        """The requests of methods, in order of arrival."""
        return [message for name, message in self.requests if name in methods]

    def _begin(self, method: str, context: grpc.ServicerContext) -> None:
        self.metadata.append(dict(context.invocation_metadata()))
        if self.faults[method] and (fault := self.faults[method].popleft()):
            fault(context)

    def _enter(self, method: str, request: Any, context: grpc.ServicerContext) -> None:
        self.requests.append((method, request))
        self._begin(method, context)

    def _stream(
        self, method: str, requests: Iterator[Any], context: grpc.ServicerContext, answer: Any
    ) -> Iterator[Any]:
        end = "cut"
        try:
            self._begin(method, context)
            answers_left = self.breaks[method].popleft() if self.breaks[method] else -1
            for request in requests:
                self.requests.append((method, request))
                done = answer(request, context)
                if answers_left == 0:
                    fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN)(context)
                answers_left -= 1
                if self.pauses[method]:
                    time.sleep(self.pauses[method].popleft())
                yield done
            end = "served"
        finally:
            self.ended.append(end)

    def _page(self, items: list[str], token: str) -> tuple[list[str], str]:
        start = int(token or 0)
        end = start + self.page_size
        return items[start:end], str(end) if end < len(items) else ""
