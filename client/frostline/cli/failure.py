"""How a command ends when something goes wrong: one line on stderr and an exit code, never a traceback.

0     done
1     an error, `error: ...` on stderr
2     the command was called in a wrong way
3     done, but rows were rejected or left out
130   interrupted
"""

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec

import typer

from frostline.cli.output import plain

P = ParamSpec("P")

DEBUG = "FROSTLINE_DEBUG"
FAILED = 1
INTERRUPTED = 130


class CommandFailed(Exception):
    """A command cannot go on; its message is for people."""


class MissingExtra(CommandFailed):
    """A part of Frostline that is installed on its own is not there.

    Args:
        what: what needs it, for the message.
        extra: the name of the extra.
        module: what could not be imported.
    """

    def __init__(self, what: str, extra: str, module: str | None) -> None:
        super().__init__(f"{what} needs {module}, which is not installed; run: pip install 'frostline[{extra}]'")


def one_line_errors(run: Callable[P, None]) -> Callable[P, None]:
    """Makes a command end with one line on stderr whatever happens in it."""

    @functools.wraps(run)
    def command(*args: P.args, **options: P.kwargs) -> None:
        try:
            run(*args, **options)
            sys.stdout.flush()  # a reader that is gone is noticed here, not while Python ends
        except (typer.BadParameter, typer.Exit, typer.Abort):
            raise
        except (Exception, KeyboardInterrupt) as error:
            raise typer.Exit(_report(error)) from error

    return command


def _report(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # What is still to be written goes nowhere: the reader is gone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    if _debugging():
        traceback.print_exception(error, file=sys.stderr)
    warn(_sentence(error))
    return FAILED


def warn(message: str) -> None:
    """Writes `error: ...` to stderr, as one line."""
    sys.stderr.write(f"error: {plain(message)}\n")


def _debugging() -> bool:
    return os.environ.get(DEBUG, "0") not in ("", "0")


def _sentence(error: BaseException) -> str:
    from frostline.client import FrostlineError

    if isinstance(error, CommandFailed):
        return str(error)
    if isinstance(error, FrostlineError):
        unsaid = error.log_id and error.log_id not in str(error)
        return f"{error} (log id {error.log_id})" if unsaid else str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    hint = "" if _debugging() else f"; {DEBUG}=1 shows where it happened"
    return f"unexpected {type(error).__name__}: {error}{hint}"
