"""How many bytes of requests are in work: a bound on the memory that callers together can take."""

import asyncio
from collections.abc import Callable

from frostline.server.errors import Overloaded

_RETRY_AFTER_SECONDS = 1.0


class RequestBytes:
    """Counts the bytes of requests in work. Belongs to one event loop.

    A request above the limit is taken when nothing else is in work: `max_message_bytes` alone bounds a single one.

    Args:
        limit: the most bytes at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._freed = asyncio.Event()

    def take(self, size: int) -> None:
        """Counts a request.

        Args:
            size: in bytes.

        Raises:
            Overloaded: too many are in work.
        """
        if not self._fits(size):
            raise Overloaded(
                f"requests of {self._taken} bytes are in work, at most {self._limit} may be (setting "
                f"max_request_bytes_in_flight); try again in {_RETRY_AFTER_SECONDS:g} s",
                _RETRY_AFTER_SECONDS,
            )
        self._taken += size

    async def wait(self, size: int, own: Callable[[], int]) -> None:
        """Counts a request of a stream as soon as there is room for it.

        Args:
            size: in bytes.
            own: counts the bytes of the same stream that are in work. One stream takes half of the limit at most, so
                that it leaves room for other callers.
        """
        while not (self._fits(size) and (not own() or own() + size <= self._limit // 2)):
            self._freed.clear()
            await self._freed.wait()
        self._taken += size

    def free(self, size: int) -> None:
        """Ends the count of a request."""
        self._taken -= size
        self._freed.set()

    def _fits(self, size: int) -> bool:
        return not self._taken or self._taken + size <= self._limit
