"""What can go wrong in a call.

    FrostlineError
     +-- InvalidInput            the request must change
     +-- NotFound                no such encoder, collection, layer, prompt
     +-- AlreadyExists           the name is taken
     +-- Conflict                a conditional write whose condition does not hold
     +-- FailedPrecondition      something else must change first
     |    +-- SpaceMismatch      the vector lives in another embedding space
     |    +-- InUse              something else still needs it
     |    +-- HeadFailed         a head could not be trained
     +-- PermissionDenied        administrators only, or a wrong token
     +-- Overloaded              the server has more work than it accepts
     +-- StorageFull             the server's disk has no room
     +-- Unavailable             no server answers, or it is shutting down
     +-- DeadlineExceeded        no answer in time
     +-- DataDamaged             bytes on the server's disk are not what was written
     +-- Internal                the server failed; `log_id` finds it in its log

The client has tried again where that can help before it raises one of these (see `Retry`).
"""

from collections.abc import Iterable
from typing import Final, cast

import grpc
from google.protobuf.message import DecodeError

from frostline.client._connecting import unavailable
from frostline.v1.error_pb2 import ErrorDetail
from frostline.wire.reasons import TRAILER, Reason


class FrostlineError(Exception):
    """A call that failed.

    Args:
        message: what is wrong, which value, and what to do.
        reason: why, in UPPER_SNAKE case; the class's own when empty.
        code: the gRPC status; the class's own when None.
        retry_after_seconds: when a retry may succeed; None where the server gave no hint.
        log_id: finds the error in the server's log; empty unless the server failed.
    """

    reason: str = Reason.INTERNAL
    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        code: grpc.StatusCode | None = None,
        retry_after_seconds: float | None = None,
        log_id: str = "",
    ) -> None:
        super().__init__(message)
        self.reason = reason or self.reason
        self.code = code or self.code
        self.retry_after_seconds = retry_after_seconds
        self.log_id = log_id


class InvalidInput(FrostlineError):
    """The request must change."""

    reason = Reason.INVALID_INPUT
    code = grpc.StatusCode.INVALID_ARGUMENT


class NotFound(FrostlineError):
    """What was named does not exist."""

    reason = Reason.NOT_FOUND
    code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(FrostlineError):
    """The name is taken."""

    reason = Reason.ALREADY_EXISTS
    code = grpc.StatusCode.ALREADY_EXISTS


class Conflict(FrostlineError):
    """The condition of a write does not hold: read the record again and decide anew."""

    reason = Reason.CONFLICT
    code = grpc.StatusCode.ABORTED


class FailedPrecondition(FrostlineError):
    """Something else must change before the request can succeed."""

    reason = "FAILED_PRECONDITION"
    code = grpc.StatusCode.FAILED_PRECONDITION


class SpaceMismatch(FailedPrecondition):
    """A vector lives in another embedding space than the one it should go to."""

    reason = Reason.SPACE_MISMATCH


class InUse(FailedPrecondition):
    """Something else still needs what was to be deleted."""

    reason = Reason.IN_USE


class HeadFailed(FailedPrecondition):
    """A head could not be trained; the message says why, and which version goes on serving."""

    reason = "HEAD_FAILED"


class PermissionDenied(FrostlineError):
    """The call is for administrators, or the token is wrong."""

    reason = Reason.PERMISSION_DENIED
    code = grpc.StatusCode.PERMISSION_DENIED


class Overloaded(FrostlineError):
    """More work waits than the server accepts."""

    reason = Reason.OVERLOADED
    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class StorageFull(FrostlineError):
    """The server's disk has no room."""

    reason = Reason.STORAGE_FULL
    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(FrostlineError):
    """No server answers, or it is shutting down."""

    reason = "UNAVAILABLE"
    code = grpc.StatusCode.UNAVAILABLE


class DeadlineExceeded(FrostlineError):
    """No answer in time."""

    reason = Reason.DEADLINE_EXCEEDED
    code = grpc.StatusCode.DEADLINE_EXCEEDED


