"""Reports on transfer, made up."""

import numpy as np

from frostline.server.heads.interval import Interval
from frostline.server.heads.transfer.report import (
    Baseline,
    Cost,
    Growth,
    LabelSaving,
    Point,
    Seconds,
    Split,
    TransferReport,
    Verdict,
)

SHOTS = (1, 2, 4, 8, 16, 32)


def interval(value, half=0.02):
    return Interval(value=value, low=value - half, high=value + half)


def point(shots, head, scratch, *, classes=10, everything=False):
    apart = np.linspace(-0.03, 0.03, 10)
    return Point(
        shots=shots,
        examples=classes * shots,
        everything=everything,
        head=interval(head),
        scratch=interval(scratch),
        difference=interval(head - scratch, 0.025),
        head_draws=tuple(head + apart),
        scratch_draws=tuple(scratch - apart),
        bootstrap_p=0.0004 if abs(head - scratch) > 0.03 else 0.21,
        mcnemar_p=0.012,
        only_head_right=41.5,
        only_scratch_right=7.25,
    )


def transfer_report(**fields):
    """A report whose curves follow power laws, with everything in it."""
    head = [0.95 - 0.5 * (10 * shots) ** -0.4 for shots in SHOTS]
    scratch = [0.9 - 1.6 * (10 * shots) ** -0.4 for shots in SHOTS]
    points = [point(*each) for each in zip(SHOTS, head, scratch, strict=True)]
    last = points[-1].model_copy(update={"everything": True})
    return TransferReport(
        **{
            "verdict": Verdict.POSITIVE,
            "reason": "Over the whole curve the head is right in 18.4 points more of the cases (15.1 to 21.9).",
            "encoder": "all-minilm-l6-v2",
            "recipe": "auto",
            "classes": tuple(f"class {n}" for n in range(10)),
            "split": Split(
                training_count=320,
                held_out_count=80,
                given=False,
                training_sha256="a" * 64,
                held_out_sha256="b" * 64,
                draws_sha256="c" * 64,
            ),
            "baselines": (
                Baseline(name="TF-IDF and logistic regression", accuracy=0.71, chosen=True),
                Baseline(name="pixels and logistic regression", accuracy=None, chosen=False),
            ),
            "draws": 10,
            "points": (*points[:-1], last),
            "higher_start": points[0].difference,
            "average": interval(0.184, 0.034),
            "head_slope": interval(0.04),
            "scratch_slope": interval(0.11),
            "head_growth": Growth(asymptote=interval(0.95), b=0.5, c=0.4),
            "scratch_growth": Growth(asymptote=interval(0.9), b=1.6, c=0.4),
            "higher_asymptote": interval(0.05),
            "label_saving": LabelSaving(
                factor=Interval(value=7.25, low=5.5, high=9.5),
                accuracy=scratch[-1],
                head_examples=44.1,
                scratch_examples=320,
                at_least=False,
                at_most=False,
            ),
            "crossover": None,
            "seconds": Seconds(head=0.8, embedding=4.2, scratch=11.9, saved=6.9),
            "cost": Cost(heads=61, baselines=61, seconds=90.0),
            "measured_seconds": 84.2,
            **fields,
        }
    )
