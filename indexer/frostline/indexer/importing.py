"""Import: what `frostline export` wrote becomes records again, with the vectors they had."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from frostline.client import Client, Collection, NotFound, Record, SpaceMismatch, VectorField
from frostline.indexer.archive import Archived, archived, column
from frostline.indexer.checkpoint import Identity, open_journal
from frostline.indexer.errors import BadSource
from frostline.indexer.fields import RowRejected, payload_bytes
from frostline.indexer.job import Job, Progress, Summary, Writing
from frostline.indexer.lines import file_identity
from frostline.indexer.parquet import groups_from, next_batch, open_parquet
from frostline.indexer.rows import Position, Rejection, Row

_ROWS_AT_ONCE = 128
_MOST_GROUP_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What an import is to do.

    Attributes:
        collection: where records go; made as the file describes it if missing.
        work_dir: for the checkpoint and `rejected.jsonl`; `frostline-import/<collection>` where None.
        restart: whether to begin again and forget a checkpoint.
        batch_size: the most rows of a batch; each batch is one commit and one checkpoint.
        batch_bytes: the most bytes of a batch, but for a single larger record.
    """

    collection: str
    work_dir: Path | None = None
    restart: bool = False
    batch_size: int = 256
    batch_bytes: int = 2 << 20

    @property
    def folder(self) -> Path:
        """Where the job keeps its files."""
        return self.work_dir if self.work_dir is not None else Path("frostline-import") / self.collection


def import_records(
    client: Client, path: Path, options: ImportOptions, on_progress: Callable[[Progress], None] | None = None
) -> Summary:
    """Writes what `export` wrote into a collection, with the vectors as they were, bit for bit.

    Goes on from a checkpoint where an earlier run left one.

    Args:
        client: reaches the server; its timeout is for each batch.
        path: the file.
        options: where it goes.
        on_progress: called at the beginning and after every batch.

    Raises:
        BadSource: the file was not written by `export` or is damaged, or the collection lacks one of its vectors.
        SpaceMismatch: the vectors live in another space than the collection's, or than the server's encoder makes.
        MissingExtra: pyarrow is not installed.
        JobChanged: there is a checkpoint of another job.
        JobStopped: the server stopped taking records; the same call goes on.
        FrostlineError: the collection cannot be reached or made.
    """
    file = ArchiveFile(path)
    collection = _collection(client, file.archived, options.collection, path)
    source = _Rows(file, next(iter(collection.vectors)))
    identity: Identity = {
        **file.identity,
        "collection": collection.name,
        "collection's creation": collection.create_time.isoformat(),
    }
    writing = Writing(collection=collection.name, batch_size=options.batch_size, batch_bytes=options.batch_bytes)
    with open_journal(options.folder, identity, restart=options.restart) as journal:
        job = Job(client, source, writing, journal, on_progress)
        job.run()
        summary = job.summary()
        journal.finish()
    return summary


