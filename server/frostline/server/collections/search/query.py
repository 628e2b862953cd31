"""What is searched for, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.filters.expression import Expression


class SearchMode(StrEnum):
    """How records are found."""

    VECTOR = "vector"
    KEYWORD = "keyword"
    HYBRID = "hybrid"


class FusionMethod(StrEnum):
    """How several rankings become one."""

    RECIPROCAL_RANK = "reciprocal_rank"
    WEIGHTED_SCORE = "weighted_score"


@dataclass(frozen=True, slots=True)
class Fusion:
    """Puts rankings together.

    Attributes:
        method: how.
        keyword_weight: weight of the keyword ranking; those of vectors have the weight of their leg.
        rank_constant: the constant of reciprocal rank fusion.
        depth: how deep each ranking is read; 0 takes the larger of 100 and 5 times what is asked for.
    """

    method: FusionMethod = FusionMethod.RECIPROCAL_RANK
    keyword_weight: float = 1.0
    rank_constant: int = 60
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Grouping:
    """Lets few hits of one group through.

    Attributes:
        path: of the payload field whose values make the groups.
        max_per_group: the most hits of a group.
    """

    path: tuple[str, ...]
    max_per_group: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """One ranking of a query: what is close to a vector.

    Attributes:
        slot: of the vector name it is compared with.
        vector: float32 of shape (d,), checked.
        weight: in fusion; a query of one leg ignores it.
    """

    slot: int
    vector: NDArray[np.float32]
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class SearchQuery:
    """One query.

    Attributes:
        legs: rankings by vectors; none in a keyword search.
        keywords: what a keyword ranking looks for; empty for none.
        exclude: ids of records that are left out.
    """

    legs: tuple[Leg, ...] = ()
    keywords: str = ""
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How all queries of a call are answered.

    Attributes:
        limit: the most hits of a query; with `whole_range`, 0 for as many as there are, up to 10,000 with the offset.
        offset: hits to pass over.
        expression: which records may be found; None for all.
        min_score: the lowest score of a hit.
        fusion: how several rankings become one.
        diversity: 0 to 1, how much hits shall differ from those before them.
        grouping: how many hits of a group are let through.
        exact: whether the search must be exact, whatever it takes.
        whole_range: whether every record with at least `min_score` is wanted.
        payloads: whether to read payloads.
        payload_fields: the paths of payloads to return; all when empty.
        explain: whether to say how hits were found.
    """

    limit: int = 10
    offset: int = 0
    expression: Expression | None = None
    min_score: float | None = None
    fusion: Fusion = Fusion()
    diversity: float = 0.0
    grouping: Grouping | None = None
    exact: bool = False
    whole_range: bool = False
    payloads: bool = False
    payload_fields: tuple[tuple[str, ...], ...] = ()
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """How one part of the collection was searched; see `SearchStep` in the contract."""

    part: str
    plan: str
    matching_count: int
    candidate_count: int
    probe_count: int = 0
    recall: float = 1.0
    verified: bool = True


@dataclass(slots=True)
class Explanation:
    """How the hits of a call were found; see the contract."""

    selectivity: float = 1.0
    filter_indexed: bool = True
    unindexed_fields: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list[Step])
    filter_seconds: float = 0.0
    vector_seconds: float = 0.0
    keyword_seconds: float = 0.0
    rank_seconds: float = 0.0
    read_seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """What was found for q queries, closest first.

    Attributes:
        ids: q lists of record ids.
        scores: q arrays, float32 of shape (k,), of the same lengths; higher is closer.
        payloads: q lists of payloads, if asked for.
        groups: q lists of group values as JSON, empty where a record has none; with grouping only.
        sequence: the last commit the search saw.
        recall: the lowest recall measured for the searches made; 1 where all were exact.
        explanation: how they were found, always filled.
    """

    ids: Sequence[list[str]]
    scores: Sequence[NDArray[np.float32]]
    payloads: Sequence[list[bytes]] | None
    groups: Sequence[list[bytes]] | None
    sequence: int
    recall: float
    explanation: Explanation
