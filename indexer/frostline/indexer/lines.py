"""Reads files line by line: by byte offset, so that a job can go on anywhere, and never more than a row in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_BOM = b"\xef\xbb\xbf"
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        data: its bytes with the line break; None where it is too long.
        end: offset after it.
    """

    data: bytes | None
    end: int


def file_identity(path: Path) -> dict[str, str | int]:
    """Path, size and time of the last change of a file."""
    status = path.stat()
    return {"source": str(path.resolve()), "size in bytes": status.st_size, "modified": status.st_mtime_ns}


def lines(path: Path, offset: int, max_bytes: int) -> Iterator[Line]:
    """Reads lines from an offset on; a byte order mark at the beginning is left out.

    Args:
        path: the file.
        offset: the beginning of a line.
        max_bytes: of a longer line only the end is found.
    """
    with path.open("rb") as file:
        file.seek(offset)
        while data := file.readline(max_bytes + 1):
            end = offset + len(data)
            if len(data) > max_bytes and not data.endswith(b"\n"):
                end = _skip(file, end)
                yield Line(None, end)
            else:
                yield Line(data.removeprefix(_BOM) if offset == 0 else data, end)
            offset = end


def _skip(file: BinaryIO, offset: int) -> int:
    while piece := file.readline(_PIECE):
        offset += len(piece)
        if piece.endswith(b"\n"):
            break
    return offset
