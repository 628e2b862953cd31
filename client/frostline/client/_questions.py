"""Questions that take long: the server tells how far it is, and its last message holds the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from frostline.client._caller import Caller
from frostline.client._head_examples import HeadProgress
from frostline.client._transport import Deadline, Q, Stream
from frostline.client.errors import Internal

if TYPE_CHECKING:
    from grpc import UnaryStreamMultiCallable

_REPORT_SECONDS = 600.0  # the longest time without a report of the server, where the caller names none


class Told(Protocol):
    """A message that says how far the answer is."""

    @property
    def step(self) -> str:
        """What is being done; empty where the message says something else."""
        ...

    @property
    def progress(self) -> float:
        """How much of it all is done, from 0 to 1."""
        ...


T = TypeVar("T", bound=Told)


class QuestionCalls(Caller):
    """Asks questions that take long."""

    async def _asked(
        self,
        rpc: UnaryStreamMultiCallable[Q, T],
        request: Q,
        progress: HeadProgress | None,
        timeout_seconds: float | None,
        hear: Callable[[T], None] | None = None,
    ) -> T:
        """Waits for the last message. A call is tried again until the server has begun with it, and not after that.

        Args:
            rpc: the method.
            request: the question.
            progress: told how far it is.
            timeout_seconds: the longest time without a report of the server; 600 when None.
            hear: given each message, as it comes.

        Raises:
            FrostlineError: there is no answer; says why.
        """
        longest = _REPORT_SECONDS if timeout_seconds is None else timeout_seconds

        async def begin(deadline: Deadline) -> tuple[Stream[Q, T], T | None]:
            stream = self._transport.watch(rpc, request)
            try:
                return stream, await stream.receive(deadline)
            except BaseException:
                stream.close()
                raise

        stream, told = await self._persist(begin, longest)
        last = told
        try:
            while told is not None:
                last = told
                if hear:
                    hear(told)
                if progress and told.step:
                    progress(told.step, told.progress)
                told = await stream.receive(Deadline(longest))
        finally:
            stream.close()
        if last is None:
            raise Internal("the server ended a stream without an answer")
        return last
