"""The `frostline` command and its parts."""

from importlib.metadata import version
from typing import Annotated

import typer

from frostline.cli import aliases, collections, encoders, heads, interactions, records, snapshots
from frostline.cli.demo import demo
from frostline.cli.embed import embed
from frostline.cli.export import export
from frostline.cli.import_ import import_
from frostline.cli.index import index
from frostline.cli.recommend import recommend
from frostline.cli.reembed import reembed
from frostline.cli.search import search
from frostline.cli.serve import serve

app = typer.Typer(
    name="frostline",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serve)
app.add_typer(encoders.app, name="encoders")
app.add_typer(collections.app, name="collections")
app.add_typer(aliases.app, name="aliases")
app.add_typer(snapshots.app, name="snapshots")
app.add_typer(records.app, name="records")
app.add_typer(interactions.app, name="interactions")
app.add_typer(heads.app, name="heads")
app.command()(index)
app.command()(export)
app.command("import")(import_)
app.command()(reembed)
app.command()(search)
app.command()(recommend)
app.command()(embed)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"frostline {version('frostline')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Feature extraction and vector search: frozen encoders, durable collections."""
