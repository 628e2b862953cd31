"""Files that appear when they are whole."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from frostline.client.errors import InvalidInput


@contextmanager
def whole_file(path: Path) -> Generator[BinaryIO]:
    """Opens a file beside `path`, which takes its place when the block ends well and is gone otherwise.

    Raises:
        InvalidInput: it cannot be written.
    """
    if not path.name:
        raise InvalidInput(f"{str(path)!r} names no file")
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
