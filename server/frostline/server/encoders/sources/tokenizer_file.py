"""Reads tokenizers that someone else wrote: each must be able to read any text."""

from pathlib import Path

from tokenizers import Tokenizer

from frostline.server.encoders.sources.checkpoint_files import check_size
from frostline.server.errors import InvalidInput

_MAX_BYTES = 128 << 20
_ODD_TEXT = "\ue000 \U00010348 \U00013000 \ua66e \u2603 " + "x" * 500
"""Characters few vocabularies have, and a long word: what a tokenizer needs its token for unknown words for."""


def read(path: Path) -> Tokenizer:
    """Reads a tokenizer and tries it.

    Args:
        path: a `tokenizer.json`.

    Raises:
        InvalidInput: it is missing, too large, no tokenizer, or fails on texts it does not know.
    """
    if not path.is_file():
        raise InvalidInput(f"{path.name} is missing; save the checkpoint with its fast tokenizer")
    check_size(path, _MAX_BYTES)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises Exception itself
        raise InvalidInput(f"{path.name} is no tokenizer: {error}; download it again") from error
    try:
        tokenizer.encode(_ODD_TEXT)
    except Exception as error:
        raise InvalidInput(
            f"{path.name} fails on words it does not know: {error}; give its vocabulary the token for unknown words"
        ) from error
    return tokenizer


def largest_id(tokenizer: Tokenizer) -> int:
    """The largest token id it can give; 0 where it has none."""
    return max([*tokenizer.get_vocab().values(), *tokenizer.encode("").ids], default=0)
