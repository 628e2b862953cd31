"""`frostline collections`: what the server holds."""

import enum
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.confirmation import confirm
from frostline.cli.output import Column, say, show_fields, show_json, show_table, size
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.client import Collection

app = typer.Typer(no_args_is_help=True, help="List, create, show and delete collections.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the collection.", show_default=False)]


class Metric(enum.StrEnum):
    """How close two vectors are."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"


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
            Column("ENCODER"),
            Column("DIMENSIONS", "right"),
            Column("METRIC"),
            Column("SIZE", "right"),
            Column("DESCRIPTION", elide=True),
        )
        show_table(columns, map(_row, found))


@app.command("show")
@client_command
def show_collection(session: Session, name: Name) -> None:
    """Show one collection."""
    with session.connect() as client:
        _show(client.get_collection(name), session)


@app.command("create")
@client_command
def create_collection(
    session: Session,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Lower-case letters, digits, hyphens and underscores, at most 63.", show_default=False
        ),
    ],
    encoder: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Encoder of its records; without one it holds plain vectors.", show_default=False
        ),
    ] = "",
    dimensions: Annotated[
        int,
        typer.Option(
            metavar="N", help="Length of its plain vectors; with an encoder, how many are kept (0 keeps all).", min=0
        ),
    ] = 0,
    metric: Annotated[Metric, typer.Option(help="How close two vectors are.")] = Metric.COSINE,
    layer: Annotated[
        str, typer.Option(metavar="NAME", help="Layer of the encoder; its default when not given.", show_default=False)
    ] = "",
    normalize: Annotated[
        bool | None,
        typer.Option(
            "--normalize/--no-normalize",
            help="Whether vectors get unit length; the encoder's default when not given.",
            show_default=False,
        ),
    ] = None,
    document_prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What is put before each text that is stored; the encoder's document prompt when not given.",
            show_default=False,
        ),
    ] = None,
    query_prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What is put before each text that is searched for; the encoder's query prompt when not given.",
            show_default=False,
        ),
    ] = None,
    description: Annotated[
        str, typer.Option(metavar="TEXT", help="What it holds, for people.", show_default=False)
    ] = "",
    keep_content: Annotated[
        bool,
        typer.Option("--keep-content/--no-keep-content", help="Whether texts and images are kept beside vectors."),
    ] = True,
) -> None:
    """Create a collection. All but its description and query prompt is fixed for good."""
    with session.connect() as client:
        created = client.create_collection(
            name,
            encoder=encoder,
            dimensions=dimensions,
            metric=metric.value,
            description=description,
            layer=layer,
            normalize=normalize,
            document_prompt=document_prompt,
            query_prompt=query_prompt,
            keep_content=keep_content,
        )
    _show(created, session)


@app.command("delete")
@client_command
def delete_collection(
    session: Session,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a collection and all its records."""
    with session.connect() as client:
        if not yes:
            confirm(f"Delete collection {name} with {client.count(name):,} records?")
        client.delete_collection(name)
    if session.as_json:
        show_json({"deleted": name})
    else:
        say(f"Deleted collection {name}.")


def _row(found: "Collection") -> tuple[object, ...]:
    return (
        found.name,
        f"{found.record_count:,}",
        found.encoder or "(vectors)",
        found.space.dimensions,
        found.metric,
        size(found.size_bytes),
        found.description,
    )


def _show(found: "Collection", session: Session) -> None:
    if session.as_json:
        show_json(found)
        return
    show_fields(
        {
            "Name": found.name,
            "Description": found.description or "(none)",
            "Records": f"{found.record_count:,}",
            "Encoder": found.encoder or "(plain vectors)",
            **({"Layer": found.space.layer} if found.space.layer else {}),
            "Dimensions": found.space.dimensions,
            "Unit length": "yes" if found.space.normalize else "no",
            "Metric": found.metric,
            "Document prompt": repr(found.document_prompt) if found.document_prompt else "(none)",
            "Query prompt": repr(found.query_prompt) if found.query_prompt else "(none)",
            "Keeps content": "yes" if found.keep_content else "no",
            "Last commit": found.sequence,
            "Size on disk": size(found.size_bytes),
            "Created": f"{found.create_time:%Y-%m-%d %H:%M:%S} UTC",
        }
    )
