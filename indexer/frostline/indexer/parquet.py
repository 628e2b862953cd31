"""Parquet files; the only file that knows pyarrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from frostline.indexer.errors import BadSource, MissingExtra
from frostline.indexer.fields import Fields
from frostline.indexer.lines import file_identity
from frostline.indexer.options import IndexOptions
from frostline.indexer.rows import Position, Rejection, Row

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyarrow.parquet import ParquetFile

_ROWS_AT_ONCE = 256
_IMAGES_AT_ONCE = 16
_READ_BYTES = 1 << 16


class Parquet:
    """The rows of a Parquet file. Satisfies `Source`.

    Args:
        path: the file.
        options: which column is what.

    Raises:
        MissingExtra: pyarrow is not installed.
        BadSource: the file is no Parquet, or a column is missing.
    """

    def __init__(self, path: Path, options: IndexOptions) -> None:
        self._path = path
        self._fields = Fields(options, path)
        self._identity = file_identity(path)
        with open_parquet(path) as file:
            columns = file.schema_arrow.names
            self._total = file.metadata.num_rows
        self._fields.expect(columns, path)
        self._rows_at_once = _IMAGES_AT_ONCE if options.image_field else _ROWS_AT_ONCE
        self._columns = columns if options.payload_fields is None else self._fields.needed

    @property
    def identity(self) -> dict[str, str | int]:
        """Path, size and time of the last change."""
        return self._identity

    @property
    def total(self) -> int:
        """Rows of the file."""
        return self._total

    @property
    def size_bytes(self) -> int:
        """Not needed, since `total` is known."""
        return 0

    def rows(self, start: Position) -> Iterator[Row]:
        """Reads rows from a place on.

        Raises:
            BadSource: the file is damaged in the middle.
        """
        number = start.row
        with open_parquet(self._path) as file:
            groups, skipped = groups_from(file, start.row)
            # pyarrow types its lists as lists of anything.
            batches = file.iter_batches(  # pyright: ignore[reportUnknownMemberType]
                self._rows_at_once, row_groups=groups, columns=self._columns
            )
            while (batch := next_batch(batches, self._path, number)) is not None:
                for index in range(min(skipped, batch.num_rows), batch.num_rows):
                    number += 1
                    yield self._row(number, batch, index)
                skipped = max(0, skipped - batch.num_rows)

    def _row(self, number: int, batch: "RecordBatch", index: int) -> Row:
        end = Position(number)
        try:
            [values] = batch.slice(index, 1).to_pylist()
        except (ValueError, OverflowError) as error:
            return Row(number, end, Rejection(number, "", "INVALID_ROW", f"row cannot be read: {error}"))
        return self._fields.row(number, end, values)


def open_parquet(path: Path, *, verified: bool = False) -> "ParquetFile":
    """Opens a file.

    Args:
        path: the file.
        verified: whether pages are compared with their checksums, where they have any.

    Raises:
        MissingExtra: pyarrow is not installed.
        BadSource: the file is no Parquet.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise MissingExtra("Parquet files need pyarrow; run: pip install 'frostline[indexer]'") from error
    try:
        # Without a buffer, pyarrow holds whole row groups.
        return ParquetFile(path, pre_buffer=False, buffer_size=_READ_BYTES, page_checksum_verification=verified)
    except (ArrowException, OSError) as error:
        raise BadSource(f"{path} is no Parquet file: {error}") from error


def groups_from(file: "ParquetFile", row: int) -> tuple[list[int], int]:
    """The row groups from a row on, and how many rows of the first come before it."""
    for group in range(file.num_row_groups):
        size: int = file.metadata.row_group(group).num_rows
        if row < size:
            return list(range(group, file.num_row_groups)), row
        row -= size
    return [], 0


def next_batch(batches: "Iterator[RecordBatch]", path: Path, row: int) -> "RecordBatch | None":
    """The next rows; None after the last.

    Raises:
        BadSource: the file is damaged after `row`.
    """
    from pyarrow import ArrowException

    try:
        return next(batches, None)
    except (ArrowException, OSError) as error:
        raise BadSource(f"{path} is damaged after row {row}: {error}; write the file again") from error
