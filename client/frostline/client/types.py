"""What goes into the client and comes out: plain, frozen, without a trace of gRPC."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
        return Timings(
            self.queue_seconds + other.queue_seconds,
            self.prepare_seconds + other.prepare_seconds,
            self.inference_seconds + other.inference_seconds,
            self.search_seconds + other.search_seconds,
            self.write_seconds + other.write_seconds,
        )


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

    Vectors are computed from the content where they are absent: those of encoders of texts from `text`, those of
    encoders of images from `image`.

    Attributes:
        id: 1 to 512 bytes of UTF-8.
        text: its text; keyword searches find it by its words.
        image: its image file: the bytes, or a `pathlib.Path` that is read when the record is sent.
        vector: of shape (d,), the first vector of its collection. No part of equality.
        vectors: further vectors by name. No part of equality.
        payload: the user's data, anything JSON can hold.
        space: the space `vector` comes from; checked against the collection's when set.
        sequence: the commit that wrote it; set on records that come from the server. No part of equality.
        expected_sequence: on writing, a condition: 0 writes the record only if none has its id, another number only if
            the stored one still has this `sequence`; else the record is refused with the reason CONFLICT. No part of
            equality.
    """

    id: str
    text: str | None = None
    image: bytes | Path | None = None
    vector: Floats | None = field(default=None, compare=False)
    vectors: Mapping[str, Floats] = field(default_factory=dict[str, Floats], compare=False)
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])
    space: EmbeddingSpace | None = None
    sequence: int = field(default=0, compare=False)
    expected_sequence: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PayloadPatch:
    """A change of one record's payload.

    Attributes:
        id: the record's id.
        patch: a JSON merge patch (RFC 7396): fields given replace those stored, None removes one, mappings are merged.
        expected_sequence: patches only if the record still has this `sequence`; refused with CONFLICT otherwise.
    """

    id: str
    patch: Mapping[str, Any]
    expected_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Interaction:
    """What a user did with a record; it replaces the earlier one of the same user, record and kind.

    Attributes:
        user: 1 to 512 bytes of UTF-8, chosen by the caller.
        record: id of the record, which must exist.
        weight: how much it counts, below 0 for dislike.
        time: when it happened, in seconds since the epoch; when the server records it, if None.
        kind: tells interactions of the same user and record apart, `view` from `rating`: at most 64 bytes of UTF-8.
        sequence: the commit that wrote it; set on interactions that come from the server. No part of equality.
    """

    user: str
    record: str
    weight: float = 1.0
    time: float | None = None
    kind: str = ""
    sequence: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of interactions. What is counted here is as durable as the collection says.

    Attributes:
        count: interactions recorded; of several of one user, record and kind in one request the last counts.
        errors: the interactions that were refused, by index; NOT_FOUND where the record does not exist.
        sequence: the last commit.
    """

    count: int
    errors: dict[int, ItemError]
    sequence: int


@dataclass(frozen=True, slots=True)
class Upserted:
    """What became of records that were written. What is counted here is as durable as the collection says.

    Attributes:
        count: records written; of several with one id in one request the last counts.
        errors: the records that were refused, by index.
        sequence: the last commit; `min_sequence` of a search waits for it.
        timings: where the server's time went.
        unchanged: with `skip_unchanged`, records passed over because they are stored as they came.
        reused: with `skip_unchanged`, of the records written those that kept their vectors.
    """

    count: int
    errors: dict[int, ItemError]
    sequence: int
    timings: Timings
    unchanged: int = 0
    reused: int = 0


@dataclass(frozen=True, slots=True)
class Patched:
    """What became of changes of payloads.

    Attributes:
        count: records changed.
        errors: the changes that were refused, by index; NOT_FOUND where no record has the id.
        sequence: the last commit; `min_sequence` of a search waits for it.
    """

    count: int
    errors: dict[int, ItemError]
    sequence: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of a deletion.

    Attributes:
        count: records, or interactions, deleted; ids that did not exist are not counted.
        sequence: the last commit; `min_sequence` of a search waits for it.
    """

    count: int
    sequence: int
