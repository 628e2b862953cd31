"""Reasons of errors: what a program reads where a person reads the message.

Both sides share them: the server's errors each carry one, and the client picks its exception by it. They travel in
`frostline.v1.ErrorDetail` and `ItemError`.
"""

from enum import StrEnum

TRAILER = "frostline-error-bin"
"""Trailing metadata key of the serialised `ErrorDetail`."""


class Reason(StrEnum):
    """Why a call or an item failed. Stable: values are part of the contract."""

    INVALID_INPUT = "INVALID_INPUT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    CONFLICT = "CONFLICT"
    SPACE_MISMATCH = "SPACE_MISMATCH"
    IN_USE = "IN_USE"
    NOT_READY = "NOT_READY"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    OVERLOADED = "OVERLOADED"
    STORAGE_FULL = "STORAGE_FULL"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    DATA_DAMAGED = "DATA_DAMAGED"
    SOURCE_UNREACHABLE = "SOURCE_UNREACHABLE"
    INTERNAL = "INTERNAL"
