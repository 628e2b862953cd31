"""Files that are compared with what was written of them: size first, then SHA-256."""

from pathlib import Path

from frostline.server.durable_files import FileInfo, sync
from frostline.server.errors import DataDamaged


def write(path: Path, data: bytes) -> FileInfo:
    """Writes a new file; it is on disk when this returns."""
    with path.open("xb") as file:
        file.write(data)
    sync(path)
    return FileInfo.of(data)


def read(path: Path, info: FileInfo) -> bytes:
    """Reads a file whose size is known, so that no more is read than was written.

    Raises:
        DataDamaged: it is missing, or not what was written; names it.
    """
    expect_size(path, info)
    data = path.read_bytes()
    info.expect(data, str(path))
    return data


def expect_size(path: Path, info: FileInfo) -> None:
    """Compares the size of a file, without reading it.

    Raises:
        DataDamaged: it is missing or of another size; names it.
    """
    size = path.stat().st_size if path.is_file() else -1
    if size != info.size:
        found = "is missing" if size < 0 else f"has {size} bytes"
        raise DataDamaged(f"{path} is damaged: it {found}, {info.size} bytes were written")
