"""Filters and the values of their parameters, as messages."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import numpy as np

from frostline.client._to_wire import unicode
from frostline.client.errors import InvalidInput
from frostline.v1 import record_service_pb2 as v1


def filter_message(expression: str, parameters: Mapping[str, Any] | None) -> v1.Filter | None:
    """A filter and the values of its parameters; none where neither is given.

    Raises:
        InvalidInput: the filter is no str, there are parameters without a filter, or a value that JSON and times cannot
            hold; names it.
    """
    if not expression:
        if parameters:
            raise InvalidInput(f"parameters {', '.join(map(repr, parameters))} are of no use without a filter")
        return None
    if not isinstance(cast(object, expression), str):
        raise InvalidInput(f"filter {expression!r} is no str; write an expression such as 'price < $most AND tags:new'")
    encoded = {unicode(name): _parameter(name, value) for name, value in (parameters or {}).items()}
    return v1.Filter(expression=unicode(expression), parameters=encoded)


def _parameter(name: str, value: object) -> bytes:
    try:
        return _PARAMETER.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"parameter {name!r} cannot be sent: {error}") from error


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(f"{value} has no time zone; give one, such as tzinfo=UTC")
        return value.isoformat()
    if isinstance(value, np.generic):
        return cast(object, value.item())
    raise TypeError(f"{type(value).__name__} is no str, int, float, bool, None, datetime or list of them")


_PARAMETER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_json_value)
