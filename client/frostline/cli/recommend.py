"""`frostline recommend`: records for a user, for somebody never seen, beside examples, or for anybody."""

import enum
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frostline.cli.arguments import CollectionName, Filter, Parameters, parameters
from frostline.cli.output import Column, counted, say, show_json, show_table, summary, timings_line
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Recommendation, Recommendations, Weighted


class Strategy(enum.StrEnum):
    """How records are scored."""

    AUTO = "auto"
    POPULAR = "popular"
    FRESH = "fresh"
    CONTENT = "content"
    ITEM_NEIGHBORS = "item_neighbors"
    EASE = "ease"
    FACTORS = "factors"
    AVERAGE_VECTOR = "average_vector"
    BEST_SCORE = "best_score"
    SUM_SCORES = "sum_scores"


_DAY_SECONDS = 86_400.0


@client_command
def recommend(
    session: Session,
    collection: CollectionName,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="The user, whose interactions count.", show_default=False)
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What somebody likes, in words.", show_default=False)
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID[=WEIGHT]",
            help="A record to come close to, and how much it counts, 1 when not given; may be repeated. What ends in "
            "= and a number itself needs its weight after it.",
            show_default=False,
        ),
    ] = None,
    dislike: Annotated[
        list[str] | None,
        typer.Option(metavar="ID[=WEIGHT]", help="A record to stay away from; may be repeated.", show_default=False),
    ] = None,
    like_text: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT[=WEIGHT]", help="A text to come close to; may be repeated.", show_default=False),
    ] = None,
    dislike_text: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT[=WEIGHT]", help="A text to stay away from; may be repeated.", show_default=False),
    ] = None,
    like_image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[=WEIGHT]", help="An image file to come close to; may be repeated.", show_default=False
        ),
    ] = None,
    dislike_image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[=WEIGHT]", help="An image file to stay away from; may be repeated.", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="The most recommendations.", min=1, max=1_000)] = 10,
    offset: Annotated[int, typer.Option(metavar="N", help="Recommendations to pass over.", min=0, max=10_000)] = 0,
    filter: Filter = "",
    param: Parameters = None,
    strategy: Annotated[Strategy, typer.Option(help="How records are scored.")] = Strategy.AUTO,
    diversity: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="How much recommendations shall differ from those before them.", min=0.0, max=1.0
        ),
    ] = 0.0,
    group_by: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Payload field of which each value has few recommendations, see --max-per-group.",
            show_default=False,
        ),
    ] = "",
    max_per_group: Annotated[
        int, typer.Option(metavar="N", help="The most recommendations of a group, with --group-by.", min=1, max=1_000)
    ] = 1,
    include_seen: Annotated[
        bool,
        typer.Option(
            "--include-seen", help="Recommend records too that the user knows, or that are given as examples."
        ),
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A record not to recommend; may be repeated.", show_default=False),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="SCORE", help="The lowest score, as SCORE shows it; depends on the strategy.", show_default=False
        ),
    ] = None,
    half_life: Annotated[
        float | None,
        typer.Option(
            "--half-life-days",
            metavar="DAYS",
            help="After so many days an interaction counts half; without decay when not given.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Kind of the user's interactions that counts; may be repeated, all when not given.",
            show_default=False,
        ),
    ] = None,
    vector: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Vector that records are compared by; all of them when not given.",
            show_default=False,
        ),
    ] = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Show which strategy and which examples each score comes from.")
    ] = False,
) -> None:
    """Recommend records of a collection to a user, to somebody never seen, beside examples, or to anybody.

    With no user, profile or example, records that suit anybody. Notes below the table say why there are none or fewer
    than asked for, and which strategy did not take part.
    """
    options: dict[str, Any] = {
        "user": user,
        "profile": profile,
        "positives": [*_records(like), *_texts(like_text), *_images(like_image)],
        "negatives": [*_records(dislike), *_texts(dislike_text), *_images(dislike_image)],
        "limit": limit,
        "offset": offset,
        "filter": filter,
        "parameters": parameters(param),
        "strategy": strategy.value,
        "diversity": diversity,
        "group_by": group_by,
        "max_per_group": max_per_group,
        "include_seen": include_seen,
        "excluded_ids": exclude or (),
        "min_score": min_score,
        "half_life_seconds": None if half_life is None else half_life * _DAY_SECONDS,
        "kinds": kind or None,
        "vector_name": vector,
        "explain": explain,
    }
    with session.connect() as client:
        started = time.perf_counter()
        found = client.recommend(collection, **options)
        wall_seconds = time.perf_counter() - started
    if session.as_json:
        _print_json(collection, found, wall_seconds)
    else:
        _print_table(collection, found, wall_seconds)


def _records(given: Iterable[str] | None) -> "Iterator[Weighted]":
    from frostline.client import Weighted

    yield from (Weighted(id, weight) for id, weight in _weighted(given))


def _texts(given: Iterable[str] | None) -> "Iterator[Weighted]":
    from frostline.client import Weighted

    yield from (Weighted(text=text, weight=weight) for text, weight in _weighted(given))


def _images(given: Iterable[str] | None) -> "Iterator[Weighted]":
    from frostline.client import Weighted

    yield from (Weighted(image=Path(file), weight=weight) for file, weight in _weighted(given))


def _weighted(given: Iterable[str] | None) -> Iterator[tuple[str, float]]:
    for text in given or ():
        example, _, weight = text.rpartition("=")
        try:
            yield (example, float(weight)) if example else (text, 1.0)
        except ValueError:  # ids and texts may hold = themselves
            yield text, 1.0


def _print_json(collection: str, found: "Recommendations", wall_seconds: float) -> None:
    ranked = [
        {
            "rank": rank,
            "id": each.id,
            "score": each.score,
            "payload": each.payload,
            "group": each.group,
            "reasons": each.reasons,
        }
        for rank, each in enumerate(found, start=1)
    ]
    show_json(
        {
            "collection": collection,
            "recommendations": ranked,
            "strategy": found.strategy,
            "known_count": found.known_count,
            "notes": found.notes,
            "sequence": found.sequence,
            "learned_sequence": found.learned_sequence,
            "timings": found.timings,
            "wall_seconds": wall_seconds,
        }
    )


def _print_table(collection: str, found: "Recommendations", wall_seconds: float) -> None:
    columns = (
        Column("RANK", "right"),
        Column("SCORE", "right", "cyan"),
        Column("ID"),
        Column("PAYLOAD", elide=True),
    )
    rows = ((rank, f"{each.score:.4f}", each.id, summary(each.payload)) for rank, each in enumerate(found, start=1))
    if found:
        show_table(columns, rows)
    spent = timings_line(found.timings, wall_seconds)
    count, known = counted(len(found), "recommendation"), counted(found.known_count, "example")
    say(f"{count} from {collection} by {found.strategy} with {known} in {spent}", "dim")
    for note in found.notes:
        say(f"note: {note}")
    if any(each.reasons for each in found):
        _show_reasons(found)


def _show_reasons(found: "Iterable[Recommendation]") -> None:
    say("")
    columns = (Column("RANK", "right"), Column("ID"), Column("STRATEGIES"), Column("EXAMPLES"))
    rows: list[tuple[object, ...]] = []
    for rank, each in enumerate(found, start=1):
        reasons = each.reasons
        strategies = (
            ", ".join(f"{share.strategy} {share.score:+.4f}" for share in reasons.strategies) if reasons else ""
        )
        examples = ", ".join(f"{share.record} {share.score:+.4f}" for share in reasons.examples) if reasons else ""
        rows.append((rank, each.id, strategies, examples))
    show_table(columns, rows)
