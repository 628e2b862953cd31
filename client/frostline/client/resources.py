"""What a server keeps under a name: encoders, collections and snapshots."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from frostline.client.types import EmbeddingSpace, Metric

FieldKind = Literal["keyword", "integer", "float", "boolean", "timestamp", "geo"]
IndexKind = Literal["auto", "flat", "ivf_pq", "hnsw", "rabitq"]
Durability = Literal["full", "relaxed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check of an encoder.

    Attributes:
        name: what was checked.
        passed: whether it held.
        detail: the figure, or what differs.
    """

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Layer:
    """A depth of an encoder whose output can be taken as an embedding.

    Attributes:
        name: as `embed(layer=...)` takes it.
        dimensions: length of its vectors.
    """

    name: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class Encoder:
    """A frozen model.

    Attributes:
        name: its name.
        modality: what it takes: `text` or `image`.
        fingerprint: hash of all that changes its output.
        default_space: the space of its vectors when nothing is asked for.
        layers: the depths that can be asked for, shallow to deep.
        max_tokens: the most tokens of a text, special tokens included; 0 for images.
        prompts: its prompts by name.
        license: licence of the weights, an SPDX identifier where there is one.
        source: where the weights came from.
        device: where it runs: `cpu`, `cuda:0`.
        size_bytes: size of its files in bytes.
        checks: what was checked when it was added; only in the answer of `add_encoder`.
    """

    name: str
    modality: str
    fingerprint: str
    default_space: EmbeddingSpace
    layers: tuple[Layer, ...]
    max_tokens: int
    prompts: dict[str, str]
    license: str
    source: str
    device: str
    size_bytes: int
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class VectorField:
    """One of the vectors each record of a collection may have.

    Attributes:
        encoder: name of the encoder that makes it; empty for plain vectors.
        dimensions: length of a vector; with an encoder, the first so many are kept, and 0 keeps all.
        metric: how close two vectors are.
        layer: the encoder's depth to take; its default when empty.
        normalize: whether the encoder's vectors get unit length; its default when None.
        document_prompt: put before each text that is stored, word for word; the encoder's when None.
        query_prompt: put before each text that is searched for, word for word; the encoder's when None.
        space: the space every vector of this name lives in; set by the server, of no use when creating. No part of
            equality.
    """

    encoder: str = ""
    dimensions: int = 0
    metric: Metric = "cosine"
    layer: str = ""
    normalize: bool | None = None
    document_prompt: str | None = None
    query_prompt: str | None = None
    space: EmbeddingSpace = field(default=EmbeddingSpace("", "", "none", 0, False), compare=False)


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of records, each with a vector or several.

    Attributes:
        name: its name.
        description: what it holds, for people.
        vectors: its vectors by name; the first is meant where a call names none.
        keep_content: whether the text and image of a record are kept.
        fields: the payload fields that are indexed, and what each holds.
        index: how vectors are indexed.
        min_recall: the recall at 10 that the index must have.
        recall: the recall at 10 that was last measured without a filter; 1 where every record is compared.
        durability: what an acknowledged write survives: `full` a power cut, `relaxed` the end of the process.
        aliases: other names that lead here.
        record_count: records in it.
        sequence: number of the last commit.
        size_bytes: size on disk in bytes.
        create_time: when it was created, in UTC.
    """

    name: str
    description: str
    vectors: dict[str, VectorField]
    keep_content: bool
    fields: dict[str, str]
    index: str
    min_recall: float
    recall: float
    durability: str
    aliases: tuple[str, ...]
    record_count: int
    sequence: int
    size_bytes: int
    create_time: datetime

    @property
    def encoder(self) -> str:
        """Name of the encoder of the first vector; empty for plain vectors."""
        return next(iter(self.vectors.values())).encoder


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A collection as of one commit, kept on the server.

    Attributes:
        name: its name, chosen by the server.
        collection: name of the collection it was made of, which may be gone.
        sequence: the commit.
        record_count: records in it.
        size_bytes: size on disk in bytes.
        create_time: when it was made, in UTC.
    """

    name: str
    collection: str
    sequence: int
    record_count: int
    size_bytes: int
    create_time: datetime
