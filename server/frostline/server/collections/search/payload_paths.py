"""Parts of payloads by paths.

A path is a sequence of keys from the payload down. Arrays on the way and at the end stand for their elements, arrays of
arrays likewise, as in filters.
"""

import json
from collections.abc import Sequence

from frostline.server.collections.validation import Json

Tree = dict[str, "Tree | None"]
"""Keys to follow; None takes all that is there."""

_MOST_EXACT = 2**53
"""Whole numbers up to here are told apart by doubles."""


def first_value(payload: bytes, path: Sequence[str]) -> bytes | None:
    """Reads the first value at a path.

    Args:
        payload: a JSON object in UTF-8; empty stands for `{}`.
        path: keys from the payload down.

    Returns:
        Canonical JSON: equal values give equal bytes. None where there is no value other than null.
    """
    value = _first(json.loads(payload or b"{}"), tuple(path))
    return None if value is None else _written(_canonical(value), sort_keys=True)


def indexed_value(value: bytes) -> str | int | bool | None:
    """What an index of keywords, whole numbers or booleans knows a value as.

    Args:
        value: canonical JSON, as `first_value` gives it.

    Returns:
        None where no such index holds it, or holds it together with another.
    """
    found = json.loads(value)
    if isinstance(found, str) or (isinstance(found, int) and abs(found) <= _MOST_EXACT):
        return found
    return None


def tree_of(paths: Sequence[Sequence[str]]) -> Tree:
    """Puts paths together; one that leads to another's part takes all of it."""
    tree: Tree = {}
    for path in sorted(paths, key=len):
        _grow(tree, path)
    return tree


def selected(payload: bytes, tree: Tree) -> bytes:
    """Keeps what paths lead to.

    Args:
        payload: a JSON object in UTF-8; empty stands for `{}`.
        tree: the paths, as `tree_of` made them.

    Returns:
        A JSON object in UTF-8. Nested objects keep their shape. An array keeps a place for each of its objects and
        arrays if a path leads to something in one of them, so that parts that belong together stay together.
    """
    return _written(_pruned(json.loads(payload or b"{}"), tree) or {})


def _grow(tree: Tree, path: Sequence[str]) -> None:
    for key in path[:-1]:
        inner = tree.setdefault(key, {})
        if inner is None:
            return
        tree = inner
    tree.setdefault(path[-1], None)


def _first(value: Json, path: tuple[str, ...]) -> Json:
    if isinstance(value, list):
        return next((found for each in value if (found := _first(each, path)) is not None), None)
    if not path:
        return value
    return _first(value.get(path[0]), path[1:]) if isinstance(value, dict) else None


def _canonical(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _canonical(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= _MOST_EXACT:
        return int(value)  # 1 and 1.0 are the same number
    return value


def _pruned(value: Json, tree: Tree) -> Json:
    """What a tree leads to; None where that is nothing."""
    if isinstance(value, dict):
        kept: dict[str, Json] = {}
        for key in [key for key in value if key in tree]:
            inner = tree[key]
            part = value[key] if inner is None else _pruned(value[key], inner)
            if inner is None or part is not None:
                kept[key] = part
        return kept or None
    if isinstance(value, list):
        parts = [(each, _pruned(each, tree)) for each in value if isinstance(each, (dict, list))]
        if any(part is not None for _, part in parts):
            return [type(each)() if part is None else part for each, part in parts]
    return None


def _written(value: Json, *, sort_keys: bool = False) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can only escape
        return json.dumps(value, separators=(",", ":"), sort_keys=sort_keys).encode()
