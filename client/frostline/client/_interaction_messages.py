"""Interactions to messages and back."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from frostline.client._to_wire import number, unicode
from frostline.client.errors import InvalidInput
from frostline.client.types import Interaction
from frostline.v1 import interaction_pb2 as v1
from frostline.wire.timestamps import seconds_of, timestamp_of

_FARTHEST_SECONDS = 1 << 62  # the server says what is wrong with times that are none


def interaction_message(interaction: Interaction) -> v1.Interaction:
    """An interaction for the wire.

    Raises:
        InvalidInput: it cannot be sent; names its user and record.
    """
    try:
        return v1.Interaction(
            user=unicode(interaction.user),
            record=unicode(interaction.record),
            weight=number(interaction.weight, "weight"),
            time=None if interaction.time is None else timestamp(interaction.time, "time"),
            kind=unicode(interaction.kind),
        )
    except InvalidInput as error:
        named = f"interaction of user {interaction.user!r} with record {interaction.record!r}"
        raise InvalidInput(f"{named}: {error}") from error


def interaction_of(message: v1.Interaction) -> Interaction:
    """An interaction from the wire."""
    return Interaction(
        user=message.user,
        record=message.record,
        weight=message.weight,
        time=seconds_of(message.time),
        kind=message.kind,
        sequence=message.sequence,
    )


def timestamp(seconds: float, what: str) -> Timestamp:
    """A time for the wire; names `what` where it is none.

    Raises:
        InvalidInput: it is no finite number, or too large.
    """
    if abs(number(seconds, what)) > _FARTHEST_SECONDS:
        raise InvalidInput(f"{what} {seconds!r} is out of range; give seconds since 1970")
    return timestamp_of(seconds)


def listed_kinds(kinds: Iterable[str] | None) -> list[str]:
    """Kinds that are named.

    Raises:
        InvalidInput: none is, although they could be, or one is no Unicode.
    """
    listed = [unicode(kind) for kind in kinds or ()]
    if kinds is not None and not listed:
        raise InvalidInput("kinds is empty; name some, or give None for all kinds")
    return listed
