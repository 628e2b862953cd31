"""What examples of requests say, written as `truths` has it; what is not what the head answers is refused."""

from collections.abc import Sequence

from frostline.server.errors import InvalidInput
from frostline.server.heads.fitted import Task
from frostline.server.heads.truths import written_labels, written_value
from frostline.v1 import head_service_pb2 as pb

_WANTED = {Task.CLASS: "one label", Task.LABELS: "labels", Task.VALUE: "a value"}

_LEARNED = {
    Task.CLASS: "the head answers one class, so it learns one label of each example",
    Task.LABELS: "the head answers several labels, so it learns a list of labels of each example",
    Task.VALUE: "the head answers numbers, so it learns a value of each example",
}
_ALIKE = "give it the same, or train a head of another task"


def of_example(example: pb.Example, task: Task) -> str:
    """What an example says.

    Raises:
        InvalidInput: it says something else than the head answers, or nothing.
    """
    says = {
        Task.CLASS: bool(example.label),
        Task.LABELS: bool(example.labels),
        Task.VALUE: example.HasField("value"),
    }
    for other, is_there in says.items():
        if is_there and other is not task:
            raise InvalidInput(f"it has {_WANTED[other]}, but {_LEARNED[task]}; {_ALIKE}")
    match task:
        case Task.CLASS:
            return example.label
        case Task.LABELS:
            return written_labels(example.labels)
        case Task.VALUE:
            if not example.HasField("value"):
                raise InvalidInput("it has no value; give each example a number")
            return written_value(example.value)


def of_vectors(examples: pb.Examples, task: Task) -> list[str]:
    """What the vectors of a request say, one by one.

    Raises:
        InvalidInput: they say something else than the head answers.
    """
    columns = {Task.CLASS: examples.labels, Task.LABELS: examples.label_sets, Task.VALUE: examples.values}
    for other, column in columns.items():
        if len(column) and other is not task:
            raise InvalidInput(f"{len(column)} vectors come with {_WANTED[other]} each, but {_LEARNED[task]}; {_ALIKE}")
    match task:
        case Task.CLASS:
            return list(examples.labels)
        case Task.LABELS:
            return [written_labels(each.labels) for each in examples.label_sets]
        case Task.VALUE:
            return [written_value(each) for each in examples.values]


def of_field(found: Sequence[object], task: Task, where: str) -> str | None:
    """What a payload field stands for; None where it holds nothing.

    Args:
        found: its values, those in arrays one by one.
        task: what the head answers.
        where: the field and its record, for the message.

    Raises:
        InvalidInput: that is not what the head answers.
    """
    kept = [value for value in found if value is not None]
    if not kept:
        return None
    if task is Task.VALUE:
        return _value(kept, where)
    if any(isinstance(value, dict) for value in kept):
        raise InvalidInput(f"{where} holds an object; a label is one string, number or boolean")
    labels = [str(value).lower() if isinstance(value, bool) else str(value) for value in kept]
    if task is Task.LABELS:
        return written_labels(labels)
    if len(labels) > 1:
        raise InvalidInput(f"{where} holds several values; a label is one string, number or boolean")
    return labels[0]


def _value(kept: Sequence[object], where: str) -> str:
    value = kept[0]
    if len(kept) > 1 or isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInput(f"{where} holds {str(value)[:60]!r}; the head answers numbers: give one number")
    try:
        return written_value(value)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from error
