"""Errors about an example, told with the file of its image."""

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from frostline.client import Example

_EXAMPLE = re.compile(r"\bexample (\d+)\b")


@contextmanager
def naming_files(examples: "Sequence[Example]") -> Generator[None]:
    """While its block runs, an error about an example whose image is a file names the file too.

    Args:
        examples: those that are sent, in the order that the server counts them in.
    """
    from frostline.client import FrostlineError

    try:
        yield
    except FrostlineError as error:
        found = _EXAMPLE.search(str(error))
        place = int(found[1]) if found else len(examples)
        image = examples[place].image if place < len(examples) else None
        if found and isinstance(image, Path):
            told = str(error)
            error.args = (f"{told[: found.end()]} ({image}){told[found.end() :]}",)  # the kind and the log id stay
        raise
