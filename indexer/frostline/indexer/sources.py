"""Finds out what a source is."""

from collections.abc import Callable
from pathlib import Path

from frostline.indexer.csv_file import CsvFile
from frostline.indexer.errors import BadSource
from frostline.indexer.images import ImageFolder
from frostline.indexer.jsonl import JsonLines
from frostline.indexer.options import IndexOptions
from frostline.indexer.parquet import Parquet
from frostline.indexer.pydoc import PythonDocs
from frostline.indexer.rows import Source

PYDOC = "pydoc:"

_FILES: dict[str, Callable[[Path, IndexOptions], Source]] = {
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".csv": CsvFile,
    ".parquet": Parquet,
}


def open_source(source: str, options: IndexOptions) -> Source:
    """Opens what a job reads; nothing but a header is read yet, and of a folder the names.

    Args:
        source: the path of a file (`.jsonl`, `.ndjson`, `.csv`, `.parquet`) or of a folder of images, or `pydoc:` for
            the documentation of the standard library of the Python that runs.
        options: which field is what.

    Raises:
        BadSource: there is no such source, or the options do not fit it.
        MissingExtra: a library that it needs is not installed.
    """
    if source == PYDOC:
        return PythonDocs(options)
    path = Path(source)
    kind = _FILES.get(path.suffix.lower())
    try:
        if path.is_dir():
            return ImageFolder(path, options)
        if path.is_file() and kind:
            return kind(path, options)
    except OSError as error:
        raise BadSource(f"{error.filename or path} cannot be read: {error.strerror}") from error
    if path.exists():
        raise BadSource(f"{path} is of no known kind; give a {', '.join(_FILES)} file, a folder of images or {PYDOC}")
    raise BadSource(f"{source!r} does not exist; give a {', '.join(_FILES)} file, a folder of images or {PYDOC}")
