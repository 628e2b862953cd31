"""How a collection lies in a Parquet file: columns, and the whole configuration as metadata.

    id            string
    payload       string       JSON
    text          string       null where there is none
    image         binary       null where there is none
    vector:NAME   float32[d]   one column for each vector name; null where a record lacks it

The schema's metadata holds `frostline`: JSON with the format's number and the collection as the client describes it,
each vector with its embedding space.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from frostline.client import Collection, Durability, EmbeddingSpace, FieldKind, IndexKind, Metric, VectorField
from frostline.indexer.errors import BadSource, MissingExtra

if TYPE_CHECKING:
    from pyarrow import Schema

_KEY = b"frostline"
_FORMAT = 1
_MOST_DIMENSIONS = 65_536
_MOST_VECTORS = 16
_NOT_KEPT = ("aliases", "record_count", "sequence", "size_bytes", "create_time")


@dataclass(frozen=True, slots=True)
class Archived:
    """The collection that a file holds.

    Attributes:
        name: what it was called.
        description: what it holds, for people.
        vectors: its vectors by name, each with its space.
        keep_content: whether texts and images are kept.
        fields: the payload fields that are indexed.
        index: how vectors are indexed.
        min_recall: the recall that the index must have.
        durability: what an acknowledged write survives.
    """

    name: str
    description: str
    vectors: dict[str, VectorField]
    keep_content: bool
    fields: dict[str, FieldKind]
    index: IndexKind
    min_recall: float
    durability: Durability


def column(vector_name: str) -> str:
    """The column of a vector name."""
    return f"vector:{vector_name}"


def schema_of(collection: Collection) -> "Schema":
    """The schema of a file that holds a collection.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    described = {name: value for name, value in asdict(collection).items() if name not in _NOT_KEPT}
    metadata = json.dumps({"format": _FORMAT, "collection": described}, ensure_ascii=False)
    schema: Any = _schema(collection.vectors)
    made: Schema = schema.with_metadata({_KEY: metadata.encode()})
    return made


def archived(schema: "Schema", path: Path) -> Archived:
    """Reads which collection a file holds.

    Raises:
        BadSource: it was not written by `frostline export`, or is damaged; says in what.
    """
    metadata = cast("Mapping[bytes, bytes]", schema.metadata or {})
    if _KEY not in metadata:
        raise BadSource(
            f"{path} was not written by `frostline export`: its schema has no metadata `frostline`; "
            "`frostline index` reads other Parquet files"
        )
    try:
        found = json.loads(metadata[_KEY])
        if found["format"] != _FORMAT:
            raise BadSource(f"{path} has format {found['format']!r}; this Frostline reads {_FORMAT}; update it")
        collection = _collection(found["collection"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadSource(f"{path} does not say rightly which collection it holds: {error!r}; export it again") from error
    expected, actual = _types(_schema(collection.vectors)), _types(schema)
    odd = next((name for name in (*expected, *actual) if expected.get(name) != actual.get(name)), None)
    if odd is not None:
        raise BadSource(
            f"{path} has column {odd!r} of type {actual.get(odd, 'none')}, and its metadata says "
            f"{expected.get(odd, 'none')}; export it again"
        )
    return collection


def _types(schema: Any) -> dict[str, object]:  # noqa: ANN401 - untyped library
    return {field.name: field.type for field in schema}


def _schema(vectors: Mapping[str, VectorField]) -> "Schema":
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtra("Parquet files need pyarrow; run: pip install 'frostline[indexer]'") from error
    fields: list[Any] = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("payload", pa.string(), nullable=False),
        pa.field("text", pa.string()),
        pa.field("image", pa.binary()),
    ]
    for name, each in vectors.items():
        fields.append(pa.field(column(name), pa.list_(pa.float32(), each.space.dimensions)))
    return pa.schema(fields)


def _collection(found: Mapping[str, Any]) -> Archived:
    vectors = {name: _vector_field(each) for name, each in found["vectors"].items()}
    if not 1 <= len(vectors) <= _MOST_VECTORS:
        raise ValueError(f"{len(vectors)} vectors")
    return Archived(
        name=_checked(found["name"], str),
        description=_checked(found["description"], str),
        vectors=vectors,
        keep_content=_checked(found["keep_content"], bool),
        fields={_checked(path, str): _one_of(kind, FieldKind) for path, kind in found["fields"].items()},
        index=_one_of(found["index"], IndexKind),
        min_recall=_checked(found["min_recall"], float | int),
        durability=_one_of(found["durability"], Durability),
    )


def _vector_field(found: Mapping[str, Any]) -> VectorField:
    space = found["space"]
    dimensions = _checked(space["dimensions"], int)
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise ValueError(f"{dimensions} dimensions")
    return VectorField(
        encoder=_checked(found["encoder"], str),
        dimensions=dimensions,
        metric=_one_of(found["metric"], Metric),
        layer=_checked(space["layer"], str),
        normalize=_checked(space["normalize"], bool),
        document_prompt=_checked(found["document_prompt"], str | None),
        query_prompt=_checked(found["query_prompt"], str | None),
        space=EmbeddingSpace(
            fingerprint=_checked(space["fingerprint"], str),
            layer=_checked(space["layer"], str),
            pooling=_checked(space["pooling"], str),
            dimensions=dimensions,
            normalize=_checked(space["normalize"], bool),
        ),
    )


def _checked(value: Any, kind: Any) -> Any:  # noqa: ANN401 - what JSON holds
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is of type {type(value).__name__}")
    return value


def _one_of(value: Any, kind: Any) -> Any:  # noqa: ANN401 - what JSON holds
    if value not in get_args(kind):
        raise ValueError(f"{value!r} is none of {', '.join(get_args(kind))}")
    return value
