"""The asyncio door: the operations themselves, on the asyncio transport."""

from pathlib import Path
from types import TracebackType
from typing import Self

from frostline.client._asyncio import AsyncioTransport
from frostline.client._channel import Endpoint
from frostline.client._operations import Operations
from frostline.client._retry import Retry


class AsyncClient(Operations):
    """Talks to a Frostline server from asyncio; `Client` with `await`, `async for` and `async with`.

    Cancelling a task cancels its call; a write that was under way may
    or may not have been done. Where `Client` takes an iterable of records, batches or inputs, this also takes an
    asynchronous one; ordinary iterables and image files are read in the event loop.

    Args:
        target: the server, `host:port`.
        token: sent with each call; administrative calls may need it.
        tls: whether the connection is encrypted and the server proves its name.
        ca_certificate: PEM file of the authority that signed the server's certificate, instead of the system's; implies
            `tls`.
        timeout_seconds: the deadline of calls that name none, see `Client`.
        retry: when a failed call is tried again.

    Raises:
        InvalidInput: `target` is no host and port, `token` cannot be sent, or `ca_certificate` cannot be read.
    """

    def __init__(
        self,
        target: str = "localhost:50051",
        *,
        token: str | None = None,
        tls: bool = False,
        ca_certificate: str | Path | None = None,
        timeout_seconds: float = 60.0,
        retry: Retry = Retry(),  # noqa: B008 - frozen, so sharing it is safe
    ) -> None:
        endpoint = Endpoint(target, token=token, tls=tls, ca_certificate=ca_certificate)
        super().__init__(AsyncioTransport(endpoint), retry, timeout_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
