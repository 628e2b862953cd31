"""Encoders side by side: what each makes of the same labelled examples."""

from dataclasses import dataclass

from frostline.client.predictions import Interval
from frostline.client.types import EmbeddingSpace


@dataclass(frozen=True, slots=True)
class CandidateCost:
    """What one candidate, an encoder at one depth, will take.

    Attributes:
        encoder: name of the encoder.
        space: of its vectors: layer, pooling, dimensions.
        embed_seconds: to embed, from how long a few of the inputs took.
        compare_seconds: to compare, about, on one core.
    """

    encoder: str
    space: EmbeddingSpace
    embed_seconds: float
    compare_seconds: float


@dataclass(frozen=True, slots=True)
class ComparisonCost:
    """What a comparison takes, told before it begins.

    Attributes:
        example_count: examples that each candidate embeds.
        seen_count: inputs that the encoders have seen and that each candidate embeds too.
        candidates: by encoder and depth.
        seconds: of all of them together, on a server as busy as then.
    """

    example_count: int
    seen_count: int
    candidates: tuple[CandidateCost, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class ComparedEncoder:
    """How a candidate, an encoder at one depth, fared.

    Attributes:
        encoder: name of the encoder.
        space: of its vectors: layer, pooling, dimensions.
        accuracy: the share of examples that ridge regression has right, each left out of what it learns from.
        behind: the best candidate's accuracy less this one's, of the same resampled examples.
        tied: whether the best one may be so by chance: the interval of `behind` reaches 0.
        penalty: of ridge, in mean squared lengths of an example less the mean; the one of least error.
        log_evidence: LogME, the maximum evidence of a linear model, in nats an example; higher is better.
        h_score: the shrunk H-score, from 0 to classes less 1; higher is better.
        neighbor_accuracy: the share of examples that the 5 nearest others, by cosine, have right.
        separability: how well the examples are told from what the encoder has seen, from 0 to 1: half of the proxy
            A-distance. None where nothing was given that it has seen.
        distance: what is said by it: `far` where the whole interval is at 0.5 or above, `near` where it is below,
            `between`; empty where nothing is known.
        embed_seconds: that embedding took.
    """

    encoder: str
    space: EmbeddingSpace
    accuracy: Interval
    behind: Interval
    tied: bool
    penalty: float
    log_evidence: float
    h_score: float
    neighbor_accuracy: float
    separability: Interval | None
    distance: str
    embed_seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How candidates fared on the same examples.

    Attributes:
        example_count: examples that were compared on.
        class_count: of how many classes.
        encoders: the candidates, the best first, by accuracy.
    """

    example_count: int
    class_count: int
    encoders: tuple[ComparedEncoder, ...]

    @property
    def best(self) -> ComparedEncoder:
        """The most accurate candidate."""
        return self.encoders[0]

    @property
    def tied(self) -> tuple[ComparedEncoder, ...]:
        """The candidates that may be the best one as far as these examples can tell, it among them."""
        return tuple(each for each in self.encoders if each.tied)
