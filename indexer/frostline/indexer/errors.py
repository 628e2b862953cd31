"""What can go wrong with a job, beside what the client raises.

FrostlineError (of the client)
 +-- IndexingError
      +-- BadSource       the source or the options for it must change
      +-- MissingExtra    a library that this source needs is not installed
      +-- JobChanged      the job is another one than its checkpoint belongs to
      +-- JobStopped      the server stopped taking records; the same command goes on
      +-- AllRejected     of the first rows none became a record
"""

from frostline.client import FrostlineError


class IndexingError(FrostlineError):
    """A job that cannot begin or go on; the message says what to do."""

    reason = "INDEXING_FAILED"


class BadSource(IndexingError):
    """The source or the options for it must change."""

    reason = "BAD_SOURCE"


class MissingExtra(IndexingError):
    """A library that this source needs is not installed."""

    reason = "MISSING_EXTRA"


class JobChanged(IndexingError):
    """The source, the options or the collection changed since the checkpoint was written."""

    reason = "JOB_CHANGED"


class JobStopped(IndexingError):
    """The server stopped taking records; its reason is the error's. The same command goes on from the checkpoint."""

    reason = "JOB_STOPPED"


class AllRejected(IndexingError):
    """Of the first rows none became a record: more likely the options are wrong than all rows."""

    reason = "ALL_REJECTED"
