"""Files from strangers: kept inside one folder, of known kinds, within limits."""

import errno
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from frostline.server.errors import InvalidInput, StorageFull

SUFFIXES = frozenset({".json", ".txt", ".md", ".onnx", ".safetensors", ".npz"})
"""Files an encoder is built from. Pickles, PyTorch `.bin` files and code are never taken."""

MOST_FILES = 256
_DEEPEST = 4
_LONGEST = 255  # bytes of a path, which file systems allow a name
_ROOM_TO_BUILD = 2  # a bundle takes about as much again as the files it is built from


class Upload:
    """Stores the files of one upload. Methods block.

    Args:
        folder: an empty folder.
        max_bytes: the most bytes of all files together.

    Attributes:
        received_bytes: bytes stored so far.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.received_bytes = 0
        self._folder = folder
        self._max_bytes = max_bytes
        self._paths: list[str] = []
        self._file: BinaryIO | None = None

    def write(self, path: str, data: bytes) -> None:
        """Stores the next piece of a file.

        Raises:
            InvalidInput: the path is not allowed or comes again, or there are too many files or bytes.
            StorageFull: the disk has no room.
        """
        if self.received_bytes + len(data) > self._max_bytes:
            raise InvalidInput(
                f"more than {self._max_bytes} bytes came; send what total_bytes announces, at most max_upload_bytes"
            )
        with _explained(self._folder):
            if self._file is None or path != self._paths[-1]:
                self._file = self._begin(path)
            self._file.write(data)
        self.received_bytes += len(data)

    def close(self) -> None:
        """Ends the last file.

        Raises:
            StorageFull: the disk has no room.
        """
        if self._file:
            with _explained(self._folder):
                self._file.close()

    def _begin(self, path: str) -> BinaryIO:
        check_path(path)
        if path in self._paths:
            raise InvalidInput(f"{path!r} comes twice; send the pieces of a file one after the other")
        if len(self._paths) == MOST_FILES:
            raise InvalidInput(f"more than {MOST_FILES} files came; send only what the encoder is built from")
        self.close()
        self._paths.append(path)
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("xb")


def check_path(path: str) -> None:
    """Refuses paths that lead out of the folder, or to files no encoder is built from.

    Args:
        path: relative, with forward slashes.

    Raises:
        InvalidInput: says what is wrong with it.
    """
    parts = path.split("/")
    if not all(parts) or {".", ".."} & set(parts) or "\\" in path or not path.isprintable():
        raise InvalidInput(f"path {path!r} is not allowed; send paths relative to the encoder's folder, without ..")
    if len(parts) > _DEEPEST or len(path.encode()) > _LONGEST:
        raise InvalidInput(f"path {path!r} is too deep or too long; at most {_DEEPEST} parts and {_LONGEST} bytes")
    if PurePosixPath(path).suffix not in SUFFIXES:
        known = ", ".join(sorted(SUFFIXES))
        raise InvalidInput(f"{path!r} is not a file an encoder is built from ({known}); weights come as safetensors")


def room_for(folder: Path, size_bytes: int) -> None:
    """Refuses files for which the disk has no room.

    Args:
        folder: where they would lie.
        size_bytes: of all files together.

    Raises:
        StorageFull: says how much is needed, and how much is free.
    """
    free = shutil.disk_usage(folder).free
    if size_bytes * _ROOM_TO_BUILD > free:
        raise StorageFull(
            f"an encoder of {size_bytes} bytes needs {size_bytes * _ROOM_TO_BUILD} bytes while it is built; "
            f"the disk of {folder} has {free}"
        )


@contextmanager
def _explained(folder: Path) -> Generator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidInput(f"{error.filename} is both a file and a folder of the upload") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFull(f"no room on the disk of {folder} for the upload") from error
