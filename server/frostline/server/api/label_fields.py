"""Where in payloads predictions are written, and what is changed for them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from frostline.server.api import filters
from frostline.server.collections.fields import MAX_PATH_PARTS
from frostline.server.errors import InvalidInput

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelFields:
    """Fields that predictions are written into.

    Attributes:
        label: path of the label.
        probability: path of its probability; empty for none.
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

    def patch(self, payload: bytes, label: str | None, probability: float) -> dict[str, Any]:
        """What is to be changed in a payload so that it holds a prediction.

        Args:
            payload: a JSON object.
            label: None for no label.
            probability: of the likeliest label, also where that is None.

        Returns:
            A JSON merge patch; empty where the payload holds just that.

        Raises:
            InvalidInput: something is in the way that a prediction must not replace.
        """
        before = json.loads(payload or b"{}")
        patch: dict[str, Any] = {}
        for path, value in ((self.label, label), (self.probability, probability)):
            if path and _value_at(before, path) != value:
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


def _value_at(payload: object, path: Path) -> object:
    """The scalar under a path; None where there is none."""
    value = payload
    for depth, key in enumerate(path):
        if not isinstance(value, Mapping):
            raise InvalidInput(
                f"field {'.'.join(path[:depth])!r} of its payload is no object; write into another field"
            )
        value = cast("Mapping[str, object]", value).get(key, None if depth == len(path) - 1 else {})
    if isinstance(value, (Mapping, list)):
        kind = "an object" if isinstance(value, Mapping) else "an array"
        raise InvalidInput(f"field {'.'.join(path)!r} of its payload holds {kind}; write into another field")
    return value
