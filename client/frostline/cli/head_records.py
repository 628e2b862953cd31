"""`frostline heads predict-records`: labels or numbers for a whole collection."""

from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.arguments import CollectionName, Filter, Parameters, parameters
from frostline.cli.failure import CommandFailed
from frostline.cli.head_progress import patience_seconds, question_progress
from frostline.cli.labelled_arguments import HeadName, Vector, Version
from frostline.cli.output import Column, say, show_fields, show_json, show_table
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import PredictedRecords


@client_command
def predict_records(
    session: Session,
    name: HeadName,
    collection: CollectionName,
    label_field: Annotated[
        str,
        typer.Option(
            metavar="FIELD",
            help="Payload field that the label, the array of several labels or the number is written into: topic, "
            "predicted.topic. What it holds is replaced; where the head abstains, it is removed.",
            show_default=False,
        ),
    ],
    probability_field: Annotated[
        str,
        typer.Option(
            metavar="FIELD",
            help="Payload field that the probability is written into; of several labels an array, in their order.",
            show_default=False,
        ),
    ] = "",
    filter: Filter = "",
    param: Parameters = None,
    vector: Vector = "",
    version: Version = 0,
    most: Annotated[int, typer.Option(metavar="N", help="The most labels that are shown.", min=0)] = 20,
) -> None:
    """Predict the labels or numbers of a collection's records, and write them into payloads.

    Run again after it was interrupted, or for what is new, it changes only what is not so already. A record that cannot
    be written does not stop the others; the exit code is then 1.
    """
    with session.connect() as client, question_progress(session, "Sending") as report:
        report("labelling", 0.0)
        found = client.predict_records(
            name,
            collection,
            label_field,
            probability_field=probability_field,
            filter=filter,
            parameters=parameters(param) or None,
            vector_name=vector,
            version=version,
            progress=report,
            timeout_seconds=patience_seconds(session),
        )
    if session.as_json:
        show_json({"head": name, "collection": collection, "predicted": found})
    else:
        _show_predicted(name, found, most)
    if found.failed_count:
        raise CommandFailed(f"{found.failed_count:,} records could not be written; the first: {found.failure}")


def _show_predicted(name: str, found: "PredictedRecords", most: int) -> None:
    show_fields(
        {
            "Head": f"{name}, version {found.version}",
            "Written": f"{found.written_count:,} records, {found.unchanged_count:,} held just that already",
            "Without a label": f"{found.unlabelled_count:,}",
            "Without the vector": f"{found.skipped_count:,}",
        }
    )
    if most and found.labels:
        say("")
        shown = list(found.labels.items())[:most]
        show_table((Column("LABEL", elide=True), Column("RECORDS", "right")), ((label, f"{n:,}") for label, n in shown))
        if len(found.labels) > most:
            say(f"and {len(found.labels) - most:,} more", "dim")
