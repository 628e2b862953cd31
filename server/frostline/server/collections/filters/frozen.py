"""The index of one field, frozen: stored values in order, beside each its row; answers are found by bisection.

Arrays of a field, little-endian:

    values     stored values ascending, in the narrowest integers that hold them, or float64; GEO: latitudes
    rows       uint32, the row of each value; ascending among equal values
    longitudes GEO: float64
    ends       KEYWORD: int64, where each term ends in `terms`
    terms      KEYWORD: distinct strings as UTF-8, in the order of their bytes, which is that of their code points
    present    rows with a value, with a near and an odd one: as roaring bitmaps
    near
    odd
"""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from frostline.server.collections.fields import FieldKind
from frostline.server.collections.filters.bitmaps import bitmap_of
from frostline.server.collections.filters.expression import Operator, Scalar
from frostline.server.collections.filters.geography import Point, latitudes_within, within
from frostline.server.collections.filters.growing import GrowingRows
from frostline.server.collections.filters.stored import intersection, points
from frostline.server.errors import DataDamaged

_BITMAPS = ("present", "near", "odd")
_NONE: NDArray[Any] = np.empty(0, np.uint8)


def frozen_arrays(field: GrowingRows, terms: list[str]) -> dict[str, NDArray[Any]]:
    """Puts the entries of a field in order.

    Args:
        field: as of the rows to freeze.
        terms: of a KEYWORD, by code.

    Returns:
        The arrays named above.
    """
    values, rows = field.entries()
    arrays: dict[str, NDArray[Any]] = {}
    if field.kind is FieldKind.KEYWORD:
        encoded = [term.encode(errors="surrogatepass") for term in terms]
        by_bytes = sorted(range(len(encoded)), key=encoded.__getitem__)
        ranks = np.empty(len(encoded), np.uint32)
        ranks[by_bytes] = np.arange(len(encoded), dtype=np.uint32)
        values = ranks[values]
        arrays["ends"] = np.cumsum([len(encoded[code]) for code in by_bytes], dtype="<i8")
        arrays["terms"] = np.frombuffer(b"".join(encoded[code] for code in by_bytes), np.uint8)
    if field.kind is FieldKind.GEO:
        order = np.argsort(values[:, 0], kind="stable")
        arrays["longitudes"] = values[order, 1]
        values = values[:, 0]
    else:
        order = np.argsort(values, kind="stable")
    arrays |= {"values": _narrow(values[order]), "rows": rows[order]}
    for name, bitmap in zip(_BITMAPS, (field.present(), field.near(), field.odd()), strict=True):
        bitmap.run_optimize()
        arrays[name] = np.frombuffer(bitmap.serialize(), np.uint8)
    return arrays


def _narrow(ordered: NDArray[Any]) -> NDArray[Any]:
    if ordered.dtype.kind == "f" or len(ordered) == 0:
        return ordered
    for name in ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4"):
        limits = np.iinfo(name)
        if limits.min <= ordered[0] and ordered[-1] <= limits.max:
            return ordered.astype(name)
    return ordered


