"""`frostline index`: a file of rows, a folder of images or Python's documentation becomes a collection."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.output import console, duration, show_fields, show_json
from frostline.cli.progress import progress
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.indexer import Summary

REJECTED = 3
"""Exit code of a job that was done but rejected rows."""


@client_command
def index(
    session: Session,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A .jsonl, .csv or .parquet file, a folder of images, or pydoc: for the documentation of the "
            "standard library of the Python that runs.",
            show_default=False,
        ),
    ],
    collection: Annotated[
        str,
        typer.Option(metavar="NAME", help="Where records go; made if missing and --encoder given.", show_default=False),
    ],
    encoder: Annotated[
        str, typer.Option(metavar="NAME", help="Encoder of the collection, to make it.", show_default=False)
    ] = "",
    text_field: Annotated[
        str,
        typer.Option(metavar="FIELD", help="Field to embed; text when none is given.", show_default=False),
    ] = "",
    image_field: Annotated[
        str,
        typer.Option(
            metavar="FIELD",
            help="Field with an image to embed, instead of a text: a path below the source's folder, or in Parquet "
            "the file's bytes.",
            show_default=False,
        ),
    ] = "",
    id_field: Annotated[
        str,
        typer.Option(
            metavar="FIELD",
            help="Field with the record's id; when not given it is the source's name and the row number.",
            show_default=False,
        ),
    ] = "",
    payload_fields: Annotated[
        str | None,
        typer.Option(
            metavar="FIELDS",
            help="Fields to keep as payload, with commas between; all others when not given, none when empty.",
            show_default=False,
        ),
    ] = None,
    work_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="For the checkpoint and rejected.jsonl. Default: frostline-index/ and the collection's name.",
            show_default=False,
        ),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin again where a checkpoint would go on.")] = False,
    batch_size: Annotated[int, typer.Option(metavar="N", help="The most rows of a batch.", min=1, max=10_000)] = 128,
) -> None:
    """Index a file, a folder of images or Python's documentation.

    Goes on where an interrupted run of the same job stopped. Rows that cannot become records are listed in
    rejected.jsonl with the reason and do not stop the job; the exit code is 3 when there are any, 0 when there are
    none and 1 when the job could not be done.
    """
    from frostline.indexer import IndexOptions, Progress
    from frostline.indexer import index as run

    options = IndexOptions(
        collection=collection,
        encoder=encoder,
        text_field=text_field,
        image_field=image_field,
        id_field=id_field,
        payload_fields=_split(payload_fields),
        work_dir=work_dir,
        restart=restart,
        batch_size=batch_size,
    )
    to = None if session.as_json else console(stderr=True)
    with session.connect() as client, progress(to, "Indexing", "rows") as shown:

        def report(state: Progress) -> None:
            shown.update(state.done, state.total, about=state.estimated)

        try:
            summary = run(client, source, options, report)
        except KeyboardInterrupt:
            sys.stderr.write("interrupted; the same command goes on where this one stopped\n")
            raise
    if session.as_json:
        show_json(summary)
    else:
        show_fields(_fields(summary, collection))
    if summary.rejected:
        raise typer.Exit(REJECTED)


def _split(fields: str | None) -> tuple[str, ...] | None:
    return None if fields is None else tuple(part.strip() for part in fields.split(",") if part.strip())


def _fields(summary: "Summary", collection: str) -> dict[str, str]:
    rows = summary.rows - summary.resumed
    rate = f" ({rows / summary.seconds:,.0f} rows/s)" if rows and summary.seconds > 0 else ""
    fields = {
        "Collection": collection,
        "Rows read": f"{summary.rows:,}",
        "Indexed": f"{summary.indexed:,}",
        "Rejected": f"{summary.rejected:,}" + (f", listed in {summary.rejected_path}" if summary.rejected_path else ""),
        "Time": f"{duration(summary.seconds)}{rate}",
    }
    if summary.resumed:
        fields["Gone on"] = f"after {summary.resumed:,} rows of earlier runs"
    return fields
