"""`frostline heads compare`: which encoder suits a labelled set, and at which depth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.arguments import Filter, Parameters
from frostline.cli.example_files import naming_files
from frostline.cli.head_progress import patience_seconds, question_progress
from frostline.cli.labelled_arguments import (
    Collection,
    ImageField,
    LabelField,
    Source,
    TextField,
    examples_of,
    records_of,
)
from frostline.cli.output import Column, duration, say, show_json, show_table
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import ComparedEncoder, Comparison, ComparisonCost

_MOST_SEEN = 500


@client_command
def compare_encoders(
    session: Session,
    source: Source = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Encoder; may be repeated. All that take such inputs when none is given.",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Depth; may be repeated. All of each encoder when none is given.", show_default=False
        ),
    ] = None,
    text_field: TextField = "",
    image_field: ImageField = "",
    label_field: LabelField = "",
    collection: Collection = "",
    filter: Filter = "",
    param: Parameters = None,
    seen: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="A file of rows or a folder of images such as the encoders have seen in training, with or without "
            "labels: tells near from far transfer. Up to 500 of them are taken.",
            show_default=False,
        ),
    ] = "",
    max_examples: Annotated[
        int, typer.Option(metavar="N", help="The most examples that are compared on; 2,000 when 0.", min=0)
    ] = 0,
    only_cost: Annotated[bool, typer.Option("--only-cost", help="Say what it would take, and do no more.")] = False,
) -> None:
    """Rank encoders, at all their depths, by what each makes of the same labelled examples.

    A candidate is judged by ridge regression that has learned from all examples but the one it is asked for.
    Those marked = may be the best one as far as these examples can tell.
    """
    examples = examples_of(source, text_field, image_field, label_field)
    records = records_of(collection, label_field, filter, param, "")
    if not examples and records is None:
        raise typer.BadParameter("give SOURCE or --collection; encoders are compared on labelled examples")
    inputs = _seen(seen, text_field, image_field)
    names, depths = encoder or [], layer or []
    with session.connect() as client, naming_files(examples):
        if only_cost:
            costs = client.comparison_cost(
                examples, encoders=names, layers=depths, records=records, seen=inputs, max_examples=max_examples
            )
            _show_cost(session, costs)
            return
        with question_progress(session) as report:
            found = client.compare_encoders(
                examples,
                encoders=names,
                layers=depths,
                records=records,
                seen=inputs,
                max_examples=max_examples,
                cost=lambda costs: report(_told(costs), 0.0),
                progress=report,
                timeout_seconds=patience_seconds(session),
            )
    if session.as_json:
        show_json(found)
    else:
        _show(found)


def _seen(source: str, text_field: str, image_field: str) -> "list[str | bytes | Path]":
    """Texts or paths of images, evenly over the source; none where none is given."""
    if not source:
        return []
    from frostline.indexer import read_contents

    return read_contents(source, text_field=text_field, image_field=image_field, most=_MOST_SEEN)


def _told(costs: "ComparisonCost") -> str:
    encoders = {each.encoder for each in costs.candidates}
    return (
        f"Comparing {len(encoders):,} encoders at {len(costs.candidates):,} depths on {costs.example_count:,} "
        f"examples: about {duration(costs.seconds)}"
    )


def _show_cost(session: Session, costs: "ComparisonCost") -> None:
    if session.as_json:
        show_json(costs)
        return
    columns = (
        Column("ENCODER"),
        Column("LAYER"),
        Column("DIMENSIONS", "right"),
        Column("EMBEDDING", "right"),
        Column("COMPARING", "right"),
    )
    rows = (
        (
            each.encoder,
            each.space.layer,
            f"{each.space.dimensions:,}",
            duration(each.embed_seconds),
            duration(each.compare_seconds),
        )
        for each in costs.candidates
    )
    show_table(columns, rows)
    say(f"{_told(costs)}.")


def _show(found: "Comparison") -> None:
    far = any(each.distance for each in found.encoders)
    columns = [
        Column(""),
        Column("ENCODER", elide=True),
        Column("LAYER"),
        Column("ACCURACY, %", "right", "cyan"),
        Column("BEHIND", "right"),
        Column("LOGME", "right"),
        Column("H-SCORE", "right"),
        Column("5-NN, %", "right"),
    ]
    show_table([*columns, *([Column("TRANSFER")] if far else [])], (_row(each, far) for each in found.encoders))
    tied = len(found.tied)
    alone = "the best one is best beyond chance" if tied == 1 else f"{tied} candidates may be the best one"
    say(f"On {found.example_count:,} examples of {found.class_count:,} classes, each left out in turn; {alone}.", "dim")


def _row(each: "ComparedEncoder", far: bool) -> tuple[object, ...]:
    space = each.space
    row = (
        "=" if each.tied else "",
        each.encoder,
        space.layer if space.pooling == "none" else f"{space.layer}, {space.pooling}",
        f"{100 * each.accuracy.value:.1f} ({100 * each.accuracy.low:.1f} to {100 * each.accuracy.high:.1f})",
        f"{100 * each.behind.value:.1f}",
        f"{each.log_evidence:.3f}",
        f"{each.h_score:.2f}",
        f"{100 * each.neighbor_accuracy:.1f}",
    )
    if not far:
        return row
    return (*row, f"{each.distance}, {each.separability.value:.2f}" if each.separability else "")
