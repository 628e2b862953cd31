"""Files that appear when they are whole."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

from frostline.indexer.checkpoint import sync_folder
from frostline.indexer.errors import BadSource, IndexingError


def expect_none(path: Path, replace: bool) -> None:
    """Refuses to write over a file that may not be replaced.

    Raises:
        BadSource: there is one.
    """
    if path.exists() and not replace:
        raise BadSource(f"{path} exists already; choose another name, or replace it (--replace)")


@contextlib.contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """Lends another path in the same folder; what its block wrote and synced there takes the name when it ends well.

    Raises:
        IndexingError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise IndexingError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
