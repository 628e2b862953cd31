"""What an encoder is worth: learning curves of heads on it, against learning from scratch."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from frostline.client._download import whole_file
from frostline.client.predictions import Interval


@dataclass(frozen=True, slots=True)
class LabelSaving:
    """How many times fewer labels the head needs for an accuracy that both reach; below 1 it needs more.

    Attributes:
        factor: examples from scratch over examples with the head.
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

    def __str__(self) -> str:
        factor, at_least, at_most, word = self.factor.value, self.at_least, self.at_most, "fewer"
        if factor < 1:
            factor, at_least, at_most, word = 1 / factor, at_most, at_least, "more"
        bound = "at least " * at_least or "at most " * at_most
        return f"{bound}{factor:.3g} times {word} labels"


@dataclass(frozen=True, slots=True)
class TransferSplit:
    """Which examples were learned from and which were held out.

    The same hash means the same examples in the same order.

    Attributes:
        training_count: examples to learn from.
        held_out_count: examples to be judged by, never learned from and never chosen by.
        given: whether the held-out examples were given; else half of each class was set aside.
        training_sha256: in hexadecimal, over embeddings, contents and labels.
        held_out_sha256: the same of the held-out examples.
        draws_sha256: over the order in which each draw takes its examples.
    """

    training_count: int
    held_out_count: int
    given: bool
    training_sha256: str
    held_out_sha256: str
    draws_sha256: str


@dataclass(frozen=True, slots=True)
class TransferBaseline:
    """A way of learning from scratch that was tried.

    Attributes:
        name: as `TF-IDF and logistic regression`.
        accuracy: cross-validated on the training examples alone; None where none could be held out.
        chosen: whether it is the one that the head is compared with.
    """

    name: str
    accuracy: float | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class TransferPoint:
    """A number of shots: examples of each class that are learned from.

    Attributes:
        shots: of each class, or all that a class has where these are fewer.
        examples: learned from, all classes together.
        everything: whether these are all training examples; the draws are then one and the same.
        head: mean accuracy over the draws.
        scratch: mean accuracy over the draws.
        difference: the mean, with its interval from the paired bootstrap.
        head_draws: accuracy in each draw.
        scratch_draws: accuracy in each draw, of the same examples.
        bootstrap_p: of the paired bootstrap, two-sided, corrected by Holm over all points.
        mcnemar_p: of McNemar's exact test, likewise.
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


@dataclass(frozen=True, slots=True)
class TransferGrowth:
    """The power law `a - b n^-c` that a learning curve follows; n are examples learned from.

    Attributes:
        asymptote: a, where the curve would end; an extrapolation.
        b: what is missing at n of 1.
        c: how fast it closes.
    """

    asymptote: Interval
    b: float
    c: float


@dataclass(frozen=True, slots=True)
class TransferSeconds:
    """How long learning from all training examples takes, on one core.

    Attributes:
        head: training the head, on embeddings.
        embedding: computing these embeddings; None where they were there already.
        scratch: computing the features from scratch and learning from them.
        saved: scratch less the others; below 0 the head takes longer.
    """

    head: float
    embedding: float | None
    scratch: float
    saved: float


@dataclass(frozen=True, slots=True)
class TransferCost:
    """What measuring takes, told before it begins.

    Attributes:
        heads: heads to be trained on embeddings.
        baselines: baselines to be trained from scratch.
        seconds: a rough guess at the time, on one core; embedding is not in it.
    """

    heads: int
    baselines: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What an encoder is worth for some examples.

    Accuracies and their differences are shares of 1, not percent. A difference is the head less from scratch: above 0
    the head is better. Intervals are of 95 %, by the bootstrap over held-out examples and draws together.

    Attributes:
        format: of this report.
        verdict: `positive`, `neutral`, `negative` or `inconclusive`.
        reason: the verdict in a sentence.
        encoder: its name; empty where vectors of no encoder were measured.
        recipe: of the heads, or `auto`.
        classes: labels, ascending.
        split: what was learned from and what was held out.
        baselines: what was tried from scratch.
        draws: how many there were of each number of shots; the first shots of a draw are among its later ones.
        points: the learning curves, by shots; the last point is all training examples.
        higher_start: the difference at the fewest shots.
        average: the mean difference over the logarithm of examples; the verdict goes by it.
        head_slope: what the head gains by each doubling of the examples, on average over the curve.
        scratch_slope: the same from scratch.
        head_growth: the power law of the head; None where the curve has too few points or follows none.
        scratch_growth: the same from scratch.
        higher_asymptote: the difference of the two asymptotes; None where one is missing.
        label_saving: how many times fewer labels the head takes.
        crossover: the examples from which on the other one is better; None where the curves do not cross.
        seconds: how long learning takes.
        cost: what measuring was said to take.
        measured_seconds: what measuring took.
        html: the report as one self-contained page; see `save_html`.
    """

    format: int
    verdict: str
    reason: str
    encoder: str
    recipe: str
    classes: tuple[str, ...]
    split: TransferSplit
    baselines: tuple[TransferBaseline, ...]
    draws: int
    points: tuple[TransferPoint, ...]
    higher_start: Interval
    average: Interval
    head_slope: Interval
    scratch_slope: Interval
    head_growth: TransferGrowth | None
    scratch_growth: TransferGrowth | None
    higher_asymptote: Interval | None
    label_saving: LabelSaving
    crossover: float | None
    seconds: TransferSeconds
    cost: TransferCost
    measured_seconds: float
    html: str = field(default="", repr=False)

    def to_json(self) -> str:
        """The report without the page, as one JSON object."""
        fields = asdict(self)
        del fields["html"]
        return json.dumps(fields, indent=2, allow_nan=False)

    def save_html(self, path: str | Path) -> Path:
        """Writes the page, which loads nothing from elsewhere; replaces a file that is there.

        Returns:
            The file.

        Raises:
            InvalidInput: it cannot be written.
        """
        target = Path(path)
        with whole_file(target) as file:
            file.write(self.html.encode())
        return target
