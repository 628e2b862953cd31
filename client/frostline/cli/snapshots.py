"""`frostline snapshots`: collections as of one commit, kept on the server."""

from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.arguments import CollectionName, Yes
from frostline.cli.collection_output import show_collection
from frostline.cli.confirmation import confirm
from frostline.cli.output import Column, say, show_fields, show_json, show_table, size
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Snapshot

app = typer.Typer(no_args_is_help=True, help="Create, list, restore and delete snapshots of collections.")

Name = Annotated[str, typer.Argument(metavar="SNAPSHOT", help="Name of the snapshot.", show_default=False)]

_COPY_SECONDS = 600.0


@app.command("create")
@client_command
def create_snapshot(session: Session, collection: CollectionName) -> None:
    """Copy a collection as of now, while writes go on.

    May take ten minutes, or --timeout where that is longer.
    """
    with session.connect() as client:
        made = client.create_snapshot(collection, timeout_seconds=max(_COPY_SECONDS, session.timeout_seconds))
    if session.as_json:
        show_json(made)
        return
    show_fields(
        {
            "Snapshot": made.name,
            "Collection": made.collection,
            "Records": f"{made.record_count:,}",
            "Commit": made.sequence,
            "Size on disk": size(made.size_bytes),
        }
    )


@app.command("list")
@client_command
def list_snapshots(
    session: Session,
    collection: Annotated[
        str | None, typer.Argument(metavar="COLLECTION", help="Only those of this collection.", show_default=False)
    ] = None,
) -> None:
    """List the snapshots, newest first."""
    with session.connect() as client:
        found = client.list_snapshots(collection)
    if session.as_json:
        show_json(found)
    elif not found:
        say(f"No snapshots{f' of {collection}' if collection else ''}; `frostline snapshots create` makes one.")
    else:
        columns = (
            Column("SNAPSHOT"),
            Column("COLLECTION"),
            Column("RECORDS", "right"),
            Column("SIZE", "right"),
            Column("CREATED (UTC)"),
        )
        show_table(columns, map(_row, found))


@app.command("restore")
@client_command
def restore_snapshot(
    session: Session,
    snapshot: Name,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new collection.", show_default=False)],
) -> None:
    """Make a new collection of a snapshot.

    May take ten minutes, or --timeout where that is longer.
    """
    with session.connect() as client:
        show_collection(
            client.restore_snapshot(snapshot, name, timeout_seconds=max(_COPY_SECONDS, session.timeout_seconds)),
            session,
        )


@app.command("delete")
@client_command
def delete_snapshot(session: Session, snapshot: Name, yes: Yes = False) -> None:
    """Delete a snapshot."""
    with session.connect() as client:
        if not yes:
            confirm(f"Delete snapshot {snapshot}?")
        client.delete_snapshot(snapshot)
    if session.as_json:
        show_json({"deleted": snapshot})
    else:
        say(f"Deleted snapshot {snapshot}.")


def _row(found: "Snapshot") -> tuple[object, ...]:
    return (
        found.name,
        found.collection,
        f"{found.record_count:,}",
        size(found.size_bytes),
        f"{found.create_time:%Y-%m-%d %H:%M}",
    )
