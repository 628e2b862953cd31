"""JSON merge patches. Source: RFC 7396."""

import json
from collections.abc import Mapping
from typing import Any, cast

from frostline.server.collections import validation


def merge_patch(target: object, patch: object) -> object:
    """Applies a patch: members replace those of the target, null removes one, objects are merged.

    Args:
        target: a JSON value; not changed.
        patch: a JSON value, nested no deeper than a payload may be.

    Returns:
        The new value. It may share parts with both.

    Source: RFC 7396, section 2.
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(cast("Mapping[str, object]", target)) if isinstance(target, Mapping) else {}
    for name, value in cast("Mapping[str, object]", patch).items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def patched_payload(payload: bytes, patch: Mapping[str, Any]) -> bytes:
    """Applies a patch to a payload.

    Args:
        payload: a JSON object in UTF-8.
        patch: the patch.

    Returns:
        A JSON object in UTF-8.

    Raises:
        InvalidInput: the patch, or what it makes of the payload, is more than a payload may be.
    """
    validation.check_object(dict(patch))
    merged = cast("dict[str, Any]", merge_patch(json.loads(payload), patch))
    validation.check_object(merged)
    try:
        patched = json.dumps(merged, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON may escape and UTF-8 cannot hold
        patched = json.dumps(merged, allow_nan=False, separators=(",", ":")).encode()
    validation.check_payload_size(patched)
    return patched
