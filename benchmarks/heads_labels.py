"""What suggested labels save, and which wrong labels an audit finds: on the training part of Banking77 alone."""

import hashlib
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

import heads_data
from frostline.client import Client, LabelStrategy
from heads_data import Task
from timing import Rows, Spread, spread

SEEDS = 5
_HEAD = "suggested"
_POOL, _HELD_OUT = 4_000, 2_000
_AT_ONCE, _ROUNDS = 100, 6
_SIDES = ("random", "margin", "coverage")
_WRONG_SHARE = 0.05


def suggestions(client: Client, rows: Rows) -> dict[str, Spread]:
    """Accuracy on held-out texts after each 100 labels, chosen by chance or as the server suggests.

    The first 100 are chosen by `coverage` where the others are suggested: there is no head yet.

    Returns:
        For each side: the share of labels saved on the way to the accuracy of chance at its last round, over seeds.
    """
    task = heads_data.banking77(client)
    saved: defaultdict[str, list[float]] = defaultdict(list)
    for seed in range(SEEDS):
        drawn = np.random.default_rng(seed).permutation(heads_data.banking77_texts()[2])
        held_out, pool = drawn[:_HELD_OUT], drawn[_HELD_OUT : _HELD_OUT + _POOL]
        split = hashlib.sha256(held_out.tobytes() + b"|" + pool.tobytes()).hexdigest()[:16]
        curves = {side: _learned(client, task, side, pool, held_out) for side in _SIDES}
        for side, curve in curves.items():
            accuracies = [round(accuracy, 3) for accuracy in curve]
            rows.add({"section": "suggestions", "side": side, "seed": seed, "split": split, "accuracies": accuracies})
            if side != "random":
                saved[side].append(100 * (1 - _labels_for(curves["random"][-1], curve) / (_AT_ONCE * _ROUNDS)))
    return {f"labels saved by {side}, %": spread(values) for side, values in saved.items()}


def audits(client: Client, rows: Rows) -> dict[str, Spread]:
    """One label in 20 is exchanged for another one.

    Returns:
        The share of these among the suspects, and the share of these that are suspected; Banking77 has wrong labels of
        its own, which count against the former.
    """
    task = heads_data.banking77(client)
    count = heads_data.banking77_texts()[2]
    found: defaultdict[str, list[float]] = defaultdict(list)
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        exchanged = rng.permutation(count)[: int(_WRONG_SHARE * count)]
        labels = task.labels[:count].copy()
        labels[exchanged] = rng.permutation(labels[exchanged])
        wrong = np.flatnonzero(labels != task.labels[:count])
        told = client.audit_labels(vectors=task.vectors[:count], labels=labels.tolist(), limit=10_000)
        suspects = np.array([each.example.position for each in told.suspects])
        figures = {
            "suspects that were exchanged, %": 100 * float(np.isin(suspects, wrong).mean()),
            "exchanged that are suspected, %": 100 * float(np.isin(wrong, suspects).mean()),
        }
        rows.add({"section": "audits", "seed": seed, "exchanged": len(wrong), **figures})
        for name, figure in figures.items():
            found[name].append(figure)
    return {name: spread(values) for name, values in found.items()}


def _learned(
    client: Client, task: Task, side: str, pool: NDArray[np.int64], held_out: NDArray[np.int64]
) -> list[float]:
    """Accuracy after each round."""
    known, rest, accuracies = pool[:0], pool, list[float]()
    for round_ in range(_ROUNDS):
        known = np.concatenate([known, _chosen(client, task, side, rest, bool(round_))])
        rest = np.setdiff1d(pool, known)
        vectors, labels = task.vectors[known], task.labels[known].tolist()
        client.train_head(_HEAD, vectors=vectors, labels=labels, recipe="lda", strength=0.6)
        said = np.array(client.predict(_HEAD, task.vectors[held_out]).labels)
        accuracies.append(100 * float(np.mean(said == task.labels[held_out])))
    return accuracies


def _chosen(client: Client, task: Task, side: str, rest: NDArray[np.int64], has_head: bool) -> NDArray[np.int64]:
    if side == "random":
        return np.random.default_rng(len(rest)).permutation(rest)[:_AT_ONCE]
    strategy: LabelStrategy = "margin" if side == "margin" and has_head else "coverage"
    head = _HEAD if has_head else ""
    told = client.suggest_labels(head, task.vectors[rest], count=_AT_ONCE, strategy=strategy)
    return rest[[each.position for each in told]]


def _labels_for(accuracy: float, curve: list[float]) -> float:
    """Labels that a curve takes to an accuracy, between its rounds as if it were straight; all where it never does."""
    counts = _AT_ONCE * np.arange(1, _ROUNDS + 1)
    return float(np.interp(accuracy, np.maximum.accumulate(curve), counts))
