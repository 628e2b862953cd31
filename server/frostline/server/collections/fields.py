"""Payload fields that a collection declares, so that filters on them are answered from an index."""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, field_validator

from frostline.server.errors import InvalidInput

MAX_FIELDS = 64
MAX_PATH_PARTS = 8
MAX_PATH_BYTES = 256


class FieldKind(StrEnum):
    """Which values of a field are indexed; others stay in the payload and are found by reading it."""

    KEYWORD = "keyword"  # strings
    INTEGER = "integer"  # whole numbers of 64 bits; 5.0 is one
    FLOAT = "float"  # numbers that a double holds exactly
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"  # strings of RFC 3339
    GEO = "geo"  # objects {"lat": degrees, "lon": degrees}


class IndexedField(BaseModel):
    """A declared field.

    Attributes:
        path: keys from the payload down, joined by dots; arrays on the way are passed through.
        kind: which of its values are indexed.

    Raises:
        InvalidInput: the path has an empty part, more than 8 parts or more than 256 bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    kind: FieldKind

    @field_validator("path")
    @classmethod
    def _check_path(cls, path: str) -> str:
        size = len(path.encode(errors="surrogatepass"))
        shown = repr(path if len(path) <= 80 else f"{path[:77]}...")
        if size > MAX_PATH_BYTES:
            raise InvalidInput(f"field path {shown} has {size} bytes; take at most {MAX_PATH_BYTES}")
        parts = path.split(".")
        if "" in parts:
            raise InvalidInput(f"field path {shown} has an empty part; join keys by single dots, like 'author.name'")
        if len(parts) > MAX_PATH_PARTS:
            raise InvalidInput(f"field path {shown} has {len(parts)} parts; take at most {MAX_PATH_PARTS}")
        if not path.isprintable():
            raise InvalidInput(f"field path {shown} holds unprintable characters; take the key as it is in the payload")
        return path

    @property
    def parts(self) -> tuple[str, ...]:
        """The keys of the path, outermost first."""
        return tuple(self.path.split("."))


def check_fields(fields: Sequence[IndexedField]) -> None:
    """Checks the fields that one collection declares.

    Raises:
        InvalidInput: more than 64, or one path twice.
    """
    if len(fields) > MAX_FIELDS:
        raise InvalidInput(f"{len(fields)} fields are declared; take at most {MAX_FIELDS}")
    seen: set[str] = set()
    for field in fields:
        if field.path in seen:
            raise InvalidInput(f"field {field.path!r} is declared twice; keep one kind of it")
        seen.add(field.path)