class FrozenRows:
    """A frozen field.

    Args:
        kind: of the field.
        arrays: as `frozen_arrays` gives them, read-only, most likely in a mapped file.
        rows: how many the index covers.

    Raises:
        DataDamaged: the arrays do not fit together.
    """

    def __init__(self, kind: FieldKind, arrays: Mapping[str, NDArray[Any]], rows: int) -> None:
        try:
            self._take(kind, arrays)
        except (KeyError, ValueError) as error:
            raise DataDamaged(f"the {kind} index lacks an array or has a damaged one: {error}") from error
        self._kind = kind
        self._total = rows
        self._several: BitMap | None = None
        self._check()

    def _take(self, kind: FieldKind, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._values = arrays["values"]
        self._rows = arrays["rows"]
        self._longitudes = arrays["longitudes"] if kind is FieldKind.GEO else self._values
        ends, terms = arrays.get("ends", _NONE), arrays.get("terms", _NONE)
        self._ends: memoryview[int] = (
            ends.data
        )  # of a memoryview, one number costs a fifth of what it costs of an array
        self._terms: memoryview[int] = terms.data
        self._present, self._near, self._odd = (BitMap.deserialize(arrays[name].tobytes()) for name in _BITMAPS)

    def _check(self) -> None:
        floats = self._kind in (FieldKind.FLOAT, FieldKind.GEO)
        fits = (
            len(self._values) == len(self._rows) == len(self._longitudes)
            and self._rows.dtype == np.dtype("<u4")
            and (self._values.dtype == np.dtype("<f8")) == floats
            and self._longitudes.dtype == self._values.dtype
        )
        if self._kind is FieldKind.KEYWORD:
            fits = fits and self._ends.format in ("l", "q") and self._terms.format == "B"
            fits = fits and (self._ends[-1] if len(self._ends) else 0) == len(self._terms)
        if not fits or any(len(each) and each.max() >= self._total for each in (self._present, self._near, self._odd)):
            raise DataDamaged(f"arrays of the {self._kind} index do not fit together")

    @property
    def kind(self) -> FieldKind:
        """Which values are indexed."""
        return self._kind

    def entries(self) -> tuple[NDArray[Any], NDArray[np.uint32]]:
        """Stored values, ascending, and their rows."""
        return self._values, self._rows

    def label(self, value: int) -> str:
        """The string that a stored value of a KEYWORD stands for.

        Raises:
            DataDamaged: there is none.
        """
        try:
            return self._term(value).decode(errors="surrogatepass")
        except (IndexError, UnicodeDecodeError) as error:
            raise DataDamaged(f"term {value} of a keyword index cannot be read: {error}") from error

    def present(self) -> BitMap:
        """Rows in which the field has a value."""
        return self._present

    def near(self) -> BitMap:
        """Rows with a number that is not indexed."""
        return self._near

    def odd(self) -> BitMap:
        """Rows with a value of another type."""
        return self._odd

    def single(self) -> bool:
        """Whether no row has two values."""
        return len(self._rows) + len(self._near) + len(self._odd) == len(self._present)

    def several(self) -> BitMap:
        """Rows with several indexed values; found once, since all entries are sorted for it."""
        if self._several is None:
            rows = np.sort(self._rows)
            self._several = self._bitmap(rows[1:][rows[1:] == rows[:-1]])
        return self._several

    def compared(self, *tests: tuple[Operator, Scalar]) -> BitMap:
        """Rows with an indexed value that compares so in each test."""
        if self._kind is FieldKind.KEYWORD:
            starts, ends = zip(*(self._compared_terms(operator, str(value)) for operator, value in tests), strict=True)
            return self._codes(max(starts), min(ends))
        return self._between(*intersection(self._kind, tests))

    def among(self, values: tuple[Scalar, ...]) -> BitMap:
        """Rows with one of the values."""
        if self._kind is FieldKind.KEYWORD:
            return self._one_of(np.array(self._known(values), np.int64))
        return self._one_of(points(self._kind, values))

    def beginning(self, prefix: str) -> BitMap:
        """Rows with a string that begins so."""
        start = prefix.encode(errors="surrogatepass")
        # UTF-8 never holds 255, so the next text that does not begin so ends in the byte above.
        end = self._place(start[:-1] + bytes([start[-1] + 1])) if start else len(self._ends)
        return self._codes(self._place(start), end)

    def around(self, center: Point, radius_meters: float) -> BitMap:
        """Rows with a point in the circle."""
        south, north = latitudes_within(center, radius_meters)
        start, end = self._range(south, north)
        inside = within(self._values[start:end], self._longitudes[start:end], center, radius_meters)
        return self._bitmap(self._rows[start:end][inside])

    def size_bytes(self) -> int:
        """Memory in use beyond the mapped file, about."""
        kept = self._present, self._near, self._odd, self._several or BitMap()
        return sum(len(each.serialize()) for each in kept) + sys.getsizeof(self)

    def _term(self, code: int) -> bytes:
        return bytes(self._terms[self._ends[code - 1] if code else 0 : self._ends[code]])

    def _place(self, term: bytes, low: int = 0) -> int:
        """How many terms come before one."""
        high = len(self._ends)
        while low < high:
            middle = (low + high) // 2
            if self._term(middle) < term:
                low = middle + 1
            else:
                high = middle
        return low

    def _compared_terms(self, operator: Operator, text: str) -> tuple[int, int]:
        """Codes, from one up to another, of the terms that compare so."""
        term = text.encode(errors="surrogatepass")
        place = self._place(term)
        after = place + (place < len(self._ends) and self._term(place) == term)
        match operator:
            case Operator.LESS:
                return 0, place
            case Operator.LESS_OR_EQUAL:
                return 0, after
            case Operator.GREATER:
                return after, len(self._ends)
            case Operator.GREATER_OR_EQUAL:
                return place, len(self._ends)
            case _:
                return place, after

    def _known(self, values: tuple[Scalar, ...]) -> list[int]:
        codes: list[int] = []
        place = 0
        for term in sorted({str(value).encode(errors="surrogatepass") for value in values}):
            place = self._place(term, place)
            if place < len(self._ends) and self._term(place) == term:
                codes.append(place)
        return codes

    def _codes(self, start: int, end: int) -> BitMap:
        return self._between(start, end - 1)

    def _between(self, low: float, high: float) -> BitMap:
        start, end = self._range(low, high)
        return self._bitmap(self._rows[start:end])

    def _bitmap(self, rows: NDArray[np.uint32]) -> BitMap:
        try:
            return bitmap_of(rows, self._total)
        except IndexError as error:
            raise DataDamaged(f"the {self._kind} index names rows that it does not cover; build it again") from error

    def _range(self, low: float, high: float) -> tuple[int, int]:
        if self._values.dtype.kind != "f":
            limits = np.iinfo(self._values.dtype)
            low, high = max(low, limits.min), min(high, limits.max)
        if low > high:
            return 0, 0
        ends = np.array([low, high], self._values.dtype)  # of another type, all values would be converted
        (start,) = np.searchsorted(self._values, ends[:1], "left").tolist()
        (end,) = np.searchsorted(self._values, ends[1:], "right").tolist()
        return start, max(start, end)

    def _one_of(self, wanted: NDArray[Any]) -> BitMap:
        """Rows with one of some stored values: of shape (m,), ascending."""
        if self._values.dtype.kind != "f":
            limits = np.iinfo(self._values.dtype)
            wanted = wanted[(wanted >= limits.min) & (wanted <= limits.max)]
        wanted = wanted.astype(self._values.dtype)
        starts = np.searchsorted(self._values, wanted, "left")
        counts = np.maximum(np.searchsorted(self._values, wanted, "right") - starts, 0)
        before = np.cumsum(counts) - counts
        places = np.repeat(starts - before, counts) + np.arange(int(counts.sum()))
        return self._bitmap(self._rows[places])
