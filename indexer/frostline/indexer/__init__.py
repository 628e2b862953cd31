"""Batch jobs over the client: a source of many rows becomes the records of a collection."""

from frostline.indexer.contents import read_contents
from frostline.indexer.errors import AllRejected, BadSource, IndexingError, JobChanged, JobStopped, MissingExtra
from frostline.indexer.exporting import Exported, export
from frostline.indexer.importing import ImportOptions, import_records
from frostline.indexer.job import Progress, Summary
from frostline.indexer.labelled import read_examples
from frostline.indexer.options import IndexOptions
from frostline.indexer.overlap import Overlap
from frostline.indexer.reembedding import Reembedded, ReembedOptions, reembed
from frostline.indexer.run import index
from frostline.indexer.sources import open_source

__all__ = [
    "AllRejected",
    "BadSource",
    "Exported",
    "ImportOptions",
    "IndexOptions",
    "IndexingError",
    "JobChanged",
    "JobStopped",
    "MissingExtra",
    "Overlap",
    "Progress",
    "ReembedOptions",
    "Reembedded",
    "Summary",
    "export",
    "import_records",
    "index",
    "open_source",
    "read_contents",
    "read_examples",
    "reembed",
]
