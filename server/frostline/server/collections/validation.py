"""What may enter a collection. `api` writes nothing that has not passed here, and refuses each item alone."""

import json
import math
import re
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import CollectionConfig, Metric
from frostline.server.errors import InvalidInput

MAX_ID_BYTES = 512
MAX_PAYLOAD_BYTES = 1 << 20
MAX_PAYLOAD_DEPTH = 64
MAX_REQUEST_ID_BYTES = 64
MAX_DIMENSIONS = 65_536
MAX_LENGTH = 1e18
"""The longest vector: products and squared distances of longer ones would overflow float32."""

Json = dict[str, "Json"] | list["Json"] | str | float | bool | None

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def check_config(config: CollectionConfig) -> None:
    """Checks a new collection's name and dimensions.

    Raises:
        InvalidInput: one of them is out of range.
    """
    if not is_name(config.id):
        raise InvalidInput(
            f"collection name {config.id[:80]!r} is not allowed; take 1 to 63 lower-case letters, digits, hyphens "
            "and underscores, a letter or digit first"
        )
    if not 1 <= config.space.dimensions <= MAX_DIMENSIONS:
        raise InvalidInput(f"dimensions {config.space.dimensions} is out of range; take 1 to {MAX_DIMENSIONS}")


def is_name(name: str) -> bool:
    """Whether a collection may have this name."""
    return _NAME.fullmatch(name) is not None


def check_id(record_id: str) -> None:
    """Checks a record's id.

    Raises:
        InvalidInput: empty, too long, or no Unicode text.
    """
    size = len(_utf8(record_id, "record id"))
    if not 1 <= size <= MAX_ID_BYTES:
        raise InvalidInput(f"record id {_short(record_id)} has {size} bytes; take 1 to {MAX_ID_BYTES}")


def check_request_id(request_id: str) -> None:
    """Checks a request's id; empty stands for none.

    Raises:
        InvalidInput: too long, or no Unicode text.
    """
    size = len(_utf8(request_id, "request id"))
    if size > MAX_REQUEST_ID_BYTES:
        raise InvalidInput(f"request id {_short(request_id)} has {size} bytes; take at most {MAX_REQUEST_ID_BYTES}")


def check_vector(vector: NDArray[Any], config: CollectionConfig) -> None:
    """Checks a vector to store or to search for.

    Args:
        vector: should be float32 of shape (d,), d the dimensions of the collection.
        config: the collection's.

    Raises:
        InvalidInput: of another shape, not finite, too long, or zero where the metric is cosine.
    """
    if vector.shape != (config.space.dimensions,):
        raise InvalidInput(
            f"vector has shape {vector.shape}, collection {config.id!r} holds {config.space.dimensions} dimensions"
        )
    length = math.sqrt(float(np.square(vector, dtype=np.float64).sum()))
    if not math.isfinite(length):
        worst = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise InvalidInput(f"vector holds {vector[worst]} at position {worst}; all values must be finite")
    if length > MAX_LENGTH:
        raise InvalidInput(f"vector has length {length:.3g}; scale it to at most {MAX_LENGTH:g}")
    if length == 0 and config.metric is Metric.COSINE:
        raise InvalidInput("vector is all zeros, which has no cosine to anything; leave it out or use another metric")


def check_payload(payload: bytes) -> None:
    """Checks that a payload is one JSON object as RFC 8259 has it; keys must not repeat.

    Args:
        payload: JSON in UTF-8; empty stands for `{}`.

    Raises:
        InvalidInput: says what is wrong, and where.
    """
    if not payload or payload == b"{}":
        return
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise InvalidInput(f"payload has {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are taken")
    try:
        value: Json = json.loads(
            payload.decode(), parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unique
        )
    except InvalidInput:
        raise
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise InvalidInput(f"payload is not JSON in UTF-8: {error}") from error
    if not isinstance(value, dict):
        raise InvalidInput(f"payload is a JSON {type(value).__name__}; it must be an object, like {{}}")
    if _depth(value) > MAX_PAYLOAD_DEPTH:
        raise _too_deep()


def _depth(value: Json) -> int:
    depth, level = 0, [value]
    while nested := [each for each in level if isinstance(each, (dict, list))]:
        depth += 1
        level = [inner for each in nested for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _too_deep() -> InvalidInput:
    return InvalidInput(f"payload is nested deeper than {MAX_PAYLOAD_DEPTH} levels; flatten it")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        ((repeated, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise InvalidInput(f"payload has the key {_short(repeated)} twice in one object; keep one")
    return unique


def _no_constant(name: str) -> float:
    raise InvalidInput(f"payload holds {name}, which is no JSON; use null")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise InvalidInput(f"payload holds {digits[:40]}, which is out of a double's range; use a string")
    return number


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{what} is no Unicode text: {error.reason} at position {error.start}") from error


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
