"""The records of a collection as the source of a job."""

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise

from frostline.client import Client, Collection, Record
from frostline.indexer.fields import payload_bytes
from frostline.indexer.reading import READ_AT_ONCE, chunks, found
from frostline.indexer.rows import Position, Rejection, Row

NO_CONTENT = "NO_CONTENT"


class StoredRecords:
    """Records in the order they were last written, so that what is written meanwhile comes at the end.

    A place in it is a commit: going on from there, records of later commits come. Satisfies `Source`.

    Args:
        client: reaches the server.
        collection: whose records.
        vector_name: the vector that is to be made anew of each record's content.
        modality: what the new encoder takes: `text` or `image`.
    """

    def __init__(self, client: Client, collection: Collection, vector_name: str, modality: str) -> None:
        self._client = client
        self._collection = collection
        self._vector_name = vector_name
        self._modality = modality
        self._first = next(iter(collection.vectors))
        self._others = len(collection.vectors) > 1

    @property
    def identity(self) -> dict[str, str | int]:
        """The collection, and when it was made."""
        return {"source": self._collection.name, "source's creation": self._collection.create_time.isoformat()}

    @property
    def total(self) -> int:
        """Records when the job began."""
        return self._collection.record_count

    @property
    def size_bytes(self) -> int:
        """Not needed, since `total` is known."""
        return 0

    def rows(self, start: Position) -> Iterator[Row]:
        """Reads the records that were written after a commit, with their contents."""
        number = start.row
        listed = (
            (record.id, record.sequence)
            for record in self._client.list_records(self._collection.name)
            if record.sequence > start.sequence
        )
        places = _with_places(listed, start.sequence)
        for some in chunks(places, READ_AT_ONCE):
            ends = dict(some)
            # One that was deleted since it was listed is not found; one that was written again is listed again.
            for record in found(self._client, self._collection.name, list(ends), content=True, vectors=self._others):
                number += 1
                yield self._row(number, Position(number, sequence=ends[record.id]), record)

    def _row(self, number: int, end: Position, record: Record) -> Row:
        vectors = dict(record.vectors)
        if record.vector is not None:
            vectors[self._first] = record.vector
        replaced = vectors.pop(self._vector_name, None)
        content = record.text if self._modality == "text" else record.image
        if content is None and (replaced is not None or not vectors):
            message = f"record has no {self._modality} to embed again; {self._collection.name} keeps its vector"
            return Row(number, end, Rejection(number, record.id, NO_CONTENT, message))
        image = record.image if isinstance(record.image, bytes) else b""
        size = len(record.id) + len((record.text or "").encode()) + len(image) + payload_bytes(dict(record.payload))
        size += sum(vector.nbytes for vector in vectors.values())
        copy = Record(record.id, text=record.text, image=record.image, vectors=vectors, payload=record.payload)
        return Row(number, end, copy, size)


def _with_places(listed: Iterable[tuple[str, int]], done: int) -> Iterator[tuple[str, int]]:
    """Ids, and for each the last commit of which all records have come once it has.

    Args:
        listed: ids and their commits, which ascend.
        done: the last commit of which all have come before.
    """
    end: list[tuple[str, int] | None] = [None]
    for this, following in pairwise(chain(listed, end)):
        if this is None:
            return
        id, sequence = this
        if following is None or following[1] > sequence:
            done = sequence
        yield id, done
