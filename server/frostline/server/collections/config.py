"""What a collection is, apart from its records."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from frostline.server.encoders.space import EmbeddingSpace


class Metric(StrEnum):
    """How close two vectors are; a higher score is always closer."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"


class CollectionConfig(BaseModel):
    """What a collection is; kept as JSON in its file.

    Attributes:
        id: its name: lower-case letters, digits, hyphens and underscores, at most 63.
        description: what it holds, for people.
        encoder: name of the encoder; empty for plain vectors.
        space: the space every vector of the collection lives in.
        metric: how close two vectors are.
        document_prompt: the prefix put before each stored text, literally.
        query_prompt: the prefix put before each text searched for, literally.
        keep_content: whether texts and images are kept.
        create_time: when it was created, with a time zone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    description: str = ""
    encoder: str = ""
    space: EmbeddingSpace
    metric: Metric = Metric.COSINE
    document_prompt: str = ""
    query_prompt: str = ""
    keep_content: bool = True
    create_time: datetime
