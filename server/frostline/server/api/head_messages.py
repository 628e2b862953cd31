"""Heads as messages, and what messages ask of them."""

import numpy as np
from pydantic import ValidationError

from frostline.server.api import convert
from frostline.server.api.status import item_error
from frostline.server.errors import FrostlineError, InvalidInput
from frostline.server.heads.evaluation import Evaluation, Interval
from frostline.server.heads.feature_scaling import FeatureScaling
from frostline.server.heads.fitted import Recipe, TrainingOptions
from frostline.server.heads.manifest import Manifest
from frostline.server.heads.predictor import Predictions
from frostline.server.heads.store import Heads
from frostline.server.heads.versions import Head, HeadConfig, State, Version
from frostline.v1 import head_service_pb2 as pb
from frostline.wire import tensors

DEFAULT_COVERAGE = 0.9

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


def evaluation_message(version: int, found: Evaluation) -> pb.Evaluation:
    """Writes how a head fared."""
    return pb.Evaluation(
        version=version,
        example_count=found.example_count,
        accuracy=_interval(found.accuracy),
        macro_f1=_interval(found.macro_f1),
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
    )


def _interval(found: Interval) -> pb.Interval:
    return pb.Interval(value=found.value, low=found.low, high=found.high)


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
    message.example_count = sum(manifest.counts)
    message.classes.extend(
        pb.HeadClass(label=label, example_count=count)
        for label, count in zip(manifest.classes, manifest.counts, strict=True)
    )
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
