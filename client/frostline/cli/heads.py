"""`frostline heads`: light classifiers over frozen embeddings."""

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.arguments import Yes
from frostline.cli.confirmation import confirm
from frostline.cli.failure import CommandFailed
from frostline.cli.head_asking import evaluate_head, predict
from frostline.cli.head_comparison import compare_encoders
from frostline.cli.head_output import percent, show_head
from frostline.cli.head_progress import patience_seconds
from frostline.cli.head_questions import audit, drift, suggest
from frostline.cli.head_records import predict_records
from frostline.cli.head_training import merge_heads, train_head, update_head
from frostline.cli.head_transfer import measure_transfer
from frostline.cli.labelled_arguments import HeadName, Version
from frostline.cli.output import Column, say, show_fields, show_json, show_table, size
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Head

app = typer.Typer(
    no_args_is_help=True, help="Train, ask, judge, update, merge and export heads; compare encoders for them."
)

app.command("train")(train_head)
app.command("predict")(predict)
app.command("predict-records")(predict_records)
app.command("evaluate")(evaluate_head)
app.command("drift")(drift)
app.command("audit")(audit)
app.command("suggest")(suggest)
app.command("compare")(compare_encoders)
app.command("update")(update_head)
app.command("merge")(merge_heads)
app.command("transfer")(measure_transfer)


class Format(enum.StrEnum):
    """What an export is."""

    ARCHIVE = "archive"
    HEAD_ONNX = "head-onnx"
    ONNX = "onnx"


@app.command("export")
@client_command
def export_head(
    session: Session,
    name: HeadName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)],
    format: Annotated[
        Format,
        typer.Option(
            help="archive is a ZIP to be merged elsewhere, head-onnx a graph from embeddings to probabilities, onnx "
            "one of encoder and head."
        ),
    ] = Format.ARCHIVE,
    version: Version = 0,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the file if there is one.")] = False,
) -> None:
    """Write a head to a file, which appears when it is whole; never with its examples."""
    if file.exists() and not replace:
        raise CommandFailed(f"{file} exists; give --replace to write it anew")
    with session.connect() as client:
        client.export_head(name, file, format.value, version=version, timeout_seconds=patience_seconds(session))
    if session.as_json:
        show_json({"head": name, "format": format.value, "path": file, "size_bytes": file.stat().st_size})
    else:
        show_fields({"Head": name, "Format": format.value, "File": f"{file}, {size(file.stat().st_size)}"})


@app.command("list")
@client_command
def list_heads(session: Session) -> None:
    """List the heads."""
    with session.connect() as client:
        found = client.list_heads()
    if session.as_json:
        show_json(found)
    elif not found:
        say("No heads; `frostline heads train` trains one.")
    else:
        columns = (
            Column("NAME"),
            Column("SERVES", "right"),
            Column("NEWEST"),
            Column("RECIPE"),
            Column("CLASSES", "right"),
            Column("EXAMPLES", "right"),
            Column("ACCURACY", "right"),
            Column("TAKES"),
            Column("DESCRIPTION", elide=True),
        )
        rows = [_row(head) for head in found]
        kept = [place for place in range(len(columns)) if any(row[place] for row in rows)]  # the others take room
        show_table([columns[place] for place in kept], [[row[place] for place in kept] for row in rows])


@app.command("show")
@client_command
def show(session: Session, name: HeadName, version: Version = 0) -> None:
    """Show one head: its versions, and of one version what was tried and which classes have the fewest examples."""
    with session.connect() as client:
        head = client.get_head(name)
    if version and head.version(version) is None:
        known = ", ".join(str(found.version) for found in head.versions)
        raise CommandFailed(f"{name} has no version {version}; it has {known}")
    show_head(head, session, version)


@app.command("cancel")
@client_command
def cancel_head(session: Session, name: HeadName) -> None:
    """Break off the training of a head; the version that serves goes on, and a new training can begin at once."""
    with session.connect() as client:
        head = client.cancel_head(name)
    if session.as_json:
        show_json(head)
    else:
        serving = f"version {head.serving_version} goes on serving" if head.serving_version else "no version serves yet"
        say(f"Cancelled version {head.versions[0].version} of {name}; {serving}.")


@app.command("rollback")
@client_command
def rollback_head(
    session: Session,
    name: HeadName,
    version: Annotated[
        int,
        typer.Option(metavar="N", help="The version; the latest ready one before the one that serves when 0.", min=0),
    ] = 0,
) -> None:
    """Let another ready version serve, at once."""
    with session.connect() as client:
        head = client.rollback_head(name, version)
    if session.as_json:
        show_json(head)
    else:
        say(f"Version {head.serving_version} of {name} serves.")


@app.command("delete")
@client_command
def delete_head(session: Session, name: HeadName, yes: Yes = False) -> None:
    """Delete a head and all its versions."""
    with session.connect() as client:
        if not yes:
            confirm(f"Delete head {name} with all its versions?")
        client.delete_head(name)
    if session.as_json:
        show_json({"deleted": name})
    else:
        say(f"Deleted head {name}.")


def _row(head: "Head") -> tuple[object, ...]:
    told = head.serving or next(iter(head.versions), None)
    # Where the newest serves there is nothing more to say of it, and names need the room.
    is_told = not head.versions or head.versions[0].version == head.serving_version
    newest = "" if is_told else f"{head.versions[0].version}, {head.versions[0].state}"
    return (
        head.name,
        head.serving_version or "",
        newest,
        told.recipe if told else "",
        f"{len(told.classes):,}" if told and told.classes else "",
        f"{told.example_count:,}" if told and told.example_count else "",
        percent(told.held_out_accuracy) if told and told.held_out_accuracy is not None else "",
        head.encoder or "vectors",
        head.description,
    )
