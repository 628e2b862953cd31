"""Heads of several labels and of numbers, trained and asked through the service."""

import json

import numpy as np
from numpy.typing import NDArray

import heads_data
from frostline.client import Client
from heads_data import Draw
from timing import Rows, Spread, spread

_HEAD = "measured"
_LABEL_DRAWS, _NUMBER_DRAWS = 5, 10
_FEWEST_ITEMS = 20
_COVERAGE = 0.9
_FIELDS = ("gender", "masterCategory", "baseColour", "season", "usage")


def labels(client: Client, rows: Rows) -> dict[str, Spread]:
    """Attributes of products, told from their names: half of the products is learned from, the other half is judged.

    Returns:
        Macro and micro F1 in %, with the threshold of each label and with 0.5 for all.
    """
    names, tags = _products()
    vectors = heads_data.embedded(client, heads_data.TEXTS, names)
    found: dict[str, list[float]] = {}
    for seed in range(_LABEL_DRAWS):
        order = np.random.default_rng(seed).permutation(len(names))
        draw = Draw(np.sort(order[: len(names) // 2]), np.sort(order[len(names) // 2 :]))
        head = client.train_head(_HEAD, vectors=vectors[draw.train], labels=[tags[row] for row in draw.train.tolist()])
        judged = client.evaluate_head(
            _HEAD, vectors=vectors[draw.test], labels=[tags[row] for row in draw.test.tolist()]
        )
        assert judged.micro_f1
        plain = _at_one_half(client, vectors[draw.test], [tags[row] for row in draw.test.tolist()])
        figures = {
            "macro F1, own thresholds": 100 * judged.macro_f1.value,
            "macro F1 at 0.5": 100 * plain[0],
            "micro F1, own thresholds": 100 * judged.micro_f1.value,
            "micro F1 at 0.5": 100 * plain[1],
            "calibration error": 100 * judged.calibration_error,
        }
        strength = head.versions[0].strength
        rows.add({"section": "labels", "seed": seed, "split": draw.hash, "strength": strength, **figures})
        for name, figure in figures.items():
            found.setdefault(name, []).append(figure)
    _say(f"{len(names)} products, {len(head.versions[0].classes)} labels", found)
    return {name: spread(figures) for name, figures in found.items()}


def numbers(client: Client, rows: Rows) -> dict[str, Spread]:
    """How alike two sentences are, from 0 to 5 (STS benchmark): random halves of the dev part are learned from.

    The vector of a pair is the product of both embeddings and their absolute difference, value by value.

    Returns:
        How often intervals at 90 % hold the true number in the other half, and R squared there. Both in %.

    Source: Conneau et al. 2017, InferSent, figure 1 (the features of a pair).
    """
    pairs, scores = _pairs(client)
    found: dict[str, list[float]] = {"coverage": [], "R squared": []}
    for seed in range(_NUMBER_DRAWS):
        order = np.random.default_rng(seed).permutation(len(pairs))
        draw = Draw(np.sort(order[: len(pairs) // 2]), np.sort(order[len(pairs) // 2 :]))
        head = client.train_head(_HEAD, vectors=pairs[draw.train], values=scores[draw.train], coverage=_COVERAGE)
        answers, truth = client.predict(_HEAD, pairs[draw.test]), scores[draw.test]
        assert answers.margin is not None
        errors = truth - answers.values
        figures = {
            "coverage": 100 * float(np.mean(np.abs(errors) <= answers.margin)),
            "R squared": 100 * float(1 - (errors**2).mean() / truth.var()),
        }
        strength = head.versions[0].strength
        rows.add({"section": "numbers", "seed": seed, "split": draw.hash, "strength": strength, **figures})
        for name, figure in figures.items():
            found[name].append(figure)
    _say(f"{len(draw.train)} pairs of sentences, intervals at {_COVERAGE:.0%}", found)
    return {name: spread(figures) for name, figures in found.items()}


def _products() -> tuple[list[str], list[list[str]]]:
    """Names of products, and which of the attributes that at least 20 have each of them has."""
    lines = (heads_data.FIXTURES / "datasets" / "fashion_products" / "products.jsonl").read_text().splitlines()
    products = [json.loads(line) for line in lines]
    tags = [[f"{field}: {product[field]}" for field in _FIELDS] for product in products]
    known, counts = np.unique([tag for each in tags for tag in each], return_counts=True)
    kept = {str(tag) for tag in known[counts >= _FEWEST_ITEMS]}
    return [product["productDisplayName"] for product in products], [[t for t in each if t in kept] for each in tags]


def _at_one_half(client: Client, vectors: NDArray[np.float32], tags: list[list[str]]) -> tuple[float, float]:
    """Macro and micro F1 of giving each label that is likelier than not."""
    predictions = client.predict(_HEAD, vectors, limit=1_000)
    likely = np.zeros(predictions.places.shape)
    np.put_along_axis(likely, predictions.places, predictions.probabilities, axis=1)
    given = likely >= 0.5
    there = np.array([[label in each for label in predictions.classes] for each in tags])
    right, either = (given & there).sum(axis=0), given.sum(axis=0) + there.sum(axis=0)
    return float(np.mean(2 * right / np.maximum(1, either))), float(2 * right.sum() / either.sum())


def _pairs(client: Client) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    lines = (heads_data.FIXTURES / "datasets" / "stsbenchmark" / "dev.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    first, second = (
        heads_data.embedded(client, heads_data.TEXTS, [row[each] for row in rows])
        for each in ("sentence1", "sentence2")
    )
    return np.concatenate([first * second, np.abs(first - second)], axis=1), np.array([row["score"] for row in rows])


def _say(what: str, found: dict[str, list[float]]) -> None:
    print(f"{what}: " + ", ".join(f"{name} {np.mean(figures):.2f}" for name, figures in found.items()))
