"""Heads that are updated and merged, beside heads trained on everything at once: how far their weights lie apart."""

import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import heads_data
from frostline.client import Client, Example
from frostline.server.heads import artifact
from frostline.server.heads.decision import Linear
from heads_data import Task
from timing import Rows

RECIPES = ("ridge", "lda", "nearest_mean")
_SHOTS, _PHASES, _REMOVED, _PARTS = 20, 10, 100, 5
_WHOLE, _GROWN = "whole", "grown"


def measure(client: Client, rows: Rows) -> None:
    """Grows, shrinks and merges heads of Banking77, 20 of each label; prints relative differences to whole ones."""
    task = heads_data.banking77(client, _SHOTS)
    learned = task.draws[0].train
    for recipe in RECIPES:
        strength = _train(client, _WHOLE, task, learned, recipe)
        _grow(client, task, learned, recipe, strength)
        _compare(client, task, recipe, f"{_PHASES} phases", rows)
        gone = np.random.default_rng(0).choice(learned, _REMOVED, replace=False)
        removed = [Example(vector=task.vectors[row], label=str(task.labels[row])) for row in gone]
        client.update_head(_GROWN, removed=removed)
        _train(client, _WHOLE, task, learned[~np.isin(learned, gone)], recipe, strength)
        _compare(client, task, recipe, f"{_REMOVED} removed", rows)
        client.delete_head(_GROWN)
        _train(client, _WHOLE, task, learned, recipe, strength)
        _merge(client, task, learned, recipe, strength)
        _compare(client, task, recipe, f"{_PARTS} merged", rows)
        client.delete_head(_GROWN)


def _train(
    client: Client, name: str, task: Task, chosen: NDArray[np.int64], recipe: str, strength: float | None = None
) -> float | None:
    """Trains a head; returns the strength that another like it needs: none where the recipe has none."""
    head = client.train_head(
        name,
        encoder=task.encoder,
        vectors=task.vectors[chosen],
        labels=task.labels[chosen].tolist(),
        recipe=recipe,
        strength=strength,
    )
    return None if recipe == "nearest_mean" else head.versions[0].strength


def _grow(client: Client, task: Task, learned: NDArray[np.int64], recipe: str, strength: float | None) -> None:
    """Some classes after the other."""
    for phase, classes in enumerate(np.array_split(np.unique(task.labels), _PHASES)):
        chosen = learned[np.isin(task.labels[learned], classes)]
        if phase == 0:
            _train(client, _GROWN, task, chosen, recipe, strength)
        else:
            client.update_head(_GROWN, vectors=task.vectors[chosen], labels=task.labels[chosen].tolist())


def _merge(client: Client, task: Task, learned: NDArray[np.int64], recipe: str, strength: float | None) -> None:
    """Parts that know only some of the classes each, and of some classes only some examples."""
    parts = np.array_split(learned[np.argsort(task.labels[learned], kind="stable")], _PARTS)
    names = [f"part-{number}" for number in range(_PARTS)]
    for name, chosen in zip(names, parts, strict=True):
        _train(client, name, task, chosen, recipe, strength)
    client.merge_heads(_GROWN, names)
    for name in names:
        client.delete_head(name)


def _compare(client: Client, task: Task, recipe: str, what: str, rows: Rows) -> None:
    grown, whole = (_weights(client, name) for name in (_GROWN, _WHOLE))
    difference = float(np.linalg.norm(grown - whole) / np.linalg.norm(whole))
    test = task.vectors[task.draws[0].test]
    labels = [[each.label for each in client.predict(name, test)] for name in (_GROWN, _WHOLE)]
    same = float(np.mean([one == other for one, other in zip(*labels, strict=True)]))
    rows.add({"section": "exact", "recipe": recipe, "what": what, "difference": difference, "same": same})
    print(f"{recipe}, {what}: weights differ by {difference:.1e}, predictions equal {same:.2%}")


def _weights(client: Client, name: str) -> NDArray[np.float64]:
    """float64 of shape (c, d + 1)."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "head"
        zipfile.ZipFile(client.export_head(name, Path(folder) / "head.zip")).extractall(place)
        decision = artifact.read(place).decision
    if not isinstance(decision, Linear):
        raise SystemExit(f"head {name} is not linear")
    return np.hstack([decision.coef, decision.intercept[:, np.newaxis]])
