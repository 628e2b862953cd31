"""Where labelled examples come from: options of several commands, and what they say."""

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frostline.cli.arguments import parameters

if TYPE_CHECKING:
    from frostline.client import Example, HeadTask, LabelledRecords


TEXT_ENCODER = "all-minilm-l6-v2"


class AnsweredTask(enum.StrEnum):
    """What a head answers."""

    CLASS = "class"
    LABELS = "labels"
    VALUE = "value"


HeadName = Annotated[str, typer.Argument(metavar="HEAD", help="Name of the head.", show_default=False)]
Source = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE",
        help="Labelled examples: a .jsonl, .csv or .parquet file, or a folder that holds a folder of images for each "
        "label.",
        show_default=False,
    ),
]
TextField = Annotated[
    str, typer.Option(metavar="FIELD", help="Field with the text; text when none is given.", show_default=False)
]
ImageField = Annotated[
    str,
    typer.Option(
        metavar="FIELD",
        help="Field with an image, instead of a text: a path below the source's folder, or bytes in Parquet.",
        show_default=False,
    ),
]
LabelField = Annotated[
    str,
    typer.Option(
        metavar="FIELD", help="Field with the label, of rows or of records; label when not given.", show_default=False
    ),
]
GroupField = Annotated[
    str,
    typer.Option(
        metavar="FIELD", help="Field with the group, of rows or of records, to judge by group too.", show_default=False
    ),
]
Task = Annotated[
    AnsweredTask,
    typer.Option(
        help="What the head answers: one class, any number of labels (the field holds a list), or a number (the field "
        "holds one)."
    ),
]
Collection = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Take labelled records of this collection too, with their stored vectors; those without the field are "
        "passed over.",
        show_default=False,
    ),
]
Vector = Annotated[
    str,
    typer.Option(metavar="NAME", help="Vector of the records; the first when not given.", show_default=False),
]
Version = Annotated[int, typer.Option(metavar="N", help="The version; the one that serves when 0.", min=0)]


def examples_of(
    source: str | None,
    text_field: str,
    image_field: str,
    label_field: str,
    task: "HeadTask" = "class",
    group_field: str = "",
) -> "list[Example]":
    """Reads a source; none is no examples."""
    if source is None:
        return []
    from frostline.indexer import read_examples

    return read_examples(
        source,
        text_field=text_field,
        image_field=image_field,
        label_field=label_field,
        task=task,
        group_field=group_field,
    )


def records_of(
    collection: str, label_field: str, filter: str, param: Sequence[str] | None, vector: str, group_field: str = ""
) -> "LabelledRecords | None":
    """Labelled records of a collection; None where none is named."""
    if not collection:
        given = {"--filter": filter, "--param": param, "--vector": vector}
        if named := [option for option, value in given.items() if value]:
            raise typer.BadParameter(f"{', '.join(named)} can be given with --collection only")
        return None
    from frostline.client import LabelledRecords

    values: dict[str, Any] = parameters(param)
    return LabelledRecords(collection, label_field or "label", filter, vector, values or None, group_field)
