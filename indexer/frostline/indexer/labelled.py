"""Labelled examples from what can be indexed: rows that say their label, and a folder of images for each label."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from frostline.client import Example, HeadTask
from frostline.indexer.errors import BadSource
from frostline.indexer.images import image_names
from frostline.indexer.options import IndexOptions
from frostline.indexer.rows import Position, Rejection, Row
from frostline.indexer.sources import PYDOC, open_source

_DEFAULT_LABEL_FIELD = "label"
_SHOWN_FIELDS = 20
_WANTED: dict[HeadTask, str] = {
    "class": "a text or a number",
    "labels": "a list of texts or numbers, or one",
    "value": "a number",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledOptions(IndexOptions):
    """Which field is what in rows that say their label.

    Attributes:
        label_field: the field with the label: a text, a number or a boolean.
        task: what examples shall say, see `read_examples`.
        group_field: the field with the group: a text, a number or a boolean; empty for none.
    """

    collection: str = ""
    label_field: str = _DEFAULT_LABEL_FIELD
    task: HeadTask = "class"
    group_field: str = ""

    def option_of(self, field: str) -> str:
        """The option that names a field, as it is called on the command line."""
        own = {self.group_field: "--group-field", self.label_field: "--label-field"}
        return own.get(field) or IndexOptions.option_of(self, field)


def read_examples(
    source: str,
    *,
    text_field: str = "",
    image_field: str = "",
    label_field: str = "",
    task: HeadTask = "class",
    group_field: str = "",
) -> list[Example]:
    """Reads labelled examples.

    Args:
        source: the path of a file (`.jsonl`, `.ndjson`, `.csv`, `.parquet`), or of a folder that holds a folder of
            images for each label.
        text_field: the field with the text; `text` where neither this nor `image_field` is given.
        image_field: the field with an image, see `IndexOptions`.
        label_field: the field with the label; `label` when empty.
        task: what examples shall say: `class`, a label; `labels`, a list of labels, or one; `value`, a number.
        group_field: the field with the group, see `Example`; none when empty.

    Raises:
        BadSource: there is no such source, a row is no example (says which), or there are none.
        MissingExtra: a library that it needs is not installed.
    """
    if source == PYDOC:
        raise BadSource(f"{PYDOC} has no labels; give a file of rows or a folder of images")
    folder = Path(source)
    if folder.is_dir():
        named = {
            "--text-field": text_field,
            "--image-field": image_field,
            "--label-field": label_field,
            "--group-field": group_field,
        }
        if given := [option for option, field in named.items() if field]:
            raise BadSource(f"a folder of images has no fields; leave out {', '.join(given)}")
        if task != "class":
            raise BadSource(f"a folder of images says a class of each; give a file of rows for the task {task}")
        examples = list(_from_folder(folder))
    else:
        options = LabelledOptions(
            text_field=text_field,
            image_field=image_field,
            label_field=label_field or _DEFAULT_LABEL_FIELD,
            task=task,
            group_field=group_field,
        )
        examples = list(_from_rows(source, options))
    if not examples:
        raise BadSource(f"{source} holds no examples")
    return examples


def _from_folder(folder: Path) -> Iterator[Example]:
    for name in image_names(folder):
        label, below, _ = name.partition("/")
        if not below:
            raise BadSource(f"{folder / name} lies in no folder of a label; move it to {folder}/LABEL/{name}")
        yield Example(image=folder / name, label=label)


def _from_rows(source: str, options: LabelledOptions) -> Iterator[Example]:
    # Rows of JSON tell their fields one by one; columns are known before, and other ones may hold what no payload can.
    has_columns = Path(source).suffix.lower() in (".csv", ".parquet")
    options = replace(options, payload_fields=_fields(options) if has_columns else None)
    for row in open_source(source, options).rows(Position()):
        yield _example(source, row, options)


def _fields(options: LabelledOptions) -> tuple[str, ...]:
    return (options.label_field, options.group_field) if options.group_field else (options.label_field,)


def _example(source: str, row: Row, options: LabelledOptions) -> Example:
    record = row.record
    if isinstance(record, Rejection):
        raise BadSource(f"row {row.number} of {source} is no example: {record.message}")
    for field in _fields(options):
        if field not in record.payload:
            content = options.image_field or options.text_field or "text"
            known = ", ".join(map(repr, [content, *record.payload][:_SHOWN_FIELDS]))
            option = options.option_of(field)
            raise BadSource(f"row {row.number} of {source} has no {field!r}, it has {known}; choose with {option}")
    value, group = (record.payload.get(field) for field in (options.label_field, options.group_field))
    said = _said(value, options.task)
    if said is None:
        raise BadSource(_unfit(source, row, "label", options.label_field, value, _WANTED[options.task]))
    if _has_empty(said):
        raise BadSource(f"label field {options.label_field!r} of row {row.number} of {source} is empty; name its class")
    named = _label(group) if options.group_field else ""
    if named is None:
        raise BadSource(_unfit(source, row, "group", options.group_field, group, _WANTED["class"]))
    return replace(said, text=record.text, image=record.image, group=named)


def _unfit(source: str, row: Row, what: str, field: str, value: Any, wanted: str) -> str:  # noqa: ANN401
    shown = f"{str(value)[:60]!r} of type {type(value).__name__}"
    return f"{what} field {field!r} of row {row.number} of {source} is {shown}; it must be {wanted}"


def _said(value: Any, task: HeadTask) -> Example | None:  # noqa: ANN401
    """An example that only says what a field does; None where that is not what is wanted."""
    match task:
        case "class":
            label = _label(value)
            return None if label is None else Example(label=label)
        case "labels":
            labels = [*map(_label, value if isinstance(value, list) else [value])]  # pyright: ignore[reportUnknownArgumentType]
            return None if None in labels else Example(labels=[label for label in labels if label is not None])
        case "value":
            number = _number(value)
            return None if number is None else Example(value=number)


def _has_empty(said: Example) -> bool:
    """Whether a label is empty; numbers, and lists of no labels, have none."""
    labels = said.labels if said.labels is not None else [said.label] if said.value is None else []
    return not all(label.strip() for label in labels)


def _number(value: Any) -> float | None:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        return float(value)  # rows of CSV are texts
    except ValueError:
        return None


def _label(value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None
