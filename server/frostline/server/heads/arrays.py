"""Arrays in one file, without pickle: a ZIP of `.npy` members that are not compressed, as `numpy.savez` writes it.

They are read only as they are described elsewhere, and take no more memory than the file has bytes, whatever its
headers say.
"""

import io
import math
import struct
import zipfile
from collections.abc import Mapping
from tokenize import TokenError
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from frostline.server.errors import DataDamaged

Array: TypeAlias = NDArray[Any]

_VERSION = (1, 0)  # of `.npy`; later ones are for other kinds of arrays
_SUFFIX = ".npy"
_ENCRYPTED = 1


UNREADABLE = (zipfile.BadZipFile, NotImplementedError, ValueError, RuntimeError, struct.error)
"""What `zipfile` raises of files that are no ZIP, or one that was made to confuse it."""


class ArrayInfo(BaseModel):
    """What an array is.

    Attributes:
        dtype: of its values, little-endian.
        shape: its length along each axis.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["float32", "float64", "int64", "bool"]
    shape: tuple[Annotated[int, Field(ge=0)], ...] = Field(max_length=2)


def describe(arrays: Mapping[str, Array]) -> dict[str, ArrayInfo]:
    """What arrays are, by name."""
    return {name: ArrayInfo.model_validate({"dtype": x.dtype.name, "shape": x.shape}) for name, x in arrays.items()}


def pack(arrays: Mapping[str, Array]) -> bytes:
    """Puts arrays into one file."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{name: np.ascontiguousarray(x) for name, x in arrays.items()})
    return file.getvalue()


def unpack(data: bytes, described: Mapping[str, ArrayInfo], where: str) -> dict[str, Array]:
    """Reads what `pack` made.

    Args:
        data: the file.
        described: what each array shall be.
        where: the file's name, for the message.

    Returns:
        The arrays, not to be written to.

    Raises:
        DataDamaged: it holds something else; says what.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = {info.filename: info for info in file.infolist()}
            if sorted(members) != sorted(name + _SUFFIX for name in described) or len(members) != len(file.infolist()):
                raise DataDamaged(f"{where} is damaged: it holds other arrays than it should")
            return {
                name: _array(member_bytes(file, members[name + _SUFFIX], where), info, f"array {name!r} of {where}")
                for name, info in described.items()
            }
    except (*UNREADABLE, EOFError) as error:
        raise DataDamaged(f"{where} is damaged: {error}") from error


def member_bytes(file: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    """Reads a member of a ZIP that takes no more room in memory than in the file.

    Raises:
        DataDamaged: it is compressed or encrypted.
        BadZipFile: it is not what was written.
    """
    stored = member.compress_type == zipfile.ZIP_STORED and member.file_size == member.compress_size
    if not stored or member.flag_bits & _ENCRYPTED:
        raise DataDamaged(
            f"{where} is damaged: {member.filename!r} is compressed or encrypted, and was written as it is"
        )
    return file.read(member)


def _array(data: bytes, info: ArrayInfo, where: str) -> Array:
    file = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(file) != _VERSION:
            raise DataDamaged(f"{where} is damaged: it has another format")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    except (ValueError, TypeError, SyntaxError, TokenError, RecursionError, OverflowError) as error:
        raise DataDamaged(f"{where} is damaged: {error}") from error
    expected = np.dtype(info.dtype)
    if (shape, fortran_order, dtype) != (info.shape, False, expected):
        raise DataDamaged(f"{where} is damaged: {dtype} of shape {shape}, {expected} of shape {info.shape} was written")
    if len(data) - file.tell() != math.prod(shape) * expected.itemsize:
        raise DataDamaged(f"{where} is damaged: {len(data)} bytes do not hold shape {shape}")
    return np.frombuffer(data, expected, offset=file.tell()).reshape(shape)
