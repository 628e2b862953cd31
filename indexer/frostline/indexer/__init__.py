"""Batch jobs over the client: a source of many rows becomes the records of a collection."""

from frostline.indexer.errors import BadSource, IndexingError, JobChanged, JobStopped, MissingExtra
from frostline.indexer.options import IndexOptions
from frostline.indexer.run import Progress, Summary, index
from frostline.indexer.sources import open_source

__all__ = [
    "BadSource",
    "IndexOptions",
    "IndexingError",
    "JobChanged",
    "JobStopped",
    "MissingExtra",
    "Progress",
    "Summary",
    "index",
    "open_source",
]
