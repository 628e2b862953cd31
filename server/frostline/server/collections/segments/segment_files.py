"""The files of a segment: written once but for one, described by a manifest, compared with it ever after.

    manifest.json      what follows, with size and SHA-256 of every other file
    internal_ids.npy   int64, ascending
    record_ids.npy     int64, where each id begins in record_ids.bin, and where the last ends
    record_ids.bin     UTF-8
    fields/            the declared payload fields
    SLOT.f32 ...       the vectors of each name and what is derived of them, see `vectors`
    measured.json      recall as it was last measured since; replaced as a whole, and no part of the manifest

All of it is derived from the rows and can be deleted at any time.
"""

import errno
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from frostline.server.collections.config import IndexKind
from frostline.server.collections.fields import IndexedField
from frostline.server.collections.vectors.remeasuring import Remeasured
from frostline.server.durable_files import FileInfo, read_json, sync, write_json
from frostline.server.errors import DataDamaged

FORMAT = 1
MANIFEST = "manifest.json"
MEASURED = "measured.json"
UNFINISHED = ".building-"
"""Folders that begin so are on their way in; those found at start are removed."""
HASHED_BYTES = 1 << 20

_log = logging.getLogger(__name__)


class Manifest(BaseModel):
    """What a segment is.

    Attributes:
        format: of the folder.
        sequence: the last commit that may have been seen when its rows were read.
        first: the first internal id it is responsible for.
        last: the last one.
        rows: how many of them it holds.
        vector_counts: for each slot, how many rows have the vector.
        fingerprints: for each slot, what tells its embedding space, metric and length.
        fields: the payload fields that are indexed.
        index: the kind of index that was asked for.
        min_recall: the recall that was asked for.
        files: by path within the folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    sequence: int
    first: int
    last: int
    rows: int
    vector_counts: tuple[int, ...]
    fingerprints: tuple[str, ...]
    fields: tuple[IndexedField, ...]
    index: IndexKind
    min_recall: float
    files: dict[str, FileInfo]


class Measured(BaseModel):
    """What was measured since a segment was built.

    Attributes:
        changed: how many rows had died in it and come behind it by then; 0 where nothing was measured.
        recalls: by slot.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    changed: int = 0
    recalls: dict[int, Remeasured] = {}


def describe(folder: Path) -> dict[str, FileInfo]:
    """Size and hash of every file in a folder, each of them synced."""
    return {str(path.relative_to(folder)): _described(path) for path in _files(folder)}


def write(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest, last, and syncs it and the folders."""
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    for each in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync(each)


def read(folder: Path) -> Manifest:
    """Reads the manifest and compares the sizes of all files with it.

    Raises:
        DataDamaged: it cannot be read, or a file is missing or of another size; names it.
    """
    try:
        manifest = Manifest.model_validate(read_json(folder / MANIFEST))
    except (OSError, ValidationError, DataDamaged) as error:
        raise DataDamaged(f"{folder / MANIFEST} cannot be read: {type(error).__name__}") from error
    if manifest.format != FORMAT:
        raise DataDamaged(f"{folder} has format {manifest.format}, this Frostline reads {FORMAT}")
    for name, info in manifest.files.items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else -1
        if size != info.size:
            raise DataDamaged(f"{path} has {size} bytes, {info.size} were written")
    return manifest


def write_measured(folder: Path, measured: Measured) -> None:
    """Replaces what was measured; where that fails it is logged, and the segment is measured again after a restart."""
    try:
        write_json(folder / MEASURED, measured.model_dump(mode="json"))
    except OSError as error:
        _log.warning("%s could not be written (%s); after a restart it is measured again", folder / MEASURED, error)


def read_measured(folder: Path) -> Measured:
    """Reads what was measured; where it cannot be read that is as if nothing had been."""
    try:
        return Measured.model_validate(read_json(folder / MEASURED))
    except FileNotFoundError:
        return Measured()
    except (OSError, ValidationError, DataDamaged) as error:
        _log.warning("%s cannot be read (%s); it is measured again", folder / MEASURED, type(error).__name__)
        return Measured()


def damaged(folder: Path, manifest: Manifest) -> str | None:
    """Compares all files with their hashes; names the first that is not what was written."""
    for name, info in manifest.files.items():
        try:
            if _hashed(folder / name) != info.sha256:
                return name
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EIO):
                raise  # too many open files say nothing about this one
            return name
    return None


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)


def _described(path: Path) -> FileInfo:
    sync(path)
    return FileInfo(size=path.stat().st_size, sha256=_hashed(path))


def _hashed(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASHED_BYTES):
            digest.update(block)
    return digest.hexdigest()
