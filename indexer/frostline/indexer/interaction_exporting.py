"""Export of interactions into a file that can be imported again."""

import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from frostline.client import Client, Interaction
from frostline.indexer.errors import BadSource, MissingExtra
from frostline.indexer.interaction_rows import CSV, JSON_LINES, PARQUET
from frostline.indexer.job import Progress
from frostline.indexer.whole_file import expect_none, whole_file

_COLUMNS = ("user", "record", "weight", "time", "kind")
_ROWS_AT_ONCE = 5_000

_Values = tuple[str, str, float, float | None, str]


@dataclass(frozen=True, slots=True)
class ExportedInteractions:
    """What was exported.

    Attributes:
        path: the file.
        interactions: rows of the file.
        size_bytes: size of the file in bytes.
        seconds: it took.
    """

    path: Path
    interactions: int
    size_bytes: int
    seconds: float


def export_interactions(
    client: Client,
    collection: str,
    path: Path,
    *,
    user: str | None = None,
    replace: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> ExportedInteractions:
    """Writes interactions into a file, with the columns user, record, weight, time (seconds since the epoch), kind.

    The file appears when it is whole. What is recorded or deleted meanwhile may be in it or not; where an interaction
    is replaced meanwhile, both may be, of which the later stays when the file is imported.

    Args:
        client: reaches the server; its timeout is for each page.
        collection: its name or alias.
        path: the file; its suffix says whether it is JSON Lines, CSV or Parquet.
        user: whose; all users' when None.
        replace: whether a file of that name is replaced.
        on_progress: called after every few thousand.

    Raises:
        BadSource: there is such a file already, or it would be of no known kind.
        IndexingError: it cannot be written.
        MissingExtra: pyarrow is not installed.
        FrostlineError: the interactions cannot be read.
    """
    write = _writer(path)
    expect_none(path, replace)
    started = time.monotonic()
    total = client.count_interactions(collection, user=user)
    count = 0

    def chunks() -> Iterator[list[_Values]]:
        nonlocal count
        listed = client.list_interactions(collection, user=user)
        while chunk := [_values(each) for each in islice(listed, _ROWS_AT_ONCE)]:
            yield chunk
            count += len(chunk)
            if on_progress:
                rate = count / max(time.monotonic() - started, 1e-9)
                on_progress(Progress(count, max(total, count), False, 0, rate))

    with whole_file(path) as temporary, temporary.open("wb") as file:
        write(file, chunks())
        file.flush()
        os.fsync(file.fileno())
    return ExportedInteractions(path, count, path.stat().st_size, time.monotonic() - started)


def _values(each: Interaction) -> _Values:
    return each.user, each.record, each.weight, each.time, each.kind


def _writer(path: Path) -> Callable[[BinaryIO, Iterable[list[_Values]]], None]:
    suffix = path.suffix.lower()
    if suffix in JSON_LINES:
        return _write_json
    if suffix in CSV:
        return _write_csv
    if suffix in PARQUET:
        return _write_parquet
    raise BadSource(f"{path} would be of no known kind; call it {path.stem}.jsonl, {path.stem}.csv or .parquet")


def _write_json(file: BinaryIO, chunks: Iterable[list[_Values]]) -> None:
    for chunk in chunks:
        rows = (json.dumps(dict(zip(_COLUMNS, each, strict=True)), ensure_ascii=False) for each in chunk)
        file.write("".join(f"{row}\n" for row in rows).encode())


def _write_csv(file: BinaryIO, chunks: Iterable[list[_Values]]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for chunk in chunks:
        writer.writerows(chunk)
    text.detach()


def _write_parquet(file: BinaryIO, chunks: Iterable[list[_Values]]) -> None:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise MissingExtra("Parquet files need pyarrow; run: pip install 'frostline[indexer]'") from error
    pa: Any = pyarrow  # its types know arrays of anything only
    kinds = (pa.string(), pa.string(), pa.float64(), pa.float64(), pa.string())
    schema = pa.schema([pa.field(*column, nullable=False) for column in zip(_COLUMNS, kinds, strict=True)])
    with ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for chunk in chunks:
            columns = [pa.array(each, kind) for each, kind in zip(zip(*chunk, strict=True), kinds, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
