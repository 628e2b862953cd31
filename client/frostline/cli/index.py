"""`frostline index`: a file of rows, a folder of images or Python's documentation becomes a collection."""

from pathlib import Path
from typing import Annotated

import typer

from frostline.cli.jobs import job_progress, show_summary
from frostline.cli.session import Session, client_command


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
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="Embed and write rows again that are stored as they come.")
    ] = False,
    max_rejected_first: Annotated[
        int,
        typer.Option(
            metavar="N", help="Stop when so many rows are rejected before one becomes a record; 0 for never.", min=0
        ),
    ] = 1000,
    batch_size: Annotated[int, typer.Option(metavar="N", help="The most rows of a batch.", min=1, max=10_000)] = 128,
) -> None:
    """Index a file, a folder of images or Python's documentation.

    Goes on where an interrupted run of the same job stopped. Rows that are stored as they come are passed over, so that
    a changed source is indexed again at the price of what is new in it. Rows that cannot become records are listed in
    rejected.jsonl with the reason and do not stop the job; the exit code is 3 when there are any, 0 when there are
    none and 1 when the job could not be done. A collection is made once a row can become a record.
    """
    from frostline.indexer import IndexOptions
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
        rewrite=rewrite,
        max_rejected_first=max_rejected_first,
        batch_size=batch_size,
    )
    with session.connect() as client, job_progress(session, "Indexing", "rows") as report:
        summary = run(client, source, options, report)
        nothing = summary.indexed + summary.unchanged == 0 and client.get_collection(collection).record_count == 0
    show_summary(session, summary, f"{collection}, which is empty: no row became a record" if nothing else collection)


def _split(fields: str | None) -> tuple[str, ...] | None:
    return None if fields is None else tuple(part.strip() for part in fields.split(",") if part.strip())
