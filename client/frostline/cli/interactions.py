"""`frostline interactions`: what users did with the records of a collection."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.arguments import CollectionName, Yes
from frostline.cli.confirmation import confirm
from frostline.cli.jobs import REJECTED, job_progress
from frostline.cli.output import Column, duration, say, show_fields, show_json, show_table, size
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Interaction
    from frostline.indexer import ImportedInteractions

app = typer.Typer(no_args_is_help=True, help="Import, export, list and delete what users did with records.")


@app.command("import")
@client_command
def import_interactions(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .jsonl, .csv or .parquet file.", show_default=False)],
    collection: CollectionName,
    user_field: Annotated[str, typer.Option(metavar="FIELD", help="Field with the user.")] = "user",
    record_field: Annotated[str, typer.Option(metavar="FIELD", help="Field with the record's id.")] = "record",
    weight_field: Annotated[
        str, typer.Option(metavar="FIELD", help="Field with the weight; 1 in rows without it.")
    ] = "weight",
    time_field: Annotated[
        str,
        typer.Option(
            metavar="FIELD",
            help="Field with the time, in seconds since 1970 or as 2024-05-01T12:00:00Z; now in rows without it.",
        ),
    ] = "time",
    kind_field: Annotated[
        str, typer.Option(metavar="FIELD", help="Field with the kind; none in rows without it.")
    ] = "kind",
    batch_size: Annotated[int, typer.Option(metavar="N", help="Rows of a commit.", min=1, max=10_000)] = 5000,
) -> None:
    """Import interactions.

    Of one user, record and kind the last row stays, and nothing counts twice that is imported again: run an interrupted
    import once more. Rows that are refused do not stop the others; the exit code is then 3.
    """
    from frostline.indexer import InteractionFields
    from frostline.indexer import import_interactions as run

    fields = InteractionFields(user_field, record_field, weight_field, time_field, kind_field)
    hint = "what was imported stays, and importing it again changes nothing"
    with session.connect() as client, job_progress(session, "Importing", "rows", hint) as report:
        done = run(client, file, collection, fields=fields, batch_size=batch_size, on_progress=report)
    if session.as_json:
        show_json(done)
    else:
        _show_imported(collection, done)
    if done.refused:
        raise typer.Exit(REJECTED)


@app.command("export")
@client_command
def export_interactions(
    session: Session,
    collection: CollectionName,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The .jsonl, .csv or .parquet file to write.", show_default=False),
    ],
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only this user's.", show_default=False)] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the file if there is one.")] = False,
) -> None:
    """Export interactions into a file that `frostline interactions import` reads. It appears when it is whole."""
    from frostline.indexer import export_interactions as run

    with (
        session.connect() as client,
        job_progress(session, "Exporting", "interactions", "no file was written") as report,
    ):
        done = run(client, collection, file, user=user, replace=replace, on_progress=report)
    if session.as_json:
        show_json(done)
    else:
        show_fields(
            {
                "Collection": collection,
                "File": f"{done.path}, {size(done.size_bytes)}",
                "Interactions": f"{done.interactions:,}",
                "Time": duration(done.seconds),
            }
        )


@app.command("list")
@client_command
def list_interactions(
    session: Session,
    collection: CollectionName,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Only this user's, newest first.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="The most interactions.", min=1)] = 20,
) -> None:
    """Show interactions: those of a user, newest first, or all, in the order they were last recorded."""
    with session.connect() as client:
        found = list(islice(client.list_interactions(collection, user=user), limit))
    if session.as_json:
        show_json(found)
    elif found:
        columns = (
            Column("USER"),
            Column("RECORD"),
            Column("KIND"),
            Column("WEIGHT", "right"),
            Column("TIME"),
            Column("COMMIT", "right"),
        )
        show_table(columns, ((e.user, e.record, e.kind, f"{e.weight:g}", _shown(e), e.sequence) for e in found))
    else:
        say(f"{collection} has no interactions" + (f" of {user}." if user else "."))


@app.command("delete")
@client_command
def delete_interactions(
    session: Session,
    collection: CollectionName,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Whose.", show_default=False)] = None,
    record: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only with this record; may be repeated.", show_default=False),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Only of this kind; may be repeated.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only from this time on, as 2024-05-01.", show_default=False)
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only before this time, as 2024-05-01.", show_default=False)
    ] = None,
    yes: Yes = False,
) -> None:
    """Delete interactions of a user or of a time; with --user alone, everything of the user.

    Times without a time zone are in UTC.
    """
    start, end = _seconds(since, "--since"), _seconds(before, "--before")
    if user is None and start is None and end is None:
        raise typer.BadParameter("give --user, --since or --before; `frostline collections delete` deletes all")
    with session.connect() as client:
        if not yes:
            count = client.count_interactions(collection, user=user)
            of = f" of {user}" if user is not None else ""
            confirm(f"Delete those of the {count:,} interactions{of} in {collection} that meet all conditions?")
        if user is not None and not record and not kind and start is None and end is None:
            deleted = client.delete_user(collection, user)
        else:
            deleted = client.delete_interactions(
                collection, user=user, records=record or None, kinds=kind or None, start=start, end=end
            )
    if session.as_json:
        show_json({"collection": collection, "deleted": deleted.count, "sequence": deleted.sequence})
    else:
        say(f"Deleted {deleted.count:,} interactions of {collection}.")


def _show_imported(collection: str, done: "ImportedInteractions") -> None:
    rate = f" ({done.rows / done.seconds:,.0f} rows/s)" if done.rows and done.seconds > 0 else ""
    show_fields(
        {
            "Collection": collection,
            "Rows read": f"{done.rows:,}",
            "Recorded": f"{done.recorded:,}",
            "Refused": f"{done.refused:,}",
            "Time": f"{duration(done.seconds)}{rate}",
        }
    )
    if done.reasons:
        say("")
        columns = (Column("REFUSED", "right"), Column("WHY"), Column("FIRST ROW", "right"), Column("WHICH SAYS"))
        first = done.first
        rows = ((f"{n:,}", why, first[why].row, first[why].message) for why, n in done.reasons.items())
        show_table(columns, rows)


def _shown(each: "Interaction") -> str:
    try:
        return datetime.fromtimestamp(each.time or 0.0, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{each.time:g} s"


def _seconds(text: str | None, option: str) -> float | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write it as 2024-05-01T12:00:00Z", param_hint=option) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
