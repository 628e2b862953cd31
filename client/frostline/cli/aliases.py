"""`frostline aliases`: other names of collections."""

from typing import Annotated

import typer

from frostline.cli.arguments import Yes
from frostline.cli.confirmation import confirm
from frostline.cli.output import Column, say, show_json, show_table
from frostline.cli.session import Session, client_command

app = typer.Typer(no_args_is_help=True, help="List, set and delete other names of collections.")

Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="The alias.", show_default=False)]


@app.command("list")
@client_command
def list_aliases(session: Session) -> None:
    """List the aliases and where they lead."""
    with session.connect() as client:
        found = client.list_aliases()
    if session.as_json:
        show_json(found)
    elif not found:
        say("No aliases; `frostline aliases set` makes one.")
    else:
        show_table((Column("ALIAS"), Column("COLLECTION")), found.items())


@app.command("set")
@client_command
def set_alias(
    session: Session,
    alias: Alias,
    collection: Annotated[
        str, typer.Argument(metavar="COLLECTION", help="Where it shall lead; no alias.", show_default=False)
    ],
) -> None:
    """Point an alias to a collection, at once for all; a new alias is made."""
    with session.connect() as client:
        client.set_alias(alias, collection)
    if session.as_json:
        show_json({alias: collection})
    else:
        say(f"{alias} leads to {collection}.")


@app.command("delete")
@client_command
def delete_alias(session: Session, alias: Alias, yes: Yes = False) -> None:
    """Delete an alias; the collection stays."""
    with session.connect() as client:
        if not yes:
            confirm(f"Delete alias {alias}?")
        client.delete_alias(alias)
    if session.as_json:
        show_json({"deleted": alias})
    else:
        say(f"Deleted alias {alias}.")
