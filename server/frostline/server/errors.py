"""What can go wrong below the wire.

    FrostlineError
     +-- InvalidInput        the caller must change the request
     +-- NotFound            no such encoder, collection, layer, prompt
     +-- AlreadyExists       the name is taken
     +-- Conflict            the record is not as the caller expected it
     +-- SpaceMismatch       the vector lives in another embedding space
     +-- InUse               something else still needs it
     +-- NotReady            a head that could not be trained
     +-- PermissionDenied    administrators only
     +-- Overloaded          try again after `retry_after_seconds`
     +-- StorageFull         the disk has no room
     +-- ShuttingDown        another server may answer
     +-- DeadlineExceeded    the caller's time ran out before the work began
     +-- DataDamaged         bytes on disk are not what was written
     +-- SourceUnreachable   a hub cannot be reached

Messages say what is wrong, which value, and what to do. `api/status.py` alone maps them to status codes.
"""

from typing import ClassVar

from frostline.wire.reasons import Reason


class FrostlineError(Exception):
    """An error whose message may be shown to the caller."""

    reason: ClassVar[Reason]


class InvalidInput(FrostlineError):
    """The caller must change the request."""

    reason = Reason.INVALID_INPUT


class NotFound(FrostlineError):
    """What was named does not exist."""

    reason = Reason.NOT_FOUND


class AlreadyExists(FrostlineError):
    """The name is taken."""

    reason = Reason.ALREADY_EXISTS


class Conflict(FrostlineError):
    """A conditional write whose condition does not hold: the record is not as the caller expected it."""

    reason = Reason.CONFLICT


class SpaceMismatch(FrostlineError):
    """A vector lives in another embedding space than the one it should go to."""

    reason = Reason.SPACE_MISMATCH


class InUse(FrostlineError):
    """Something else still needs what was to be deleted."""

    reason = Reason.IN_USE


class NotReady(FrostlineError):
    """What was named is there and cannot be used: a head, or a version of it, that could not be trained."""

    reason = Reason.NOT_READY


class PermissionDenied(FrostlineError):
    """The call is for administrators."""

    reason = Reason.PERMISSION_DENIED


class Overloaded(FrostlineError):
    """More work waits than the server accepts.

    Args:
        message: what is full, and by how much.
        retry_after_seconds: when a retry may succeed.
    """

    reason = Reason.OVERLOADED

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class StorageFull(FrostlineError):
    """The disk has no room; a retry is no use until there is some."""

    reason = Reason.STORAGE_FULL


class ShuttingDown(FrostlineError):
    """The server finishes what it accepted and takes nothing new."""

    reason = Reason.SHUTTING_DOWN


class DeadlineExceeded(FrostlineError):
    """The caller's time ran out before the work began."""

    reason = Reason.DEADLINE_EXCEEDED


class DataDamaged(FrostlineError):
    """Bytes on disk are not what was written."""

    reason = Reason.DATA_DAMAGED


class SourceUnreachable(FrostlineError):
    """A source of encoders cannot be reached."""

    reason = Reason.SOURCE_UNREACHABLE
