"""What a collection is, apart from its records."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from frostline.server.collections.fields import IndexedField
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import NotFound

DEFAULT_VECTOR = "default"
"""The name of a vector where none is given."""
MAX_VECTORS = 16
"""The most vectors of a record; a vector's slot takes four bits of its key."""


class Metric(StrEnum):
    """How close two vectors are; a higher score is always closer."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"


class IndexKind(StrEnum):
    """How the vectors of large collections are indexed; see `IndexKind` in the contract."""

    AUTO = "auto"
    FLAT = "flat"
    IVF_PQ = "ivf_pq"
    HNSW = "hnsw"
    RABITQ = "rabitq"


class Durability(StrEnum):
    """What an acknowledged write survives: a power cut, or the end of the process only."""

    FULL = "full"
    RELAXED = "relaxed"


class VectorField(BaseModel):
    """One of the vectors each record may have.

    Attributes:
        name: unique in its collection.
        encoder: name of the encoder; empty for plain vectors.
        space: the space every vector of this name lives in.
        metric: how close two vectors are.
        document_prompt: the prefix put before each stored text, literally.
        query_prompt: the prefix put before each text searched for, literally.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = DEFAULT_VECTOR
    encoder: str = ""
    space: EmbeddingSpace
    metric: Metric = Metric.COSINE
    document_prompt: str = ""
    query_prompt: str = ""


class CollectionConfig(BaseModel):
    """What a collection is; kept as JSON in its file.

    Attributes:
        id: its name: lower-case letters, digits, hyphens and underscores, at most 63.
        description: what it holds, for people.
        vectors: the vectors of a record; the position of one is its slot.
        keep_content: whether texts and images are kept; keyword search needs them.
        fields: the payload fields that are indexed.
        index: how vectors are indexed.
        min_recall: the recall at 10 that an index must have.
        durability: what an acknowledged write survives.
        create_time: when it was created, with a time zone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    description: str = ""
    vectors: Annotated[tuple[VectorField, ...], Field(min_length=1, max_length=MAX_VECTORS)]
    keep_content: bool = True
    fields: tuple[IndexedField, ...] = ()
    index: IndexKind = IndexKind.AUTO
    min_recall: float = Field(default=0.95, gt=0, le=1)
    durability: Durability = Durability.FULL
    create_time: datetime

    def slot(self, vector_name: str = "") -> int:
        """The position of a vector by its name; that of the first where the name is empty.

        Raises:
            NotFound: there is none; names those there are.
        """
        for slot, field in enumerate(self.vectors):
            if vector_name in ("", field.name):
                return slot
        names = ", ".join(field.name for field in self.vectors)
        raise NotFound(f"collection {self.id!r} has no vector {vector_name[:80]!r}; it has {names}")
