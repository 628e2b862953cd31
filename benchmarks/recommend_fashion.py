"""Products like a product: how many of the ten nearest by image and title are of its kind."""

import json

import numpy as np
from numpy.typing import NDArray

import heads_data
from frostline.client import Client, Record, Strategy, VectorField, Weighted
from heads_data import FIXTURES, IMAGES, TEXTS
from ranking import K
from timing import Rows

_NAME = "fashion"
_STRATEGIES = (Strategy.AUTO, Strategy.AVERAGE_VECTOR, Strategy.SUM_SCORES)


def measure(client: Client, rows: Rows) -> None:
    """Recommends beside each product of the 20 article types with at least 20 items, all others being candidates."""
    paths, types = heads_data.fashion_images()
    ids, titles = [path.stem for path in paths], _titles()
    images = heads_data.embedded(client, IMAGES, paths)
    texts = heads_data.embedded(client, TEXTS, [titles[id] for id in ids])
    client.create_collection(_NAME, vectors={"image": VectorField(IMAGES), "title": VectorField(TEXTS)})
    client.upsert(
        _NAME,
        [
            Record(id, vectors={"image": image, "title": text})
            for id, image, text in zip(ids, images, texts, strict=True)
        ],
    )
    type_of = dict(zip(ids, types.tolist(), strict=True))
    print(f"{len(ids)} products of {len(set(types))} types")
    _say("mean of both cosines, computed here", _nearest(images, texts, ids), type_of, rows)
    for strategy in _STRATEGIES:
        found = {id: _alike(client, id, strategy) for id in ids}
        _say(str(strategy), found, type_of, rows)
    client.delete_collection(_NAME)


def _alike(client: Client, id: str, strategy: Strategy) -> list[str]:
    """Ids of the ten most like a product, its image and its title counting alike."""
    examples = [Weighted(id, vector_name=name) for name in ("image", "title")]
    return client.recommend(_NAME, positives=examples, strategy=strategy, limit=K, include_payloads=False).ids


def _nearest(images: NDArray[np.float32], texts: NDArray[np.float32], ids: list[str]) -> dict[str, list[str]]:
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (images, texts)]
    scores = unit[0] @ unit[0].T + unit[1] @ unit[1].T
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    return {id: [ids[row] for row in nearest] for id, nearest in zip(ids, order.tolist(), strict=True)}


def _say(side: str, found: dict[str, list[str]], type_of: dict[str, str], rows: Rows) -> None:
    shares = [float(np.mean([type_of[each] == type_of[id] for each in alike])) for id, alike in found.items()]
    complete = all(len(alike) == K for alike in found.values())
    rows.add({"side": side, "share": round(float(np.mean(shares)), 5), "complete": complete, "shares": shares})
    print(f"{side:36} {np.mean(shares):.4f} of the ten nearest have the same articleType")


def _titles() -> dict[str, str]:
    file = FIXTURES / "datasets" / "fashion_products" / "products.jsonl"
    products = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {product["id"]: product["productDisplayName"] for product in products}
