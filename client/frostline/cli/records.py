"""`frostline records`: what a collection holds."""

import json
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from frostline.cli.arguments import CollectionName, Filter, Parameters, Yes, parameters
from frostline.cli.confirmation import confirm
from frostline.cli.failure import CommandFailed
from frostline.cli.output import Column, say, show_json, show_table, summary
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Record

app = typer.Typer(
    no_args_is_help=True, help="Get, list, count, patch and delete records, and count the values of their fields."
)


@app.command("get")
@client_command
def get_records(
    session: Session,
    collection: CollectionName,
    ids: Annotated[list[str], typer.Argument(metavar="IDS", help="Ids of the records.", show_default=False)],
) -> None:
    """Show records by id, with their payloads and the texts that are kept.

    Exit code 1 when one does not exist; the others are shown.
    """
    with session.connect() as client:
        found = client.get(collection, ids, include_content=True)
    if found or session.as_json:
        _show(session, found)
    if missing := [id for id in ids if id not in {record.id for record in found}]:
        raise CommandFailed(f"{collection} has no record {', '.join(map(repr, missing))}")


@app.command("list")
@client_command
def list_records(
    session: Session,
    collection: CollectionName,
    filter: Filter = "",
    param: Parameters = None,
    limit: Annotated[int, typer.Option(metavar="N", help="The most records.", min=1)] = 20,
) -> None:
    """Show records in the order they were last written."""
    with session.connect() as client:
        records = client.list_records(collection, filter=filter, parameters=parameters(param), include_content=True)
        found = list(islice(records, limit))
    if found or session.as_json:
        _show(session, found)
    else:
        say(f"{collection} has no such record." if filter else f"{collection} is empty.")


@app.command("patch")
@client_command
def patch_record(
    session: Session,
    collection: CollectionName,
    record_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the record.", show_default=False)],
    patch: Annotated[
        str,
        typer.Argument(
            metavar="JSON",
            help="JSON merge patch (RFC 7396): fields given replace those stored, null removes one.",
            show_default=False,
        ),
    ],
) -> None:
    """Change a part of a record's payload; its text, image and vectors stay as they are."""
    try:
        change: Any = json.loads(patch)
    except ValueError as error:
        raise typer.BadParameter(f"{patch!r} is no JSON: {error}", param_hint="JSON") from error
    if not isinstance(change, dict):
        raise typer.BadParameter(f"{patch!r} is no JSON object", param_hint="JSON")
    with session.connect() as client:
        done = client.patch_payloads(collection, {record_id: cast("dict[str, Any]", change)})
    if done.errors:
        raise CommandFailed(done.errors[0].message)
    if session.as_json:
        show_json({"collection": collection, "patched": done.count, "sequence": done.sequence})
    else:
        say(f"Patched {record_id}.")


@app.command("count")
@client_command
def count_records(session: Session, collection: CollectionName, filter: Filter = "", param: Parameters = None) -> None:
    """Count records."""
    with session.connect() as client:
        count = client.count(collection, filter=filter, parameters=parameters(param))
    if session.as_json:
        show_json({"collection": collection, "count": count})
    else:
        say(f"{count:,}")


@app.command("facets")
@client_command
def count_facets(
    session: Session,
    collection: CollectionName,
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="Path of a payload field: color, author.name.", show_default=False),
    ],
    filter: Filter = "",
    param: Parameters = None,
    limit: Annotated[int, typer.Option(metavar="N", help="The most values.", min=1, max=1000)] = 10,
) -> None:
    """Count the values of a payload field, most frequent first."""
    with session.connect() as client:
        found = client.facets(collection, path, filter=filter, parameters=parameters(param), limit=limit)
    if session.as_json:
        show_json([{"value": value, "count": count} for value, count in found])
    elif not found:
        say(f"No record has {path}.")
    else:
        rows = ((f"{count:,}", _value(value)) for value, count in found)
        show_table((Column("RECORDS", "right"), Column("VALUE")), rows)


@app.command("delete")
@client_command
def delete_records(
    session: Session,
    collection: CollectionName,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="IDS", help="Ids of the records.", show_default=False)
    ] = None,
    filter: Filter = "",
    param: Parameters = None,
    yes: Yes = False,
) -> None:
    """Delete records by id or by filter."""
    if bool(ids) == bool(filter.strip()):
        raise typer.BadParameter("give ids or --filter; `frostline collections delete` deletes all")
    values = parameters(param)
    with session.connect() as client:
        if not yes:
            confirm(
                _question(collection, ids or (), filter, client.count(collection, filter=filter, parameters=values))
            )
        deleted = client.delete(collection, ids or None, filter=filter, parameters=values)
    if session.as_json:
        show_json({"collection": collection, "deleted": deleted.count, "sequence": deleted.sequence})
    else:
        say(f"Deleted {deleted.count:,} records of {collection}.")


def _show(session: Session, records: Sequence["Record"]) -> None:
    if session.as_json:
        show_json([_plain(record) for record in records])
        return
    columns = (Column("ID"), Column("COMMIT", "right"), Column("TEXT", elide=True), Column("PAYLOAD", elide=True))
    show_table(columns, ((r.id, r.sequence, r.text or "", summary(r.payload)) for r in records))


def _question(collection: str, ids: Sequence[str], filter: str, count: int) -> str:
    if filter:
        return f"Delete {count:,} records of {collection} where {filter}?"
    return f"Delete {len(ids):,} of {count:,} records of {collection}?"


def _plain(record: "Record") -> dict[str, object]:
    return {
        "id": record.id,
        "text": record.text,
        "image_bytes": len(record.image) if isinstance(record.image, bytes) else 0,
        "payload": record.payload,
        "sequence": record.sequence,
    }


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
