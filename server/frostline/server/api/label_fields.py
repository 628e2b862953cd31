"""Where in payloads predictions are written, and what is changed for them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from frostline.server.api import filters
from frostline.server.api.record_answers import Answer
from frostline.server.collections.fields import MAX_PATH_PARTS
from frostline.server.errors import InvalidInput

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelFields:
    """Fields that predictions are written into.

    Attributes:
        label: path of the label, the labels or the number.
        probability: path of the probability, or of those of the labels; empty for none.
    """

    label: Path
    probability: Path

    @classmethod
    def read(cls, label: str, probability: str) -> "LabelFields":
        """Reads paths as they come; the second may be empty.

        Raises:
            InvalidInput: one is no path, or they stand in each other's way.
        """
        fields = cls(_path(label, "label_field"), _path(probability, "probability_field") if probability else ())
        shorter = min(len(fields.label), len(fields.probability))
        if shorter and fields.label[:shorter] == fields.probability[:shorter]:
            raise InvalidInput(
                f"label_field {label[:80]!r} and probability_field {probability[:80]!r} are one field, or one holds "
                "the other; name two"
            )
        return fields

    def patch(self, payload: bytes, answer: Answer) -> dict[str, Any]:
        """What is to be changed in a payload so that it holds what a head says.

        Args:
            payload: a JSON object.
            answer: what the head says.

        Returns:
            A JSON merge patch; empty where the payload holds just that.

        Raises:
            InvalidInput: something is in the way that a prediction must not replace.
        """
        before = json.loads(payload or b"{}")
        patch: dict[str, Any] = {}
        for path, value in ((self.label, answer.written), (self.probability, answer.probability)):
            if not path:
                continue
            held = _value_at(before, path, with_arrays=isinstance(value, list))
            if held != value or isinstance(held, bool):  # in Python, true is 1
                inner = patch
                for key in path[:-1]:
                    inner = inner.setdefault(key, {})
                inner[path[-1]] = value
        return patch


def _path(text: str, what: str) -> Path:
    path = filters.path(text, what)
    if len(path) > MAX_PATH_PARTS:
        raise InvalidInput(f"{what} {text[:80]!r} has {len(path)} parts; take at most {MAX_PATH_PARTS}")
    return path


def _value_at(payload: object, path: Path, *, with_arrays: bool) -> object:
    """The scalar under a path, or the array of scalars; None where there is none."""
    value = payload
    for depth, key in enumerate(path):
        if not isinstance(value, Mapping):
            raise InvalidInput(
                f"field {'.'.join(path[:depth])!r} of its payload is no object; write into another field"
            )
        value = cast("Mapping[str, object]", value).get(key, None if depth == len(path) - 1 else {})
    if wrong := _in_the_way(value, with_arrays):
        raise InvalidInput(f"field {'.'.join(path)!r} of its payload holds {wrong}; write into another field")
    return value


def _in_the_way(value: object, with_arrays: bool) -> str:
    """What a value is that must not be replaced; empty where it may be."""
    if isinstance(value, Mapping):
        return "an object"
    if not isinstance(value, list):
        return ""
    if not with_arrays:
        return "an array"
    nested = any(isinstance(each, (Mapping, list)) for each in cast("list[object]", value))
    return "an array that is not of labels" if nested else ""
