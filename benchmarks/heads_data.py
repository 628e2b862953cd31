"""The data sets that heads are measured on: their embeddings through the service, and which examples are drawn.

Nothing is chosen: draws follow from fixed seeds, and each is known by a hash of its rows.
"""

import hashlib
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.client import Client

FIXTURES = Path(os.environ.get("FROSTLINE_FIXTURES") or Path(__file__).resolve().parents[2] / "shared" / "fixtures")
TEXTS, IMAGES = "all-minilm-l6-v2", "mobilenet-v2-imagenet"
DRAWS = 10
IMAGE_ENCODERS = {
    IMAGES: "mobilenet_v2_imagenet",
    "mobilenet-v1-075": "mobilenet_v1_075_192_imagenet",
    "squeezenet": "squeezenet_fp16_imagenet",
    "mobilenet-v1-025": "mobilenet_v1_025_128_imagenet",
    "mobilenet-v2-inat-bird": "mobilenet_v2_inat_bird",
}
_FEWEST_ITEMS = 20
_SEED = 42  # MTEB's


@dataclass(frozen=True, eq=False)
class Draw:
    """Which examples are learned from and which are judged.

    Attributes:
        train: int64, rows of the task.
        test: int64, other rows.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]

    @property
    def hash(self) -> str:
        """Tells draws apart."""
        return hashlib.sha256(self.train.tobytes() + b"|" + self.test.tobytes()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Task:
    """Labelled embeddings and the draws they are measured by.

    Attributes:
        name: of the data set.
        encoder: that embedded it.
        vectors: float32 of shape (n, d).
        labels: str of shape (n,).
        draws: in the order of their seeds.
        descriptions: what classes are about, by label; empty where nothing is said.
    """

    name: str
    encoder: str
    vectors: NDArray[np.float32]
    labels: NDArray[np.str_]
    draws: Sequence[Draw]
    descriptions: dict[str, str] = field(default_factory=dict)


def banking77_texts() -> tuple[list[str], NDArray[np.str_], int]:
    """All texts of Banking77 and their labels, and how many of them, from the first, are the training part."""
    train, test = (
        [json.loads(line) for line in (FIXTURES / "datasets" / "banking77" / f"{part}.jsonl").read_text().splitlines()]
        for part in ("train", "test")
    )
    return [row["text"] for row in train + test], np.array([row["label"] for row in train + test]), len(train)


def banking77(client: Client, shots: int = 8) -> Task:
    """10,003 + 3,080 texts of 77 intents, drawn from the former; what a class is about is its label."""
    texts, labels, train_count = banking77_texts()
    descriptions = {label: label.replace("_", " ") for label in np.unique(labels).tolist()}
    draws = mteb_draws(labels, train_count, shots)
    return Task("banking77", TEXTS, embedded(client, TEXTS, texts), labels, draws, descriptions)


def fashion(client: Client, shots: int = 8) -> Task:
    """Product images by article type, the 20 types of at least 20 items; each draw learns from a half of its own."""
    paths, labels = fashion_images()
    return Task("fashion articleType", IMAGES, embedded(client, IMAGES, paths), labels, half_draws(labels, shots))


def fashion_images() -> tuple[list[Path], NDArray[np.str_]]:
    """Product images and their article types, the 20 types of at least 20 items."""
    folder = FIXTURES / "datasets" / "fashion_products"
    products = [json.loads(line) for line in (folder / "products.jsonl").read_text().splitlines()]
    types, counts = np.unique([product["articleType"] for product in products], return_counts=True)
    frequent = {str(each) for each in types[counts >= _FEWEST_ITEMS]}
    kept = [product for product in products if product["articleType"] in frequent]
    return [folder / product["image"] for product in kept], np.array([product["articleType"] for product in kept])


def cifar10(client: Client, shots: int = 16) -> Task:
    """2,000 + 500 images of 10 classes, drawn from the former."""
    paths, labels, train = cifar10_images()
    return Task("cifar10 subset", IMAGES, embedded(client, IMAGES, paths), labels, mteb_draws(labels, train, shots))


def cifar10_images() -> tuple[list[Path], NDArray[np.str_], int]:
    """All images of the subset and their labels, and how many of them, from the first, are the training part."""
    folder = FIXTURES / "datasets" / "cifar10_subset"
    paths = [path for part in ("train", "test") for path in sorted((folder / part).glob("*/*.jpg"))]
    labels = np.array([path.parent.name for path in paths])
    return paths, labels, sum(path.parent.parent.name == "train" for path in paths)


def mteb_draws(labels: NDArray[np.str_], train_count: int, shots: int) -> list[Draw]:
    """The draws of MTEB: an order that is shuffled again for each, and the first of each label in it.

    The generator starts anew for each draw, so that the order is shuffled in the same way again and again.

    Args:
        labels: str of shape (n,).
        train_count: the first so many rows may be learned from, the others are judged.
        shots: examples of each label.

    Source: mteb 1.0.2, AbsTaskClassification._undersample_data; Evaluator.__init__, run once a draw, seeds with 42.
    """
    order, test = np.arange(train_count), np.arange(train_count, len(labels))
    draws: list[Draw] = []
    for _ in range(DRAWS):
        np.random.RandomState(_SEED).shuffle(order)
        draws.append(Draw(_first_of_each(labels, order, shots), test))
    return draws


def half_draws(labels: NDArray[np.str_], shots: int) -> list[Draw]:
    """Draws of data without a test part: half of each class is judged, and so many of the other half learned from."""
    draws: list[Draw] = []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(len(labels))
        half = np.concatenate(
            [rows[: len(rows) // 2] for rows in (order[labels[order] == label] for label in np.unique(labels))]
        )
        draws.append(Draw(_first_of_each(labels, order[np.isin(order, half)], shots), np.setdiff1d(order, half)))
    return draws


def _first_of_each(labels: NDArray[np.str_], order: NDArray[np.int64], shots: int) -> NDArray[np.int64]:
    taken: defaultdict[str, int] = defaultdict(int)
    rows: list[int] = []
    for row in order.tolist():
        if taken[labels[row]] < shots:
            rows.append(row)
            taken[labels[row]] += 1
    return np.array(rows)


def add(client: Client, encoder: str) -> None:
    """Adds an encoder of the fixtures where the server has none of the name."""
    if encoder not in {each.name for each in client.list_encoders()}:
        client.add_encoder(encoder, FIXTURES / "models" / IMAGE_ENCODERS[encoder])


def embedded(client: Client, encoder: str, inputs: Sequence[str] | Sequence[Path]) -> NDArray[np.float32]:
    """Embeddings through the service, float32 of shape (n, d); kept for later runs with the same space and inputs."""
    add(client, encoder)
    known = hashlib.sha256(repr(client.embed(inputs[:1], encoder).space).encode())
    for each in inputs:
        known.update(each.encode() if isinstance(each, str) else each.read_bytes())
        known.update(b"\0")
    cache = Path(tempfile.gettempdir()) / "frostline-heads" / f"{known.hexdigest()[:32]}.npy"
    if not cache.exists():
        found = client.embed(inputs, encoder)
        if found.errors:
            raise SystemExit(f"{len(found.errors)} inputs were not embedded, the first: {found.errors}")
        cache.parent.mkdir(exist_ok=True)
        np.save(cache, found.vectors)
    vectors: NDArray[np.float32] = np.load(cache)
    return vectors
