"""Looks for wrong labels, near duplicates and outliers among labelled examples."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from cleanlab.filter import find_label_issues  # pyright: ignore[reportUnknownVariableType]
from numpy.typing import NDArray

from frostline.server.heads.audit_report import Audit, Duplicates, Outlier, Suspect, check_size
from frostline.server.heads.calibration import softmax, temperature
from frostline.server.heads.decision import unit
from frostline.server.heads.examples import labels_of
from frostline.server.heads.fitted import Recipe
from frostline.server.heads.folds import folds, present
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.lesson import Lesson
from frostline.server.heads.recipes.catalogue import TEMPLATES
from frostline.server.report import Report, part_of

PARTS = 5
"""Each is held out in turn."""
DUPLICATE_SHARE = 0.13
"""Examples are nearly the same within this share of the median distance to the nearest one; cleanlab's choice."""
OUTLIER_RANGES = 1 / 0.37 - 1
"""Outliers are so many interquartile ranges above the upper quartile of distances; cleanlab's choice."""
SAME = 1e-6
"""So far apart, by rounding, may vectors be that are the same."""
_NEIGHBORS = 10
_AT_ONCE = 1 << 22
_LABELS_SHARE = 0.5  # of the whole, roughly


def audit(labelled: Labelled, recipe: Recipe, strength: float, limit: int, report: Report) -> Audit:
    """Looks at examples.

    Args:
        labelled: n examples; copies and descriptions among them are passed over.
        recipe: what heads are trained from that judge the labels, never AUTO.
        strength: the recipe's.
        limit: the most that is listed of each kind.
        report: told how far it is.

    Raises:
        InvalidInput: there are too many.

    Source: Northcutt et al. 2021 (confident learning); near duplicates and outliers as cleanlab's Datalab finds them.
    """
    check_size(len(labelled.targets), len(labelled.classes))
    labelled = present(labelled.alone())
    judging, comparing = part_of(report, 0, _LABELS_SHARE), part_of(report, _LABELS_SHARE, 1)
    suspects = _suspects(labelled, recipe, strength, lambda done: judging("judging labels", done))
    nearest = _nearest(labelled.features, lambda done: comparing("comparing examples", done))
    groups = _duplicates(labelled, nearest, limit)
    outliers = _outliers(labelled, nearest)
    return Audit(
        example_count=len(labelled.targets),
        suspect_count=len(suspects),
        duplicates_count=len(groups),
        outlier_count=len(outliers),
        suspects=tuple(suspects[:limit]),
        duplicates=tuple(groups[:limit]),
        outliers=tuple(outliers[:limit]),
    )


def _suspects(labelled: Labelled, recipe: Recipe, strength: float, report: Callable[[float], None]) -> list[Suspect]:
    """Examples whose labels heads that have not seen them contradict, the surest first."""
    held = folds(labelled, PARTS) if len(labelled.classes) > 1 else []
    if not held:
        return []
    lesson = Lesson.of(labelled)
    logits: list[NDArray[np.float64]] = []
    for done, rows in enumerate(held):
        report(done / len(held))
        (decision,) = TEMPLATES[recipe].learn(lesson.without(rows), (strength,), False, None)
        logits.append(decision.logits(labelled.features[rows]))
    rows, found = np.concatenate(held), np.concatenate(logits)
    targets = labelled.targets[rows]
    shares = softmax(found / temperature(found, targets))
    wrong: NDArray[np.int64] = find_label_issues(targets, shares, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [
        Suspect(
            position=int(rows[place]),
            label=labelled.classes[targets[place]],
            suggested=labelled.classes[shares[place].argmax()],
            quality=float(shares[place, targets[place]]),
        )
        for place in wrong.tolist()
    ]


class _Nearest(NamedTuple):
    """What is nearest to n examples, by cosine distance (1 less the cosine).

    Attributes:
        rows: int64 of shape (n, k), the nearest first.
        distances: float32 of shape (n, k).
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float32]


def _nearest(features: NDArray[np.float32], report: Callable[[float], None]) -> _Nearest:
    directions = unit(features)
    count = min(_NEIGHBORS, len(features) - 1)
    rows = np.empty((len(features), count), np.int64)
    distances = np.empty((len(features), count), np.float32)
    step = max(1, _AT_ONCE // len(features))
    for start in range(0, len(features), step):
        report(start / len(features))
        part = slice(start, start + step)
        apart = 1 - directions[part] @ directions.T
        apart[np.arange(len(apart)), np.arange(start, start + len(apart))] = np.inf
        near = np.argpartition(apart, count - 1, axis=1)[:, :count] if count else rows[part]
        found = np.take_along_axis(apart, near, axis=1)
        order = np.argsort(found, axis=1)
        rows[part] = np.take_along_axis(near, order, axis=1)
        distances[part] = np.maximum(np.take_along_axis(found, order, axis=1), 0)
    return _Nearest(rows, distances)


def _duplicates(labelled: Labelled, nearest: _Nearest, limit: int) -> list[Duplicates]:
    """Groups of examples, each nearly the same as another one of its group; at most so many are named of each."""
    if not nearest.rows.size:
        return []
    reach = max(DUPLICATE_SHARE * float(np.median(nearest.distances[:, 0])), SAME)
    rows, ranks = np.nonzero(nearest.distances <= reach)
    parts = _connected(zip(rows.tolist(), nearest.rows[rows, ranks].tolist(), strict=True))
    found = [_group(labelled, np.array(part, np.int64), limit) for part in parts]
    return sorted(found, key=lambda group: (not group.contradictory, group.positions))


def _connected(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Groups of what is paired, directly or by way of others, each ascending."""
    group_of: dict[int, list[int]] = {}
    for one, other in pairs:
        smaller, larger = sorted((group_of.setdefault(each, [each]) for each in (one, other)), key=len)
        if smaller is not larger:
            larger += smaller
            group_of |= dict.fromkeys(smaller, larger)
    return [sorted(group) for group in {id(group): group for group in group_of.values()}.values()]


def _group(labelled: Labelled, rows: NDArray[np.int64], limit: int) -> Duplicates:
    targets = labelled.targets[rows]
    return Duplicates(
        positions=tuple(rows[:limit].tolist()),
        labels=tuple(labels_of(labelled.rows(rows[:limit]))),
        contradictory=bool((targets != targets[0]).any()),
    )


def _outliers(labelled: Labelled, nearest: _Nearest) -> list[Outlier]:
    """Examples that are further from their nearest ones than is usual, the furthest first."""
    if not nearest.rows.size:
        return []
    distances = nearest.distances.mean(axis=1, dtype=np.float64)
    lower, upper = np.quantile(distances, (0.25, 0.75))
    usual = max(upper + OUTLIER_RANGES * (upper - lower), SAME)
    rows = np.flatnonzero(distances > usual)
    return [
        Outlier(position=row, label=labelled.classes[labelled.targets[row]], distance=distances[row] / usual)
        for row in rows[np.argsort(-distances[rows], kind="stable")].tolist()
    ]
