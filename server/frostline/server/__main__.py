"""`python -m frostline.server`: serves until it is told to stop."""

import asyncio
import logging
import sys
from collections.abc import Sequence

from frostline.server.errors import FrostlineError
from frostline.server.settings import load


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT.

    Args:
        arguments: command line flags; those of the process when None.

    Returns:
        The exit code: 0, or 1 where it cannot serve; one line on stderr says why.

    Raises:
        SystemExit: help was asked for, or a flag is unknown.
    """
    try:
        settings = load(sys.argv[1:] if arguments is None else arguments)
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
        logging.getLogger("frostline").setLevel(settings.log_level.upper())
        from frostline.server.app import serve  # heavy: a wrong setting is told in a quarter of the time without it

        asyncio.run(serve(settings))
    except FrostlineError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
