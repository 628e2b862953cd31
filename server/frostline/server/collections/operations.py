"""What can be done to a collection, and the answer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from frostline.server.collections.records import Record


@dataclass(frozen=True, slots=True)
class Written:
    """What an operation did, once it is durable.

    Attributes:
        count: records written or deleted.
        sequence: the commit that holds it; each operation has one of its own.
    """

    count: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Upsert:
    """Writes checked records whose ids all differ, replacing those with the same id."""

    records: Sequence[Record]
    request_id: str = ""
    request_digest: bytes = b""

    def digest(self) -> bytes:
        """Tells requests apart: the digest of the request where it came with one, else 16 bytes over the records."""
        if self.request_digest:
            return self.request_digest
        digest = _Digest("upsert")
        for record in self.records:
            digest.add(record.id.encode(), record.payload)
            digest.add((record.text or "").encode(), record.image or b"")
            digest.add(b"" if record.vector is None else record.vector.tobytes())
        return digest.value()


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes records by id."""

    ids: Sequence[str]
    request_id: str = ""

    def digest(self) -> bytes:
        """Tells requests apart: 16 bytes over the ids."""
        digest = _Digest("delete")
        digest.add(*(record_id.encode() for record_id in self.ids))
        return digest.value()


@dataclass(frozen=True, slots=True)
class Configure:
    """Changes the configuration; None leaves a field as it is."""

    description: str | None = None
    query_prompt: str | None = None


Operation = Upsert | Delete | Configure


class _Digest:
    def __init__(self, kind: str) -> None:
        self._hash = hashlib.blake2b(kind.encode(), digest_size=16)

    def add(self, *parts: bytes) -> None:
        for part in parts:
            self._hash.update(len(part).to_bytes(8, "little"))
            self._hash.update(part)

    def value(self) -> bytes:
        return self._hash.digest()
