"""One server to a data folder."""

import fcntl
import os
from pathlib import Path

from frostline.server.errors import InUse

FILE_NAME = ".lock"


class FolderLock:
    """Holds a folder for this process, until `release` or its end, however it ends.

    Args:
        folder: must exist.

    Raises:
        InUse: another process holds it; names its pid.
    """

    def __init__(self, folder: Path) -> None:
        self._file = os.fdopen(os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o644), "r+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = self._file.read(32).strip() or "unknown"
            self._file.close()
            raise InUse(
                f"{folder.absolute()} is in use by the server with process id {holder}; "
                "stop it, or choose another data folder"
            ) from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Lets others have the folder."""
        self._file.close()
