"""`frostline export`: a collection becomes a Parquet file."""

from pathlib import Path
from typing import Annotated

import typer

from frostline.cli.arguments import CollectionName, Filter, Parameters, parameters
from frostline.cli.jobs import REJECTED, job_progress
from frostline.cli.output import duration, show_fields, show_json, size
from frostline.cli.session import Session, client_command

_SUFFIXES = ("", ".parquet", ".pq")


@client_command
def export(
    session: Session,
    collection: CollectionName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The Parquet file to write.", show_default=False)],
    filter: Filter = "",
    param: Parameters = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the file if there is one.")] = False,
) -> None:
    """Export a collection to a Parquet file: ids, payloads, texts, images, vectors and its whole configuration.

    `frostline import` makes the same collection of it, bit for bit, without embedding anything. The file appears when
    it is whole. The exit code is 3 when the server could not read some records, since they are damaged.
    """
    if file.suffix.lower() not in _SUFFIXES:
        raise typer.BadParameter(f"{file} would be a Parquet file; call it {file.with_suffix('.parquet')}")
    from frostline.indexer import export as run

    with (
        session.connect() as client,
        job_progress(session, "Exporting", "records", "no file was written") as report,
    ):
        done = run(
            client, collection, file, filter=filter, parameters=parameters(param), replace=replace, on_progress=report
        )
    if session.as_json:
        show_json(done)
    else:
        fields = {
            "Collection": collection,
            "File": f"{done.path}, {size(done.size_bytes)}",
            "Records": f"{done.records:,}",
            "Time": duration(done.seconds),
        }
        if done.written_meanwhile:
            fields["Meanwhile"] = f"{done.written_meanwhile:,} rows were written after the export began"
        if done.unreadable:
            fields["Unreadable"] = f"{done.unreadable:,} damaged records; the server's log names them"
        show_fields(fields)
    if done.unreadable:
        raise typer.Exit(REJECTED)
