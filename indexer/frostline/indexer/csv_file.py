"""CSV files with a header."""

import csv
from collections.abc import Iterator
from pathlib import Path

from frostline.indexer.errors import BadSource
from frostline.indexer.fields import Fields, is_utf8
from frostline.indexer.lines import file_identity, lines
from frostline.indexer.options import IndexOptions
from frostline.indexer.rows import Position, Rejection, Row


class CsvFile:
    """The rows of a CSV file in UTF-8; all values are texts. A row's number counts from the one after the header.

    Blank lines are passed over. Satisfies `Source`.

    Args:
        path: the file; commas between values, quotes as in RFC 4180.
        options: which column is what.

    Raises:
        BadSource: there is no header, or a column is missing.
    """

    def __init__(self, path: Path, options: IndexOptions) -> None:
        self._path = path
        self._max_bytes = options.max_row_bytes
        self._fields = Fields(options, path)
        self._identity = file_identity(path)
        # One setting for all readers of the process; a field that is longer fails its row.
        csv.field_size_limit(self._max_bytes)
        header = CsvLines(path, 0, self._max_bytes)
        self._names = header.names()
        self._first = header.end
        self._fields.expect(self._names, path)

    @property
    def identity(self) -> dict[str, str | int]:
        """Path, size and time of the last change."""
        return self._identity

    @property
    def total(self) -> None:
        """Nobody knows before the end."""
        return None

    @property
    def size_bytes(self) -> int:
        """Bytes of the file."""
        return int(self._identity["size in bytes"])

    def rows(self, start: Position) -> Iterator[Row]:
        """Reads rows from a place on."""
        reader = CsvLines(self._path, start.offset or self._first, self._max_bytes)
        for number, values in enumerate(reader, start.row + 1):
            yield self._row(number, Position(number, reader.end), values)

    def _row(self, number: int, end: Position, values: "list[str] | str") -> Row:
        if isinstance(values, str):
            return Row(number, end, Rejection(number, "", "INVALID_ROW", values))
        if len(values) != len(self._names):
            message = f"row has {len(values)} values, the header names {len(self._names)}"
            return Row(number, end, Rejection(number, "", "INVALID_ROW", message))
        return self._fields.row(number, end, dict(zip(self._names, values, strict=True)))


class CsvLines:
    """Rows of a CSV file, or why one cannot be read.

    Args:
        path: the file.
        offset: the beginning of a row.
        max_bytes: of a row.

    Attributes:
        end: offset after the last row that was read.
    """

    def __init__(self, path: Path, offset: int, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lines = lines(path, offset, max_bytes)
        self.end = offset

    def names(self) -> list[str]:
        """The columns, as the next row names them.

        Raises:
            BadSource: it is no header.
        """
        names = next(iter(self), None)
        if not isinstance(names, list) or len(set(names)) < len(names) or not is_utf8("".join(names)):
            raise BadSource(f"{self._path} has no header; its first line must name the columns, each once, in UTF-8")
        return names

    def __iter__(self) -> Iterator[list[str] | str]:
        """Goes on with the row after the last one; of one that cannot be read, why."""
        while True:
            ends: list[int] = []
            try:
                # One reader a row, so that nothing is held over from a row that failed.
                values = next(csv.reader(self._texts(ends), strict=True))
            except StopIteration:
                return
            except csv.Error as error:
                # A quote that is never closed swallows what follows: go on after the first line of the row.
                self._lines = lines(self._path, ends[0], self._max_bytes)
                self.end = ends[0]
                yield f"row cannot be read: {error}"
                continue
            self.end = ends[-1]
            if values:
                yield values

    def _texts(self, ends: list[int]) -> Iterator[str]:
        # csv takes another line only inside quotes, so that this never reads beyond the row.
        size = 0
        for line in self._lines:
            ends.append(line.end)
            size += len(line.data or b"")
            if line.data is None or size > self._max_bytes:
                raise csv.Error(f"more than {self._max_bytes} bytes; is a quote missing?")
            yield line.data.decode("utf-8", "surrogateescape")
