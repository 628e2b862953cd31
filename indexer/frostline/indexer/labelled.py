"""Labelled examples from what can be indexed: rows that say their label, and a folder of images for each label."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frostline.client import Example
from frostline.indexer.errors import BadSource
from frostline.indexer.images import image_names
from frostline.indexer.options import IndexOptions
from frostline.indexer.rows import Position, Rejection, Row
from frostline.indexer.sources import PYDOC, open_source

_DEFAULT_LABEL_FIELD = "label"
_SHOWN_FIELDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledOptions(IndexOptions):
    """Which field is what in rows that say their label.

    Attributes:
        label_field: the field with the label: a text, a number or a boolean.
        group_field: the field with the group, likewise; empty for none.
    """

    collection: str = ""
    label_field: str = _DEFAULT_LABEL_FIELD
    group_field: str = ""

    def option_of(self, field: str) -> str:
        """The option that names a field, as it is called on the command line."""
        own = {self.group_field: "--group-field", self.label_field: "--label-field"}
        return own.get(field) or IndexOptions.option_of(self, field)


def read_examples(
    source: str, *, text_field: str = "", image_field: str = "", label_field: str = "", group_field: str = ""
) -> list[Example]:
    """Reads labelled examples.

    Args:
        source: the path of a file (`.jsonl`, `.ndjson`, `.csv`, `.parquet`), or of a folder that holds a folder of
            images for each label.
        text_field: the field with the text; `text` where neither this nor `image_field` is given.
        image_field: the field with an image, see `IndexOptions`.
        label_field: the field with the label; `label` when empty.
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
        examples = list(_from_folder(folder))
    else:
        examples = list(_from_rows(source, text_field, image_field, label_field or _DEFAULT_LABEL_FIELD, group_field))
    if not examples:
        raise BadSource(f"{source} holds no examples")
    return examples


def _from_folder(folder: Path) -> Iterator[Example]:
    for name in image_names(folder):
        label, below, _ = name.partition("/")
        if not below:
            raise BadSource(f"{folder / name} lies in no folder of a label; move it to {folder}/LABEL/{name}")
        yield Example(image=folder / name, label=label)


def _from_rows(source: str, text_field: str, image_field: str, label_field: str, group_field: str) -> Iterator[Example]:
    # Rows of JSON tell their fields one by one; columns are known before, and other ones may hold what no payload can.
    has_columns = Path(source).suffix.lower() in (".csv", ".parquet")
    options = LabelledOptions(
        text_field=text_field,
        image_field=image_field,
        label_field=label_field,
        group_field=group_field,
        payload_fields=tuple(filter(None, (label_field, group_field))) if has_columns else None,
    )
    for row in open_source(source, options).rows(Position()):
        yield _example(source, row, options)


def _example(source: str, row: Row, options: LabelledOptions) -> Example:
    record = row.record
    if isinstance(record, Rejection):
        raise BadSource(f"row {row.number} of {source} is no example: {record.message}")
    label = _word(source, row.number, record.payload, options, "label")
    group = _word(source, row.number, record.payload, options, "group") if options.group_field else ""
    return Example(text=record.text, image=record.image, label=label, group=group)


def _word(source: str, number: int, payload: Mapping[str, Any], options: LabelledOptions, what: str) -> str:
    """The label or group that a row says."""
    field = options.label_field if what == "label" else options.group_field
    if field not in payload:
        content = options.image_field or options.text_field or "text"
        known = ", ".join(map(repr, [content, *payload][:_SHOWN_FIELDS]))
        raise BadSource(f"row {number} of {source} has no {field!r}, it has {known}; choose with --{what}-field")
    word = _label(payload[field])
    if word is None:
        shown = f"{str(payload[field])[:60]!r} of type {type(payload[field]).__name__}"
        raise BadSource(f"{what} field {field!r} of row {number} of {source} is {shown}; it must be a text or a number")
    return word


def _label(value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None
