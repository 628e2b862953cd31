"""Files and folders that are on disk completely or not at all, whenever the process or the machine stops.

A folder whose name begins with `.new-` is on its way in, with `.deleted-` on its way out.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import resource
import shutil
import zlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from frostline.server.errors import DataDamaged, Overloaded, StorageFull

NEW, DELETED = ".new-", ".deleted-"
MAX_JSON_BYTES = 64 << 20
"""A hundred thousand collections with the longest names take half of it."""
OPEN_FILES_RETRY_SECONDS = 1.0

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # the last: past the largest file allowed
_TOO_MANY_OPEN = {errno.EMFILE, errno.ENFILE}

_log = logging.getLogger(__name__)


class FileInfo(BaseModel):
    """Size and SHA-256 of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=0)
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> "FileInfo":
        """Those of some bytes."""
        return cls(size=len(data), sha256=hashlib.sha256(data).hexdigest())

    def expect(self, data: bytes, name: str) -> None:
        """Compares bytes with this.

        Raises:
            DataDamaged: they are others; names them.
        """
        if FileInfo.of(data) != self:
            raise DataDamaged(f"{name} is damaged: it does not fit its checksum")


def sync(path: Path) -> None:
    """Waits until a file, or a folder's list of files, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces a file by a JSON object and its checksum; it is on disk when this returns.

    Args:
        path: the file. At any moment it holds the old content or the new one.
        content: has no key `crc`.

    Raises:
        OSError: nothing was replaced, or the disk does not say whether it was.
    """
    unfinished = path.with_name(f"{NEW}{path.name}")
    try:
        with unfinished.open("wb") as file:
            file.write(json.dumps({"crc": _crc(content), **content}, indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    sync(path.parent)


def read_json(path: Path) -> dict[str, Any]:
    """Reads what `write_json` wrote.

    Returns:
        The content, without the checksum.

    Raises:
        FileNotFoundError: there is no such file.
        DataDamaged: it holds something else.
    """
    _expect_size(path.stat().st_size, str(path))
    return json_content(path.read_bytes(), str(path))


def json_content(data: bytes, where: str) -> dict[str, Any]:
    """Reads the bytes that `write_json` wrote.

    Args:
        data: the bytes.
        where: they come from, for the message.

    Returns:
        The content, without the checksum.

    Raises:
        DataDamaged: they are something else.
    """
    _expect_size(len(data), where)
    try:
        content: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataDamaged(f"{where} is damaged: no JSON") from error
    if not isinstance(content, dict):
        raise DataDamaged(f"{where} is damaged: no JSON object")
    fields = cast(dict[str, Any], content)
    if fields.pop("crc", None) != _crc(fields):
        raise DataDamaged(f"{where} is damaged: it does not fit its checksum")
    return fields


def allow_open_files() -> None:
    """Raises this process's limit as far as it may: each collection holds files open, and 1024 are soon used up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems take no limit as high as they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def is_full(error: BaseException) -> bool:
    """Whether an error, or what it came from, says that the disk has no room; FAISS says it in words only."""
    words = tuple(os.strerror(code) for code in _FULL)
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, StorageFull) or (isinstance(seen, OSError) and seen.errno in _FULL):
            return True
        if isinstance(seen, RuntimeError) and any(each in str(seen) for each in words):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextlib.contextmanager
def explained(purpose: str) -> Generator[None]:
    """Says what an error of the file system means to the caller.

    Args:
        purpose: what room or files are needed for.

    Raises:
        StorageFull: the disk has no room.
        Overloaded: no more files may be opened.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"the disk has no room for {purpose}; free some space, then try again") from error
        if error.errno in _TOO_MANY_OPEN:
            raise Overloaded(
                f"the server has too many files open for {purpose}; raise the limit (ulimit -n) and start it again, "
                "or keep fewer collections",
                OPEN_FILES_RETRY_SECONDS,
            ) from error
        raise


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder and below, of those that do not go meanwhile."""
    size = 0
    for inner, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += os.stat(os.path.join(inner, name)).st_size
    return size


def discard(path: Path) -> None:
    """Removes a file or folder that nothing needs any more, as far as that is possible; the rest waits for a start."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    if path.exists():
        _log.warning("%s could not be removed, which is tried again at the next start", path)


def empty(folder: Path) -> None:
    """Removes all that is in a folder, as far as that is possible."""
    for path in list(folder.iterdir()):
        discard(path)


def _expect_size(size: int, where: str) -> None:
    if size > MAX_JSON_BYTES:
        raise DataDamaged(f"{where} has {size} bytes; at most {MAX_JSON_BYTES} were written")


def _crc(content: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
