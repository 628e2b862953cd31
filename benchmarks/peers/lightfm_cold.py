"""LightFM with the WARP loss on items that nobody has rated yet; runs inside LightFM's own environment.

    cd benchmarks && ../.venv-peers/lightfm/bin/python -m peers.lightfm_cold tune|run DATA.npz OUT.jsonl [TUNED.jsonl]

`tune` tries options inside the training side of seed 0 and writes each with its NDCG@10, the chosen ones last; `run`
takes those, trains once a seed and writes the NDCG@10 of every user. DATA.npz holds positives (items, users), embedding
(items, d), genres and decades (items, tags), `outer` (seeds, items), true where an item is held out to be judged, and
`inner` (splits, items): 1 learned from, 2 judged, 0 neither.
"""

import json
import multiprocessing
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from lightfm import LightFM
from numpy.typing import NDArray

from ranking import best, ndcg

Arrays = Mapping[str, NDArray[np.generic]]
EPOCHS = (2, 5, 10, 20, 40)
DRAWN, VARIED, FINALISTS, PROCESSES = 40, 2, 4, 2
SPACE: dict[str, tuple[float, ...]] = {
    "components": (16, 32, 64),
    "learning_rate": (0.02, 0.05, 0.1),
    "alpha": (0.0, 1e-6, 1e-5, 1e-4),
    "identity": (False, False, True),
    "genres": (0.0, 0.3, 1.0),
    "decades": (0.0, 0.3, 1.0),
    "embedding": (0.5, 1.0, 2.0, 4.0),
    "dimensions": (32, 64, 128),
    "whiten": (False, True),
    "max_sampled": (10, 30),
}


@dataclass(frozen=True)
class Options:
    """What LightFM leaves to its user.

    Attributes:
        components: of the latent factors.
        learning_rate: of adagrad.
        alpha: L2 penalty, of items and users alike.
        identity: whether each item has a feature of its own; those of held-out items are left out when they are scored.
        genres: weight of the genre tags, 0 for none.
        decades: weight of the tags of decades.
        embedding: length of the centered embedding, on average.
        dimensions: principal components that are kept of it, 0 for the embedding as it is.
        whiten: whether these get the same spread.
        max_sampled: negatives that WARP tries.
        epochs: over the interactions.
    """

    components: int = 32
    learning_rate: float = 0.05
    alpha: float = 0.0
    identity: bool = False
    genres: float = 1.0
    decades: float = 0.0
    embedding: float = 1.0
    dimensions: int = 64
    whiten: bool = False
    max_sampled: int = 10
    epochs: int = 20


def features(data: Arrays, options: Options, learned: NDArray[np.int64]) -> sp.csr_matrix:
    """Features of all items, float32 of shape (items, features); items that are not learned from have no identity."""
    embedding = data["embedding"].astype(np.float64)
    embedding -= embedding[learned].mean(axis=0)
    if options.dimensions:
        _, spread, axes = np.linalg.svd(embedding[learned], full_matrices=False)
        embedding = embedding @ axes[: options.dimensions].T
        if options.whiten:
            embedding /= spread[: options.dimensions]
    embedding *= options.embedding / np.linalg.norm(embedding[learned], axis=1).mean()
    tags = (options.genres * data["genres"], options.decades * data["decades"])
    described = np.hstack([part for part in (embedding, *tags) if part.any()]).astype(np.float32)
    if not options.identity:
        return sp.csr_matrix(described)
    known = np.zeros(len(described), np.float32)
    known[learned] = 1
    return sp.hstack([sp.csr_matrix(described), sp.diags(known)], format="csr")


def fitted(
    data: Arrays, options: Options, learned: NDArray[np.int64], judged: NDArray[np.int64], seed: int
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.int64]]]:
    """Learns, and judges at the epochs of `EPOCHS` up to those of the options.

    Yields:
        Epochs so far, NDCG@10 of the users that have a positive among the judged, and their numbers.
    """
    positives = data["positives"].astype(bool)
    described = features(data, options, learned)
    told = np.zeros_like(positives)
    told[learned] = positives[learned]
    ratings = sp.coo_matrix(told.T.astype(np.float32))
    model = LightFM(
        no_components=options.components,
        learning_rate=options.learning_rate,
        item_alpha=options.alpha,
        user_alpha=options.alpha,
        loss="warp",
        max_sampled=options.max_sampled,
        random_state=seed,
    )
    relevant = positives[judged].T
    users = np.flatnonzero(relevant.any(axis=1))
    done = 0
    for epochs in sorted({*(each for each in EPOCHS if each < options.epochs), options.epochs}):
        model.fit_partial(ratings, item_features=described, epochs=epochs - done, num_threads=1)
        done = epochs
        biases, factors = model.get_item_representations(described[judged])
        scores = model.user_embeddings @ factors.T + biases
        yield done, ndcg(best(scores[users]), relevant[users]), users


