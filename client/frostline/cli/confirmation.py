"""Asks before something is deleted for good."""

import sys

import typer

from frostline.cli.failure import CommandFailed


def confirm(question: str) -> None:
    """Asks the user, and goes on only after a yes.

    Raises:
        CommandFailed: nobody is there to answer.
        typer.Abort: the answer is no.
    """
    if not sys.stdin.isatty():
        raise CommandFailed(f"{question} Nobody is at the terminal to answer; give --yes")
    typer.confirm(question, abort=True, err=True)
