"""What a collection is asked to be, as messages."""

from collections.abc import Mapping, Sequence

from frostline.client._names import DURABILITIES, FIELD_KINDS, INDEX_KINDS, METRICS, number_of
from frostline.client._to_wire import encoder_path, literal, number, unicode, whole
from frostline.client.errors import InvalidInput
from frostline.client.resources import VectorField
from frostline.v1 import collection_pb2 as v1

DEFAULT = "default"
"""Name of the vector of a collection that names none."""


def vector_messages(one: VectorField, several: Mapping[str, VectorField] | None) -> list[v1.VectorField]:
    """The vectors of a new collection.

    Args:
        one: the vector that the caller described by single arguments.
        several: the named vectors, instead of it.

    Raises:
        InvalidInput: both are given, or what the wire cannot hold.
    """
    if several is None:
        return [_vector_message(DEFAULT, one)]
    if one != VectorField():
        raise InvalidInput(
            "vectors excludes encoder, dimensions, metric, layer, normalize and prompts; give those to each VectorField"
        )
    return [_vector_message(name, field) for name, field in several.items()]


def field_messages(fields: Mapping[str, str]) -> list[v1.IndexedField]:
    """Payload fields that are indexed.

    Raises:
        InvalidInput: a kind is unknown.
    """
    return [
        v1.IndexedField(path=unicode(path), kind=number_of(FIELD_KINDS, kind, f"kind of field {path!r}:"))
        for path, kind in fields.items()
    ]


def prompt_messages(prompts: str | Mapping[str, str]) -> Sequence[v1.VectorField]:
    """New query prompts: of the default vector, or by name.

    Raises:
        InvalidInput: one is no text.
    """
    named = {DEFAULT: prompts} if isinstance(prompts, str) else prompts
    return [v1.VectorField(name=unicode(name), query_prompt=literal(prompt)) for name, prompt in named.items()]


def index_number(name: str) -> v1.IndexKind.ValueType:
    """A kind of index.

    Raises:
        InvalidInput: it is unknown.
    """
    return number_of(INDEX_KINDS, name, "index")


def durability_number(name: str) -> v1.Durability.ValueType:
    """A durability.

    Raises:
        InvalidInput: it is unknown.
    """
    return number_of(DURABILITIES, name, "durability")


def recall_number(recall: float) -> float:
    """A recall to promise.

    Raises:
        InvalidInput: it is not above 0 and at most 1.
    """
    if not 0 < number(recall, "min_recall") <= 1:
        raise InvalidInput(f"min_recall {recall!r} must be above 0 and at most 1")
    return recall


def _vector_message(name: str, field: VectorField) -> v1.VectorField:
    return v1.VectorField(
        name=unicode(name),
        encoder=encoder_path(field.encoder) if field.encoder else "",
        layer=unicode(field.layer),
        dimensions=whole(field.dimensions, "dimensions"),
        normalize=field.normalize,
        metric=number_of(METRICS, field.metric, "metric"),
        document_prompt=literal(field.document_prompt),
        query_prompt=literal(field.query_prompt),
    )
