"""What is searched for, and what is found."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np
from numpy.typing import NDArray

from frostline.client.types import Floats, Input, ItemError, Timings

SearchMode = Literal["vector", "keyword", "hybrid"]
FusionMethod = Literal["reciprocal_rank", "weighted_score"]


@dataclass(frozen=True, slots=True)
class RecordId:
    """Searches for what is close to a record of the collection, which is left out of its own hits.

    Attributes:
        id: the record's id.
    """

    id: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a combination: exactly one of the first four, and how it counts.

    Attributes:
        text: a text.
        image: an image file, its bytes or a `pathlib.Path`; a str is a text everywhere, and refused here.
        vector: of shape (d,).
        record: id of a record of the collection, which is left out of the hits.
        weight: below 0 to stay away from it.
        vector_name: the vector it is compared with; the search's when empty.
    """

    text: str | None = None
    image: bytes | Path | None = None
    vector: Floats | None = None
    record: str | None = None
    weight: float = 1.0
    vector_name: str = ""


@dataclass(frozen=True, slots=True)
class Combination:
    """Searches for several things together.

    Parts of one vector name become one vector, the weighted sum of parts of unit length; rankings of several vector
    names are put together as the search's `Fusion` says.

    Attributes:
        parts: at most 64.
    """

    parts: Sequence[Part]


Query = Input | RecordId | Combination
"""What is searched for: an input, a record of the collection, or several things together."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """How several rankings become one.

    Attributes:
        method: `reciprocal_rank` sums weight / (rank_constant + rank) (Cormack et al. 2009), so that no score is above
            the sum of weights / (rank_constant + 1): 2/61 for two of weight 1. `weighted_score` sums weighted scores,
            each ranking's brought to 0 to 1, and no score is above the sum of weights.
        keyword_weight: weight of the keyword ranking; vectors have the weight 1, or that of their part.
        rank_constant: of `reciprocal_rank`.
        depth: how deep each ranking is read; when 0, the larger of 100 and 5 times what is asked for.
    """

    method: FusionMethod = "reciprocal_rank"
    keyword_weight: float = 1.0
    rank_constant: int = 60
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that was found.

    Attributes:
        id: the record's id.
        score: how close it is; higher is closer. Fused scores compare only within their query.
        payload: the record's payload, or the fields of it that were asked for.
        group: with `group_by`, the value of its group; None where it has none.
    """

    id: str
    score: float
    payload: dict[str, Any]
    group: Any = None


@dataclass(frozen=True, slots=True)
class SearchStep:
    """How one segment, or the tail of new records, was searched.

    Attributes:
        part: `segment 0`, `tail`.
        plan: `exact scan`, `exact rows`, or the kind of index.
        matching_count: rows that the filter lets through.
        candidate_count: rows that were compared.
        probe_count: inverted lists that were read; 0 where there are none.
        recall: the recall measured for such searches; 1 where exact.
        verified: whether its files have been compared with their hashes.
    """

    part: str
    plan: str
    matching_count: int
    candidate_count: int
    probe_count: int
    recall: float
    verified: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """How hits were found.

    Attributes:
        selectivity: the share of records that the filter lets through; 1 without one.
        filter_indexed: whether the filter was answered from declared fields alone.
        unindexed_fields: fields of the filter that are not declared, or not as they are used: looked up row by row.
        steps: the searches that were made, of all vector names.
        filter_seconds: spent in the filter.
        vector_seconds: spent in vectors.
        keyword_seconds: spent in keywords.
        rank_seconds: spent in fusion, diversity and grouping.
        read_seconds: spent in reading ids and payloads.
    """

    selectivity: float
    filter_indexed: bool
    unindexed_fields: tuple[str, ...]
    steps: tuple[SearchStep, ...]
    filter_seconds: float
    vector_seconds: float
    keyword_seconds: float
    rank_seconds: float
    read_seconds: float


class Hits(Sequence[Hit]):
    """The hits of one query, closest first, and how they were found.

    `Hit` objects are made, and payloads read, when they are looked at; `ids` and `scores` are there at once.

    Attributes:
        ids: ids of the hits.
        scores: float32 of shape (k,).
        sequence: the search saw every commit up to this one.
        timings: where the server's time went, in all queries of the call.
        recall: the recall to expect; 1 where the search was exact.
        explanation: how hits were found, with `explain`.
    """

    def __init__(
        self,
        ids: Sequence[str],
        scores: NDArray[np.float32],
        payloads: Sequence[bytes] = (),
        groups: Sequence[bytes] = (),
        *,
        sequence: int = 0,
        timings: Timings = Timings(),  # noqa: B008 - frozen, so sharing it is safe
        recall: float = 1.0,
        explanation: Explanation | None = None,
    ) -> None:
        self.ids = ids
        self.scores = scores
        self.sequence = sequence
        self.timings = timings
        self.recall = recall
        self.explanation = explanation
        self._payloads = payloads
        self._groups = groups

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Hit: ...

    @overload
    def __getitem__(self, index: slice) -> list[Hit]: ...

    def __getitem__(self, index: int | slice) -> Hit | list[Hit]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        payload = self._payloads[index] if self._payloads else b""
        group = self._groups[index] if self._groups else b""
        return Hit(
            self.ids[index],
            float(self.scores[index]),
            cast("dict[str, Any]", json.loads(payload)) if payload else {},
            json.loads(group) if group else None,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(cast("Sequence[object]", other))

    def __repr__(self) -> str:
        return repr(list(self))


@dataclass(frozen=True, slots=True)
class SearchResults:
    """The hits of q queries; `results[i]` are those of query i.

    Attributes:
        hits: for each query its hits, closest first; none for a query that failed.
        errors: the queries that failed, by index.
        sequence: the search saw every commit up to this one.
        timings: where the server's time went.
        recall: the recall to expect: the lowest that was measured for the searches made; 1 where all were exact.
        explanation: how hits were found, with `explain`; of the first call where the queries needed several.
    """

    hits: list[Hits]
    errors: dict[int, ItemError]
    sequence: int
    timings: Timings
    recall: float = 1.0
    explanation: Explanation | None = None

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, index: int) -> Hits:
        return self.hits[index]

    def __iter__(self) -> Iterator[Hits]:
        return iter(self.hits)
