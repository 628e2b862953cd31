"""Heads as messages, and what messages ask of them."""

from itertools import repeat

import numpy as np
from pydantic import ValidationError

from frostline.server.api import convert
from frostline.server.api.status import item_error
from frostline.server.errors import FrostlineError, InvalidInput
from frostline.server.heads.evaluation import Evaluation
from frostline.server.heads.evaluation_of_labels import LabelsEvaluation
from frostline.server.heads.evaluation_of_values import ValueEvaluation
from frostline.server.heads.feature_scaling import FeatureScaling
from frostline.server.heads.fitted import DEFAULT_COVERAGE, Recipe, Task, TrainingOptions
from frostline.server.heads.interval import Interval
from frostline.server.heads.manifest import Manifest
from frostline.server.heads.predictor import Estimates, Predictions, Predictor
from frostline.server.heads.store import Heads
from frostline.server.heads.versions import Head, HeadConfig, State, Version
from frostline.v1 import head_service_pb2 as pb
from frostline.v1 import interval_pb2
from frostline.wire import tensors

_RECIPES = {
    Recipe.AUTO: pb.RECIPE_AUTO,
    Recipe.LOGISTIC: pb.RECIPE_LOGISTIC,
    Recipe.RIDGE: pb.RECIPE_RIDGE,
    Recipe.LDA: pb.RECIPE_LDA,
    Recipe.NEAREST_MEAN: pb.RECIPE_NEAREST_MEAN,
    Recipe.LINEAR_SVM: pb.RECIPE_LINEAR_SVM,
    Recipe.NEAREST_NEIGHBORS: pb.RECIPE_NEAREST_NEIGHBORS,
    Recipe.PERCEPTRON: pb.RECIPE_PERCEPTRON,
}
_SCALINGS = {
    FeatureScaling.AUTO: pb.FEATURE_SCALING_AUTO,
    FeatureScaling.NONE: pb.FEATURE_SCALING_NONE,
    FeatureScaling.UNIT_LENGTH: pb.FEATURE_SCALING_UNIT_LENGTH,
    FeatureScaling.SQUARE_ROOT: pb.FEATURE_SCALING_SQUARE_ROOT,
}
_SCALING_OF: dict[int, FeatureScaling] = {number: scaling for scaling, number in _SCALINGS.items()}
_RECIPE_OF: dict[int, Recipe] = {number: recipe for recipe, number in _RECIPES.items()}
_TASKS = {
    Task.CLASS: pb.HEAD_TASK_CLASS,
    Task.LABELS: pb.HEAD_TASK_LABELS,
    Task.VALUE: pb.HEAD_TASK_VALUE,
}
_TASK_OF: dict[int, Task] = {number: task for task, number in _TASKS.items()}
_STATES = {
    State.TRAINING: pb.HEAD_STATE_TRAINING,
    State.READY: pb.HEAD_STATE_READY,
    State.FAILED: pb.HEAD_STATE_FAILED,
}


