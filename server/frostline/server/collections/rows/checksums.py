"""Checksums of rows.

There are three to a record, because payload, content and vectors are read apart; each is checked whenever its part is
read. Each covers what the part holds and whose it is: the record's id and its internal id. The head also says which
vectors there are, so that one whose row vanished is missed.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable

from frostline.server.errors import DataDamaged

_RECORD = struct.Struct("<qqI")
_SLOTS_BIT = 16  # an id has 512 bytes at most, so its length leaves room above it
_CRC_BITS = 32
_CONTENT = struct.Struct("<q??")
_INTERACTION = struct.Struct("<qddII")
_VECTOR = struct.Struct("<qI")


def record_crc(
    internal_id: int, sequence: int, label: bytes, content_hash: bytes | None, payload: bytes, slots: int
) -> int:
    """Of a record's head: all but texts, images and vectors, and which vectors it has.

    Args:
        internal_id: of the row.
        sequence: of the commit that wrote it.
        label: the record's id in UTF-8.
        content_hash: of its content, if any.
        payload: JSON in UTF-8.
        slots: of its vectors, the bit 1 << slot for each; they stand in what is returned, for `slots_of`.
    """
    head = _RECORD.pack(internal_id, sequence, len(label) | slots << _SLOTS_BIT)
    return slots << _CRC_BITS | zlib.crc32(payload, zlib.crc32(head + label + (content_hash or b"")))


def slots_of(crc: int) -> int:
    """Which vectors belong to the record with this checksum, the bit 1 << slot for each."""
    return crc >> _CRC_BITS


def slot_bits(slots: Iterable[int]) -> int:
    """Slots as `record_crc` takes them."""
    return sum(1 << slot for slot in slots)


def content_crc(internal_id: int, text: bytes | None, image: bytes | None) -> int:
    """Of the text or the image that a record was made from; 0 where there is neither."""
    if text is None and image is None:
        return 0
    crc = zlib.crc32(_CONTENT.pack(internal_id, text is not None, image is not None))
    return zlib.crc32(image or b"", zlib.crc32(text or b"", crc))


def vector_crc(key: int, label: bytes, vector: bytes) -> int:
    """Of one vector of the record with this id."""
    return zlib.crc32(vector, zlib.crc32(_VECTOR.pack(key, len(label)) + label))


def interaction_crc(key: int, user: bytes, record: bytes, kind: bytes, weight: float, time: float) -> int:
    """Of one interaction; texts in UTF-8."""
    head = _INTERACTION.pack(key, weight, time, len(user), len(record))
    return zlib.crc32(kind, zlib.crc32(record, zlib.crc32(head + user)))


def content_hash(text: str | None, image: bytes | None) -> bytes:
    """Tells contents apart: 16 bytes over text and image, or none where there is neither."""
    if text is None and image is None:
        return b""
    digest = hashlib.blake2b(digest_size=16)
    for part in (None if text is None else text.encode(), image):
        digest.update(b"-" if part is None else b"%d:" % len(part))
        digest.update(part or b"")
    return digest.digest()


def damaged(what: str, internal_id: int, label: object) -> DataDamaged:
    """The error of a row whose checksum does not fit.

    Args:
        what: the part, as in "its payload".
        internal_id: of the row.
        label: the record's id as it was read, which may be damaged too.
    """
    name = label.decode(errors="replace") if isinstance(label, bytes) else "?"
    return DataDamaged(
        f"record {name[:80]!r} (internal id {internal_id}) is damaged: {what} is not what was written; "
        "write it again or delete it, the others are served"
    )
