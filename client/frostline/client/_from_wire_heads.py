"""Heads, predictions and evaluations, from messages. What does not fit together is the server's fault: Internal."""

from datetime import UTC
from math import nan

import numpy as np

from frostline.client import heads, predictions
from frostline.client._from_wire import short, space_of
from frostline.client._from_wire_groups import comparison_of
from frostline.client._from_wire_intervals import interval_of
from frostline.client._names import FEATURE_SCALINGS, HEAD_STATES, HEAD_TASKS, RECIPES, name_of
from frostline.client.errors import Internal
from frostline.v1 import head_service_pb2 as v1

_NO_FIGURE = predictions.Interval(nan, nan, nan)


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
        augment=options.augment,
        serving_version=message.serving_version,
        versions=tuple(map(_version_of, message.versions)),
        task=name_of(HEAD_TASKS, options.task or v1.HEAD_TASK_CLASS),
    )


def predicted_records_of(message: v1.PredictRecordsResponse) -> predictions.PredictedRecords:
    """What became of records, from the last message on the wire."""
    return predictions.PredictedRecords(
        version=message.version,
        written_count=message.written_count,
        unchanged_count=message.unchanged_count,
        unlabelled_count=message.unlabelled_count,
        skipped_count=message.skipped_count,
        failed_count=message.failed_count,
        failure=message.failure,
        labels={each.label: each.count for each in message.labels},
        sequence=message.sequence,
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
        accuracy=interval_of(message.accuracy) if message.HasField("accuracy") else _NO_FIGURE,
        macro_f1=interval_of(message.macro_f1) if message.HasField("macro_f1") else _NO_FIGURE,
        calibration_error=message.calibration_error,
        log_loss=message.log_loss if message.HasField("log_loss") else None,
        overfitting_gap=message.overfitting_gap if message.HasField("overfitting_gap") else None,
        abstain_auroc=message.abstain_auroc if message.HasField("abstain_auroc") else None,
        abstained_share=message.abstained_share,
        answered_accuracy=message.answered_accuracy if message.HasField("answered_accuracy") else None,
        set_coverage=message.set_coverage,
        mean_set_size=message.mean_set_size,
        unknown_labels=tuple(message.unknown_labels),
        classes=tuple(map(_class_evaluation_of, message.classes)),
        confusion=confusion.reshape(2 * [count if confusion.size else 0]),
        groups=comparison_of(message.groups) if message.HasField("groups") else None,
        micro_f1=interval_of(message.micro_f1) if message.HasField("micro_f1") else None,
        hamming_loss=message.hamming_loss if message.HasField("hamming_loss") else None,
        value=_value_evaluation_of(message.value) if message.HasField("value") else None,
    )


def _value_evaluation_of(message: v1.ValueEvaluation) -> predictions.ValueEvaluation:
    return predictions.ValueEvaluation(
        mean_absolute_error=interval_of(message.mean_absolute_error),
        root_mean_squared_error=interval_of(message.root_mean_squared_error),
        explained=interval_of(message.explained) if message.HasField("explained") else None,
        coverage=message.coverage if message.HasField("coverage") else None,
        margin=message.margin if message.HasField("margin") else None,
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
        classes=tuple(map(_class_of, message.classes)),
        trials=tuple(
            heads.Trial(name_of(RECIPES, trial.recipe), trial.strength, trial.log_loss, _scaling(trial.scaling))
            for trial in message.trials
        ),
        held_out_accuracy=message.held_out_accuracy if message.HasField("held_out_accuracy") else None,
        temperature=message.temperature,
        abstain_threshold=message.abstain_threshold,
        train_seconds=message.train_seconds,
        exact_updates=message.exact_updates,
        margin=message.margin if message.HasField("margin") else None,
        scaling=_scaling(message.scaling),
        target_count=message.target_count,
        step=message.step,
        progress=message.progress,
    )


def _scaling(number: int) -> str:
    return name_of(FEATURE_SCALINGS, number or v1.FEATURE_SCALING_NONE)


def _class_of(message: v1.HeadClass) -> heads.HeadClass:
    threshold = message.threshold if message.HasField("threshold") else None
    return heads.HeadClass(message.label, message.example_count, threshold)


def _class_evaluation_of(message: v1.ClassEvaluation) -> predictions.ClassEvaluation:
    return predictions.ClassEvaluation(message.label, message.support, message.precision, message.recall, message.f1)
