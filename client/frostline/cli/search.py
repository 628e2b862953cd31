"""`frostline search`: the records closest to a text, an image or a record, or with its words."""

import enum
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frostline.cli.arguments import CollectionName, Filter, Parameters, parameters
from frostline.cli.explanation import show_explanation
from frostline.cli.failure import CommandFailed
from frostline.cli.output import Column, counted, plain, say, show_json, show_table, summary, timings_line
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Client, Fusion, Query, SearchResults


class Mode(enum.StrEnum):
    """How records are found."""

    VECTOR = "vector"
    KEYWORD = "keyword"
    HYBRID = "hybrid"


@client_command
def search(
    session: Session,
    collection: CollectionName,
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
    offset: Annotated[int, typer.Option(metavar="N", help="Hits to pass over.", min=0, max=10_000)] = 0,
    filter: Filter = "",
    param: Parameters = None,
    mode: Annotated[
        Mode, typer.Option(help="By closeness of vectors, by words of texts (BM25), or by both.")
    ] = Mode.VECTOR,
    keywords: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="Words that keyword and hybrid look for, instead of QUERY's.", show_default=False
        ),
    ] = "",
    vector: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Vector of the records that is searched; the first when not given.", show_default=False
        ),
    ] = "",
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="SCORE",
            help="The lowest score of a hit, as SCORE shows it: a cosine from -1 to 1, or, with hybrid, a fused score, "
            "which is at most 0.033 when both weights are 1.",
            show_default=False,
        ),
    ] = None,
    diversity: Annotated[
        float,
        typer.Option(metavar="SHARE", help="How much hits shall differ from those before them.", min=0.0, max=1.0),
    ] = 0.0,
    group_by: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Payload field of which each value has few hits, see --max-per-group.",
            show_default=False,
        ),
    ] = "",
    max_per_group: Annotated[
        int, typer.Option(metavar="N", help="The most hits of a group, with --group-by.", min=1, max=10_000)
    ] = 1,
    keyword_weight: Annotated[
        float,
        typer.Option(metavar="WEIGHT", help="Weight of the words in hybrid; that of the vectors is 1.", min=0.0),
    ] = 1.0,
    exact: Annotated[bool, typer.Option("--exact", help="Compare vectors exactly, whatever it takes.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show how the hits were found.")] = False,
) -> None:
    """Find the records of a collection that are closest to a text, an image or another record."""
    asked = _query(query, image, record, keywords)
    options: dict[str, Any] = {
        "limit": limit,
        "offset": offset,
        "filter": filter,
        "parameters": parameters(param),
        "mode": mode.value,
        "keywords": keywords,
        "vector_name": vector,
        "min_score": min_score,
        "diversity": diversity,
        "group_by": group_by,
        "max_per_group": max_per_group,
        "fusion": _fusion(mode, keyword_weight),
        "exact": exact,
        "explain": explain,
    }
    with session.connect() as client:
        started = time.perf_counter()
        results = client.search_batch(collection, [asked], **options)
        wall_seconds = time.perf_counter() - started
        if results.errors:
            raise CommandFailed(results.errors[0].message)
        if filter and not results[0]:
            _tell_unknown_fields(client, collection, asked, options)
    if session.as_json:
        _print_json(collection, results, wall_seconds)
    else:
        _print_table(collection, results, wall_seconds)


def _tell_unknown_fields(client: "Client", collection: str, asked: "Query", options: dict[str, Any]) -> None:
    """Says on stderr which fields of a filter that lets nothing through no record has: they may be misspelt."""
    explained: dict[str, Any] = {**options, "explain": True}
    again = client.search_batch(collection, [asked], **explained)
    fields = again.explanation.unindexed_fields if again.explanation else ()  # declared ones are known
    for field in fields:
        if not client.count(collection, filter=f"{field}:*"):
            sys.stderr.write(f"note: no record of {plain(collection)} has a value in the field {plain(field)!r}\n")


def _fusion(mode: Mode, keyword_weight: float) -> "Fusion | None":
    if keyword_weight == 1:
        return None
    if mode is not Mode.HYBRID:
        raise typer.BadParameter("is of use with --mode hybrid only", param_hint="--keyword-weight")
    from frostline.client import Fusion

    return Fusion(keyword_weight=keyword_weight)


def _query(text: str | None, image: Path | None, record: str | None, keywords: str) -> "Query":
    given = 3 - [text, image, record].count(None)
    if given != 1 and not (given == 0 and keywords):
        raise typer.BadParameter("give one of QUERY, --image and --record")
    if image is not None:
        return image
    if record is not None:
        from frostline.client import RecordId

        return RecordId(record)
    return text or ""


def _print_json(collection: str, results: "SearchResults", wall_seconds: float) -> None:
    hits = [
        {"rank": rank, "id": hit.id, "score": hit.score, "payload": hit.payload, "group": hit.group}
        for rank, hit in enumerate(results[0], start=1)
    ]
    show_json(
        {
            "collection": collection,
            "hits": hits,
            "recall": results.recall,
            "explanation": results.explanation,
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
    recall = "" if results.recall == 1 else f", recall {results.recall:.3f}"
    say(f"{counted(len(results[0]), 'hit')} from {collection} in {spent}{recall}", "dim")
    if results.explanation:
        show_explanation(results.explanation, results.recall)
