"""Whether encoders come in the same order before anything is trained as probes that were trained and tuned."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.preprocessing import StandardScaler

import heads_data
from frostline.client import Client, Comparison, Example
from heads_data import FIXTURES, IMAGE_ENCODERS, Draw
from timing import Rows, Spread, spread

IMAGENET_TOP1 = {
    "mobilenet-v2-imagenet": 85.7,
    "mobilenet-v1-075": 78.0,
    "squeezenet": 61.0,
    "mobilenet-v1-025": 42.7,
    "mobilenet-v2-inat-bird": 0.0,  # it names birds and nothing else
}
"""In % on the sample of ImageNet, as the fixtures state it."""

_FIELDS = ("articleType", "subCategory", "gender")
_FEWEST_ITEMS = 20
_TIE = 1.0
_LAYER = "embedding"
_STRENGTHS = (0.001, 0.01, 0.1)
_FOLDS = 3
_ALL = 1 << 30


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images.

    Attributes:
        name: of the data set.
        paths: of all its files.
        rows: int64 of shape (n,), those among them that have a label.
        labels: str of shape (n,).
        draw: places among the n: what is compared on, and what probes are judged by.
    """

    name: str
    paths: Sequence[Path]
    rows: NDArray[np.int64]
    labels: NDArray[np.str_]
    draw: Draw

    def examples(self) -> list[Example]:
        """What encoders are compared on."""
        learned = self.draw.train.tolist()
        return [Example(image=self.paths[int(self.rows[place])], label=str(self.labels[place])) for place in learned]


def measure(client: Client, rows: Rows) -> dict[str, Spread]:
    """Weighted Kendall tau between an order and that of test accuracy, for each data set."""
    taus: dict[str, list[float]] = {"leave-one-out ridge": [], "LogME": [], "H-score": [], "5 nearest": []}
    taus["ImageNet top-1"] = []
    for images in (*map(fashion, _FIELDS), cifar10()):
        truth = {encoder: _probed(client, images, encoder) for encoder in IMAGE_ENCODERS}
        found = client.compare_encoders(
            images.examples(), encoders=list(IMAGE_ENCODERS), layers=[_LAYER], max_examples=10_000
        )
        orders = {**_orders(found), "ImageNet top-1": IMAGENET_TOP1}
        row = {name: round(weighted_tau(truth, order), 4) for name, order in orders.items()}
        for name, tau in row.items():
            taus[name].append(tau)
        tied = [each.encoder for each in found.tied]
        rows.add({"section": images.name, "split": images.draw.hash, "truth": truth, "tied": tied, "tau": row})
        rows.add({"section": images.name, "orders": orders})
        print(f"{images.name}: last {found.encoders[-1].encoder}; test accuracy {truth}; tau {row}")
    print("mean tau:", {name: round(float(np.mean(values)), 3) for name, values in taus.items()})
    return {f"tau, {name}": spread(values) for name, values in taus.items()}


def weighted_tau(truth: Mapping[str, float], order: Mapping[str, float]) -> float:
    """How well an order fits the truth, from -1 to 1: pairs count the more the better both are, ties not at all.

    Args:
        truth: accuracy of each encoder in %; less than a point apart is a tie.
        order: a figure of each, more is better; equal figures fit neither way.

    Source: Vigna 2015, with his hyperbolic weights by the rank of truth.
    """
    ranks = {name: place for place, name in enumerate(sorted(truth, key=lambda name: -truth[name]))}
    fitting = total = 0.0
    for one, other in combinations(truth, 2):
        if abs(truth[one] - truth[other]) >= _TIE:
            weight = 1 / (ranks[one] + 1) + 1 / (ranks[other] + 1)
            total += weight
            fitting += weight * np.sign(truth[one] - truth[other]) * np.sign(order[one] - order[other])
    return float(fitting / total)


def fashion(field: str, half: int = 0) -> Images:
    """Product images by a field, values of at least 20 items; compared on half of each class, judged by the other."""
    folder = FIXTURES / "datasets" / "fashion_products"
    products = [json.loads(line) for line in (folder / "products.jsonl").read_text().splitlines()]
    values = np.array([product[field] for product in products])
    kinds, counts = np.unique(values, return_counts=True)
    rows = np.flatnonzero(np.isin(values, kinds[counts >= _FEWEST_ITEMS]))
    draw = heads_data.half_draws(values[rows], _ALL)[half]
    return Images(f"fashion {field}", [folder / product["image"] for product in products], rows, values[rows], draw)


def cifar10() -> Images:
    """2,000 images of 10 classes to compare on, 500 to judge by."""
    folder = FIXTURES / "datasets" / "cifar10_subset"
    paths = [path for part in ("train", "test") for path in sorted((folder / part).glob("*/*.jpg"))]
    rows = np.arange(len(paths))
    train = sum(path.parent.parent.name == "train" for path in paths)
    labels = np.array([path.parent.name for path in paths])
    return Images("cifar10 subset", paths, rows, labels, Draw(rows[:train], rows[train:]))


def probe(vectors: NDArray[np.float32], images: Images) -> float:
    """Test accuracy in % of logistic regression on standardised features, C by cross-validation on the training part.

    Args:
        vectors: float32 of shape (n, d), of the labelled images.
        images: with their labels.
    """
    train, test = images.draw.train, images.draw.test
    scaler = StandardScaler().fit(vectors[train])
    # Turning the features changes no penalised fit, and leaves as many of them as there are examples at most.
    learned = scaler.transform(vectors[train]).astype(np.float64)
    axes = np.linalg.svd(learned, full_matrices=False)[2]
    search = GridSearchCV(
        LogisticRegression(max_iter=500, tol=1e-3),
        {"C": _STRENGTHS},
        cv=StratifiedKFold(_FOLDS, shuffle=True, random_state=0),
    )
    search.fit(learned @ axes.T, images.labels[train])
    return 100 * float(search.score(scaler.transform(vectors[test]).astype(np.float64) @ axes.T, images.labels[test]))


def _probed(client: Client, images: Images, encoder: str) -> float:
    return round(probe(heads_data.embedded(client, encoder, images.paths)[images.rows], images), 3)


def _orders(found: Comparison) -> dict[str, dict[str, float]]:
    encoders = found.encoders
    return {
        "leave-one-out ridge": {each.encoder: each.accuracy.value for each in encoders},
        "LogME": {each.encoder: each.log_evidence for each in encoders},
        "H-score": {each.encoder: each.h_score for each in encoders},
        "5 nearest": {each.encoder: each.neighbor_accuracy for each in encoders},
    }
