"""What a job is to do."""

from dataclasses import dataclass
from pathlib import Path

from frostline.indexer.errors import BadSource


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """What a job is to do. `text_field` to `payload_fields` are for rows: JSONL, CSV and Parquet.

    Attributes:
        collection: where records go; made if missing and `encoder` is given.
        encoder: of the collection; empty: whatever the existing collection has.
        text_field: the field to embed; `text` where neither this nor `image_field` is given.
        image_field: the field with an image to embed: the path of a file, relative to the source's folder and within
            it, or in Parquet the file's bytes.
        id_field: the field with the record's id, a text or an integer; empty: the source's name and the row number.
        payload_fields: the fields to keep as payload; None: all but the text, image and id.
        work_dir: for the checkpoint and `rejected.jsonl`; `frostline-index/<collection>` where None.
        restart: whether to begin again and forget a checkpoint.
        rewrite: whether rows that are stored as they come are embedded and written all the same.
        max_rejected_first: how many rows may be rejected before the first becomes a record; 0 for any number.
        batch_size: the most rows of a batch; each batch is one commit and one checkpoint.
        batch_bytes: the most bytes of a batch, but for a single larger record.
        max_row_bytes: larger rows and images are rejected.
    """

    collection: str
    encoder: str = ""
    text_field: str = ""
    image_field: str = ""
    id_field: str = ""
    payload_fields: tuple[str, ...] | None = None
    work_dir: Path | None = None
    restart: bool = False
    rewrite: bool = False
    max_rejected_first: int = 1000
    batch_size: int = 128
    batch_bytes: int = 2 << 20
    max_row_bytes: int = 16 << 20

    def __post_init__(self) -> None:
        if self.text_field and self.image_field:
            raise BadSource(
                f"text field {self.text_field!r} and image field {self.image_field!r} exclude each other; give one"
            )
        for name in ("batch_size", "batch_bytes", "max_row_bytes"):
            if getattr(self, name) < 1:
                raise BadSource(f"{name} {getattr(self, name)} is too small; it must be at least 1")
        if self.max_rejected_first < 0:
            raise BadSource(f"max_rejected_first {self.max_rejected_first} is below 0; give 0 for any number")

    @property
    def folder(self) -> Path:
        """Where the job keeps its files."""
        return self.work_dir if self.work_dir is not None else Path("frostline-index") / self.collection

    def option_of(self, field: str) -> str:
        """The option that names a field, as it is called on the command line."""
        if field == self.image_field:
            return "--image-field"
        if field == self.id_field:
            return "--id-field"
        return "--payload-fields" if field in (self.payload_fields or ()) else "--text-field"

    @property
    def chosen_fields(self) -> tuple[str, ...]:
        """The options that only make sense for rows, as they are called on the command line, where given."""
        given = {
            "--text-field": self.text_field,
            "--image-field": self.image_field,
            "--id-field": self.id_field,
            "--payload-fields": self.payload_fields,
        }
        return tuple(name for name, value in given.items() if value)
