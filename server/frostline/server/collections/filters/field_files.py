"""The files of a frozen field index: arrays one after the other, and a header that says where each is."""

import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from frostline.server.collections.fields import FieldKind, IndexedField, check_fields
from frostline.server.errors import DataDamaged, InvalidInput

HEADER_NAME = "fields.json"
ARRAYS_NAME = "fields.bin"
MAX_HEADER_BYTES = 1 << 20
_ALIGNMENT = 64

_Size = Annotated[int, Field(ge=0, lt=1 << 62)]


class _Place(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    dtype: Literal["|u1", "<u2", "<u4", "<u8", "|i1", "<i2", "<i4", "<i8", "<f8"]
    offset: _Size
    count: _Size


class _FieldPlaces(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    kind: FieldKind
    arrays: dict[str, _Place]


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    rows: Annotated[int, Field(ge=0, lt=1 << 32)]
    fields: tuple[_FieldPlaces, ...]


def write_fields(
    folder: Path, fields: Sequence[IndexedField], arrays: Sequence[Mapping[str, NDArray[Any]]], rows: int
) -> None:
    """Writes both files.

    Args:
        folder: made if missing.
        fields: the declared ones.
        arrays: of each field, by name; one-dimensional, little-endian.
        rows: how many the index covers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places: list[_FieldPlaces] = []
    with (folder / ARRAYS_NAME).open("wb") as file:
        for field, named in zip(fields, arrays, strict=True):
            found: dict[str, _Place] = {}
            for name, array in named.items():
                file.write(bytes(-file.tell() % _ALIGNMENT))
                place = {"dtype": array.dtype.str, "offset": file.tell(), "count": len(array)}
                found[name] = _Place.model_validate(place)
                file.write(np.ascontiguousarray(array).data)
            places.append(_FieldPlaces(path=field.path, kind=field.kind, arrays=found))
    header = _Header(format=1, rows=rows, fields=tuple(places))
    (folder / HEADER_NAME).write_text(header.model_dump_json(), encoding="utf-8")


def read_fields(folder: Path) -> tuple[list[IndexedField], list[dict[str, NDArray[Any]]], int]:
    """Maps both files.

    Returns:
        The declared fields, the read-only arrays of each by name, and how many rows there are.

    Raises:
        DataDamaged: a file is missing, too short, or no header of this format.
    """
    try:
        header = _read_header(folder / HEADER_NAME)
        fields = [IndexedField(path=each.path, kind=each.kind) for each in header.fields]
        check_fields(fields)
        mapped = _mapped(folder / ARRAYS_NAME)
        arrays = [{name: _array(mapped, place) for name, place in each.arrays.items()} for each in header.fields]
    except (OSError, ValueError, RecursionError, ValidationError, InvalidInput) as error:
        raise DataDamaged(
            f"{folder} holds no index of fields: {str(error)[:200]}; delete it, it is built again"
        ) from error
    return fields, arrays, header.rows


def _read_header(path: Path) -> _Header:
    with path.open("rb") as file:
        text = file.read(MAX_HEADER_BYTES + 1)
    if len(text) > MAX_HEADER_BYTES:
        raise ValueError(f"{path.name} has more than {MAX_HEADER_BYTES} bytes")
    return _Header.model_validate_json(text)


def _mapped(path: Path) -> NDArray[np.uint8]:
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return np.empty(0, np.uint8)
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def _array(mapped: NDArray[np.uint8], place: _Place) -> NDArray[Any]:
    dtype = np.dtype(place.dtype)
    end = place.offset + place.count * dtype.itemsize
    if end > len(mapped) or place.offset % _ALIGNMENT:
        raise ValueError(f"{ARRAYS_NAME} has {len(mapped)} bytes, an array is said to end at {end}")
    return mapped[place.offset : end].view(dtype)
