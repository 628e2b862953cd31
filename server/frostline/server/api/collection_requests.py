"""What callers ask a collection to be: a new one's configuration, and changes of an old one's."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from frostline.server.api import config_message, convert
from frostline.server.collections.config import (
    DEFAULT_VECTOR,
    MAX_VECTORS,
    CollectionConfig,
    VectorField,
)
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import InvalidInput
from frostline.v1 import collection_pb2 as pb
from frostline.v1.embedding_pb2 import Prompt

_QUERY_PROMPT = "vectors.query_prompt"


class CollectionRequests:
    """Reads what collections shall be.

    Args:
        registry: the encoders.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def new(self, collection_id: str, asked: pb.Collection) -> CollectionConfig:
        """Reads a new collection.

        Args:
            collection_id: its name.
            asked: what it shall be.

        Raises:
            InvalidInput: it makes no sense; says why.
            NotFound: an encoder, a layer or a prompt does not exist.
        """
        if not 1 <= len(asked.vectors) <= MAX_VECTORS:
            raise InvalidInput(
                f"a collection has 1 to {MAX_VECTORS} vectors, not {len(asked.vectors)}; each names an encoder, "
                "or gives the dimensions of plain vectors"
            )
        return CollectionConfig(
            id=collection_id,
            description=asked.description,
            vectors=tuple(self._vector_field(field) for field in asked.vectors),
            keep_content=asked.keep_content if asked.HasField("keep_content") else True,
            fields=config_message.indexed_fields(asked.fields),
            index=config_message.index_kind(asked.index),
            min_recall=config_message.min_recall(asked.min_recall),
            durability=config_message.durability(asked.durability),
            create_time=datetime.now(UTC),
        )

    def changes(self, paths: Sequence[str], asked: pb.Collection, config: CollectionConfig) -> dict[str, Any]:
        """Reads changes of a collection.

        Args:
            paths: of the fields to change.
            asked: their new values.
            config: what the collection is.

        Returns:
            Values by name of the field in `CollectionConfig`.

        Raises:
            InvalidInput: a field cannot be changed, or not so.
            NotFound: the collection has no such vector, or its encoder no such prompt.
        """
        readers: dict[str, Callable[[], tuple[str, Any]]] = {
            "description": lambda: ("description", asked.description),
            "fields": lambda: ("fields", config_message.indexed_fields(asked.fields)),
            "index": lambda: ("index", config_message.index_kind(asked.index)),
            "min_recall": lambda: ("min_recall", config_message.min_recall(asked.min_recall)),
            "durability": lambda: ("durability", config_message.durability(asked.durability)),
            _QUERY_PROMPT: lambda: ("vectors", self._with_query_prompts(asked, config)),
        }
        if not paths or not readers.keys() >= set(paths):
            raise InvalidInput(f"update_mask {list(paths)} cannot be applied; name some of {', '.join(readers)}")
        return dict(readers[path]() for path in paths)

    def _vector_field(self, asked: pb.VectorField) -> VectorField:
        name, metric = asked.name or DEFAULT_VECTOR, convert.metric(asked.metric)
        if not asked.encoder:
            return VectorField(name=name, space=_plain_space(asked, name), metric=metric)
        manifest = self._registry.get(convert.resource_id(asked.encoder, "encoders")).manifest
        normalize = asked.normalize if asked.HasField("normalize") else None
        prompts = manifest.prompts
        return VectorField(
            name=name,
            encoder=manifest.name,
            space=manifest.space(asked.layer, asked.dimensions, normalize),
            metric=metric,
            document_prompt=convert.prompt(asked.document_prompt, prompts, prompts.get("document", "")),
            query_prompt=convert.prompt(asked.query_prompt, prompts, prompts.get("query", "")),
        )

    def _with_query_prompts(self, asked: pb.Collection, config: CollectionConfig) -> tuple[VectorField, ...]:
        if not asked.vectors:
            raise InvalidInput(f"{_QUERY_PROMPT} needs the vectors whose prompts shall change, each with its name")
        fields = list(config.vectors)
        for change in asked.vectors:
            slot = config.slot(change.name)
            prompt = self._query_prompt(change.query_prompt, fields[slot], config.id)
            fields[slot] = fields[slot].model_copy(update={"query_prompt": prompt})
        return tuple(fields)

    def _query_prompt(self, asked: Prompt, field: VectorField, collection_id: str) -> str:
        if not field.encoder:
            raise InvalidInput(
                f"vector {field.name!r} of collection {collection_id!r} holds plain vectors; query_prompt needs an "
                "encoder"
            )
        if asked.HasField("literal"):
            return asked.literal  # needs no encoder, which may be gone
        prompts = self._registry.get(field.encoder).manifest.prompts
        return convert.prompt(asked, prompts, prompts.get("query", ""))


def _plain_space(asked: pb.VectorField, name: str) -> EmbeddingSpace:
    if asked.dimensions <= 0:
        raise InvalidInput(f"vector {name!r} has no encoder, so it needs dimensions: the length of its vectors")
    given = {
        "normalize": asked.normalize,
        "layer": asked.layer,
        "document_prompt": asked.document_prompt.name or asked.document_prompt.literal,
        "query_prompt": asked.query_prompt.name or asked.query_prompt.literal,
    }
    # Values that say nothing are taken: a field that was described by a server can make another collection.
    for option in (option for option, value in given.items() if value):
        raise InvalidInput(f"{option} needs an encoder; name one, or leave {option} out for plain vectors")
    return EmbeddingSpace.plain(asked.dimensions)