def training_options(message: pb.HeadOptions) -> TrainingOptions:
    """Reads how a head shall be trained.

    Raises:
        InvalidInput: a value is out of range; says which.
    """
    recipe = convert.known(_RECIPE_OF, message.recipe or pb.RECIPE_AUTO, "recipe")
    scaling = convert.known(_SCALING_OF, message.scaling or pb.FEATURE_SCALING_NONE, "scaling")
    task = convert.known(_TASK_OF, message.task or pb.HEAD_TASK_CLASS, "task")
    strength = message.strength if message.HasField("strength") else None
    try:
        return TrainingOptions(
            recipe=recipe,
            strength=strength,
            balance_classes=message.balance_classes,
            abstain_error=message.abstain_error,
            coverage=message.coverage or DEFAULT_COVERAGE,
            scaling=scaling,
            whiten=message.whiten,
            task=task,
            augment=message.augment,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(f"{first['loc'][0]} {first['input']} is out of range: {first['msg'].lower()}") from error


def head_message(heads: Heads, head: Head) -> pb.Head:
    """Describes a head and its versions."""
    config = head.config
    return pb.Head(
        name=f"heads/{head.name}",
        description=config.description,
        encoder=f"encoders/{config.encoder}" if config.encoder else "",
        space=convert.space_message(config.space),
        options=_options_message(config),
        serving_version=head.serving,
        versions=[_version(version, heads.manifest(version)) for version in head.versions],
    )


def prediction_message(
    classes: tuple[str, ...], version: int, found: Predictions, count: int, errors: dict[int, FrostlineError]
) -> pb.PredictResponse:
    """Writes predictions as columns.

    Args:
        classes: of the head.
        version: that predicted.
        found: for the inputs that did not fail, in their order.
        count: of all inputs.
        errors: why an input failed, by its position.
    """
    good = np.setdiff1d(np.arange(count), list(errors))
    limit = found.labels.shape[1]
    labels = np.full((count, limit), -1, np.int32)
    probabilities = np.zeros((count, limit), np.float32)
    abstained, out_of_scope = np.zeros(count, np.bool_), np.zeros(count, np.float32)
    set_sizes = np.zeros(count, np.int32)
    labels[good], probabilities[good] = found.labels, found.probabilities
    abstained[good], out_of_scope[good], set_sizes[good] = found.abstained, found.out_of_scope, found.set_sizes
    return pb.PredictResponse(
        classes=classes,
        labels=labels.ravel().tolist(),
        probabilities=tensors.encode(probabilities),
        abstained=abstained.tolist(),
        out_of_scope=tensors.encode(out_of_scope),
        set_sizes=set_sizes.tolist(),
        set_labels=found.set_labels.tolist(),
        errors=[item_error(index, error) for index, error in sorted(errors.items())],
        version=version,
    )


def estimation_message(
    predictor: Predictor, version: int, found: Estimates, count: int, errors: dict[int, FrostlineError]
) -> pb.PredictResponse:
    """Writes predicted numbers as columns; see `prediction_message`."""
    good = np.setdiff1d(np.arange(count), list(errors))
    values, out_of_scope = np.full(count, np.nan), np.zeros(count, np.float32)
    values[good], out_of_scope[good] = found.values, found.out_of_scope
    return pb.PredictResponse(
        values=values.tolist(),
        margin=predictor.margin,
        out_of_scope=tensors.encode(out_of_scope),
        errors=[item_error(index, error) for index, error in sorted(errors.items())],
        version=version,
    )


def labels_evaluation_message(version: int, found: LabelsEvaluation) -> pb.Evaluation:
    """Writes how a head of several labels fared."""
    return pb.Evaluation(
        version=version,
        example_count=found.example_count,
        accuracy=interval_message(found.accuracy),
        macro_f1=interval_message(found.macro_f1),
        micro_f1=interval_message(found.micro_f1),
        hamming_loss=found.hamming_loss,
        calibration_error=found.calibration_error,
        log_loss=found.log_loss,
        overfitting_gap=found.overfitting_gap,
        set_coverage=found.set_coverage,
        mean_set_size=found.mean_set_size,
        classes=[pb.ClassEvaluation(**each.model_dump()) for each in found.classes],
        unknown_labels=found.unknown_labels,
    )


def value_evaluation_message(version: int, found: ValueEvaluation) -> pb.Evaluation:
    """Writes how a head that answers numbers fared."""
    value = pb.ValueEvaluation(
        mean_absolute_error=interval_message(found.mean_absolute_error),
        root_mean_squared_error=interval_message(found.root_mean_squared_error),
        explained=interval_message(found.explained) if found.explained else None,
        coverage=found.coverage,
        margin=found.margin,
    )
    return pb.Evaluation(version=version, example_count=found.example_count, value=value)


def evaluation_message(version: int, found: Evaluation) -> pb.Evaluation:
    """Writes how a head fared."""
    return pb.Evaluation(
        version=version,
        example_count=found.example_count,
        accuracy=interval_message(found.accuracy),
        macro_f1=interval_message(found.macro_f1),
        calibration_error=found.calibration_error,
        log_loss=found.log_loss,
        overfitting_gap=found.overfitting_gap,
        abstain_auroc=found.abstain_auroc,
        abstained_share=found.abstained_share,
        answered_accuracy=found.answered_accuracy,
        set_coverage=found.set_coverage,
        mean_set_size=found.mean_set_size,
        classes=[pb.ClassEvaluation(**each.model_dump()) for each in found.classes],
        confusion=found.confusion,
        groups=pb.GroupComparison(**found.groups.model_dump()) if found.groups else None,
        unknown_labels=found.unknown_labels,
    )


def interval_message(found: Interval) -> interval_pb2.Interval:
    """Writes a figure and how far off it may be."""
    return interval_pb2.Interval(value=found.value, low=found.low, high=found.high)


def _options_message(config: HeadConfig) -> pb.HeadOptions:
    options = config.options
    return pb.HeadOptions(
        recipe=_RECIPES[options.recipe],
        strength=options.strength,
        balance_classes=options.balance_classes,
        descriptions=config.descriptions,
        abstain_error=options.abstain_error,
        coverage=options.coverage,
        scaling=_SCALINGS[options.scaling],
        whiten=options.whiten,
        augment=options.augment,
        task=_TASKS[options.task],
    )


def _version(version: Version, manifest: Manifest | None) -> pb.HeadVersion:
    message = pb.HeadVersion(version=version.number, state=_STATES[version.state], failure=version.failure)
    message.create_time.FromDatetime(version.created)
    if manifest is None:
        message.recipe = _RECIPES[version.config.options.recipe]
        message.scaling = _SCALINGS[version.config.options.scaling]
        return message
    message.recipe = _RECIPES[manifest.recipe]
    message.strength = manifest.strength
    message.example_count = manifest.example_count
    if manifest.task is not Task.VALUE:
        message.classes.extend(
            pb.HeadClass(label=label, example_count=count, threshold=threshold)
            for label, count, threshold in zip(
                manifest.classes,
                manifest.counts,
                manifest.thresholds or repeat(None, len(manifest.classes)),
                strict=True,
            )
        )
    if manifest.margin is not None:
        message.margin = manifest.margin
    message.trials.extend(
        pb.Trial(
            recipe=_RECIPES[each.recipe],
            strength=each.strength,
            log_loss=each.log_loss,
            scaling=_SCALINGS[each.scaling],
        )
        for each in manifest.trials
    )
    if manifest.held_out_accuracy is not None:
        message.held_out_accuracy = manifest.held_out_accuracy
    message.temperature = manifest.temperature
    message.abstain_threshold = manifest.abstain_threshold
    message.train_seconds = version.train_seconds
    message.exact_updates = manifest.keeps_moments
    message.scaling = _SCALINGS[manifest.scaling]
    message.target_count = manifest.target_count
    return message
