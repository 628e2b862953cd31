"""Streams of reports on something that takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from frostline.client._transport import A, Deadline, Q, Stream, Transport
from frostline.client.errors import FrostlineError

if TYPE_CHECKING:
    from grpc import UnaryStreamMultiCallable


class Watch(Generic[Q, A]):
    """Reports; a stream that breaks off is begun again, and begins with what there is then.

    Args:
        transport: carries it.
        rpc: reports.
        request: what it reports on; may be changed between reports.
    """

    def __init__(self, transport: Transport, rpc: UnaryStreamMultiCallable[Q, A], request: Q) -> None:
        self._transport = transport
        self._rpc = rpc
        self._request = request
        self._stream: Stream[Q, A] | None = None

    async def report(self, deadline: Deadline) -> A | None:
        """Waits for the next report; None after the last.

        Raises:
            FrostlineError: the stream broke; the next call begins another.
        """
        if self._stream is None:
            self._stream = self._transport.watch(self._rpc, self._request)
        try:
            return await self._stream.receive(deadline)
        except FrostlineError:
            self.close()
            raise

    def close(self) -> None:
        """Ends the stream, if there is one."""
        if self._stream:
            self._stream.close()
        self._stream = None
