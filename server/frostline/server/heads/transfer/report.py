"""What is said about transfer: everything that a page, a JSON file or a terminal shows.

Accuracies and their differences are shares of 1, not percent. Intervals are of 95 %, by the bootstrap over held-out
examples and draws together. "From scratch" is the best baseline that never saw the encoder; "the head" is a head on the
encoder's embeddings. Differences are the head less from scratch: above 0 the head is better.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from frostline.server.heads.interval import Interval

FORMAT = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Verdict(StrEnum):
    """What the encoder is worth for these examples."""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"
    INCONCLUSIVE = "inconclusive"


class Cost(_Frozen):
    """What measuring takes, known before it begins.

    Attributes:
        heads: heads to be trained on embeddings.
        baselines: baselines to be trained from scratch.
        seconds: a rough guess at the time, of one core; embedding is not in it.
    """

    heads: int
    baselines: int
    seconds: float


class Split(_Frozen):
    """Which examples were learned from and which were held out. The same hash means the same examples in that order.

    Attributes:
        training_count: examples to learn from.
        held_out_count: examples to be judged by, never learned from and never chosen by.
        given: whether the caller gave the held-out examples; else half of each class was set aside.
        training_sha256: over the hash of embedding, content and label of each, in hexadecimal.
        held_out_sha256: the same of the held-out ones.
        draws_sha256: over the order in which each draw takes its examples.
    """

    training_count: int
    held_out_count: int
    given: bool
    training_sha256: str
    held_out_sha256: str
    draws_sha256: str


class Baseline(_Frozen):
    """A way of learning from scratch that was tried.

    Attributes:
        name: as "TF-IDF and logistic regression".
        accuracy: cross-validated on training examples alone; None where none could be held out.
        chosen: whether it is the one that the head is compared with.
    """

    name: str
    accuracy: float | None
    chosen: bool


class Point(_Frozen):
    """A number of shots: examples of each class that are learned from.

    Attributes:
        shots: of each class, or all that a class has where these are fewer.
        examples: learned from, all classes together.
        everything: whether these are all the training examples; the draws are then one and the same.
        head: mean accuracy over the draws.
        scratch: mean accuracy over the draws.
        difference: the mean, with its interval from the paired bootstrap.
        head_draws: accuracy in each draw.
        scratch_draws: accuracy in each draw, of the same examples.
        bootstrap_p: of the paired bootstrap, two-sided, corrected by Holm over all points.
        mcnemar_p: of McNemar's exact test, two-sided: twice the median over the draws, corrected by Holm over all
            points.
        only_head_right: held-out examples that the head has right and scratch has wrong, mean over the draws.
        only_scratch_right: the other way round.
    """

    shots: int
    examples: int
    everything: bool
    head: Interval
    scratch: Interval
    difference: Interval
    head_draws: tuple[float, ...]
    scratch_draws: tuple[float, ...]
    bootstrap_p: float
    mcnemar_p: float
    only_head_right: float
    only_scratch_right: float


class Growth(_Frozen):
    """The power law a - b n^-c that a learning curve follows; n are examples learned from.

    Attributes:
        asymptote: a, where the curve would end; an extrapolation.
        b: what is missing at n of 1.
        c: how fast it closes.
    """

    asymptote: Interval
    b: float
    c: float


class LabelSaving(_Frozen):
    """How many times fewer labels the head needs for an accuracy that both reach; below 1 it needs more.

    Attributes:
        factor: examples from scratch over examples with the head; with its interval.
        accuracy: for this accuracy, the lower of the two at all examples.
        head_examples: that the head needs, read off its curve; the fewest measured where it needs no more than these.
        scratch_examples: that scratch needs, likewise.
        at_least: whether the factor may be any larger: the head is there with the fewest examples measured.
        at_most: whether the factor may be any smaller: scratch is there with the fewest examples measured.
    """

    factor: Interval
    accuracy: float
    head_examples: float
    scratch_examples: float
    at_least: bool
    at_most: bool


class Seconds(_Frozen):
    """What learning from all training examples takes, on one core.

    Attributes:
        head: training it, on embeddings.
        embedding: computing the embeddings of the training examples; None where they were there already.
        scratch: computing the features from scratch and learning from them.
        saved: scratch less the others; below 0 the head takes longer.
    """

    head: float
    embedding: float | None
    scratch: float
    saved: float


class TransferReport(_Frozen):
    """What an encoder is worth for some examples.

    Attributes:
        format: of this report.
        verdict: the whole of it in a word.
        reason: and in a sentence.
        encoder: the name of the encoder; as it was given.
        recipe: of the heads, or "auto".
        classes: labels, ascending.
        split: what was learned from and what was held out.
        baselines: what was tried from scratch.
        draws: how many there were of each number of shots; the first shots of a draw are among its later ones.
        points: by shots, ascending; the last is everything.
        higher_start: difference at the fewest shots.
        average: mean difference over the logarithm of examples; the verdict goes by it.
        head_slope: what the head gains by each doubling of the examples, on average over the curve.
        scratch_slope: the same from scratch.
        head_growth: the power law of the head; None where the curve has too few points or follows none.
        scratch_growth: the same from scratch.
        higher_asymptote: difference of the two asymptotes; None where one is missing.
        label_saving: how many times fewer labels it takes.
        crossover: examples from which on the other one is better; None where the curves do not cross.
        seconds: what learning takes.
        cost: what measuring was said to take.
        measured_seconds: what measuring took.
    """

    format: int = FORMAT
    verdict: Verdict
    reason: str
    encoder: str
    recipe: str
    classes: tuple[str, ...]
    split: Split
    baselines: tuple[Baseline, ...]
    draws: int
    points: tuple[Point, ...]
    higher_start: Interval
    average: Interval
    head_slope: Interval
    scratch_slope: Interval
    head_growth: Growth | None
    scratch_growth: Growth | None
    higher_asymptote: Interval | None
    label_saving: LabelSaving
    crossover: float | None
    seconds: Seconds
    cost: Cost
    measured_seconds: float
