"""Which arrays a head keeps, and a head of its arrays again."""

from collections.abc import Mapping

import numpy as np

from frostline.server.errors import DataDamaged
from frostline.server.heads.alignment import TARGET
from frostline.server.heads.arrays import Array
from frostline.server.heads.decision import Decision, Linear, Neighbors, Perceptron
from frostline.server.heads.fitted import Fitted, Scope
from frostline.server.heads.manifest import Kind, Manifest
from frostline.server.heads.moments import Moments


def kind_of(decision: Decision) -> Kind:
    """What its kind is called."""
    match decision:
        case Linear():
            return "linear"
        case Perceptron():
            return "perceptron"
        case Neighbors():
            return "neighbors"
        case _:
            raise TypeError(f"{type(decision).__name__} cannot be stored")


def arrays_of(fitted: Fitted) -> dict[str, Array]:
    """The arrays of a head, by name."""
    arrays = _weights(fitted.decision)
    arrays |= {"scope_means": fitted.scope.means, "scope_held_out": fitted.scope.held_out}
    if fitted.moments:
        if fitted.moments.classes != fitted.classes:
            raise ValueError("the statistics of a head have other classes than the head")
        arrays |= {
            "moments_counts": fitted.moments.counts,
            "moments_sums": fitted.moments.sums,
            "moments_grams": fitted.moments.grams,
        }
    if fitted.target:
        arrays |= {
            "target_counts": fitted.target.counts,
            "target_sums": fitted.target.sums,
            "target_grams": fitted.target.grams,
        }
    return arrays


def _weights(decision: Decision) -> dict[str, Array]:
    match decision:
        case Linear():
            return {"coef": decision.coef, "intercept": decision.intercept}
        case Perceptron():
            return {
                "hidden": decision.hidden,
                "hidden_intercept": decision.hidden_intercept,
                "output": decision.output,
                "output_intercept": decision.output_intercept,
            }
        case Neighbors():
            return {"vectors": decision.vectors, "targets": decision.targets}
        case _:
            raise TypeError(f"{type(decision).__name__} cannot be stored")


def fitted_of(manifest: Manifest, arrays: Mapping[str, Array], where: str) -> Fitted:
    """Puts a head together.

    Args:
        manifest: of the head.
        arrays: as it describes them.
        where: their file, for the message.

    Raises:
        DataDamaged: a value cannot be computed with; says in which array.
    """
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise DataDamaged(f"{where} is damaged: {name} holds values that are not finite")
    return Fitted(
        classes=manifest.classes,
        counts=np.array(manifest.counts, np.int64),
        recipe=manifest.recipe,
        strength=manifest.strength,
        balance_classes=manifest.balance_classes,
        decision=_decision(manifest, arrays, where),
        temperature=manifest.temperature,
        abstain_error=manifest.abstain_error,
        abstain_threshold=manifest.abstain_threshold,
        coverage=manifest.coverage,
        set_quantile=manifest.set_quantile,
        scope=Scope(arrays["scope_means"], arrays["scope_held_out"]),
        moments=_moments(manifest, arrays) if manifest.keeps_moments else None,
        trials=manifest.trials,
        held_out_accuracy=manifest.held_out_accuracy,
        train_accuracy=manifest.train_accuracy,
        task=manifest.task,
        thresholds=None if manifest.thresholds is None else np.array(manifest.thresholds),
        margin=manifest.margin,
        scaling=manifest.scaling,
        whiten=manifest.whiten,
        target=_target(arrays) if manifest.target_count else None,
    )


def _decision(manifest: Manifest, arrays: Mapping[str, Array], where: str) -> Decision:
    if manifest.kind == "linear":
        return Linear(arrays["coef"], arrays["intercept"])
    if manifest.kind == "perceptron":
        names = "hidden", "hidden_intercept", "output", "output_intercept"
        return Perceptron(*(arrays[name] for name in names))
    targets = arrays["targets"]
    if targets.min() < 0 or targets.max() >= len(manifest.classes):
        raise DataDamaged(f"{where} is damaged: targets holds classes that there are not")
    return Neighbors(arrays["vectors"], targets, len(manifest.classes), manifest.neighbors)


def _moments(manifest: Manifest, arrays: Mapping[str, Array]) -> Moments:
    return Moments(manifest.classes, arrays["moments_counts"], arrays["moments_sums"], arrays["moments_grams"])


def _target(arrays: Mapping[str, Array]) -> Moments:
    return Moments((TARGET,), arrays["target_counts"], arrays["target_sums"], arrays["target_grams"])
