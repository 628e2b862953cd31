"""Seconds since the epoch as protobuf has them."""

import math

from google.protobuf.timestamp_pb2 import Timestamp

NANOS = 1_000_000_000
"""Nanoseconds of a second."""


def timestamp_of(seconds: float) -> Timestamp:
    """A time for the wire, rounded to nanoseconds; `seconds` is finite and fits in 64 bits."""
    whole = math.floor(seconds)
    nanos = round((seconds - whole) * NANOS)
    return Timestamp(seconds=whole + nanos // NANOS, nanos=nanos % NANOS)


def seconds_of(time: Timestamp) -> float:
    """Seconds since the epoch."""
    return time.seconds + time.nanos / NANOS