class DataDamaged(FrostlineError):
    """Bytes on the server's disk are not what was written."""

    reason = Reason.DATA_DAMAGED
    code = grpc.StatusCode.DATA_LOSS


class Internal(FrostlineError):
    """The server failed, or answered what this client does not understand."""

    code = grpc.StatusCode.INTERNAL


_BY_REASON: Final[dict[str, type[FrostlineError]]] = {
    Reason.INVALID_INPUT: InvalidInput,
    Reason.NOT_FOUND: NotFound,
    Reason.ALREADY_EXISTS: AlreadyExists,
    Reason.CONFLICT: Conflict,
    Reason.SPACE_MISMATCH: SpaceMismatch,
    Reason.IN_USE: InUse,
    Reason.NOT_READY: FailedPrecondition,
    Reason.PERMISSION_DENIED: PermissionDenied,
    Reason.OVERLOADED: Overloaded,
    Reason.STORAGE_FULL: StorageFull,
    Reason.MESSAGE_TOO_LARGE: InvalidInput,
    Reason.SHUTTING_DOWN: Unavailable,
    Reason.DEADLINE_EXCEEDED: DeadlineExceeded,
    Reason.DATA_DAMAGED: DataDamaged,
    Reason.SOURCE_UNREACHABLE: FailedPrecondition,
    Reason.INTERNAL: Internal,
}

# For reasons this client does not know, and for failures that gRPC itself reports.
_BY_CODE: Final[dict[grpc.StatusCode, type[FrostlineError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.OUT_OF_RANGE: InvalidInput,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.DATA_LOSS: DataDamaged,
}


def from_status(
    message: str, code: grpc.StatusCode, reason: str = "", retry_after_seconds: float | None = None, log_id: str = ""
) -> FrostlineError:
    """Picks the exception of a failure: by its reason, or by its code where the reason is unknown."""
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code, Internal)
    return kind(message, reason=reason, code=code, retry_after_seconds=retry_after_seconds, log_id=log_id)


def from_rpc(error: grpc.RpcError, target: str, timeout_seconds: float) -> FrostlineError:
    """Reads a failed call.

    Args:
        error: what grpc or grpc.aio raised.
        target: the server, for the message.
        timeout_seconds: how long the call was allowed to take, for the message.
    """
    code, text = error.code(), error.details() or ""
    detail = _detail(error)
    if detail is None:
        return _from_grpc(code, text, target, timeout_seconds)
    hint = detail.retry_after.ToTimedelta().total_seconds() if detail.HasField("retry_after") else None
    return from_status(text, code, detail.reason, hint, detail.log_id)


def late(target: str, timeout_seconds: float) -> DeadlineExceeded:
    """The error of a call whose answer did not come in time."""
    return DeadlineExceeded(
        f"no answer from {target} within {timeout_seconds:.3g} s; ask for less at once, or raise timeout_seconds"
    )


def _detail(error: grpc.RpcError) -> ErrorDetail | None:
    # Both kinds of metadata are sequences of pairs at run time; the stubs know only one of them.
    trailers = cast("Iterable[tuple[str, str | bytes]] | None", error.trailing_metadata())
    for key, value in trailers or ():
        if key == TRAILER and isinstance(value, bytes):
            try:
                return ErrorDetail.FromString(value)
            except DecodeError:
                return None
    return None


def _from_grpc(code: grpc.StatusCode, text: str, target: str, timeout_seconds: float) -> FrostlineError:
    # Without our detail the failure comes from gRPC or a proxy, whose words say little about what to do.
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unavailable(unavailable(target, text))
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return late(target, timeout_seconds)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in text:
        return InvalidInput(f"message is too large: {text}; send less", reason=Reason.MESSAGE_TOO_LARGE, code=code)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Internal(f"{target} does not know this call; is it an older Frostline? ({text})", code=code)
    return from_status(f"{target}: {text}", code)
