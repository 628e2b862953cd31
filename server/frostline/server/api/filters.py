"""Filters and paths as they come."""

import hashlib
import json
from functools import lru_cache
from typing import Never

from frostline.server.collections.filters import grammar
from frostline.server.collections.filters.expression import Expression
from frostline.server.errors import InvalidInput
from frostline.v1.record_service_pb2 import Filter

_KEPT_BYTES = 4096  # of a filter that is kept after it was parsed

MAX_FILTER_BYTES = 1 << 20

_Key = tuple[str, tuple[tuple[str, bytes], ...]]
"""Two filters with equal keys are the same."""


def filter_digest(message: Filter) -> bytes:
    """16 bytes that tell filters apart."""
    return hashlib.blake2b(message.SerializeToString(deterministic=True), digest_size=16).digest()


def expression(message: Filter) -> Expression | None:
    """Reads a filter.

    Returns:
        What it says; None where all records are meant.

    Raises:
        InvalidInput: it cannot be read, and says where, or it is too large.
    """
    if not message.expression and not message.parameters:
        return None
    size = message.ByteSize()
    if size > MAX_FILTER_BYTES:
        raise InvalidInput(f"the filter and its parameters have {size} bytes; send at most {MAX_FILTER_BYTES}")
    key = message.expression, tuple(sorted(message.parameters.items()))
    if size <= _KEPT_BYTES:
        return _kept(key)
    return _parse(key)


def path(text: str, what: str) -> tuple[str, ...]:
    """Reads the path of a payload field.

    Args:
        text: keys with dots between.
        what: what it is for, for the message.

    Raises:
        InvalidInput: empty, or a key is.
    """
    keys = tuple(text.split("."))
    if not all(keys):
        raise InvalidInput(
            f"{what} {text[:80]!r} is not the path of a field; write keys with dots between: author.name"
        )
    return keys


@lru_cache(maxsize=256)
def _kept(key: _Key) -> Expression | None:
    return _parse(key)


def _parse(key: _Key) -> Expression | None:
    text, parameters = key
    return grammar.parse(text, {name: _value(name, value) for name, value in parameters})


def _value(name: str, value: bytes) -> object:
    try:
        return json.loads(value.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"parameter {name[:80]!r} of the filter is not JSON in UTF-8: {error}") from error


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON")
