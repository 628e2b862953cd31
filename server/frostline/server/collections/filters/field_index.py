"""The declared fields of rows 0 to n - 1: which rows may match a filter, and how often values occur.

`FieldIndex` grows, `FrozenFieldIndex` lies in a folder and is mapped. Both answer alike. A folder holds fields.json,
which says where each array is, and fields.bin, the arrays one after the other.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from frostline.server.collections.fields import FieldKind, IndexedField, check_fields
from frostline.server.collections.filters.bitmaps import rows_of
from frostline.server.collections.filters.bounds import IndexedRows, Selection, select
from frostline.server.collections.filters.expression import Expression, Path
from frostline.server.collections.filters.field_files import read_fields, write_fields
from frostline.server.collections.filters.frozen import FrozenRows, frozen_arrays
from frostline.server.collections.filters.growing import GrowingField, GrowingRows
from frostline.server.collections.filters.stored import answers
from frostline.server.errors import DataDamaged, InvalidInput

FacetValue = str | int | bool

_FACETS = {FieldKind.KEYWORD, FieldKind.INTEGER, FieldKind.BOOLEAN}


class _Counted(IndexedRows, Protocol):
    def entries(self) -> tuple[NDArray[Any], NDArray[np.uint32]]: ...

    def label(self, value: int) -> str: ...

    def several(self) -> BitMap: ...


class FieldIndex:
    """Rows that are still added, by one thread; others read at the same time.

    Args:
        fields: the declared ones.

    Raises:
        InvalidInput: too many fields, or one path twice.
    """

    def __init__(self, fields: Sequence[IndexedField]) -> None:
        check_fields(fields)
        self._fields = [GrowingField(field) for field in fields]
        self._rows = 0

    @property
    def rows(self) -> int:
        """How many rows were added."""
        return self._rows

    def append(self, payloads: Sequence[Mapping[str, Any]]) -> None:
        """Adds rows.

        Args:
            payloads: JSON objects, as `json.loads` reads them.
        """
        for field in self._fields:
            field.append(payloads, self._rows)
        self._rows += len(payloads)

    def cut(self, rows: int) -> None:
        """Forgets the rows from `rows` on, which no reader may look at."""
        for field in self._fields:
            field.cut(rows)
        self._rows = rows

    def select(self, expression: Expression, rows: int) -> Selection:
        """Finds the rows below `rows` that may match a filter.

        Args:
            expression: the filter.
            rows: how many rows the reader knows of, at most `self.rows`.

        Returns:
            Every row that matches, perhaps with others; `exact` says whether there are none.
        """
        return select(expression, self._as_of(rows), rows)

    def facets(self, path: str, rows: BitMap, limit: int) -> list[tuple[FacetValue, int]]:
        """Counts the rows that hold each indexed value of a field.

        Args:
            path: of a declared field of kind KEYWORD, INTEGER or BOOLEAN.
            rows: which rows to count.
            limit: the most values.

        Returns:
            The most frequent values and their rows; equally frequent ones by value.

        Raises:
            InvalidInput: no such field.
        """
        return _facets(path, self._as_of(self._rows), rows, limit)

    def rows_with_only(self, path: Path, values: Sequence[FacetValue], rows: int) -> BitMap:
        """Finds the rows below `rows` in which a field has one of some values and no other.

        Args:
            path: of a declared field.
            values: which; those of another kind than the field's are in no row.
            rows: as for `select`.
        """
        return _rows_with_only(self._as_of(rows)[path], values)

    def freeze(self, folder: FilePath) -> None:
        """Writes the rows into a folder, for `FrozenFieldIndex.open`; syncing it to disk is the caller's.

        Args:
            folder: made if missing.
        """
        arrays = [frozen_arrays(GrowingRows(field, self._rows), field.terms) for field in self._fields]
        write_fields(folder, [field.field for field in self._fields], arrays, self._rows)

    def size_bytes(self) -> int:
        """Memory in use, about."""
        return sum(field.size_bytes() for field in self._fields)

    def _as_of(self, rows: int) -> dict[Path, GrowingRows]:
        return {field.parts: GrowingRows(field, rows) for field in self._fields}


class FrozenFieldIndex:
    """Rows that do not change any more, mapped from a folder. May be read by several threads at once.

    Args:
        fields: frozen, by path.
        rows: how many there are.
    """

    def __init__(self, fields: Mapping[Path, FrozenRows], rows: int) -> None:
        self._fields = fields
        self._rows = rows

    @classmethod
    def open(cls, folder: FilePath) -> Self:
        """Maps what `FieldIndex.freeze` wrote. Checks that it fits together, not each value: sums are the caller's.

        Raises:
            DataDamaged: a file is missing, or no index.
        """
        fields, arrays, rows = read_fields(folder)
        try:
            frozen = [FrozenRows(field.kind, each, rows) for field, each in zip(fields, arrays, strict=True)]
        except DataDamaged as error:
            raise DataDamaged(f"{folder}: {error}; delete it, and it is built again") from error
        return cls({field.parts: each for field, each in zip(fields, frozen, strict=True)}, rows)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._rows

    def select(self, expression: Expression, rows: int) -> Selection:
        """As `FieldIndex.select`."""
        return select(expression, self._fields, rows)

    def facets(self, path: str, rows: BitMap, limit: int) -> list[tuple[FacetValue, int]]:
        """As `FieldIndex.facets`."""
        return _facets(path, self._fields, rows, limit)

    def rows_with_only(self, path: Path, values: Sequence[FacetValue], rows: int) -> BitMap:
        """As `FieldIndex.rows_with_only`."""
        return _rows_with_only(self._fields[path], values)

    def size_bytes(self) -> int:
        """Memory in use beyond the mapped file, about."""
        return sum(field.size_bytes() for field in self._fields.values())


def _facets(path: str, fields: Mapping[Path, _Counted], rows: BitMap, limit: int) -> list[tuple[FacetValue, int]]:
    field = fields.get(tuple(path.split(".")))
    if field is None or field.kind not in _FACETS:
        raise InvalidInput(
            f"field {path[:80]!r} has no facets; declare it as an indexed field of kind keyword, integer or boolean"
        )
    values, counts = _counted(*field.entries(), rows)
    if len(values) > limit > 0:
        least = np.partition(counts, -limit)[-limit]
        values, counts = values[counts >= least], counts[counts >= least]
    found = [(_facet_value(field, value), count) for value, count in zip(values.tolist(), counts.tolist(), strict=True)]
    return sorted(found, key=lambda each: (-each[1], each[0]))[: max(limit, 0)]


def _rows_with_only(field: _Counted, values: Sequence[FacetValue]) -> BitMap:
    found = field.among(tuple(value for value in values if answers(field.kind, value)))
    return found if not found or field.single() else found - field.several() - field.near() - field.odd()


def _facet_value(field: _Counted, value: int) -> FacetValue:
    if field.kind is FieldKind.KEYWORD:
        return field.label(value)
    return bool(value) if field.kind is FieldKind.BOOLEAN else value


def _counted(
    values: NDArray[Any], entry_rows: NDArray[np.uint32], rows: BitMap
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    if not rows:
        return values[:0], np.empty(0, np.int64)
    wanted = np.zeros(rows.max() + 2, np.bool_)  # one more, False, for all rows above
    wanted[rows_of(rows)] = True
    found = values[wanted.take(entry_rows, mode="clip")]
    if bool((found[1:] < found[:-1]).any()):
        found = np.sort(found)
    edges = np.flatnonzero(np.append(True, found[1:] != found[:-1])) if len(found) else np.empty(0, np.int64)
    return found[edges], np.diff(np.append(edges, len(found)))
