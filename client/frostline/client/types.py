"""What goes into the client and comes out: plain, frozen, without a trace of gRPC."""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, Literal

import grpc
import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[np.floating[Any]]
"""An array of floating point numbers; sent as float32."""

Input = str | bytes | Path | Floats
"""A text, the bytes of an image file, the path of an image file, or a vector of shape (d,)."""

Dtype = Literal["float32", "float16", "int8", "binary"]
Truncate = Literal["right", "left", "error"]
Metric = Literal["cosine", "dot", "euclidean"]


@dataclass(frozen=True, slots=True)
class RecordId:
    """Searches for what is close to a record of the collection, which is left out of its own hits.

    Attributes:
        id: the record's id.
    """

    id: str


Query = Input | RecordId
"""What is searched for: an input, or a record of the collection."""


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """What makes vectors comparable: two vectors may meet only where all fields are equal.

    Attributes:
        fingerprint: hash of all that changes the encoder's output; empty for plain vectors.
        layer: the depth of the encoder that was taken; empty for plain vectors.
        pooling: how token embeddings were pooled: `none`, `mean`, `cls`, `last_token`.
        dimensions: length of a vector.
        normalize: whether vectors have unit length.
    """

    fingerprint: str
    layer: str
    pooling: str
    dimensions: int
    normalize: bool


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why one item of a batch failed while the others went on.

    Attributes:
        index: position of the item in what was passed, from 0.
        code: the status the item would have failed with alone.
        reason: why, in UPPER_SNAKE case.
        message: what is wrong, which value, and what to do.
    """

    index: int
    code: grpc.StatusCode
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the server's time went, summed over the calls behind one answer; all in seconds.

    Attributes:
        queue_seconds: waiting for a place in a batch.
        prepare_seconds: tokenizing texts or decoding images.
        inference_seconds: running the encoder.
        search_seconds: searching the vector index and reading the hits' payloads.
        write_seconds: writing to disk, the sync included.
    """

    queue_seconds: float = 0.0
    prepare_seconds: float = 0.0
    inference_seconds: float = 0.0
    search_seconds: float = 0.0
    write_seconds: float = 0.0

    def __add__(self, other: "Timings") -> "Timings":
        return Timings(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """The vectors of n inputs; usable as an array of shape (n, d).

    Attributes:
        vectors: float32 of shape (n, d), also where they travelled as another dtype; rows of failed inputs are zero.
        errors: the inputs that failed, by index.
        space: the space all rows live in.
        token_counts: tokens read of each input, special tokens included; 0 for images, vectors and failed inputs.
        truncated: for each input, whether text was cut away.
        timings: where the server's time went.
    """

    vectors: NDArray[np.float32]
    errors: dict[int, ItemError]
    space: EmbeddingSpace
    token_counts: list[int]
    truncated: list[bool]
    timings: Timings

    def __repr__(self) -> str:
        failed = f", {len(self.errors)} failed" if self.errors else ""
        return f"<Embeddings {' x '.join(map(str, self.vectors.shape))} float32{failed}>"

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        row: NDArray[np.float32] = self.vectors[index]
        return row

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return iter(self.vectors)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.vectors, dtype, copy=True) if copy else np.asarray(self.vectors, dtype)


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a collection.

    Attributes:
        id: 1 to 512 bytes of UTF-8.
        text: the text it is made from.
        image: the image file it is made from: its bytes, or a path that is read when the record is sent.
        vector: of shape (d,), instead of a text or image or beside it. No part of equality.
        payload: the user's data, anything JSON can hold.
        space: the space `vector` comes from; checked against the collection's when set.
        sequence: the commit that wrote it; set on records that come from the server. No part of equality.
    """

    id: str
    text: str | None = None
    image: bytes | Path | None = None
    vector: Floats | None = field(default=None, compare=False)
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])
    space: EmbeddingSpace | None = None
    sequence: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Upserted:
    """What became of records that were written. What is counted here is on the server's disk.

    Attributes:
        count: records written; of several with one id in one request the last counts.
        errors: the records that were refused, by index.
        sequence: the last commit.
        timings: where the server's time went.
    """

    count: int
    errors: dict[int, ItemError]
    sequence: int
    timings: Timings


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that was found.

    Attributes:
        id: the record's id.
        score: how close it is; higher is closer.
        payload: the record's payload; empty where it was not asked for.
    """

    id: str
    score: float
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SearchResults:
    """The hits of q queries; `results[i]` are those of query i.

    Attributes:
        hits: for each query its hits, closest first; none for a query that failed.
        errors: the queries that failed, by index.
        sequence: the search saw every commit up to this one.
        timings: where the server's time went.
    """

    hits: list[list[Hit]]
    errors: dict[int, ItemError]
    sequence: int
    timings: Timings

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, index: int) -> list[Hit]:
        return self.hits[index]

    def __iter__(self) -> Iterator[list[Hit]]:
        return iter(self.hits)
