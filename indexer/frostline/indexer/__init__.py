"""Batch jobs over the client: a source of many rows becomes the records of a collection."""

from frostline.indexer.contents import read_contents
from frostline.indexer.errors import AllRejected, BadSource, IndexingError, JobChanged, JobStopped, MissingExtra
from frostline.indexer.exporting import Exported, export
from frostline.indexer.importing import ImportOptions, import_records
from frostline.indexer.interaction_exporting import ExportedInteractions, export_interactions
from frostline.indexer.interaction_importing import ImportedInteractions, import_interactions
from frostline.indexer.interaction_rows import InteractionFields
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
    "ExportedInteractions",
    "ImportOptions",
    "ImportedInteractions",
    "IndexOptions",
    "IndexingError",
    "InteractionFields",
    "JobChanged",
    "JobStopped",
    "MissingExtra",
    "Overlap",
    "Progress",
    "ReembedOptions",
    "Reembedded",
    "Summary",
    "export",
    "export_interactions",
    "import_interactions",
    "import_records",
    "index",
    "open_source",
    "read_contents",
    "read_examples",
    "reembed",
]
