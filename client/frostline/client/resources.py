"""What a server keeps under a name: encoders and collections."""

from dataclasses import dataclass
from datetime import datetime

from frostline.client.types import EmbeddingSpace


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
class Collection:
    """A named set of records whose vectors live in one embedding space.

    Attributes:
        name: its name.
        description: what it holds, for people.
        encoder: name of its encoder; empty for a collection of plain vectors.
        space: the space every vector of it lives in.
        metric: how close two vectors are: `cosine`, `dot`, `euclidean`.
        document_prompt: put before each text that is stored.
        query_prompt: put before each text that is searched for.
        keep_content: whether the text or image of a record is kept.
        record_count: records in it.
        sequence: number of the last commit.
        size_bytes: size on disk in bytes.
        create_time: when it was created, in UTC.
    """

    name: str
    description: str
    encoder: str
    space: EmbeddingSpace
    metric: str
    document_prompt: str
    query_prompt: str
    keep_content: bool
    record_count: int
    sequence: int
    size_bytes: int
    create_time: datetime
