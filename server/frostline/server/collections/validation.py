"""What may enter a collection. `api` writes nothing that has not passed here, and refuses each item alone."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import from_json

from frostline.server.collections.config import MAX_VECTORS, CollectionConfig, Metric, VectorField
from frostline.server.collections.fields import check_fields
from frostline.server.errors import InvalidInput

MAX_ID_BYTES = 512
MAX_KIND_BYTES = 64
MAX_PAYLOAD_BYTES = 1 << 20
MAX_PAYLOAD_DEPTH = 64
MAX_PAYLOAD_FIELDS = 10_000
MAX_REQUEST_ID_BYTES = 64
MAX_DIMENSIONS = 65_536
MAX_DESCRIPTION_BYTES = 4 << 10
MAX_PROMPT_BYTES = 4 << 10
MAX_LENGTH = 1e18
"""The longest vector: products and squared distances of longer ones would overflow float32."""

Json = dict[str, "Json"] | list["Json"] | str | float | bool | None

_PLAIN_BYTES = 4096  # no number of so few digits is too long for Python's int, and there are fewer fields than may be
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def check_config(config: CollectionConfig) -> None:
    """Checks a collection's name, its description, its vectors and its fields.

    Raises:
        InvalidInput: one of them is out of range.
    """
    if not is_name(config.id):
        raise InvalidInput(
            f"collection name {config.id[:80]!r} is not allowed; take 1 to 63 lower-case letters, digits, hyphens "
            "and underscores, a letter or digit first"
        )
    _check_length(config.description, "the description", MAX_DESCRIPTION_BYTES, "keep the rest elsewhere")
    if not 1 <= len(config.vectors) <= MAX_VECTORS:
        raise InvalidInput(f"{len(config.vectors)} vectors are named; take 1 to {MAX_VECTORS}")
    for vector in config.vectors:
        _check_vector_field(vector)
    ((name, times),) = Counter(vector.name for vector in config.vectors).most_common(1)
    if times > 1:
        raise InvalidInput(f"vector {name!r} is named {times} times; give each a name of its own")
    if not 0 < config.min_recall <= 1:
        raise InvalidInput(f"min_recall {config.min_recall} is out of range; take more than 0 and at most 1, like 0.95")
    check_fields(config.fields)


def changed_config(config: CollectionConfig, changes: Mapping[str, Any]) -> CollectionConfig:
    """A configuration with some of its fields changed.

    Args:
        config: as it is.
        changes: new values by name of the field.

    Raises:
        InvalidInput: a value is out of range, or contradicts what is stored.
    """
    current: dict[str, Any] = {name: getattr(config, name) for name in CollectionConfig.model_fields}
    try:
        changed = CollectionConfig.model_validate({**current, **changes})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(
            f"{where[:80]} cannot be changed to {_short(str(first['input']))}: {first['msg']}"
        ) from error
    check_config(changed)
    if _what_is_stored(changed) != _what_is_stored(config):
        raise InvalidInput(
            "names, spaces and metrics of vectors cannot be changed, since vectors are stored; make another collection "
            "and write the records into it"
        )
    return changed


def _what_is_stored(config: CollectionConfig) -> list[tuple[object, ...]]:
    return [(vector.name, vector.space, vector.metric) for vector in config.vectors]


def _check_vector_field(vector: VectorField) -> None:
    if not is_name(vector.name):
        raise InvalidInput(
            f"vector name {vector.name[:80]!r} is not allowed; take 1 to 63 lower-case letters, digits, hyphens and "
            "underscores, a letter or digit first"
        )
    if not 1 <= vector.space.dimensions <= MAX_DIMENSIONS:
        raise InvalidInput(
            f"dimensions {vector.space.dimensions} is out of range; take 1 to {MAX_DIMENSIONS} for {vector.name!r}"
        )
    shorten = "shorten it, since it is put before each text"
    _check_length(vector.document_prompt, f"document_prompt of vector {vector.name!r}", MAX_PROMPT_BYTES, shorten)
    _check_length(vector.query_prompt, f"query_prompt of vector {vector.name!r}", MAX_PROMPT_BYTES, shorten)


def _check_length(text: str, what: str, most: int, advice: str) -> None:
    size = len(_utf8(text, what))
    if size > most:
        raise InvalidInput(f"{what}, {_short(text)}, has {size} bytes; at most {most} are taken, {advice}")


def is_name(name: str) -> bool:
    """Whether a collection or a vector may have this name."""
    return _NAME.fullmatch(name) is not None


def check_id(id: str, what: str = "record id") -> None:
    """Checks the id of a record or of a user.

    Raises:
        InvalidInput: empty, too long, or no Unicode text.
    """
    if id.isascii() and 1 <= len(id) <= MAX_ID_BYTES:
        return
    size = len(_utf8(id, what))
    if not 1 <= size <= MAX_ID_BYTES:
        raise InvalidInput(f"{what} {_short(id)} has {size} bytes; take 1 to {MAX_ID_BYTES}")


def check_kind(kind: str) -> None:
    """Checks an interaction's kind; it may be empty.

    Raises:
        InvalidInput: too long, or no Unicode text.
    """
    _check_length(kind, "kind", MAX_KIND_BYTES, "shorten it")


def check_request_id(request_id: str) -> None:
    """Checks a request's id; empty stands for none.

    Raises:
        InvalidInput: too long, or no Unicode text.
    """
    size = len(_utf8(request_id, "request id"))
    if size > MAX_REQUEST_ID_BYTES:
        raise InvalidInput(f"request id {_short(request_id)} has {size} bytes; take at most {MAX_REQUEST_ID_BYTES}")


def check_vector(vector: NDArray[Any], field: VectorField, collection_id: str) -> None:
    """Checks a vector to store or to search for.

    Args:
        vector: should be float32 of shape (d,), d the dimensions of the field.
        field: the vector name it is for.
        collection_id: the collection's name, for messages.

    Raises:
        InvalidInput: of another shape, not finite, too long, or zero where the metric is cosine.
    """
    if vector.shape != (field.space.dimensions,):
        raise InvalidInput(
            f"vector has shape {vector.shape}, vector {field.name!r} of collection {collection_id!r} has "
            f"{field.space.dimensions} dimensions"
        )
    length = math.sqrt(float(np.square(vector, dtype=np.float64).sum()))
    if not math.isfinite(length):
        worst = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise InvalidInput(f"vector holds {vector[worst]} at position {worst}; all values must be finite")
    if length > MAX_LENGTH:
        raise InvalidInput(f"vector has length {length:.3g}; scale it to at most {MAX_LENGTH:g}")
    if length == 0 and field.metric is Metric.COSINE:
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
    check_payload_size(payload)
    if _is_plain(payload):
        return
    try:
        value: Json = _DECODER.decode(payload.decode())
    except InvalidInput:
        raise
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise InvalidInput(f"payload is not JSON in UTF-8: {error}") from error
    if not isinstance(value, dict):
        raise InvalidInput(f"payload is a JSON {type(value).__name__}; it must be an object, like {{}}")
    check_object(value)


def _is_plain(payload: bytes) -> bool:
    """Whether a payload is in order, told at a fifth of the cost; most are, and of others the decoder says why not.

    Only small objects without nesting and escapes. A string then has two quotation marks, and where a key comes twice
    the object has fewer strings than its text.
    """
    if len(payload) > _PLAIN_BYTES or b"\\" in payload:
        return False
    try:
        fields: dict[str, object] = from_json(payload, allow_inf_nan=False)
    except ValueError:
        return False
    if type(fields) is not dict:
        return False
    strings = len(fields)
    for value in fields.values():
        kind = type(value)
        if kind is str:
            strings += 1
        elif kind is dict or kind is list or (isinstance(value, float) and not math.isfinite(value)):
            return False
    return payload.count(b'"') == 2 * strings


def check_payload_size(payload: bytes) -> None:
    """Checks how long a payload is.

    Raises:
        InvalidInput: too long.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise InvalidInput(
            f"payload has {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are taken, keep the rest elsewhere"
        )


def check_object(value: dict[str, Json]) -> None:
    """Checks how deep a JSON object is nested, and how many fields it has in all.

    Raises:
        InvalidInput: too deep, or too many.
    """
    if len(value) <= MAX_PAYLOAD_FIELDS and not any(isinstance(each, (dict, list)) for each in value.values()):
        return
    depth, fields, level = 0, 0, [cast("Json", value)]
    while nested := [each for each in level if isinstance(each, (dict, list))]:
        depth += 1
        fields += sum(len(each) for each in nested if isinstance(each, dict))
        if depth > MAX_PAYLOAD_DEPTH:
            raise _too_deep()
        if fields > MAX_PAYLOAD_FIELDS:
            raise InvalidInput(
                f"payload has more than {MAX_PAYLOAD_FIELDS} fields, those of nested objects counted; use arrays, or "
                "split the record"
            )
        level = [inner for each in nested for inner in (each.values() if isinstance(each, dict) else each)]


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


# Made once: making one takes longer than reading a small payload.
_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unique)


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{what} is no Unicode text: {error.reason} at position {error.start}") from error


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
