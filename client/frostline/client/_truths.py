"""What examples say: a label, several labels or a number."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from frostline.client._names import HEAD_TASKS, number_of
from frostline.client._to_wire import not_alone, number, unicode
from frostline.client.errors import InvalidInput
from frostline.client.heads import Example, HeadTask
from frostline.v1 import head_service_pb2 as v1

Truth: TypeAlias = str | tuple[str, ...] | float


def truth_of(example: Example) -> Truth:
    """What an example says.

    Raises:
        InvalidInput: it says several things, or what cannot be sent.
    """
    if bool(example.label) + (example.labels is not None) + (example.value is not None) > 1:
        raise InvalidInput("it needs one of label, labels and value")
    if example.value is not None:
        return float(number(example.value, "value"))
    return _label(example.label) if example.labels is None else _labels(example.labels)


def truths_of(
    labels: Sequence[str] | Sequence[Sequence[str]] | None, values: ArrayLike | None
) -> Sequence[Truth] | None:
    """What vectors say, one by one; None where nothing does.

    Raises:
        InvalidInput: it is given twice, or cannot be sent.
    """
    not_alone(labels)
    if values is None:
        return None if labels is None else [_of_vector(place, each) for place, each in enumerate(labels)]
    if labels is not None:
        raise InvalidInput("labels and values were both given; a head learns one of them")
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise InvalidInput(f"values of shape {numbers.shape} must be one finite number for each vector")
    found: list[float] = numbers.tolist()
    return found


def say(truths: Sequence[Truth], examples: v1.Examples) -> None:
    """Adds what vectors say to the examples of a request.

    Raises:
        InvalidInput: some have a label and others labels or a number.
    """
    kinds = sorted(set(map(_kind, truths)))
    if len(kinds) > 1:
        raise InvalidInput(f"vectors come with {' and with '.join(kinds)}; give all a label, all labels or all a value")
    examples.labels.extend(each for each in truths if isinstance(each, str))
    examples.label_sets.extend(v1.LabelSet(labels=each) for each in truths if isinstance(each, tuple))
    examples.values.extend(each for each in truths if isinstance(each, float))


def _kind(truth: Truth) -> str:
    if isinstance(truth, str):
        return "a label"
    return "labels" if isinstance(truth, tuple) else "a value"


def task_of(examples: v1.Examples, task: HeadTask | None) -> v1.HeadTask.ValueType:
    """What a head shall answer: as it is named, or else what the examples say.

    Raises:
        InvalidInput: there is no task of this name, or none is named and the examples are not alike.
    """
    if task is not None:
        return number_of(HEAD_TASKS, task, "task")
    _expect_alike(examples.examples)
    if examples.values or any(each.HasField("value") for each in examples.examples):
        return v1.HEAD_TASK_VALUE
    if examples.label_sets or any(each.labels for each in examples.examples):
        return v1.HEAD_TASK_LABELS
    return v1.HEAD_TASK_CLASS


def _expect_alike(examples: Sequence[v1.Example]) -> None:
    kinds = [_said_kind(example) for example in examples]
    counts = Counter(filter(None, kinds))
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        place, odd = next((place, kind) for place, kind in enumerate(kinds) if kind not in ("", usual))
        raise InvalidInput(f"example {place} has {odd}, where most have {usual}; a head learns one kind")


def _said_kind(example: v1.Example) -> str:
    """What an example says; nothing where it has no labels, which may be said of several labels only."""
    if example.HasField("value"):
        return "a value"
    return "labels" if example.labels else "a label" if example.label else ""


def _of_vector(place: int, said: str | Iterable[str]) -> Truth:
    try:
        if isinstance(said, str) or not isinstance(cast(object, said), Iterable):
            return str(_label(cast(str, said)))  # of numpy, it is another kind of str
        return _labels(said)
    except InvalidInput as error:
        raise InvalidInput(f"label of example {place}: {error}") from error


def _labels(labels: Iterable[str]) -> tuple[str, ...]:
    not_alone(labels)
    return tuple(map(_label, labels))


def _label(label: str) -> str:
    if not isinstance(cast(object, label), str):
        raise InvalidInput(f"{label!r} is no str; labels are texts, and numbers to be learned go to value or values")
    return unicode(label)
