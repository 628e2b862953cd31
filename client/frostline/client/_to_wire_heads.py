"""What heads learn from and how, as messages."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from frostline.client._names import FEATURE_SCALINGS, RECIPES, number_of
from frostline.client._to_wire import collection_path, head_path, image_bytes, number, unicode, whole
from frostline.client._to_wire_filters import filter_message
from frostline.client._truths import truth_of
from frostline.client.errors import InvalidInput
from frostline.client.heads import Example, FeatureScaling, LabelledRecords, Recipe, UnlabelledRecords
from frostline.v1 import head_service_pb2 as v1

_ZIP = b"PK"  # how every ZIP begins


def options_message(
    recipe: Recipe,
    strength: float | None,
    balance_classes: bool,
    descriptions: Mapping[str, str] | None,
    abstain_error: float,
    coverage: float,
    scaling: FeatureScaling = "none",
    whiten: bool = False,
    augment: int = 0,
) -> v1.HeadOptions:
    """How a head is trained, as `Client.train_head` takes it.

    Raises:
        InvalidInput: an unknown recipe or scaling, or a number out of range.
    """
    if not 0 <= number(abstain_error, "abstain_error") < 1:
        raise InvalidInput(f"abstain_error {abstain_error!r} must be at least 0 and below 1")
    if not 0 < number(coverage, "coverage") < 1:
        raise InvalidInput(f"coverage {coverage!r} must be above 0 and below 1")
    return v1.HeadOptions(
        recipe=number_of(RECIPES, recipe, "recipe"),
        strength=None if strength is None else number(strength, "strength"),
        balance_classes=balance_classes,
        descriptions={unicode(label): unicode(text) for label, text in (descriptions or {}).items()},
        abstain_error=abstain_error,
        coverage=coverage,
        scaling=number_of(FEATURE_SCALINGS, scaling, "scaling"),
        whiten=whiten,
        augment=whole(augment, "augment"),
    )


def example_message(example: Example) -> v1.Example:
    """An example that is no vector.

    Raises:
        InvalidInput: it cannot be read, is no Unicode, or says several things.
    """
    message = v1.Example(group=unicode(example.group))
    match truth_of(example):
        case str(label):
            message.label = label
        case tuple(labels):
            message.labels.extend(labels)
        case value:
            message.value = value
    if example.text is not None:
        message.text = unicode(example.text)
    if example.image is not None:
        message.image = image_bytes(example.image)
    if example.record_id is not None:
        message.record_id = unicode(example.record_id)
    return message


def records_message(records: LabelledRecords) -> v1.LabelledRecords:
    """Labelled records of a collection.

    Raises:
        InvalidInput: they are none, or a name is no Unicode.
    """
    if not isinstance(cast(object, records), LabelledRecords):
        raise InvalidInput(f"records must be a LabelledRecords, not a {type(records).__name__}")
    return v1.LabelledRecords(
        collection=collection_path(records.collection),
        field=unicode(records.field),
        filter=filter_message(records.filter, records.parameters),
        vector_name=unicode(records.vector_name),
        group_field=unicode(records.group_field),
    )


def unlabelled_records_message(records: UnlabelledRecords) -> v1.UnlabelledRecords:
    """Records of a collection, with or without labels.

    Raises:
        InvalidInput: they are none, or a name is no Unicode.
    """
    if not isinstance(cast(object, records), UnlabelledRecords):
        raise InvalidInput(f"records must be an UnlabelledRecords, not a {type(records).__name__}")
    return v1.UnlabelledRecords(
        collection=collection_path(records.collection),
        field=unicode(records.field),
        filter=filter_message(records.filter, records.parameters),
        vector_name=unicode(records.vector_name),
    )


def part_message(part: str | bytes | Path) -> v1.MergePart:
    """A head to be merged: by name, or as it was exported.

    Raises:
        InvalidInput: it is neither, or cannot be read as an archive; says which file.
    """
    if isinstance(part, str):
        return v1.MergePart(head=head_path(part))
    if isinstance(part, bytes):
        return v1.MergePart(archive=part)
    if not isinstance(cast(object, part), Path):
        raise InvalidInput(
            f"cannot merge a {type(part).__name__}; pass the name of a head, or an archive as bytes or pathlib.Path"
        )
    try:
        content = part.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot read archive {part}: {error.strerror}") from error
    if not content.startswith(_ZIP):  # the server knows no names of files
        raise InvalidInput(f"{part} is no archive of a head; give what export_head writes with the format archive")
    return v1.MergePart(archive=content)


def content_bytes(example: Example) -> int:
    """Bytes of a text or an image on the wire, about; an image file is not read for it.

    Raises:
        InvalidInput: it is no Unicode, or there is no such file.
    """
    if example.text is not None:
        return len(unicode(example.text).encode()) + _truth_bytes(example)
    if isinstance(example.image, bytes):
        return len(example.image) + _truth_bytes(example)
    path = cast(Path, example.image)
    try:
        return path.stat().st_size + _truth_bytes(example)
    except OSError as error:
        raise InvalidInput(f"cannot read image {path}: {error.strerror}") from error


def _truth_bytes(example: Example) -> int:
    return len(example.label) + sum(map(len, example.labels or ()))
