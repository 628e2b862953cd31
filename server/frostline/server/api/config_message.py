"""Collections as messages, and the parts of such messages that are numbers."""

from collections.abc import Mapping, Sequence

from frostline.server.api import convert
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import Durability, IndexKind, VectorField
from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.errors import InvalidInput
from frostline.v1 import collection_pb2 as pb
from frostline.v1.embedding_pb2 import Prompt

_INDEX_KINDS = {
    IndexKind.AUTO: pb.INDEX_KIND_AUTO,
    IndexKind.FLAT: pb.INDEX_KIND_FLAT,
    IndexKind.IVF_PQ: pb.INDEX_KIND_IVF_PQ,
    IndexKind.HNSW: pb.INDEX_KIND_HNSW,
    IndexKind.RABITQ: pb.INDEX_KIND_RABITQ,
}
_DURABILITIES = {Durability.FULL: pb.DURABILITY_FULL, Durability.RELAXED: pb.DURABILITY_RELAXED}
_FIELD_KINDS = {
    FieldKind.KEYWORD: pb.FIELD_KIND_KEYWORD,
    FieldKind.INTEGER: pb.FIELD_KIND_INTEGER,
    FieldKind.FLOAT: pb.FIELD_KIND_FLOAT,
    FieldKind.BOOLEAN: pb.FIELD_KIND_BOOLEAN,
    FieldKind.TIMESTAMP: pb.FIELD_KIND_TIMESTAMP,
    FieldKind.GEO: pb.FIELD_KIND_GEO,
}

_INDEX_KIND_OF: dict[int, IndexKind] = {number: kind for kind, number in _INDEX_KINDS.items()}
_DURABILITY_OF: dict[int, Durability] = {number: durability for durability, number in _DURABILITIES.items()}
_FIELD_KIND_OF: dict[int, FieldKind] = {number: kind for kind, number in _FIELD_KINDS.items()}

_DEFAULT_MIN_RECALL = 0.95


def index_kind(number: int) -> IndexKind:
    """Reads how vectors are indexed."""
    return convert.known(_INDEX_KIND_OF, number or pb.INDEX_KIND_AUTO, "index")


def index_kind_number(kind: IndexKind) -> pb.IndexKind.ValueType:
    """Writes how vectors are indexed."""
    return _INDEX_KINDS[kind]


def durability(number: int) -> Durability:
    """Reads what an acknowledged write survives."""
    return convert.known(_DURABILITY_OF, number or pb.DURABILITY_FULL, "durability")


def min_recall(value: float) -> float:
    """Reads the recall that an index must have.

    Raises:
        InvalidInput: no share.
    """
    if not 0 <= value <= 1:
        raise InvalidInput(f"min_recall {value:g} is out of range; take one above 0 and at most 1, or 0 for 0.95")
    return round(value, 6) or _DEFAULT_MIN_RECALL  # float32 has no 0.95


def indexed_fields(messages: Sequence[pb.IndexedField]) -> tuple[IndexedField, ...]:
    """Reads the payload fields that are indexed.

    Raises:
        InvalidInput: a path is not one, or a kind is missing.
    """
    for message in messages:
        if not message.kind:
            raise InvalidInput(f"field {message.path[:80]!r} has no kind; say what it holds, like KEYWORD or INTEGER")
    return tuple(
        IndexedField(path=message.path, kind=convert.known(_FIELD_KIND_OF, message.kind, "kind of a field"))
        for message in messages
    )


def collection_message(collection: Collection, aliases: Mapping[str, str]) -> pb.Collection:
    """Describes a collection. Blocks: it asks the disk.

    Args:
        collection: any.
        aliases: name of a collection by alias, of all collections.
    """
    config = collection.config
    message = pb.Collection(
        name=f"collections/{config.id}",
        description=config.description,
        vectors=[_vector_field(field) for field in config.vectors],
        keep_content=config.keep_content,
        fields=[pb.IndexedField(path=field.path, kind=_FIELD_KINDS[field.kind]) for field in config.fields],
        index=_INDEX_KINDS[config.index],
        min_recall=config.min_recall,
        recall=collection.recall,
        durability=_DURABILITIES[config.durability],
        aliases=sorted(f"collections/{alias}" for alias, name in aliases.items() if name == config.id),
        record_count=collection.count(),
        sequence=collection.sequence,
        size_bytes=collection.size_bytes(),
    )
    message.create_time.FromDatetime(config.create_time)
    return message


def _vector_field(field: VectorField) -> pb.VectorField:
    return pb.VectorField(
        name=field.name,
        encoder=f"encoders/{field.encoder}" if field.encoder else "",
        layer=field.space.layer,
        dimensions=field.space.dimensions,
        normalize=field.space.normalize,
        metric=convert.metric_number(field.metric),
        document_prompt=Prompt(literal=field.document_prompt),
        query_prompt=Prompt(literal=field.query_prompt),
        space=convert.space_message(field.space),
    )
