"""The `frostline` command."""

import sys

_EXTRA = ("rich", "typer")


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        from frostline.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.exit("error: the frostline command needs typer and rich; run: pip install 'frostline[cli]'")
    except KeyboardInterrupt:
        sys.exit(130)
    app(prog_name="frostline")
