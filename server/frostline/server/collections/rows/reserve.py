"""Room kept for deleting: on a full disk even a deletion must be written before it frees anything."""

import contextlib
import logging
import os
from pathlib import Path

FILE_NAME = "reserve"
RESERVE_BYTES = 12 << 20
"""Room to bring SQLite's log into the file, which is 8 MB and then makes room itself, and for what a deletion logs."""

_log = logging.getLogger(__name__)


class Reserve:
    """A file that takes up room until there is none left.

    Args:
        path: of the file. What is in it is of no meaning.
        size_bytes: its size.
    """

    def __init__(self, path: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._whole = False

    @property
    def whole(self) -> bool:
        """Whether the room is kept."""
        return self._whole

    def make(self) -> bool:
        """Takes the room, as far as it is not taken yet.

        Returns:
            Whether it is kept now. It is not while the disk has no room.
        """
        if not self._whole:
            try:
                self._allocate()
            except OSError as error:
                _log.warning("no room to keep in %s, which is tried again: %s", self._path, error)
                self._empty()
            else:
                self._whole = True
        return self._whole

    def give_up(self) -> bool:
        """Frees the room; whether there was any."""
        was_whole, self._whole = self._whole, False
        self._empty()
        return was_whole

    def _allocate(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._size_bytes)
        finally:
            os.close(descriptor)

    def _empty(self) -> None:
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path, os.O_RDWR | os.O_TRUNC | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)  # some file systems free what was cut off no sooner
            finally:
                os.close(descriptor)
