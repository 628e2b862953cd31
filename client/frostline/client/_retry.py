"""When a failed call is tried again. Pure: no clock, no dice, no sleep."""

from dataclasses import dataclass

import grpc

from frostline.client.errors import FrostlineError


@dataclass(frozen=True, slots=True)
class Retry:
    """Tries again with exponential backoff and full jitter.

    Rule 1: UNAVAILABLE is tried again; writes of records carry a request id and so are never done twice. (A creation
    or deletion has none: tried again after its answer was lost, it ends in AlreadyExists or NotFound.)
    Rule 2: RESOURCE_EXHAUSTED is tried again only with the server's hint, and not before it.
    Rule 3: nothing else is, and nothing past the deadline or after `attempts`.

    Attributes:
        attempts: the most times one call is sent; for streams, one batch without an answer in between.
        initial_seconds: the longest first pause; each next one may be twice as long.
        maximum_seconds: the longest pause, beside the server's hint.

    Source: Brooker 2015, Exponential Backoff and Jitter (AWS Architecture Blog), "full jitter".
    """

    attempts: int = 6
    initial_seconds: float = 0.1
    maximum_seconds: float = 5.0

    def pause(self, error: FrostlineError, failures: int, remaining_seconds: float, chance: float) -> float | None:
        """Says how long to wait before the next attempt.

        Args:
            error: how the last attempt failed.
            failures: attempts that failed so far, at least 1.
            remaining_seconds: time to the deadline.
            chance: drawn evenly from 0 to 1.

        Returns:
            Seconds, or None where the error should be raised.
        """
        hint = error.retry_after_seconds
        hinted = error.code is grpc.StatusCode.RESOURCE_EXHAUSTED and hint is not None
        if failures >= self.attempts or not (hinted or error.code is grpc.StatusCode.UNAVAILABLE):
            return None
        ceiling = min(self.maximum_seconds, self.initial_seconds * 2.0 ** (failures - 1))
        pause = (hint or 0.0) + chance * ceiling
        return pause if pause < remaining_seconds else None
