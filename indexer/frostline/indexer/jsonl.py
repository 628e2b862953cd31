"""JSON Lines: an object on each line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frostline.indexer.fields import Fields, RowRejected
from frostline.indexer.lines import Line, file_identity, lines
from frostline.indexer.options import IndexOptions
from frostline.indexer.rows import Position, Rejection, Row


class JsonLines:
    """The lines of a JSONL file; a row's number is its line's. Blank lines are passed over. Satisfies `Source`.

    Args:
        path: the file.
        options: which field is what.
    """

    def __init__(self, path: Path, options: IndexOptions) -> None:
        self._path = path
        self._max_bytes = options.max_row_bytes
        self._fields = Fields(options, path)
        self._identity = file_identity(path)

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
        for number, line in enumerate(lines(self._path, start.offset, self._max_bytes), start.row + 1):
            if line.data is None or line.data.strip():
                yield self._row(number, line)

    def _row(self, number: int, line: Line) -> Row:
        end = Position(number, line.end)
        try:
            values = json_object(line.data, self._max_bytes)
        except RowRejected as error:
            return Row(number, end, Rejection(number, "", error.reason, str(error)))
        return self._fields.row(number, end, values)


def json_object(data: bytes | None, max_bytes: int) -> dict[str, Any]:
    """Reads a line; None stands for one that is too long.

    Raises:
        RowRejected: it is no JSON object in UTF-8.
    """
    if data is None:
        raise RowRejected("TOO_LARGE", f"line has more than {max_bytes} bytes")
    try:
        values: object = json.loads(data.decode(), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise RowRejected("NOT_UTF8", f"line is no UTF-8: {error}") from error
    except (ValueError, RecursionError) as error:
        raise RowRejected("INVALID_JSON", f"line is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise RowRejected("WRONG_TYPE", f"line holds a {type(values).__name__}; a JSON object is needed")
    return values  # pyright: ignore[reportUnknownVariableType] # JSON's keys are texts


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
