"""`frostline collections`: what the server holds."""

from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.arguments import CollectionName, Yes
from frostline.cli.collection_output import show_collection, vectors_in_short
from frostline.cli.collection_settings import create_collection, update_collection
from frostline.cli.collection_stats import optimize_collection, show_stats
from frostline.cli.confirmation import confirm
from frostline.cli.output import Column, say, show_json, show_table, size
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Collection

app = typer.Typer(no_args_is_help=True, help="List, create, change, measure and delete collections.")


@app.command("list")
@client_command
def list_collections(session: Session) -> None:
    """List the collections."""
    with session.connect() as client:
        found = client.list_collections()
    if session.as_json:
        show_json(found)
    elif not found:
        say("No collections; `frostline collections create` makes one, `frostline index` fills one.")
    else:
        columns = (
            Column("NAME"),
            Column("RECORDS", "right"),
            Column("SIZE", "right"),
            Column("RECALL", "right"),
            Column("VECTORS"),
            Column("DESCRIPTION", elide=True),
        )
        show_table(columns, map(_row, found))


@app.command("show")
@client_command
def show(session: Session, name: CollectionName) -> None:
    """Show one collection."""
    with session.connect() as client:
        show_collection(client.get_collection(name), session)


app.command("create")(create_collection)
app.command("update")(update_collection)


@app.command("rename")
@client_command
def rename_collection(
    session: Session,
    name: CollectionName,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="Its new name.", show_default=False)],
) -> None:
    """Give a collection another name; its aliases follow."""
    with session.connect() as client:
        show_collection(client.rename_collection(name, new_name), session)


@app.command("delete")
@client_command
def delete_collection(session: Session, name: CollectionName, yes: Yes = False) -> None:
    """Delete a collection, all its records and its aliases."""
    with session.connect() as client:
        if not yes:
            confirm(f"Delete collection {name} with {client.count(name):,} records?")
        client.delete_collection(name)
    if session.as_json:
        show_json({"deleted": name})
    else:
        say(f"Deleted collection {name}.")


app.command("stats")(show_stats)
app.command("optimize")(optimize_collection)


def _row(found: "Collection") -> tuple[object, ...]:
    return (
        found.name,
        f"{found.record_count:,}",
        size(found.size_bytes),
        f"{found.recall:.3f}",
        vectors_in_short(found),
        found.description,
    )
