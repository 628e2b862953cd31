"""Records as messages, and the parts of records that messages bring."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import convert
from frostline.server.api.given_vectors import one
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.rows.records import Record
from frostline.server.collections.validation import check_id, check_payload
from frostline.server.encoders.encoder import Content
from frostline.server.errors import DataDamaged, InvalidInput
from frostline.v1 import record_service_pb2 as pb


def record_messages(found: Iterable[Record | DataDamaged], config: CollectionConfig) -> list[pb.Record]:
    """Describes records, without those that are damaged.

    Args:
        found: as they were read.
        config: of their collection.
    """
    spaces = {field.name: convert.space_message(field.space) for field in config.vectors}
    first = config.vectors[0].name
    messages: list[pb.Record] = []
    for record in found:
        if isinstance(record, DataDamaged):
            continue
        message = pb.Record(
            id=record.id, text=record.text, image=record.image, payload=record.payload, sequence=record.sequence
        )
        for name, vector in record.vectors.items():
            into = message.vector if name == first else message.vectors[name]
            into.data = vector.astype("<f4").tobytes()
            into.space.CopyFrom(spaces[name])
        messages.append(message)
    return messages


def check_record(message: pb.Record) -> None:
    """Checks what does not depend on the collection: id, payload, condition.

    Raises:
        InvalidInput: one of them is not right.
    """
    check_id(message.id)
    check_payload(message.payload)
    check_condition(message)


def check_condition(message: pb.Record | pb.PayloadPatch) -> None:
    """Checks the sequence that a stored record must have.

    Raises:
        InvalidInput: below 0.
    """
    if message.expected_sequence < 0:
        raise InvalidInput(
            f"expected_sequence {message.expected_sequence} is below 0; give 0 for a record that must be new, "
            "or the sequence it was read with"
        )


def condition(message: pb.Record | pb.PayloadPatch) -> int | None:
    """The sequence that a stored record must have; None for any."""
    return message.expected_sequence if message.HasField("expected_sequence") else None


def contents(message: pb.Record) -> tuple[str | None, bytes | None]:
    """The text and the image of a record; None for none."""
    return (
        message.text if message.HasField("text") else None,
        message.image if message.HasField("image") else None,
    )


def content_for(message: pb.Record, modality: str) -> Content | None:
    """What an encoder makes a vector of; None where the record has nothing for it."""
    text, image = contents(message)
    return text if modality == "text" else image


def own_vectors(message: pb.Record, collection: Collection) -> dict[str, NDArray[np.float32]]:
    """Reads the vectors that a record brings itself.

    Returns:
        By name, float32 of shape (d,), as the collection takes them.

    Raises:
        InvalidInput: one comes twice, or the collection does not take it.
        NotFound: the collection has no vector of that name.
        SpaceMismatch: one says itself that it lives elsewhere.
    """
    vectors: dict[str, NDArray[np.float32]] = {}
    fields = collection.config.vectors
    if message.HasField("vector"):
        vectors[fields[0].name] = one(message.vector, collection, 0)
    for name, vector in message.vectors.items():
        slot = collection.config.slot(name)
        if fields[slot].name in vectors:
            raise InvalidInput(
                f"vector {name!r} comes twice, in `vector` and in `vectors`; the first of a collection goes into one"
            )
        vectors[fields[slot].name] = one(vector, collection, slot)
    return vectors