Tried = tuple[Options, int]  # options without their epochs, a split


def drawn(draw: np.random.Generator) -> Options:
    """Draws options from `SPACE`."""
    chosen = {name: values[draw.integers(len(values))] for name, values in SPACE.items()}
    return Options(**chosen, epochs=10)  # type: ignore[arg-type]


def varied(options: Options) -> list[Options]:
    """Dearer and finer options around some that were good."""
    return [
        replace(options, epochs=2 * options.epochs),
        replace(options, dimensions=0, whiten=False),
        replace(options, components=2 * options.components),
        replace(options, learning_rate=options.learning_rate / 2, epochs=20),
        replace(options, embedding=2 * options.embedding),
        replace(options, genres=options.genres / 2, decades=options.decades / 2),
    ]


def neighbors(options: Options) -> list[Options]:
    """Single steps away from options that were the best."""
    return [
        replace(options, alpha=10 * options.alpha),
        replace(options, dimensions=options.dimensions // 2),
        replace(options, max_sampled=3 * options.max_sampled),
        replace(options, decades=1.0),
    ]


def tried(path: str, of: Tried) -> list[dict[str, object]]:
    """Judges options on one inner split; a row for every number of epochs."""
    data, (options, split) = np.load(path), of
    learned, judged = (np.flatnonzero(data["inner"][split] == side) for side in (1, 2))
    rows: list[dict[str, object]] = []
    for epochs, found, _ in fitted(dict(data), options, learned, judged, seed=0):
        so_far = asdict(replace(options, epochs=epochs))
        rows.append({"split": split, "options": so_far, "ndcg": round(float(found.mean()), 5)})
    return rows


def tune(path: str, out: Path) -> None:
    """Draws options, varies the best, judges those on every split, then neighbors; the last row is the choice."""
    draw = np.random.default_rng(0)
    splits = len(np.load(path)["inner"])
    figures: dict[Options, dict[int, float]] = {}
    with out.open("w") as file, multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:

        def judge(candidates: list[Tried]) -> None:
            for rows in pool.imap_unordered(partial(tried, path), candidates):
                for row in rows:
                    file.write(json.dumps(row) + "\n")
                    file.flush()
                    figures.setdefault(Options(**row["options"]), {})[row["split"]] = row["ndcg"]

        def leading(count: int) -> list[Options]:
            """The best so far, each with its best number of epochs, no two alike but for those."""
            mean = {options: float(np.mean(list(each.values()))) for options, each in figures.items()}
            found: dict[Options, Options] = {}
            for options in sorted(mean, key=lambda options: -mean[options]):
                found.setdefault(replace(options, epochs=0), options)
            return list(found.values())[:count]

        def leading_everywhere() -> Options:
            """The best of those that were judged on every split."""
            mean = {o: float(np.mean(list(each.values()))) for o, each in figures.items() if len(each) == splits}
            return max(mean, key=lambda options: mean[options])

        judge([(drawn(draw), 0) for _ in range(DRAWN)])
        judge([(options, 0) for best_ones in leading(VARIED) for options in varied(best_ones)])
        judge([(options, split) for options in leading(FINALISTS) for split in range(1, splits)])
        judge([(options, split) for options in neighbors(leading_everywhere()) for split in range(splits)])
        chosen = leading_everywhere()
        mean = float(np.mean(list(figures[chosen].values())))
        file.write(json.dumps({"chosen": asdict(chosen), "ndcg": round(mean, 5)}) + "\n")


def judged_seed(path: str, options: Options, seed: int) -> dict[str, object]:
    """Learns without the items that the seed holds out, and judges on them."""
    data = dict(np.load(path))
    held = data["outer"][seed].astype(bool)
    *_, (_, found, users) = fitted(data, options, np.flatnonzero(~held), np.flatnonzero(held), seed)
    return {"seed": seed, "mean": float(found.mean()), "users": users.tolist(), "ndcg": found.round(5).tolist()}


def run(path: str, out: Path, options: Options) -> None:
    """Trains once for each seed and writes what each user got."""
    packages = ("lightfm", "numpy", "scipy")
    with out.open("w") as file, multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        file.write(json.dumps({"versions": {name: version(name) for name in packages}}) + "\n")
        for row in pool.imap(partial(judged_seed, path, options), range(len(np.load(path)["outer"]))):
            file.write(json.dumps(row) + "\n")
            file.flush()


def main() -> None:
    """Tunes or runs."""
    command, path, out = sys.argv[1:4]
    if command == "tune":
        tune(path, Path(out))
    else:
        chosen = json.loads(Path(sys.argv[4]).read_text().splitlines()[-1])["chosen"]
        run(path, Path(out), Options(**chosen))


if __name__ == "__main__":
    main()
