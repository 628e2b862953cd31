"""Texts and images of a source, without labels."""

from pathlib import Path

from frostline.indexer.errors import BadSource
from frostline.indexer.images import image_names
from frostline.indexer.options import IndexOptions
from frostline.indexer.rows import Position, Rejection
from frostline.indexer.sources import open_source


def read_contents(source: str, *, text_field: str = "", image_field: str = "", most: int) -> list[str | bytes | Path]:
    """Reads texts or images, evenly over the source where there are too many.

    Args:
        source: the path of a file (`.jsonl`, `.ndjson`, `.csv`, `.parquet`), or of a folder of images.
        text_field: the field with the text; `text` where neither this nor `image_field` is given.
        image_field: the field with an image, see `IndexOptions`.
        most: the most that are wanted.

    Raises:
        BadSource: there is no such source, a row holds neither (says which), or there are none.
        MissingExtra: a library that it needs is not installed.
    """
    folder = Path(source)
    found: list[str | bytes | Path]
    if folder.is_dir():
        found = [folder / name for name in image_names(folder)]
    else:
        found = _of_rows(source, IndexOptions(collection="", text_field=text_field, image_field=image_field))
    if not found:
        raise BadSource(f"{source} holds no texts or images")
    count = min(most, len(found))
    return [found[place * len(found) // count] for place in range(count)]


def _of_rows(source: str, options: IndexOptions) -> list[str | bytes | Path]:
    found: list[str | bytes | Path] = []
    for row in open_source(source, options).rows(Position()):
        record = row.record
        if isinstance(record, Rejection):
            raise BadSource(f"row {row.number} of {source} has no text or image: {record.message}")
        content = record.image if record.text is None else record.text
        if content is not None:
            found.append(content)
    return found
