"""What examples are before any encoder has seen them: texts or image files, beside their embeddings for a while.

texts.json       the texts, in the order of the examples
images/0, 1 ...  or else the files, named by the row of the example
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from frostline.server.errors import InvalidInput

Contents = list[str] | list[Path]
"""Texts, or paths of image files."""

_TEXTS, _IMAGES = "texts.json", "images"


def save_texts(folder: Path, texts: Sequence[str]) -> None:
    """Writes texts to a new folder."""
    folder.mkdir()
    (folder / _TEXTS).write_text(json.dumps(texts))


def save_images(folder: Path, images: Iterable[bytes]) -> None:
    """Writes JPEG, PNG, WebP, GIF or BMP files to a new folder, one by one."""
    (folder / _IMAGES).mkdir(parents=True)
    for row, data in enumerate(images):
        (folder / _IMAGES / str(row)).write_bytes(data)


def load(folder: Path, count: int) -> Contents:
    """What was written.

    Args:
        folder: of the contents.
        count: how many examples there are.

    Returns:
        The texts, or the paths of the image files, one for each example.

    Raises:
        InvalidInput: there is not one for each.
    """
    found: Contents
    if (folder / _TEXTS).exists():
        found = json.loads((folder / _TEXTS).read_text())
    else:
        found = sorted((folder / _IMAGES).iterdir(), key=lambda path: int(path.name))
    if len(found) != count:
        raise InvalidInput(f"{len(found)} contents come with {count} examples; give one text or image for each")
    return found
