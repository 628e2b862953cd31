"""Which status an error ends a call with, and an item. The one table."""

import logging
from datetime import timedelta
from typing import NamedTuple
from uuid import uuid4

from grpc import StatusCode

from frostline.server import errors
from frostline.v1.embedding_pb2 import ItemError
from frostline.v1.error_pb2 import ErrorDetail
from frostline.wire.reasons import Reason

_log = logging.getLogger(__name__)

_LONGEST_MESSAGE = 600  # characters; percent-encoded they must stay below the 8 KiB that gRPC allows trailers


class MessageTooLarge(errors.FrostlineError):
    """A request or an answer is larger than the server allows."""

    reason = Reason.MESSAGE_TOO_LARGE


CODES: dict[type[errors.FrostlineError], StatusCode] = {
    errors.InvalidInput: StatusCode.INVALID_ARGUMENT,
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.AlreadyExists: StatusCode.ALREADY_EXISTS,
    errors.Conflict: StatusCode.ABORTED,
    errors.SpaceMismatch: StatusCode.FAILED_PRECONDITION,
    errors.InUse: StatusCode.FAILED_PRECONDITION,
    errors.NotReady: StatusCode.FAILED_PRECONDITION,
    errors.PermissionDenied: StatusCode.PERMISSION_DENIED,
    errors.Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    errors.StorageFull: StatusCode.RESOURCE_EXHAUSTED,
    MessageTooLarge: StatusCode.RESOURCE_EXHAUSTED,
    errors.ShuttingDown: StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
    errors.DataDamaged: StatusCode.DATA_LOSS,
    errors.SourceUnreachable: StatusCode.FAILED_PRECONDITION,  # not UNAVAILABLE: a retry is no use
}
"""The status code of each error; whatever is not here is INTERNAL."""

_OPERATOR_MUST_ACT = (errors.StorageFull, errors.DataDamaged)


class Failure(NamedTuple):
    """How a call ends.

    Attributes:
        code: its status code.
        message: for people.
        detail: for programs.
    """

    code: StatusCode
    message: str
    detail: ErrorDetail


def failure(error: Exception, method: str) -> Failure:
    """Decides how a call ends, and logs what the operator must know.

    Args:
        error: what the call raised. The text of an unexpected one stays in the log; the caller gets its log id.
        method: the call's full name, for the log.
    """
    code = CODES.get(type(error)) if isinstance(error, errors.FrostlineError) else None
    if code is None or not isinstance(error, errors.FrostlineError):
        log_id = uuid4().hex[:12]
        _log.error("%s failed, log id %s", method, log_id, exc_info=error)
        message = f"internal error; the server's log has the cause under {log_id}"
        return Failure(StatusCode.INTERNAL, message, ErrorDetail(reason=Reason.INTERNAL, log_id=log_id))
    if isinstance(error, _OPERATOR_MUST_ACT):
        _log.error("%s: %s", method, error)
    detail = ErrorDetail(reason=error.reason)
    if isinstance(error, errors.Overloaded):
        detail.retry_after.FromTimedelta(timedelta(seconds=error.retry_after_seconds))
    return Failure(code, _cut(str(error)), detail)


def item_error(index: int, error: errors.FrostlineError) -> ItemError:
    """Says why one item failed.

    Args:
        index: its position in the request.
        error: what is wrong with it.
    """
    code: int = CODES[type(error)].value[0]
    return ItemError(index=index, code=code, reason=error.reason, message=_cut(str(error)))


def _cut(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + "…"
