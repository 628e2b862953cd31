"""Texts and images that a command is given."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from frostline.cli.failure import CommandFailed

Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TEXTS",
        help="Texts; - reads them from stdin, one a line, which is also done when nothing is given.",
        show_default=False,
    ),
]
Files = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Image file, instead of texts; may be repeated.", show_default=False),
]


def inputs_of(texts: list[str] | None, files: list[Path] | None) -> tuple[Sequence[str | Path], list[str]]:
    """What goes to the server, and how each input is called.

    Raises:
        typer.BadParameter: texts and files are given, or nothing and nobody writes to stdin.
        CommandFailed: stdin is empty.
    """
    if texts and files:
        raise typer.BadParameter("give texts or --file, not both")
    if files:
        return files, [str(path) for path in files]
    if not texts and sys.stdin.isatty():
        raise typer.BadParameter("give texts, - to read them from stdin, or --file")
    read: list[str] = []
    for text in texts or ["-"]:
        read.extend([line.rstrip("\r\n") for line in sys.stdin] if text == "-" else [text])
    if not read:
        raise CommandFailed("stdin is empty; there is nothing to read")
    return read, read
