"""What recommendations are asked for by, and what they say."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from frostline.client.types import Floats, Timings


class Strategy(enum.StrEnum):
    """A way to score records; each is also known by its value, `"ease"`.

    Attributes:
        AUTO: blends the others by how much is known.
        POPULAR: what all users like; newer interactions count more with a half-life.
        FRESH: the records last written.
        CONTENT: a ridge head of the user over what records are: vectors and declared payload fields.
        ITEM_NEIGHBORS: records that the same users like as the user's.
        EASE: a linear autoencoder of histories (Steck 2019).
        FACTORS: implicit matrix factors (Hu, Koren and Volinsky 2008); those of records without interactions are
            learned from content.
        AVERAGE_VECTOR: closeness to the weighted mean of the examples.
        BEST_SCORE: closeness to the closest example, less that to the closest negative one.
        SUM_SCORES: the weighted sum of the closeness to each example.
    """

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


@dataclass(frozen=True, slots=True)
class Weighted:
    """An example and how much it counts: exactly one of `record`, `text`, `image` and `vector`.

    Attributes:
        record: id of a record of the collection.
        weight: above 0, among negatives too: there it says how much to stay away.
        text: a text.
        image: an image file, its bytes or a `pathlib.Path`; a str is refused here.
        vector: of shape (d,).
        vector_name: the vector it is compared with; that of the call when empty.
    """

    record: str | None = None
    weight: float = 1.0
    text: str | None = field(default=None, kw_only=True)
    image: bytes | Path | None = field(default=None, kw_only=True)
    vector: Floats | None = field(default=None, kw_only=True)
    vector_name: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class StrategyShare:
    """What one strategy gave to a score.

    Attributes:
        strategy: which; its number as a str where the server knows one that this client does not.
        score: what it added.
    """

    strategy: Strategy | str
    score: float


@dataclass(frozen=True, slots=True)
class ExampleShare:
    """What one example gave to a score.

    Attributes:
        record: its id: a record of the history, or an example.
        score: what it added; below 0 where it speaks against.
    """

    record: str
    score: float


@dataclass(frozen=True, slots=True)
class RecommendationReasons:
    """Why a record is recommended.

    Attributes:
        strategies: what strategies added to the score, the most first.
        examples: the records of the history, or examples, that added most, the most first; at most 5.
    """

    strategies: tuple[StrategyShare, ...]
    examples: tuple[ExampleShare, ...]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A record that is recommended.

    Attributes:
        id: the record's id.
        score: higher is better; to be compared within one answer only.
        payload: the record's payload, or the fields of it that were asked for.
        group: with `group_by`, the value of its group; None where it has none.
        reasons: with `explain`, why.
    """

    id: str
    score: float
    payload: dict[str, Any]
    group: Any = None
    reasons: RecommendationReasons | None = None


@dataclass(frozen=True, slots=True)
class Recommendations(Sequence[Recommendation]):
    """Recommendations, best first; `found[0]` is the best.

    Attributes:
        items: the recommendations.
        strategy: the strategy that scored, AUTO where several did; its number as a str where this client does not know
            it.
        known_count: interactions and examples that counted.
        notes: what the caller should know: why there are none or fewer than asked for, why a strategy did not take
            part.
        sequence: every commit up to this one counted.
        learned_sequence: the commit up to which strategies have learned in the background; 0 where they have not yet.
        timings: where the server's time went.
    """

    items: tuple[Recommendation, ...]
    strategy: Strategy | str
    known_count: int
    notes: tuple[str, ...]
    sequence: int
    learned_sequence: int
    timings: Timings

    @property
    def ids(self) -> list[str]:
        """Ids of the records, best first."""
        return [each.id for each in self.items]

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Recommendation: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Recommendation, ...]: ...

    def __getitem__(self, index: int | slice) -> Recommendation | tuple[Recommendation, ...]:
        return self.items[index]
