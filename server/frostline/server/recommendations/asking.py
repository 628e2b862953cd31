"""What is asked for, and what is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.filters.expression import Expression
from frostline.server.collections.search.query import Grouping


class Strategy(StrEnum):
    """A way to score records."""

    AUTO = "auto"
    POPULAR = "popular"
    FRESH = "fresh"
    CONTENT = "content"
    ITEM_NEIGHBORS = "item_neighbors"
    EASE = "ease"
    FACTORS = "factors"
    AVERAGE_VECTOR = "average_vector"
    BEST_SCORE = "best_score"
    SUM_SCORES = "sum_scores"


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """Something to come close to, or to stay away from.

    Attributes:
        weight: finite and not 0; below 0 to stay away.
        record: id of a record; empty where it is a vector.
        vector: float32 of shape (d,), of the slot; None where it is a record.
        slot: of the vector name.
    """

    weight: float
    record: str = ""
    vector: NDArray[np.float32] | None = None
    slot: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """What is asked for, checked.

    Attributes:
        user: whose interactions are examples; empty for nobody's.
        examples: others.
        limit: the most records, at least 1.
        offset: how many of the best to pass over.
        expression: which records may be recommended; None for all.
        include_seen: whether examples, and what the user has interactions with, may be.
        excluded: ids of records that may not.
        min_score: the lowest score; None for any.
        strategy: how records are scored.
        diversity: 0 to 1.
        grouping: how many of a group are let through; None for any.
        half_life_seconds: after which an interaction counts half; 0 for never.
        kinds: of interactions that count; all where None.
        payloads: whether payloads are wanted.
        payload_fields: paths of those parts that are; all where empty.
        slot: of the vectors that records are compared by as examples; None for all of them.
        explain: whether reasons are wanted.
    """

    user: str = ""
    examples: Sequence[Example] = ()
    limit: int = 10
    offset: int = 0
    expression: Expression | None = None
    include_seen: bool = False
    excluded: Sequence[str] = ()
    min_score: float | None = None
    strategy: Strategy = Strategy.AUTO
    diversity: float = 0.0
    grouping: Grouping | None = None
    half_life_seconds: float = 0.0
    kinds: frozenset[str] | None = None
    payloads: bool = False
    payload_fields: Sequence[tuple[str, ...]] = ()
    slot: int | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record is recommended.

    Attributes:
        strategies: what each strategy added to the score, the most first.
        examples: the same for records of the history and among the examples; at most 5.
    """

    strategies: Mapping[Strategy, float]
    examples: Mapping[str, float]


@dataclass(slots=True)
class Answer:
    """Recommendations, best first.

    Attributes:
        ids: of the k records.
        scores: float32 of shape (k,).
        payloads: k JSON objects in UTF-8, where they were asked for.
        groups: k canonical JSON values, where records are grouped.
        reasons: k of them, where they were asked for.
        strategy: the one that scored.
        known_count: interactions and examples that counted.
        notes: what the caller should know.
        sequence: the last commit that counted.
        learned_sequence: the commit up to which was learned from all users; 0 where nothing was.
    """

    ids: list[str]
    scores: NDArray[np.float32]
    strategy: Strategy
    known_count: int
    sequence: int
    learned_sequence: int
    notes: list[str] = field(default_factory=list[str])
    payloads: list[bytes] = field(default_factory=list[bytes])
    groups: list[bytes] = field(default_factory=list[bytes])
    reasons: list[Reason] = field(default_factory=list[Reason])
