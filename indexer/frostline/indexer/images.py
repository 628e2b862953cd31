"""A folder of images."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from frostline.client import Record
from frostline.indexer.errors import BadSource
from frostline.indexer.fields import RowRejected, is_utf8, read_image
from frostline.indexer.options import IndexOptions
from frostline.indexer.rows import Position, Rejection, Row

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")


class ImageFolder:
    """The images in a folder and the folders below, in the order of their names. Satisfies `Source`.

    A record's id is the path relative to the folder, with forward slashes; its payload holds `path`. Other files are
    passed over, and links to folders are not followed.

    Args:
        path: the folder.
        options: the largest file that is taken; fields make no sense here.

    Raises:
        BadSource: fields are given, or there are no images.
    """

    def __init__(self, path: Path, options: IndexOptions) -> None:
        if options.chosen_fields:
            raise BadSource(f"a folder of images has no fields; leave out {', '.join(options.chosen_fields)}")
        self._path = path
        self._max_bytes = options.max_row_bytes
        # Names, sizes and times are hashed, not kept: a folder may hold millions.
        digest, self._total = hashlib.blake2b(digest_size=16), 0
        for name in image_names(path):
            status = (path / name).lstat()
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
            self._total += 1
        if not self._total:
            raise BadSource(f"{path} holds no images; it is searched for {', '.join(SUFFIXES)}")
        self._identity: dict[str, str | int] = {
            "source": str(path.resolve()),
            "images": self._total,
            "names, sizes and times": digest.hexdigest(),
        }

    @property
    def identity(self) -> dict[str, str | int]:
        """The folder, and a hash over its images' names, sizes and times."""
        return self._identity

    @property
    def total(self) -> int:
        """Images in the folder."""
        return self._total

    @property
    def size_bytes(self) -> int:
        """Not needed, since `total` is known."""
        return 0

    def rows(self, start: Position) -> Iterator[Row]:
        """Reads images from a place on."""
        for number, name in enumerate(image_names(self._path), 1):
            if number > start.row:
                yield self._row(number, name)

    def _row(self, number: int, name: str) -> Row:
        end = Position(number)
        try:
            if not is_utf8(name):
                raise RowRejected("NOT_UTF8", f"{name!r} is no UTF-8; rename the file")
            data = read_image(self._path / name, self._max_bytes)
        except RowRejected as error:
            id = name.encode("utf-8", "replace").decode()
            return Row(number, end, Rejection(number, id, error.reason, str(error)))
        return Row(number, end, Record(name, image=data, payload={"path": name}), len(data) + 2 * len(name))


def image_names(folder: Path, prefix: str = "") -> Iterator[str]:
    """Paths of the images in a folder and the folders below, relative to it, in the order of their names."""
    with os.scandir(folder / prefix) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from image_names(folder, f"{prefix}{entry.name}/")
        elif entry.name.lower().endswith(SUFFIXES) and (entry.is_file() or entry.is_symlink()):
            yield prefix + entry.name
