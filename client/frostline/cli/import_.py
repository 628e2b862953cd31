"""`frostline import`: what `frostline export` wrote becomes a collection again."""

from pathlib import Path
from typing import Annotated

import typer

from frostline.cli.jobs import job_progress, show_summary
from frostline.cli.session import Session, client_command


@client_command
def import_(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `frostline export` wrote.", show_default=False)],
    collection: Annotated[
        str,
        typer.Argument(
            metavar="COLLECTION", help="Where records go; made as the file describes it if missing.", show_default=False
        ),
    ],
    work_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="For the checkpoint and rejected.jsonl. Default: frostline-import/ and the collection's name.",
            show_default=False,
        ),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin again where a checkpoint would go on.")] = False,
    batch_size: Annotated[int, typer.Option(metavar="N", help="The most rows of a batch.", min=1, max=10_000)] = 256,
) -> None:
    """Import what `frostline export` wrote, with the vectors as they were.

    The server must have the encoders that the vectors were made with, under any name. Goes on where an interrupted run
    stopped. The exit code is 3 when rows were rejected.
    """
    from frostline.indexer import ImportOptions, import_records

    options = ImportOptions(collection=collection, work_dir=work_dir, restart=restart, batch_size=batch_size)
    with session.connect() as client, job_progress(session, "Importing", "rows") as report:
        summary = import_records(client, file, options, report)
    show_summary(session, summary, collection)
