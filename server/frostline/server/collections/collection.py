"""A collection: records that are durable once acknowledged, found by closeness, words and payload."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections import validation
from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.filters.expression import Expression
from frostline.server.collections.interactions import Interactions
from frostline.server.collections.rows import columns
from frostline.server.collections.rows.columns import Columns
from frostline.server.collections.rows.database import FILE_NAME, Readers, connect
from frostline.server.collections.rows.ledger import Ledger
from frostline.server.collections.rows.listeners import Following, Listener, Listeners
from frostline.server.collections.rows.meta import read_meta
from frostline.server.collections.rows.operations import (
    Configure,
    Delete,
    DeleteRows,
    Patch,
    PayloadPatch,
    Upsert,
    UpsertVectors,
    Write,
    Written,
)
from frostline.server.collections.rows.records import Record, Rows, Stored
from frostline.server.collections.rows.writer import Writer
from frostline.server.collections.search import facets, reading, searching
from frostline.server.collections.search.query import Hits, SearchOptions, SearchQuery
from frostline.server.collections.search.searching import MAX_ANSWER_BYTES
from frostline.server.collections.search.views import Views
from frostline.server.collections.segments import exchange
from frostline.server.collections.segments.shaping import Shaping, Upkeep
from frostline.server.collections.segments.state import States
from frostline.server.collections.segments.stats import CollectionStats
from frostline.server.durable_files import size_of
from frostline.server.errors import DataDamaged, InvalidInput, NotFound


class Collection:
    """One collection. All methods may be called from several threads at once; all but the futures block.

    Args:
        folder: the collection's own, with its file in it.
        name: its name, where that is another than the one in its file.
        max_answer_bytes: of ids, payloads, vectors and contents, the most that one answer holds but for one record.
        upkeep: who keeps its segments as they should be.

    Attributes:
        token: tells it from every other, also from those that come after it.
        interactions: what users did with its records.

    Raises:
        DataDamaged: the file cannot be read. Single damaged rows are logged and left out.
    """

    def __init__(
        self, folder: Path, name: str = "", *, max_answer_bytes: int = MAX_ANSWER_BYTES, upkeep: Upkeep | None = None
    ) -> None:
        self.token = object()
        self._folder = folder
        self._max_answer_bytes = max_answer_bytes
        path = folder / FILE_NAME
        with contextlib.closing(connect(path)) as connection:
            config = read_meta(connection, path).config
        self._readers = Readers(path, f"collection {config.id!r} is being closed and takes no more reads")
        upkeep = upkeep or Upkeep()
        place = exchange.Place(path, folder / exchange.FOLDER, self._readers, upkeep.index_device)
        self._states = States(exchange.load(place, config))
        self._views = Views(self._states, self._readers)
        self._listeners = Listeners(self._states, self.sequence)
        self._ledger = Ledger(path, self._listeners)
        self._writer = Writer(self._ledger, config.id)
        self.interactions = Interactions(self._readers, self._writer, lambda: self.config.id)
        self._shaping = Shaping(place, self._states, self._writer, upkeep)
        try:
            if name not in ("", config.id):
                self.rename(name)
        except BaseException:
            self.close()
            raise

    @property
    def config(self) -> CollectionConfig:
        """The configuration as of the last commit."""
        return self._states.state.config

    @property
    def sequence(self) -> int:
        """The number of the last commit."""
        return self._states.state.sequence

    @property
    def recall(self) -> float:
        """The recall of the 10 nearest without a filter that was last measured; 1 where all records are compared."""
        return self._states.state.recall

    @property
    def folder(self) -> Path:
        """Where it lies; files of those who derive something from it go along with it."""
        return self._folder

    def rename(self, name: str) -> None:
        """Changes what it calls itself."""
        self._writer.submit(Configure({"id": name})).result()

    def size_bytes(self) -> int:
        """Bytes on disk.

        Raises:
            NotFound: the collection was deleted meanwhile.
        """
        if not self._folder.is_dir():
            raise NotFound(f"collection {self.config.id!r} was deleted")
        return size_of(self._folder)

    def stats(self) -> CollectionStats:
        """What it is made of."""
        return self._shaping.stats()

    def check_vector(self, slot: int, vector: NDArray[np.float32]) -> InvalidInput | None:
        """Says what is wrong with a vector, to store or to search for, or nothing.

        Args:
            slot: of the vector name.
            vector: float32 of shape (d,).
        """
        try:
            validation.check_vector(vector, self.config.vectors[slot], self.config.id)
        except InvalidInput as error:
            return error
        return None

    def upsert(self, writes: Sequence[Write], request_id: str = "", digest: bytes = b"") -> "Future[Written]":
        """Inserts records, replacing those with the same id; of equal ids the last stays.

        Args:
            writes: checked by the caller as `validation` says, once, where each can be refused alone.
            request_id: at most 64 bytes. Where an earlier request with the same id and digest was written, its answer
                is given and nothing is done.
            digest: tells requests with the same id apart. Give one of what the client sent where vectors were computed
                from it, since those differ in their last bits; otherwise it is made of the records.

        Returns:
            The answer, once the records are as durable as the collection says and a search finds them. It fails with
            StorageFull where the disk has no room, and with InvalidInput where another request has the id.

        Raises:
            InvalidInput: the request id is too long.
            ShuttingDown: the collection is closed.
        """
        validation.check_request_id(request_id)
        return self._writer.submit(Upsert(tuple(writes), request_id, digest))

    def upsert_vectors(self, columns: UpsertVectors) -> "Future[Written]":
        """Inserts records that have an id, a payload and one vector each; see `upsert`."""
        validation.check_request_id(columns.request_id)
        return self._writer.submit(columns)

    def patch(self, patches: Sequence[PayloadPatch], request_id: str = "") -> "Future[Written]":
        """Changes payloads, one after the other; see `upsert`. Records that do not exist are errors of their items."""
        validation.check_request_id(request_id)
        return self._writer.submit(Patch(tuple(patches), request_id))

    def delete(self, ids: Sequence[str], request_id: str = "") -> "Future[Written]":
        """Deletes records by id, passing over those that do not exist; see `upsert`."""
        validation.check_request_id(request_id)
        for record_id in ids:
            validation.check_id(record_id)
        return self._writer.submit(Delete(tuple(ids), request_id))

    def delete_matching(self, expression: Expression, request_id: str = "", digest: bytes = b"") -> "Future[Written]":
        """Deletes the records that a filter lets through now; those written again meanwhile stay; see `upsert`."""
        validation.check_request_id(request_id)
        found = self.matching_rows(expression).tolist()
        return self._writer.submit(DeleteRows(found, request_id, digest))

    def update(self, changes: Mapping[str, Any]) -> CollectionConfig:
        """Changes the configuration.

        Args:
            changes: new values by name of the field in `CollectionConfig`.

        Returns:
            The configuration, once it is on disk.

        Raises:
            InvalidInput: a value is out of range.
            StorageFull: the disk has no room.
            ShuttingDown: the collection is closed.
        """
        validation.check_config(self.config.model_copy(update=dict(changes)))
        self._writer.submit(Configure(changes)).result()
        return self.config

    def stored(self, ids: Sequence[str]) -> dict[str, Stored]:
        """What is stored of records, by id; see `Rows.stored`."""
        return self._views.seen(lambda view: Rows(view.connection, view.config).stored(ids), rows=True)

    def get(
        self, ids: Sequence[str], *, payloads: bool = True, vectors: bool = False, content: bool = False
    ) -> dict[str, Record | DataDamaged]:
        """Reads records by id; see `reading.by_id`."""
        want = reading.Wanted(payloads, vectors, content)
        return self._views.seen(lambda view: reading.by_id(view, ids, want, self._max_answer_bytes), rows=True)

    def page(
        self,
        after: int,
        limit: int,
        *,
        vectors: bool = False,
        content: bool = False,
        expression: Expression | None = None,
    ) -> tuple[list[Record], int | None]:
        """Reads records in the order they were last written; see `reading.page`."""
        parts = reading.Wanted(True, vectors, content)
        return self._views.seen(
            lambda view: reading.page(view, after, limit, parts, self._max_answer_bytes // 2, expression), rows=True
        )

    def count(self, expression: Expression | None = None) -> int:
        """Records that can be found; those that a filter lets through where there is one."""
        if expression is None:
            return self._states.state.count
        return self._views.seen(lambda view: view.matching(expression).count)

    def matching_rows(self, expression: Expression | None = None) -> NDArray[np.int64]:
        """Internal ids, int64 of shape (n,), ascending, of the records that `count` counts."""
        return self._views.seen(lambda view: view.rows_of(None if expression is None else view.matching(expression)))

    def columns(self, behind: int = 0) -> Iterator[Columns]:
        """Reads the records behind an internal id; see `columns.read`. Each chunk sees the last commit there is."""
        while chunk := self._chunk(behind):
            yield chunk
            behind = int(chunk.internal_ids[-1])

    def facets(self, path: str, limit: int, expression: Expression | None = None) -> list[tuple[facets.Value, int]]:
        """How many records have each value of a payload field; see `facets.count`."""
        return self._views.seen(lambda view: facets.count(view, path, limit, expression, self._max_answer_bytes // 2))

    def search(self, queries: Sequence[SearchQuery], options: SearchOptions) -> Hits:
        """Answers several queries; see `searching.search`."""
        return self._views.seen(lambda view: searching.search(view, queries, options, self._max_answer_bytes))

    def search_vectors(self, vectors: NDArray[np.float32], slot: int, options: SearchOptions) -> Hits:
        """Finds the records closest to each vector; see `searching.search_vectors`."""
        return self._views.seen(
            lambda view: searching.search_vectors(view, vectors, slot, options, self._max_answer_bytes),
            rows=options.payloads,
        )

    def remembers(self, expression: Expression) -> bool:
        """Whether a search need not find out what a filter lets through."""
        return self._states.state.remembered(expression) is not None

    def reached(self, sequence: int) -> "Future[None]":
        """A future that is done when a commit is there; see `Waiters.reached`."""
        return self._states.waiters.reached(sequence)

    def follow(self, listener: Listener) -> Following:
        """Tells a listener of each commit to come, once it is durable; see `Listeners.follow`."""
        return self._listeners.follow(listener)

    def compact(self) -> bool:
        """Does one thing that is due to its segments; False where nothing was."""
        return self._shaping.compact()

    def optimize(self) -> Iterator[tuple[str, float]]:
        """Makes one segment of everything; yields what is being done and how much of it is done, of 1."""
        return self._shaping.optimize()

    def snapshot(self, path: Path) -> None:
        """Copies the file of records as of one commit, while writes go on.

        Raises:
            StorageFull: the disk has no room.
        """
        with self._readers.connection() as connection:
            reading.copy(connection, path)

    def close(self) -> None:
        """Finishes the writes that were accepted and the reads that have begun; refuses what comes later."""
        self._shaping.close()
        self._writer.close()
        self._states.waiters.close()
        self._readers.close()
        self._ledger.close()

    def _chunk(self, behind: int) -> Columns | None:
        with self._readers.connection() as connection:
            return next(columns.read(connection, self.config, behind), None)
