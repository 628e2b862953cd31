"""What a crash left in the folder of all collections: the next start finishes or undoes it and touches nothing else."""

import contextlib
import logging
from pathlib import Path

from frostline.server.collections.names import DAMAGED, FILE_NAME, Names, NamesFile, created_as, is_folder, rebuilt
from frostline.server.collections.rows import database
from frostline.server.collections.rows.meta import read_meta
from frostline.server.durable_files import DELETED, NEW, discard, empty, sync
from frostline.server.errors import DataDamaged, FrostlineError

_log = logging.getLogger(__name__)


def tidied(folder: Path, file: NamesFile) -> Names:
    """Finishes or undoes what was under way, and says which collections there are.

    Args:
        folder: that of all collections.
        file: its names. Where they cannot be read they are made anew, without aliases, and the log says so.

    Returns:
        The names, as they are on disk.

    Raises:
        OSError: something could not be written.
    """
    names = _read(folder, file)
    for path in list(folder.iterdir()):
        if path.name.startswith(NEW):
            _finish_creation(path, names)
        elif path.name.startswith(DELETED):
            names = _finish_deletion(path, names, file)
        elif is_folder(path.name) and names.name(path.name) is None:
            _log.warning(
                "%s belongs to no collection that %s knows and is left alone; move it away, or delete %s while the "
                "server is stopped to have all folders named anew, without aliases",
                path,
                FILE_NAME,
                FILE_NAME,
            )
    return names


def _finish_creation(path: Path, names: Names) -> None:
    final = path.with_name(path.name.removeprefix(NEW))
    if names.name(final.name) is None or final.exists():
        discard(path)
    else:
        path.rename(final)
        sync(final.parent)


def _finish_deletion(path: Path, names: Names, file: NamesFile) -> Names:
    if name := names.name(path.name.removeprefix(DELETED)):
        empty(path)  # makes room for what is written next
        names = names.without(name)
        file.write(names)
    discard(path)
    return names


def _read(folder: Path, file: NamesFile) -> Names:
    folders = [path for path in folder.iterdir() if is_folder(path.name) and path.is_dir()]
    try:
        names = file.read()
        reason = f"{folder / FILE_NAME} is missing"
        if names is not None or not folders:
            return names or Names()
    except DataDamaged as error:
        file.set_damaged_aside()
        reason = f"{error}, and kept as {DAMAGED}"
    names = rebuilt({path.name: _last_name(path) for path in folders})
    file.write(names)
    _log.error(
        "%s; the names of %d collections were taken from what they hold, and all aliases are lost: compare the list of "
        "collections with what you expect, rename where they differ, and set the aliases again",
        reason,
        len(folders),
    )
    return names


def _last_name(path: Path) -> str:
    """The name that a collection had last, as far as it knows, or else the first."""
    file = path / database.FILE_NAME
    try:
        with contextlib.closing(database.connect(file)) as connection:
            return read_meta(connection, file).config.id
    except FrostlineError:
        return created_as(path.name)
