"""Export: a collection becomes a Parquet file, page by page."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from frostline.client import Client, Collection, Record
from frostline.indexer.archive import column, schema_of
from frostline.indexer.job import Progress
from frostline.indexer.whole_file import expect_none, whole_file

if TYPE_CHECKING:
    from pyarrow import RecordBatch, Schema

_GROUP_ROWS = 5_000
_GROUP_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported.

    Attributes:
        path: the file.
        records: rows of the file.
        size_bytes: size of the file in bytes.
        written_meanwhile: rows written after the export began. Such a record may have an earlier row too; when the file
            is imported, the later one stays.
        unreadable: records that the server counts and does not give, since they are damaged: its log names them. None
            where nobody can tell, since there is a filter, or records were written meanwhile.
        seconds: it took.
    """

    path: Path
    records: int
    size_bytes: int
    written_meanwhile: int
    unreadable: int | None
    seconds: float


def export(
    client: Client,
    collection: str,
    path: Path,
    *,
    filter: str = "",
    parameters: Mapping[str, Any] | None = None,
    replace: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Exported:
    """Writes a collection, its vectors and its configuration, into a Parquet file; `archive` describes the columns.

    The file appears when it is whole. Records come in the order they were last written, a few thousand in memory. What
    is written or deleted meanwhile may be in the file or not; a snapshot, restored under another name, holds still.

    Args:
        client: reaches the server; its timeout is for each page.
        collection: its name or alias.
        path: the file.
        filter: which records, see `Client.search`; all when empty.
        parameters: values of the filter's parameters.
        replace: whether a file of that name is replaced.
        on_progress: called after every few records.

    Raises:
        BadSource: there is such a file already, or it cannot be written.
        MissingExtra: pyarrow is not installed.
        FrostlineError: the collection cannot be read.
    """
    expect_none(path, replace)
    started = time.monotonic()
    described = client.get_collection(collection)
    total = client.count(collection, filter=filter, parameters=parameters) if filter else described.record_count
    records = client.list_records(
        described.name, filter=filter, parameters=parameters, include_vectors=True, include_content=True
    )
    tally = _Tally(described.sequence, total, on_progress, started)
    schema = schema_of(described)
    with whole_file(path) as temporary:
        _write(temporary, schema, (_batch(group, described, schema) for group in _groups(tally.counted(records))))
    still = not filter and client.get_collection(described.name).sequence == described.sequence
    return Exported(
        path=path,
        records=tally.records,
        size_bytes=path.stat().st_size,
        written_meanwhile=tally.written_meanwhile,
        unreadable=described.record_count - tally.records if still else None,
        seconds=time.monotonic() - started,
    )


class _Tally:
    def __init__(
        self, sequence: int, total: int, on_progress: Callable[[Progress], None] | None, started: float
    ) -> None:
        self.records = self.written_meanwhile = 0
        self._sequence = sequence
        self._total = total
        self._on_progress = on_progress
        self._started = started

    def counted(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            self.records += 1
            self.written_meanwhile += record.sequence > self._sequence
            yield record
            if self._on_progress and self.records % 100 == 0:
                rate = self.records / max(time.monotonic() - self._started, 1e-9)
                self._on_progress(Progress(self.records, max(self._total, self.records), False, 0, rate))


def payload_json(payload: Mapping[str, Any]) -> str:
    """A payload as its column holds it."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate, which only an escape can hold
        text = json.dumps(payload, separators=(",", ":"))
    return text


def _groups(records: Iterable[Record]) -> Iterator[list[tuple[Record, str]]]:
    group: list[tuple[Record, str]] = []
    size = 0
    for record in records:
        payload = payload_json(record.payload)
        group.append((record, payload))
        image = record.image if isinstance(record.image, bytes) else b""
        vectors = sum(vector.nbytes for vector in record.vectors.values())
        vectors += 0 if record.vector is None else record.vector.nbytes
        size += len(record.text or "") + len(image) + len(payload) + vectors
        if len(group) == _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _batch(group: list[tuple[Record, str]], collection: Collection, schema: Any) -> "RecordBatch":  # noqa: ANN401
    import pyarrow

    pa: Any = pyarrow  # its types know arrays of anything only
    records = [record for record, _ in group]
    first = next(iter(collection.vectors))
    columns = [
        pa.array([record.id for record in records], pa.string()),
        pa.array([payload for _, payload in group], pa.string()),
        pa.array([record.text for record in records], pa.string()),
        pa.array([record.image for record in records], pa.binary()),
    ]
    for name, field in collection.vectors.items():
        vectors = [record.vector if name == first else record.vectors.get(name) for record in records]
        values = np.zeros((len(records), field.space.dimensions), np.float32)
        missing = np.array([vector is None for vector in vectors])
        for row, vector in enumerate(vectors):
            if vector is not None:
                values[row] = vector
        lists = pa.FixedSizeListArray.from_arrays(
            pa.array(values.ravel()), type=schema.field(column(name)).type, mask=pa.array(missing)
        )
        columns.append(lists)
    batch: RecordBatch = pa.RecordBatch.from_arrays(columns, schema=schema)
    return batch


def _write(path: Path, schema: "Schema", batches: Iterable["RecordBatch"]) -> None:
    from pyarrow.parquet import ParquetWriter

    with path.open("wb") as file:
        # A dictionary of vectors would only be tried and given up; checksums find damage when the file is read.
        with ParquetWriter(file, schema, compression="zstd", use_dictionary=False, write_page_checksum=True) as writer:
            for batch in batches:
                writer.write_batch(batch)
        file.flush()
        os.fsync(file.fileno())
