"""Heads, predictions and evaluations, from messages. What does not fit together is the server's fault: Internal."""

from datetime import UTC

import numpy as np

from frostline.client import heads, predictions
from frostline.client._from_wire import short, space_of
from frostline.client._names import FEATURE_SCALINGS, HEAD_STATES, RECIPES, name_of
from frostline.client.errors import Internal
from frostline.v1 import head_service_pb2 as v1


def head_of(message: v1.Head) -> heads.Head:
    """A head from the wire."""
    options = message.options
    return heads.Head(
        name=short(message.name),
        description=message.description,
        encoder=short(message.encoder),
        space=space_of(message.space),
        recipe=name_of(RECIPES, options.recipe or v1.RECIPE_AUTO),
        strength=options.strength if options.HasField("strength") else None,
        balance_classes=options.balance_classes,
        descriptions=dict(options.descriptions),
        abstain_error=options.abstain_error,
        coverage=options.coverage,
        scaling=_scaling(options.scaling),
        whiten=options.whiten,
        serving_version=message.serving_version,
        versions=tuple(map(_version_of, message.versions)),
    )


def evaluation_of(message: v1.Evaluation) -> predictions.Evaluation:
    """How a head fared, from the wire.

    Raises:
        Internal: the confusion does not fit the classes.
    """
    count = len(message.classes)
    confusion = np.array(message.confusion, np.int64)
    if confusion.size not in (0, count * count):
        raise Internal(f"the server's confusion of {confusion.size} counts does not fit {count} classes")
    return predictions.Evaluation(
        version=message.version,
        example_count=message.example_count,
        accuracy=_interval_of(message.accuracy),
        macro_f1=_interval_of(message.macro_f1),
        calibration_error=message.calibration_error,
        log_loss=message.log_loss if message.HasField("log_loss") else None,
        overfitting_gap=message.overfitting_gap if message.HasField("overfitting_gap") else None,
        abstain_auroc=message.abstain_auroc if message.HasField("abstain_auroc") else None,
        abstained_share=message.abstained_share,
        answered_accuracy=message.answered_accuracy if message.HasField("answered_accuracy") else None,
        set_coverage=message.set_coverage,
        mean_set_size=message.mean_set_size,
        classes=tuple(map(_class_evaluation_of, message.classes)),
        confusion=confusion.reshape(2 * [count if confusion.size else 0]),
    )


def _version_of(message: v1.HeadVersion) -> heads.HeadVersion:
    return heads.HeadVersion(
        version=message.version,
        state=name_of(HEAD_STATES, message.state),
        failure=message.failure,
        create_time=message.create_time.ToDatetime(UTC),
        recipe=name_of(RECIPES, message.recipe or v1.RECIPE_AUTO),
        strength=message.strength,
        example_count=message.example_count,
        classes=tuple(heads.HeadClass(found.label, found.example_count) for found in message.classes),
        trials=tuple(
            heads.Trial(name_of(RECIPES, trial.recipe), trial.strength, trial.log_loss, _scaling(trial.scaling))
            for trial in message.trials
        ),
        held_out_accuracy=message.held_out_accuracy if message.HasField("held_out_accuracy") else None,
        temperature=message.temperature,
        abstain_threshold=message.abstain_threshold,
        train_seconds=message.train_seconds,
        exact_updates=message.exact_updates,
        scaling=_scaling(message.scaling),
        target_count=message.target_count,
    )


def _scaling(number: int) -> str:
    return name_of(FEATURE_SCALINGS, number or v1.FEATURE_SCALING_NONE)


def _interval_of(message: v1.Interval) -> predictions.Interval:
    return predictions.Interval(message.value, message.low, message.high)


def _class_evaluation_of(message: v1.ClassEvaluation) -> predictions.ClassEvaluation:
    return predictions.ClassEvaluation(message.label, message.support, message.precision, message.recall, message.f1)
