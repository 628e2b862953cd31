"""How often heads are right, and how often their label sets are, beside the classifier of MTEB's protocol."""

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import heads_data
from frostline.client import Client, Head
from heads_data import Draw, Task
from timing import Rows, Spread, spread

PUBLISHED = 80.04
_COVERAGE, _SPLITS = 0.9, 20
_HEAD = "measured"


def protocol(client: Client, rows: Rows) -> Spread:
    """Banking77 by MTEB's protocol on embeddings of the service; accuracy of its 10 draws, in %."""
    task = heads_data.banking77(client)
    found = [_of_protocol(task, draw, rows) for draw in task.draws]
    print(f"mean {np.mean(found):.2f} %, published {PUBLISHED} %, off {np.mean(found) - PUBLISHED:+.2f}")
    return spread(found)


def automatic(client: Client, task: Task, rows: Rows) -> dict[str, Spread]:
    """What `auto` heads, trained and asked through the service, gain over the protocol's classifier.

    Returns:
        Differences on the same draws in points, without and, where there are any, with descriptions of classes.
    """
    gains: dict[str, list[float]] = {"auto": []}
    if task.descriptions:
        gains["auto, described"] = []
    for draw in task.draws:
        base = _of_protocol(task, draw, rows)
        for side, differences in gains.items():
            described = task.descriptions if side != "auto" else {}
            differences.append(_of_head(client, task, draw, described, side, rows) - base)
    for side, differences in gains.items():
        print(f"{task.name}, {side}: mean gain {np.mean(differences):+.2f} points, worst draw {min(differences):+.2f}")
    return {f"{task.name}, {side}": spread(differences) for side, differences in gains.items()}


def coverage(client: Client, rows: Rows) -> dict[str, Spread]:
    """How often label sets at 90 % hold the true label on Banking77, of heads that learned from a random half.

    Returns:
        In %, on the test part, whose classes are of equal size as those of the training part are not, and on the other
        half, which is drawn as the head's examples are; and the mean size of a set on the test part.
    """
    task = heads_data.banking77(client)
    test = task.draws[0].test
    train_count = len(task.labels) - len(test)
    found: dict[str, list[float]] = {"test part": [], "other half": [], "labels in a set": []}
    for seed in range(_SPLITS):
        order = np.random.default_rng(seed).permutation(train_count)
        half, other = np.sort(order[: train_count // 2]), np.sort(order[train_count // 2 :])
        head = _train(client, task, half, {}, coverage=_COVERAGE)
        held, size = _sets(client, task, test)
        figures = {"test part": held, "other half": _sets(client, task, other)[0], "labels in a set": size}
        for name, figure in figures.items():
            found[name].append(figure)
        rows.add({"section": "coverage", "seed": seed, "split": Draw(half, test).hash, **_chosen(head), **figures})
    means = ", ".join(f"{name} {np.mean(values):.2f}" for name, values in found.items())
    print(f"label sets at {_COVERAGE:.0%}, means of {_SPLITS} splits: {means}")
    return {name: spread(values) for name, values in found.items()}


def _of_protocol(task: Task, draw: Draw, rows: Rows) -> float:
    model = LogisticRegression(random_state=42, max_iter=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # as the protocol has it
        model.fit(task.vectors[draw.train], task.labels[draw.train])
    accuracy = _accuracy(model.predict(task.vectors[draw.test]), task, draw)
    rows.add({"section": task.name, "side": "protocol", "split": draw.hash, "accuracy": round(accuracy, 3)})
    return accuracy


def _of_head(client: Client, task: Task, draw: Draw, described: Mapping[str, str], side: str, rows: Rows) -> float:
    head = _train(client, task, draw.train, described)
    said = np.array([each.label for each in client.predict(_HEAD, task.vectors[draw.test])])
    accuracy = _accuracy(said, task, draw)
    rows.add({"section": task.name, "side": side, "split": draw.hash, "accuracy": round(accuracy, 3), **_chosen(head)})
    return accuracy


def _train(
    client: Client, task: Task, chosen: NDArray[np.int64], described: Mapping[str, str], coverage: float = 0.9
) -> Head:
    return client.train_head(
        _HEAD,
        encoder=task.encoder,
        vectors=task.vectors[chosen],
        labels=task.labels[chosen].tolist(),
        descriptions=described,
        coverage=coverage,
    )


def _chosen(head: Head) -> dict[str, object]:
    version = head.versions[0]
    return {"recipe": version.recipe, "strength": version.strength, "train_seconds": round(version.train_seconds, 3)}


def _accuracy(said: NDArray[np.str_], task: Task, draw: Draw) -> float:
    return 100 * float(np.mean(said == task.labels[draw.test]))


def _sets(client: Client, task: Task, judged: NDArray[np.int64]) -> tuple[float, float]:
    sets = [each.label_set for each in client.predict(_HEAD, task.vectors[judged])]
    held = [label in found for label, found in zip(task.labels[judged].tolist(), sets, strict=True)]
    return 100 * float(np.mean(held)), float(np.mean([len(found) for found in sets]))
