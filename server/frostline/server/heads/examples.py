"""Labelled examples: checked before any work, kept beside the head they made, found again to be removed.

examples.npz     features, targets, what is a description and what is a copy of what, without pickle
examples.json    the classes, and size, SHA-256 and shapes of what lies beside it
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from frostline.server.durable_files import FileInfo, read_json, sync, write_json
from frostline.server.errors import DataDamaged, InvalidInput
from frostline.server.heads import arrays, checked_files, truths
from frostline.server.heads.fitted import Task
from frostline.server.heads.labelled import Labelled

MAX_CLASSES = 10_000
MAX_LABEL_BYTES = 512
MAX_VALUE = 1e18
"""Squares of larger values would overflow float32."""
TOLERANCE = 1e-5
"""How far the vector of an example may be from the stored one: what embedding in another batch changes."""

_FORMAT = 2
_ARRAYS, _DESCRIPTION = "examples.npz", "examples.json"


class _Description(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = _FORMAT
    classes: tuple[str, ...]
    arrays: dict[str, arrays.ArrayInfo]
    file: FileInfo


def check(
    features: NDArray[np.float32],
    labels: Sequence[str],
    described: NDArray[np.bool_] | None = None,
    origins: NDArray[np.int64] | None = None,
    *,
    allow_one_class: bool = False,
    task: Task = Task.CLASS,
) -> Labelled:
    """Puts embeddings and labels together.

    Args:
        features: float32 of shape (n, d).
        labels: n labels, of at most 512 bytes; of other tasks, as `truths` writes them.
        described: bool of shape (n,), see `Labelled`; None where no row is a description.
        origins: int64 of shape (n,), see `Labelled`; None where no row is a copy.
        allow_one_class: whether one class alone will do, as for what is added to a head.
        task: what the head answers.

    Raises:
        InvalidInput: there are no examples or too many classes, or a label or a vector cannot be learned from; says
            which.
    """
    check_labels(labels, allow_one_class=allow_one_class, task=task)
    if features.ndim != 2 or len(features) != len(labels):
        raise InvalidInput(f"{len(features)} vectors come with {len(labels)} labels; give one label for each vector")
    check_vectors(features)
    classes = sorted(set(labels))
    places = {label: place for place, label in enumerate(classes)}
    targets = np.fromiter((places[label] for label in labels), np.int64, len(labels))
    plain = Labelled.plain(features, targets, tuple(classes), described)
    return plain if origins is None else replace(plain, origins=origins)


def check_labels(labels: Sequence[str], *, allow_one_class: bool = False, task: Task = Task.CLASS) -> None:
    """Refuses labels that no head can be trained from, before there are embeddings.

    Args:
        labels: of the examples, each of at most 512 bytes; of other tasks, as `truths` writes them.
        allow_one_class: as for `check`; so is `task`.
        task: what the head answers.

    Raises:
        InvalidInput: there are none, or too many classes, or one is not right; says which.
    """
    if not len(labels):
        raise InvalidInput("there are no examples; give at least one of each of two classes")
    match task:
        case Task.LABELS:
            truths.check_label_sets(labels, allow_alike=allow_one_class, max_label_bytes=MAX_LABEL_BYTES)
        case Task.VALUE:
            truths.check_values(labels, allow_alike=allow_one_class)
        case Task.CLASS:
            _check_classes(labels, allow_one_class=allow_one_class)


def _check_classes(labels: Sequence[str], *, allow_one_class: bool) -> None:
    for row, label in enumerate(labels):
        if not label.strip():
            raise InvalidInput(f"example {row} has an empty label; name its class")
        if len(label) > MAX_LABEL_BYTES // 4 and (size := len(label.encode())) > MAX_LABEL_BYTES:
            raise InvalidInput(f"the label of example {row} has {size} bytes; at most {MAX_LABEL_BYTES} are allowed")
    classes = set(labels)
    if len(classes) > MAX_CLASSES:
        raise InvalidInput(f"the examples name {len(classes)} classes; a head takes at most {MAX_CLASSES}")
    if len(classes) < 2 and not allow_one_class:
        raise InvalidInput(f"all examples are of class {labels[0]!r}; give at least one of another class")


def check_vectors(features: NDArray[np.float32], of: str = "example {}") -> None:
    """Refuses embeddings that cannot be computed with.

    Args:
        features: float32 of shape (n, d).
        of: what a row is called in messages, with braces for its number.

    Raises:
        InvalidInput: a value is not finite, or above 1e18; says which.
    """
    usable = np.abs(features) <= MAX_VALUE  # false for what is no number
    if not usable.all():
        row, position = np.argwhere(~usable)[0].tolist()
        raise InvalidInput(
            f"the vector of {of.format(row)} holds {features[row, position]} at position {position}; all values must "
            f"be finite and at most {MAX_VALUE:g}"
        )


def save(folder: Path, labelled: Labelled) -> None:
    """Writes examples to a new folder; they are on disk when this returns."""
    folder.mkdir()
    content: dict[str, arrays.Array] = {
        "features": labelled.features,
        "targets": labelled.targets,
        "described": labelled.described,
        "origins": labelled.origins,
    }
    description = _Description(
        classes=labelled.classes,
        arrays=arrays.describe(content),
        file=checked_files.write(folder / _ARRAYS, arrays.pack(content)),
    )
    write_json(folder / _DESCRIPTION, description.model_dump(mode="json"))
    sync(folder.parent)


def load(folder: Path) -> Labelled:
    """Reads what `save` wrote.

    Raises:
        DataDamaged: it cannot be read; says which file.
    """
    path = folder / _DESCRIPTION
    try:
        description = _Description.model_validate(read_json(path))
    except (FileNotFoundError, ValidationError) as error:
        raise DataDamaged(f"{path} cannot be read: {type(error).__name__}") from error
    if description.format != _FORMAT:
        raise DataDamaged(f"{path} has format {description.format}, this Frostline reads {_FORMAT}")
    data = checked_files.read(folder / _ARRAYS, description.file)
    content = arrays.unpack(data, description.arrays, str(folder / _ARRAYS))
    return Labelled(
        content["features"], content["targets"], description.classes, content["described"], content["origins"]
    )


def labels_of(labelled: Labelled) -> list[str]:
    """The label of each row."""
    return [labelled.classes[target] for target in labelled.targets.tolist()]


def find(labelled: Labelled, features: NDArray[np.float32], labels: Sequence[str]) -> NDArray[np.int64]:
    """Finds examples again: those of the same label whose vector is nearest, each once, and no copies or descriptions.

    Args:
        labelled: where to look.
        features: float32 of shape (m, d).
        labels: m labels.

    Returns:
        Rows of `labelled`, int64 of shape (m,).

    Raises:
        InvalidInput: an example is not there, or not so often, within 1e-5 in each value; says which is the first.
    """
    places = {label: place for place, label in enumerate(labelled.classes)}
    searched: dict[str, _Searched] = {}
    found = np.empty(len(labels), np.int64)
    for row, (vector, label) in enumerate(zip(features, labels, strict=True)):
        if label not in searched:
            searched[label] = _Searched(labelled, places.get(label, -1))
        if (match := searched[label].take(vector)) is None:
            raise InvalidInput(
                f"example {row} of class {label!r} is not among the examples of the head, or not so often; give each "
                "input and label as it was given"
            )
        found[row] = match
    return found


def find_classes(labelled: Labelled, classes: Sequence[str]) -> NDArray[np.int64]:
    """The rows of some classes, copies and descriptions among them: int64, ascending.

    Raises:
        InvalidInput: there is no such class; says which.
    """
    places = {label: place for place, label in enumerate(labelled.classes)}
    wanted = set(classes)
    if unknown := sorted(wanted - places.keys()):
        raise InvalidInput(f"class {unknown[0]!r} is not among those of the head: {truths.listed(labelled.classes)}")
    return np.flatnonzero(np.isin(labelled.targets, [places[label] for label in wanted]))


class _Searched:
    """The examples of one class, sorted by the coordinate in which they differ most: few are within reach of it."""

    def __init__(self, labelled: Labelled, target: int) -> None:
        rows = np.flatnonzero((labelled.targets == target) & labelled.examples)
        vectors = labelled.features[rows]
        self._axis = int(np.argmax(np.ptp(vectors, axis=0))) if len(rows) else 0
        order = np.argsort(vectors[:, self._axis], kind="stable")
        self._rows, self._vectors = rows[order], vectors[order]
        self._keys = self._vectors[:, self._axis].astype(np.float64)
        self._taken = np.zeros(len(rows), np.bool_)

    def take(self, vector: NDArray[np.float32]) -> int | None:
        key = float(vector[self._axis])
        low = int(np.searchsorted(self._keys, key - 2 * TOLERANCE))
        high = int(np.searchsorted(self._keys, key + 2 * TOLERANCE))
        near = low + np.flatnonzero(~self._taken[low:high])
        apart = np.abs(self._vectors[near].astype(np.float64) - vector).max(axis=1, initial=0)
        if not len(near) or apart.min() > TOLERANCE:
            return None
        nearest = int(near[np.argmin(apart)])
        self._taken[nearest] = True
        return int(self._rows[nearest])


def changed(before: Labelled, removed: NDArray[np.int64], added: Labelled | None, task: Task = Task.CLASS) -> Labelled:
    """The examples after an update: what stays in its order, then what is added, each with its copies behind it.

    Classes without rows are gone, and so are copies of what is removed.

    Raises:
        InvalidInput: fewer than two classes are left, or more than there may be.
    """
    kept = before.rows(np.setdiff1d(np.arange(len(before.targets)), removed))
    parts = [kept] if added is None else [kept, added]
    return check(
        np.concatenate([part.features for part in parts]),
        [label for part in parts for label in labels_of(part)],
        np.concatenate([part.described for part in parts]),
        np.concatenate([part.origins + start for part, start in zip(parts, (0, len(kept.targets)), strict=False)]),
        task=task,
    )
