"""Interactions as messages and back."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from frostline.server.collections.rows.interactions import Interaction
from frostline.server.errors import InvalidInput
from frostline.v1 import interaction_pb2 as pb
from frostline.wire import timestamps

_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999, as the type on the wire has them."""


def interaction_of(message: pb.Interaction, now: float) -> Interaction:
    """Reads an interaction; whether it is right is said by `interactions.check`.

    Args:
        message: as it came.
        now: seconds since the epoch, for one that does not say when it happened.

    Raises:
        InvalidInput: its time is none.
    """
    weight = message.weight if message.HasField("weight") else 1.0
    time = seconds_of(message.time, "time") if message.HasField("time") else now
    return Interaction(message.user, message.record, message.kind, weight, time)


def interaction_messages(interactions: Iterable[Interaction]) -> list[pb.Interaction]:
    """Describes interactions."""
    return [
        pb.Interaction(
            user=each.user,
            record=each.record,
            weight=each.weight,
            time=timestamps.timestamp_of(each.time),
            kind=each.kind,
            sequence=each.sequence,
        )
        for each in interactions
    ]


def seconds_of(time: Timestamp, what: str) -> float:
    """Seconds since the epoch.

    Raises:
        InvalidInput: out of the range of times; names `what`.
    """
    if not (_EARLIEST <= time.seconds <= _LATEST and 0 <= time.nanos < timestamps.NANOS):
        raise InvalidInput(
            f"{what} has {time.seconds} seconds and {time.nanos} nanoseconds, which is out of range; give the seconds "
            "since 1970, not milliseconds, of a time in the years 1 to 9999"
        )
    return timestamps.seconds_of(time)
