"""A collection: records that are durable once acknowledged, found by closeness."""

import contextlib
import logging
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections import validation
from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.database import FILE_NAME, Readers
from frostline.server.collections.hits import Hits, collected
from frostline.server.collections.ledger import Ledger
from frostline.server.collections.operations import Configure, Delete, Upsert, Written
from frostline.server.collections.records import Record, Rows
from frostline.server.collections.search_port import VectorSearch
from frostline.server.collections.writer import Writer
from frostline.server.errors import DataDamaged, InvalidInput, NotFound

MAX_HITS = 1_000_000
MAX_ANSWER_BYTES = 64 << 20

_log = logging.getLogger(__name__)


class Collection:
    """One collection. All methods may be called from several threads at once; all but the futures block.

    Args:
        folder: the collection's own, with its file in it.
        max_answer_bytes: the most that is read for one answer, in ids, payloads, vectors and contents; one record is
            always read.

    Raises:
        DataDamaged: the file cannot be read. Single damaged rows are logged and left out.
    """

    def __init__(self, folder: Path, *, max_answer_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._folder = folder
        self._max_answer_bytes = max_answer_bytes
        self._ledger = Ledger(folder / FILE_NAME)
        name = self.config.id
        self._readers = Readers(folder / FILE_NAME, f"collection {name!r} is being closed and takes no more reads")
        self._writer = Writer(self._ledger, name)

    @property
    def config(self) -> CollectionConfig:
        """The configuration as of the last commit."""
        return self._ledger.state.config

    @property
    def sequence(self) -> int:
        """The number of the last commit."""
        return self._ledger.state.sequence

    def count(self) -> int:
        """Records that can be found."""
        return self._ledger.state.index.count

    def size_bytes(self) -> int:
        """Bytes on disk.

        Raises:
            NotFound: the collection was deleted meanwhile.
        """
        try:
            paths = list(self._folder.iterdir())
        except FileNotFoundError as error:
            raise NotFound(f"collection {self.config.id!r} was deleted") from error
        sizes = 0
        for path in paths:
            with contextlib.suppress(FileNotFoundError):  # SQLite removes its log when it is done
                sizes += path.stat().st_size
        return sizes

    def check_vector(self, vector: NDArray[np.float32]) -> InvalidInput | None:
        """Says what is wrong with a vector, to store or to search for, or nothing.

        Args:
            vector: float32 of shape (d,).
        """
        try:
            validation.check_vector(vector, self.config)
        except InvalidInput as error:
            return error
        return None

    def upsert(self, records: Sequence[Record], request_id: str = "", digest: bytes = b"") -> "Future[Written]":
        """Inserts records, replacing those with the same id. All or none; of equal ids the last stays.

        Args:
            records: n records with vectors. The caller has checked them as `validation` says, once, where it can
                refuse each alone; they are not checked again.
            request_id: at most 64 bytes. Where an earlier request with the same id and digest was written, its answer
                is given and nothing is done.
            digest: tells requests with the same id apart. Give one of what the client sent where vectors were computed
                from it, since those differ in their last bits; otherwise it is made of the records.

        Returns:
            The answer, once the records are on disk and a search finds them. It fails with StorageFull where the disk
            has no room, and with InvalidInput where the request id belongs to another request.

        Raises:
            InvalidInput: the request id is too long.
            ShuttingDown: the collection is closed.
        """
        validation.check_request_id(request_id)
        last = {record.id: record for record in records}
        return self._writer.submit(Upsert(tuple(last.values()), request_id, digest))

    def delete(self, ids: Sequence[str], request_id: str = "") -> "Future[Written]":
        """Deletes records by id, passing over those that do not exist; see `upsert`."""
        validation.check_request_id(request_id)
        for record_id in ids:
            validation.check_id(record_id)
        return self._writer.submit(Delete(tuple(ids), request_id))

    def update(self, description: str | None = None, query_prompt: str | None = None) -> CollectionConfig:
        """Changes the configuration; None leaves a field as it is.

        Returns:
            The configuration, once it is on disk.

        Raises:
            StorageFull: the disk has no room.
            ShuttingDown: the collection is closed.
        """
        self._writer.submit(Configure(description, query_prompt)).result()
        return self.config

    def get(
        self, ids: Sequence[str], *, payloads: bool = True, vectors: bool = False, content: bool = False
    ) -> dict[str, Record | DataDamaged]:
        """Reads records by id.

        Args:
            ids: ids in any order; each is read once.
            payloads: whether to read payloads; empty where not.
            vectors: whether to read vectors, as they were written.
            content: whether to read texts and images.

        Returns:
            By id those that exist, or how one is damaged, in the order they were first asked for.

        Raises:
            InvalidInput: together they are larger than an answer may be.
            ShuttingDown: the collection is closed.
        """
        found: dict[str, Record | DataDamaged] = {}
        size = 0
        with self._view() as (rows, _, _):
            for record_id in dict.fromkeys(ids):
                record = rows.get(record_id, payloads=payloads, vectors=vectors, content=content)
                size += record.size_bytes() if isinstance(record, Record) else 0
                if found and size > self._max_answer_bytes:
                    raise InvalidInput(
                        f"the first {len(found) + 1} of these records have more than {self._max_answer_bytes} bytes; "
                        "ask for fewer ids at once"
                    )
                if record is not None:
                    found[record_id] = record
        return found

    def page(
        self, after: int, limit: int, *, vectors: bool = False, content: bool = False
    ) -> tuple[list[Record], int | None]:
        """Reads records in the order they were last written; damaged ones are logged and left out.

        A record that is not written meanwhile comes exactly once, whatever else is written or deleted.

        Args:
            after: 0, or what an earlier page gave.
            limit: the most records, at least 1.
            vectors: whether to read vectors.
            content: whether to read texts and images.

        Returns:
            The records, fewer than `limit` where more would fill over half an answer. And where the next page begins;
            None after the last.

        Raises:
            ShuttingDown: the collection is closed.
        """
        records: list[Record] = []
        size = 0
        with self._view() as (rows, _, _):
            behind = rows.after(after, limit + 1, vectors=vectors, content=content)
            for seen, (internal_id, record) in enumerate(behind):
                size += record.size_bytes() if isinstance(record, Record) else 0
                if seen == limit or (records and size > self._max_answer_bytes // 2):
                    return records, after
                after = internal_id
                if isinstance(record, DataDamaged):
                    _log.error("collection %r: %s", self.config.id, record)
                else:
                    records.append(record)
        return records, None

    def search(
        self,
        queries: NDArray[np.float32],
        limit: int,
        payloads: bool = False,
        exclude: Sequence[str | None] | None = None,
    ) -> Hits:
        """Finds, for each query, the records closest to it, as of one commit.

        Args:
            queries: float32 of shape (q, d).
            limit: the most hits of a query, at least 1.
            payloads: whether to read payloads.
            exclude: q ids of records to leave out of the hits of their query, or None.

        Returns:
            The hits; min(limit, count) of each query. Equal scores come in the order they were written. A record whose
            payload is read and was damaged since the server started is logged and left out.

        Raises:
            InvalidInput: a query is refused by `check_vector`; names it. Or too many hits are asked for, or what was
                found is larger than an answer may be; records left out count too.
            ShuttingDown: the collection is closed.
        """
        self._check_search(queries, limit)
        wanted = limit + 1 if exclude else limit
        with self._view() as (rows, index, sequence):
            neighbors = index.search(queries, wanted)
            ids, counts = np.unique(neighbors.ids, return_counts=True)
            times = dict(zip(ids.tolist(), counts.tolist(), strict=True))
            found = rows.found(times, payloads=payloads, max_bytes=self._max_answer_bytes)
        for record in found.values():
            if isinstance(record, DataDamaged):
                _log.error("collection %r: %s", self.config.id, record)
        return collected(neighbors, found, exclude or [None] * len(queries), limit, payloads, sequence)

    def close(self) -> None:
        """Finishes the writes that were accepted and the reads that have begun; refuses what comes later."""
        self._writer.close()
        self._readers.close()
        self._ledger.close()

    @contextlib.contextmanager
    def _view(self) -> Generator[tuple[Rows, VectorSearch, int]]:
        """Rows and vectors of the same commit, and its number."""
        with self._readers.connection() as connection:
            rows = Rows(connection, self.config.space.dimensions)
            while True:
                connection.execute("BEGIN")
                if state := self._ledger.state_at(rows.sequence()):
                    yield rows, state.index, state.sequence
                    return
                connection.execute("ROLLBACK")  # two commits came in between

    def _check_search(self, queries: NDArray[np.float32], limit: int) -> None:
        if limit < 1:
            raise InvalidInput(f"limit {limit} is out of range; ask for at least 1 hit")
        for index, query in enumerate(queries):
            if error := self.check_vector(query):
                raise InvalidInput(f"query {index}: {error}") from error
        hits = len(queries) * min(limit, self.count())
        if hits > MAX_HITS:
            raise InvalidInput(
                f"{len(queries)} queries with {limit} hits each ask for {hits} hits; at most {MAX_HITS} are returned "
                "at once, send fewer queries or a lower limit"
            )
