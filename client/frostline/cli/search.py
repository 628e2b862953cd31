"""`frostline search`: the records closest to a text, an image or a record."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.failure import CommandFailed
from frostline.cli.output import Column, say, show_json, show_table, summary, timings_line
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Query, SearchResults


@client_command
def search(
    session: Session,
    collection: Annotated[
        str, typer.Argument(metavar="COLLECTION", help="Name of the collection.", show_default=False)
    ],
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="Text to search for.", show_default=False)
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Image file to search for, instead of a text.", show_default=False),
    ] = None,
    record: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Id of a record whose neighbors to find, instead of a text.", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="The most hits.", min=1, max=10_000)] = 10,
) -> None:
    """Find the records of a collection that are closest to a text, an image or another record."""
    asked = _query(query, image, record)
    with session.connect() as client:
        started = time.perf_counter()
        results = client.search_batch(collection, [asked], limit=limit)
        wall_seconds = time.perf_counter() - started
    if results.errors:
        raise CommandFailed(results.errors[0].message)
    if session.as_json:
        _print_json(collection, results, wall_seconds)
    else:
        _print_table(collection, results, wall_seconds)


def _query(text: str | None, image: Path | None, record: str | None) -> "Query":
    if [text, image, record].count(None) != 2:
        raise typer.BadParameter("give one of QUERY, --image and --record")
    if image is not None:
        return image
    if record is not None:
        from frostline.client import RecordId

        return RecordId(record)
    return text or ""


def _print_json(collection: str, results: "SearchResults", wall_seconds: float) -> None:
    hits = [
        {"rank": rank, "id": hit.id, "score": hit.score, "payload": hit.payload}
        for rank, hit in enumerate(results[0], start=1)
    ]
    show_json(
        {
            "collection": collection,
            "hits": hits,
            "sequence": results.sequence,
            "timings": results.timings,
            "wall_seconds": wall_seconds,
        }
    )


def _print_table(collection: str, results: "SearchResults", wall_seconds: float) -> None:
    columns = (
        Column("RANK", "right"),
        Column("SCORE", "right", "cyan"),
        Column("ID"),
        Column("PAYLOAD", elide=True),
    )
    rows = ((rank, f"{hit.score:.4f}", hit.id, summary(hit.payload)) for rank, hit in enumerate(results[0], start=1))
    if results[0]:
        show_table(columns, rows)
    spent = timings_line(results.timings, wall_seconds)
    say(f"{len(results[0])} hits from {collection} in {spent}", "dim")
