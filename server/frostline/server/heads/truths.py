"""What examples say, written as one text each, so that examples of every task are kept and found again alike.

A class is its label, several labels are a JSON list of them in order, and a number has the fewest decimals that tell it
from all others. In `Labelled`, what is said alike is one class: see `Tagged` and `Measured` for what it stands for.
"""

import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import InvalidInput
from frostline.server.heads.labelled import Labelled

MAX_LABELS = 1_000
"""That a head tells of each input: each takes a fit of its own."""
LARGEST_VALUE = 1e18
_LISTED = 10


@dataclass(frozen=True, slots=True, eq=False)
class Tagged:
    """Examples of any number of labels each.

    Attributes:
        features: float32 of shape (n, d).
        marks: bool of shape (n, c): which labels each has.
        classes: labels, ascending; each marks at least one row.
    """

    features: NDArray[np.float32]
    marks: NDArray[np.bool_]
    classes: tuple[str, ...]

    @classmethod
    def of(cls, labelled: Labelled) -> "Tagged":
        """What examples say whose classes are written labels."""
        sets = [labels_in(written) for written in labelled.classes]
        classes = tuple(sorted({label for each in sets for label in each}))
        return cls(labelled.features, marks(sets, classes)[labelled.targets], classes)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Examples with a number each.

    Attributes:
        features: float32 of shape (n, d).
        values: float64 of shape (n,).
    """

    features: NDArray[np.float32]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, labelled: Labelled) -> "Measured":
        """What examples say whose classes are written numbers."""
        return cls(labelled.features, np.array([float(each) for each in labelled.classes])[labelled.targets])


def marks(sets: Sequence[Collection[str]], classes: Sequence[str]) -> NDArray[np.bool_]:
    """Which of some classes are in each of n sets: bool of shape (n, c)."""
    places = {label: place for place, label in enumerate(classes)}
    found = np.zeros((len(sets), len(classes)), np.bool_)
    for row, each in enumerate(sets):
        found[row, [places[label] for label in each if label in places]] = True
    return found


def written_labels(labels: Iterable[str]) -> str:
    """Writes labels; in which order they come, and how often each, does not matter."""
    return json.dumps(sorted(set(labels)), ensure_ascii=False, separators=(",", ":"))


def labels_in(written: str) -> tuple[str, ...]:
    """The labels that were written."""
    return tuple(json.loads(written))


def written_value(value: float) -> str:
    """Writes a number.

    Raises:
        InvalidInput: it is not finite, or too large to be computed with.
    """
    if not abs(value) <= LARGEST_VALUE:  # false for what is no number
        raise InvalidInput(f"value {value} cannot be learned from; it must be finite and at most {LARGEST_VALUE:g}")
    return repr(float(value) + 0.0)  # the zero makes one of -0.0 and 0.0


def containing(labelled: Labelled, labels: Sequence[str]) -> list[str]:
    """The written sets that hold one of some labels.

    Raises:
        InvalidInput: no example has such a label; says which.
    """
    sets = {written: set(labels_in(written)) for written in labelled.classes}
    for label in labels:
        if not any(label in each for each in sets.values()):
            known = listed(sorted(set[str]().union(*sets.values())))
            raise InvalidInput(f"label {label!r} is not among those of the head: {known}")
    return [written for written, each in sets.items() if not each.isdisjoint(labels)]


def listed(labels: Sequence[str]) -> str:
    """The first 10 of some labels and how many more there are, for messages."""
    more = f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
    return ", ".join(repr(label[:80]) for label in labels[:_LISTED]) + more


def check_label_sets(written: Sequence[str], *, allow_alike: bool, max_label_bytes: int) -> None:
    """Refuses written labels that no head can be trained from.

    Args:
        written: of n examples, at least one.
        allow_alike: whether all may say the same, as for what is added to a head.
        max_label_bytes: of each label.

    Raises:
        InvalidInput: says what is wrong.
    """
    labels: set[str] = set()
    for each in dict.fromkeys(written):
        for label in labels_in(each):
            if not label.strip():
                raise InvalidInput(f"example {written.index(each)} has an empty label; name it, or leave it out")
            if len(label.encode()) > max_label_bytes:
                row = written.index(each)
                raise InvalidInput(
                    f"a label of example {row} has {len(label.encode())} bytes; at most {max_label_bytes} are allowed"
                )
            labels.add(label)
    if len(labels) > MAX_LABELS:
        raise InvalidInput(
            f"the examples name {len(labels)} labels; a head of several labels takes at most {MAX_LABELS}"
        )
    if len(set(written)) < 2 and not allow_alike:
        raise InvalidInput(f"all examples have the labels {written[0]}; give at least one with others, or with none")


def check_values(written: Sequence[str], *, allow_alike: bool) -> None:
    """Refuses written numbers that no head can be trained from; see `check_label_sets`."""
    for row, each in enumerate(written):
        if not math.isfinite(float(each)):
            raise InvalidInput(f"the value of example {row} is {each}; give a finite number")
    if len(set(written)) < 2 and not allow_alike:
        raise InvalidInput(f"all examples have the value {written[0]}; give at least one of another value")
