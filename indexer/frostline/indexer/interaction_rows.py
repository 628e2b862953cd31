"""From the rows of a file to interactions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from frostline.client import Interaction
from frostline.indexer.csv_file import CsvLines
from frostline.indexer.errors import BadSource
from frostline.indexer.fields import RowRejected
from frostline.indexer.jsonl import json_object
from frostline.indexer.lines import lines
from frostline.indexer.parquet import next_batch, open_parquet
from frostline.indexer.rows import Rejection

_ROW_BYTES = 1 << 20
_ROWS_AT_ONCE = 5_000

JSON_LINES = (".jsonl", ".ndjson")
CSV = (".csv",)
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class InteractionFields:
    """Which field is what. Rows may lack weight (1 then), time (that of the import then) and kind (empty then).

    Attributes:
        user: a text or an integer.
        record: likewise, the record's id.
        weight: a number.
        time: seconds since the epoch, or a time with its time zone as ISO 8601 writes it.
        kind: a text.
    """

    user: str = "user"
    record: str = "record"
    weight: str = "weight"
    time: str = "time"
    kind: str = "kind"


class InteractionRows:
    """The rows of a file: JSON Lines, CSV with a header, or Parquet.

    Args:
        path: the file.
        fields: which field is what.

    Attributes:
        total: how many there are; None where nobody knows before the end.

    Raises:
        BadSource: there is no such file, it is of another kind, or it lacks the user or the record.
        MissingExtra: pyarrow is not installed.
    """

    def __init__(self, path: Path, fields: InteractionFields) -> None:
        self._path = path
        self._fields = fields
        self.total: int | None = None
        suffix = path.suffix.lower()
        if suffix not in (*JSON_LINES, *CSV, *PARQUET):
            raise BadSource(f"{path} is of no known kind; give a {', '.join((*JSON_LINES, *CSV, *PARQUET))} file")
        if not path.is_file():
            raise BadSource(f"{path} does not exist, or is no file")
        self._rows = self._json_rows
        if suffix in CSV:
            self._expect(CsvLines(path, 0, _ROW_BYTES).names())
            self._rows = self._csv_rows
        if suffix in PARQUET:
            with open_parquet(path) as file:
                self._expect(file.schema_arrow.names)
                self.total = file.metadata.num_rows
            self._rows = self._parquet_rows

    def __iter__(self) -> Iterator[Interaction | Rejection]:
        """Goes through the rows in their order."""
        for number, values in self._rows():
            try:
                if isinstance(values, RowRejected):
                    raise values
                yield self._interaction(values)
            except RowRejected as error:
                yield Rejection(number, "", error.reason, str(error))

    def _expect(self, columns: list[str]) -> None:
        default = InteractionFields()
        for name in ("user", "record", "weight", "time", "kind"):
            field = getattr(self._fields, name)
            required = name in ("user", "record") or field != getattr(default, name)
            if required and field not in columns:
                known = ", ".join(map(repr, columns[:20]))
                raise BadSource(f"{self._path} has no column {field!r}, it has {known}; choose with --{name}-field")

    def _json_rows(self) -> Iterator[tuple[int, Mapping[str, Any] | RowRejected]]:
        for number, line in enumerate(lines(self._path, 0, _ROW_BYTES), 1):
            if line.data is None or line.data.strip():
                try:
                    yield number, json_object(line.data, _ROW_BYTES)
                except RowRejected as error:
                    yield number, error

    def _csv_rows(self) -> Iterator[tuple[int, Mapping[str, Any] | RowRejected]]:
        reader = CsvLines(self._path, 0, _ROW_BYTES)
        names = reader.names()
        for number, values in enumerate(reader, 1):
            if isinstance(values, str):
                yield number, RowRejected("INVALID_ROW", values)
            elif len(values) != len(names):
                why = f"row has {len(values)} values, the header names {len(names)}"
                yield number, RowRejected("INVALID_ROW", why)
            else:
                yield number, dict(zip(names, values, strict=True))

    def _parquet_rows(self) -> Iterator[tuple[int, Mapping[str, Any] | RowRejected]]:
        fields = self._fields
        wanted = {fields.user, fields.record, fields.weight, fields.time, fields.kind}
        number = 0
        with open_parquet(self._path) as file:
            columns = [name for name in file.schema_arrow.names if name in wanted]
            # pyarrow types its lists as lists of anything.
            batches = file.iter_batches(_ROWS_AT_ONCE, columns=columns)  # pyright: ignore[reportUnknownMemberType]
            while (batch := next_batch(batches, self._path, number)) is not None:
                for values in batch.to_pylist():
                    number += 1
                    yield number, values

    def _interaction(self, values: Mapping[str, Any]) -> Interaction:
        fields = self._fields
        weight = values.get(fields.weight)
        return Interaction(
            user=_id(values, fields.user),
            record=_id(values, fields.record),
            weight=1.0 if weight in (None, "") else _number(weight, f"weight field {fields.weight!r}"),
            time=_time(values.get(fields.time), f"time field {fields.time!r}"),
            kind=_text(values.get(fields.kind) or "", f"kind field {fields.kind!r}"),
        )


def _id(values: Mapping[str, Any], field: str) -> str:
    if field not in values:
        raise RowRejected("MISSING_FIELD", f"row has no field {field!r}")
    value = values[field]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _unfit(f"field {field!r}", value, "a text or an integer")
    return _text(str(value), f"field {field!r}")


def _text(value: Any, what: str) -> str:  # noqa: ANN401 - what a file holds
    if not isinstance(value, str):
        raise _unfit(what, value, "a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RowRejected("NOT_UTF8", f"{what} is no UTF-8: {error.reason} at {error.start}") from error
    return value


def _number(value: Any, what: str) -> float:  # noqa: ANN401 - what a file holds
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else float("nan")
    except (ValueError, OverflowError):
        number = float("nan")
    if not isfinite(number):
        raise _unfit(what, value, "a finite number")
    return number


def _time(value: Any, what: str) -> float | None:  # noqa: ANN401 - what a file holds
    if value in (None, ""):
        return None
    if isinstance(value, str) and not value.lstrip("-")[:1].isdigit():
        raise _unfit(what, value, "seconds since 1970 or a time")
    if isinstance(value, str) and ("T" in value or ":" in value):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _unfit(what, value, "a time as 2024-05-01T12:00:00Z") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise _unfit(what, value.isoformat(), "a time with its time zone, as 2024-05-01T12:00:00Z")
        return value.timestamp()
    return _number(value, what)


def _unfit(what: str, value: Any, wanted: str) -> RowRejected:  # noqa: ANN401 - what a file holds
    shown = f"{str(value)[:60]!r} of type {type(value).__name__}"
    return RowRejected("WRONG_TYPE", f"{what} is {shown}; it must be {wanted}")