class ArchiveFile:
    """A file that `export` wrote.

    Args:
        path: the file.

    Attributes:
        archived: the collection it holds.
        identity: path, size and time of the last change.
        total: its rows.

    Raises:
        MissingExtra: pyarrow is not installed.
        BadSource: it is no such file; says why.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise BadSource(f"{path} is no file; give one that `frostline export` wrote")
        self.path = path
        self.identity = file_identity(path)
        with open_parquet(path) as file:
            self.archived = archived(file.schema_arrow, path)
            self.total: int = file.metadata.num_rows
            for group in range(file.num_row_groups):
                size: int = file.metadata.row_group(group).total_byte_size
                if size > _MOST_GROUP_BYTES:
                    raise BadSource(f"{path} unpacks to {size} bytes in row group {group}; export it again")


class _Rows:
    """Satisfies `Source`.

    Args:
        file: where they are.
        first: name of the collection's first vector.
    """

    def __init__(self, file: ArchiveFile, first: str) -> None:
        self._file = file
        self._first = first

    @property
    def identity(self) -> dict[str, str | int]:
        return self._file.identity

    @property
    def total(self) -> int:
        return self._file.total

    @property
    def size_bytes(self) -> int:
        return 0

    def rows(self, start: Position) -> Iterator[Row]:
        number, path = start.row, self._file.path
        with open_parquet(path, verified=True) as file:
            groups, skipped = groups_from(file, start.row)
            # pyarrow types its lists as lists of anything.
            batches = file.iter_batches(_ROWS_AT_ONCE, row_groups=groups)  # pyright: ignore[reportUnknownMemberType]
            while (batch := next_batch(batches, path, number)) is not None:
                vectors = self._vectors(batch)
                for index in range(min(skipped, batch.num_rows), batch.num_rows):
                    number += 1
                    yield self._row(number, index, batch, vectors)
                skipped = max(0, skipped - batch.num_rows)

    def _vectors(self, batch: Any) -> dict[str, tuple[Any, Any]]:  # noqa: ANN401 - untyped library
        """By name, float32 of shape (n, d) and bool of shape (n,), whether the record has the vector."""
        vectors: dict[str, tuple[Any, Any]] = {}
        for name, field in self._file.archived.vectors.items():
            lists = batch.column(column(name))
            has = lists.is_valid().to_numpy(zero_copy_only=False)
            rows = np.zeros((len(lists), field.space.dimensions), np.float32)
            rows[has] = lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, field.space.dimensions)
            vectors[name] = (rows, has)
        return vectors

    def _row(self, number: int, index: int, batch: Any, vectors: dict[str, tuple[Any, Any]]) -> Row:  # noqa: ANN401
        end = Position(number)
        record_id = ""
        try:
            values: dict[str, Any] = {
                name: batch.column(name)[index].as_py() for name in ("id", "payload", "text", "image")
            }
            record_id = values["id"] or ""
            own = {name: rows[index] for name, (rows, has) in vectors.items() if has[index]}
            first = own.pop(self._first, None)
            payload = _payload(values["payload"])
            record = Record(
                record_id,
                text=values["text"],
                image=values["image"],
                vector=first,
                vectors=own,
                payload=payload,
                space=None if first is None else self._file.archived.vectors[self._first].space,
            )
        except UnicodeDecodeError as error:
            return Row(number, end, Rejection(number, record_id, "NOT_UTF8", f"row holds no UTF-8: {error}"))
        except RowRejected as error:
            return Row(number, end, Rejection(number, record_id, error.reason, str(error)))
        size = len(record_id) + len((record.text or "").encode()) + len(values["image"] or b"")
        size += payload_bytes(payload) + sum(each.nbytes for each in (*own.values(), first) if each is not None)
        return Row(number, end, record, size)


def _payload(text: str | None) -> dict[str, Any]:
    try:
        payload: object = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise RowRejected("INVALID_JSON", f"payload is no JSON: {error}") from error
    if not isinstance(payload, dict):
        raise RowRejected("WRONG_TYPE", f"payload is a {type(payload).__name__}; a JSON object is needed")
    payload_bytes(payload)  # pyright: ignore[reportUnknownArgumentType] # JSON's keys are texts
    return payload  # pyright: ignore[reportUnknownVariableType]


def _collection(client: Client, held: Archived, name: str, path: Path) -> Collection:
    try:
        collection = client.get_collection(name)
    except NotFound:
        collection = _made(client, held, name, path)
    for vector, field in held.vectors.items():
        if vector not in collection.vectors:
            raise BadSource(
                f"collection {collection.name!r} has no vector {vector!r}, it has {', '.join(collection.vectors)}; "
                "import into a collection that does not exist, and it is made as the file describes it"
            )
        space = collection.vectors[vector].space
        if space != field.space:
            raise SpaceMismatch(
                f"vector {vector!r} of collection {collection.name!r} lives in {space}, that of {path} in "
                f"{field.space}; import into a collection that does not exist, then `frostline reembed` it"
            )
    return collection


def _made(client: Client, held: Archived, name: str, path: Path) -> Collection:
    vectors = {vector: _with_encoder(client, field, path) for vector, field in held.vectors.items()}
    return client.create_collection(
        name,
        description=held.description,
        vectors=vectors,
        keep_content=held.keep_content,
        fields=held.fields,
        index=held.index,
        min_recall=held.min_recall,
        durability=held.durability,
    )


def _with_encoder(client: Client, field: VectorField, path: Path) -> VectorField:
    """The field, with the encoder called as it is on this server."""
    if not field.encoder:
        return field
    encoders = client.list_encoders()
    same = [each.name for each in encoders if each.fingerprint == field.space.fingerprint]
    if field.encoder in same:
        return field
    if same:
        return replace(field, encoder=same[0])
    others = [each for each in encoders if each.name == field.encoder]
    found = (
        f"an encoder {field.encoder!r} with fingerprint {others[0].fingerprint[:12]}" if others else "no such encoder"
    )
    raise SpaceMismatch(
        f"vectors of {path} were made by encoder {field.encoder!r} with fingerprint {field.space.fingerprint[:12]}, "
        f"and the server has {found}; add the one they were made with (frostline encoders add)"
    )
