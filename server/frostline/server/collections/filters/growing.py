"""The index of one field while rows are added: arrays in the order of rows, scanned.

One thread appends, others read without locks: what they see is published by one assignment, the number of entries.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.collections.filters.bitmaps import bitmap_of
from frostline.server.collections.filters.expression import Operator, Scalar
from frostline.server.collections.filters.geography import Point, within
from frostline.server.collections.filters.matching import ORDER, values_at
from frostline.server.collections.filters.stored import DTYPES, Misfit, intersection, points, stored


class AppendOnlyArray:
    """An array that grows at its end, for one writer and many readers."""

    def __init__(self, dtype: str, *shape: int) -> None:
        self._array: NDArray[Any] = np.empty((64, *shape), dtype)
        self._count = 0

    def extend(self, values: Sequence[Any]) -> None:
        """Adds values at the end."""
        count = self._count + len(values)
        if count > len(self._array):
            grown: NDArray[Any] = np.empty(
                (max(count, 2 * len(self._array)), *self._array.shape[1:]), self._array.dtype
            )
            grown[: self._count] = self._array[: self._count]
            self._array = grown
        if values:
            self._array[self._count : count] = values
        self._count = count

    def cut(self, count: int) -> None:
        """Forgets what comes after the first `count` values, which no reader may look at."""
        self._count = min(count, self._count)

    def view(self) -> NDArray[Any]:
        """What was added; it does not change."""
        count = self._count  # read first: the array read after it holds at least so many
        return self._array[:count]

    def size_bytes(self) -> int:
        """Memory in use."""
        return self._array.nbytes


class GrowingField:
    """One declared field of rows that are still added.

    Args:
        field: its path and kind.
    """

    def __init__(self, field: IndexedField) -> None:
        self.field = field
        self.kind = field.kind
        self.parts = field.parts
        self.terms: list[str] = []
        self.codes: dict[str, int] = {}
        self.values = AppendOnlyArray(DTYPES[field.kind], *((2,) if field.kind is FieldKind.GEO else ()))
        self.value_rows = AppendOnlyArray("<u4")
        self.present_rows = AppendOnlyArray("<u4")
        self.near_rows = AppendOnlyArray("<u4")
        self.odd_rows = AppendOnlyArray("<u4")
        self._term_bytes = 0

    def append(self, payloads: Sequence[Mapping[str, Any]], first: int) -> None:
        """Adds rows, the first of them numbered so."""
        values: list[Any] = []
        value_rows: list[int] = []
        present_rows: list[int] = []
        misfits: dict[Misfit, list[int]] = {Misfit.NEAR: [], Misfit.ODD: []}
        for row, payload in enumerate(payloads, first):
            present = [value for value in values_at(payload, self.parts) if value is not None]
            if not present:
                continue
            present_rows.append(row)
            for each in {stored(self.kind, value) for value in present}:
                if isinstance(each, Misfit):
                    misfits[each].append(row)
                else:
                    values.append(self._code(each) if isinstance(each, str) else each)
                    value_rows.append(row)
        self.values.extend(values)  # before its rows, which publish it
        self.value_rows.extend(value_rows)
        self.present_rows.extend(present_rows)
        self.near_rows.extend(misfits[Misfit.NEAR])
        self.odd_rows.extend(misfits[Misfit.ODD])

    def cut(self, rows: int) -> None:
        """Forgets the rows from `rows` on, which no reader may look at."""
        self.values.cut(int(np.searchsorted(self.value_rows.view(), rows)))
        for array in (self.value_rows, self.present_rows, self.near_rows, self.odd_rows):
            array.cut(int(np.searchsorted(array.view(), rows)))

    def size_bytes(self) -> int:
        """Memory in use, about."""
        arrays = (self.values, self.value_rows, self.present_rows, self.near_rows, self.odd_rows)
        terms = self._term_bytes + sys.getsizeof(self.terms) + sys.getsizeof(self.codes)
        return sum(array.size_bytes() for array in arrays) + terms

    def _code(self, term: str) -> int:
        code = self.codes.get(term)
        if code is None:
            code = len(self.terms)
            self.terms.append(term)
            self.codes[term] = code
            self._term_bytes += sys.getsizeof(term) + sys.getsizeof(code)
        return code


class GrowingRows:
    """A field as of some number of rows; later ones are not seen.

    Args:
        field: that grows.
        rows: how many are seen.
    """

    def __init__(self, field: GrowingField, rows: int) -> None:
        self._field = field
        self._rows = rows

    @property
    def kind(self) -> FieldKind:
        """Which values are indexed."""
        return self._field.kind

    def entries(self) -> tuple[NDArray[Any], NDArray[np.uint32]]:
        """Stored values and their rows, ascending by row: of shape (m,), or (m, 2) for GEO, and uint32 of (m,)."""
        rows = self._seen(self._field.value_rows)
        return self._field.values.view()[: len(rows)], rows

    def label(self, value: int) -> str:
        """The string that a stored value of a KEYWORD stands for."""
        return self._field.terms[value]

    def present(self) -> BitMap:
        """Rows in which the field has a value."""
        return bitmap_of(self._seen(self._field.present_rows), self._rows)

    def near(self) -> BitMap:
        """Rows with a number that is not indexed."""
        return bitmap_of(self._seen(self._field.near_rows), self._rows)

    def odd(self) -> BitMap:
        """Rows with a value of another type."""
        return bitmap_of(self._seen(self._field.odd_rows), self._rows)

    def single(self) -> bool:
        """Whether no row has two values."""
        rows = self._seen(self._field.value_rows)
        misfits = self._seen(self._field.near_rows), self._seen(self._field.odd_rows)
        return len(rows) + sum(map(len, misfits)) == len(self._seen(self._field.present_rows))

    def several(self) -> BitMap:
        """Rows with several indexed values."""
        _, rows = self.entries()
        return bitmap_of(rows[1:][rows[1:] == rows[:-1]], self._rows)

    def compared(self, *tests: tuple[Operator, Scalar]) -> BitMap:
        """Rows with an indexed value that compares so in each test."""
        values, rows = self.entries()
        if self.kind is FieldKind.KEYWORD:
            if tests[0][0] is Operator.EQUAL:
                return self.among((tests[0][1],))
            return self._with_terms(lambda term: all(ORDER[operator](term, value) for operator, value in tests))
        low, high = intersection(self.kind, tests)
        if low == high:
            return bitmap_of(rows[values == low], self._rows)
        return bitmap_of(rows[(values >= low) & (values <= high)], self._rows)

    def among(self, values: tuple[Scalar, ...]) -> BitMap:
        """Rows with one of the values."""
        if self.kind is FieldKind.KEYWORD:
            codes = [code for value in values if (code := self._field.codes.get(str(value))) is not None]
            return self._in(np.array(codes, np.uint32))
        return self._in(points(self.kind, values))

    def beginning(self, prefix: str) -> BitMap:
        """Rows with a string that begins so."""
        return self._with_terms(lambda term: term.startswith(prefix))

    def around(self, center: Point, radius_meters: float) -> BitMap:
        """Rows with a point in the circle."""
        places, rows = self.entries()
        return bitmap_of(rows[within(places[:, 0], places[:, 1], center, radius_meters)], self._rows)

    def _with_terms(self, wanted: Callable[[str], bool]) -> BitMap:
        codes = [code for code, term in enumerate(self._field.terms) if wanted(term)]
        return self._in(np.array(codes, np.uint32))

    def _in(self, wanted: NDArray[Any]) -> BitMap:
        values, rows = self.entries()
        found = values == wanted[0] if len(wanted) == 1 else np.isin(values, wanted)
        return bitmap_of(rows[found], self._rows)

    def _seen(self, array: AppendOnlyArray) -> NDArray[np.uint32]:
        rows: NDArray[np.uint32] = array.view()
        return rows[: int(np.searchsorted(rows, np.uint32(self._rows)))]
