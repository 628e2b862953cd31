"""`frostline serve`: the only command that reaches into the server."""

from pathlib import Path
from typing import Annotated

import typer

from frostline.cli.failure import MissingExtra, one_line_errors


@one_line_errors
def serve(
    context: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; 0.0.0.0 lets other machines connect, unix:/path/of.sock is quicker for "
            "programs on this one. Default: 127.0.0.1.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="Port to listen on; 0 takes a free one. Default: 50051.", min=0, max=65535),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of encoders and collections. Default: frostline-data.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Where encoders run: auto, cpu or cuda:N. Default: auto.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Settings file. Default: frostline.toml in this folder, if there is one."),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="How much is logged: debug, info, warning or error. Default: info."),
    ] = None,
) -> None:
    """Run a server until it is interrupted.

    Every other setting is an option too, and a line of frostline.toml, and a variable FROSTLINE_*; an option counts
    before a variable, and that before the file. `python -m frostline.server --help` lists them all.
    """
    given = {
        "--host": host,
        "--port": port,
        "--data-dir": data_dir,
        "--device": device,
        "--config": config,
        "--log-level": log_level,
    }
    arguments = [text for flag, value in given.items() if value is not None for text in (flag, str(value))]
    try:
        from frostline.server.__main__ import main

        code = main([*arguments, *context.args])
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("frostline"):
            raise
        raise MissingExtra("frostline serve", "server", error.name) from error
    raise typer.Exit(code)
