"""New items: movies that nobody has rated yet, ranked for those who will like them."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import recommend_baselines
from frostline.client import Client, Strategy
from heads_data import TEXTS
from peers.peer import ENVIRONMENTS
from ranking import K, best, mean_ratio, ndcg
from recommend_data import FIELDS, SEEDS, Movies, movie_vectors, movies, split, write_peer_data
from timing import Rows

STRATEGIES = (Strategy.AUTO, Strategy.CONTENT, Strategy.FACTORS, Strategy.POPULAR, Strategy.AVERAGE_VECTOR)
LEARNING_SECONDS = 1800.0
_HERE = Path(__file__).parent
_Figures = dict[str, list[NDArray[np.float64]]]  # of each side and seed: NDCG@10 of all users, NaN where not judged


def measure(client: Client, rows: Rows, seeds: int = SEEDS) -> None:
    """Ranks the held-out movies for every user with a positive among them, by strategy and by baseline."""
    found = movies()
    vectors = movie_vectors(client, found)
    figures: _Figures = {}
    for seed in range(seeds):
        learned, held = split(seed, len(found.ids))
        held = np.random.default_rng([seed, 2]).permutation(held)  # rows follow popularity, which ties would give away
        sides = _baselines(found, vectors, learned, held, seed) | _served(client, found, vectors, learned, held, seed)
        for side, ranked in sides.items():
            relevant = found.positives[held].T
            users = np.flatnonzero(relevant.any(axis=1))
            judged = np.full(len(found.users), np.nan)
            judged[users] = ndcg(ranked[users], relevant[users])
            figures.setdefault(side, []).append(judged)
            mean = round(float(np.nanmean(judged)), 5)
            rows.add({"seed": seed, "side": side, "mean": mean, "users": users.tolist(), "ndcg": _list(judged[users])})
    figures |= _lightfm(len(found.users), seeds, _HERE / "results" / "recommend-lightfm.jsonl")
    say(figures)


def say(figures: _Figures) -> None:
    """Prints NDCG@10 of each side, and the ratio of AUTO to it."""
    for side, seeds in figures.items():
        means = [float(np.nanmean(each)) for each in seeds]
        ratio, low, high = mean_ratio(figures[Strategy.AUTO], seeds)
        print(f"{side:24} {np.mean(means):.4f} ({min(means):.4f} to {max(means):.4f})  auto over it ", end="")
        print(f"{ratio:.3f} ({low:.3f} to {high:.3f})")


def lightfm(client: Client, rows: Rows, *, tune: bool = True) -> None:
    """Runs LightFM on the same features and splits; without `tune` with the options in `results/`."""
    python = ENVIRONMENTS / "lightfm" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{python} is missing; run `cd benchmarks && python -m peers lightfm`")
    found = movies()
    tuned = _HERE / "results" / "recommend-lightfm-tuning.jsonl"
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data.npz", Path(folder) / "out.jsonl"
        write_peer_data(data, found, movie_vectors(client, found))
        command = [str(python), "-m", "peers.lightfm_cold"]
        if tune:
            subprocess.run([*command, "tune", str(data), str(tuned)], cwd=_HERE, check=True)
        subprocess.run([*command, "run", str(data), str(out), str(tuned)], cwd=_HERE, check=True)
        learned = [json.loads(line) for line in out.read_text().splitlines()]
    rows.add({"chosen": json.loads(tuned.read_text().splitlines()[-1])["chosen"]})
    for row in learned:
        rows.add(row)
    means = [row["mean"] for row in learned if "mean" in row]
    print(f"LightFM: {np.mean(means):.4f} ({min(means):.4f} to {max(means):.4f})")


def _baselines(
    found: Movies, vectors: NDArray[np.float32], learned: NDArray[np.int64], held: NDArray[np.int64], seed: int
) -> dict[str, NDArray[np.int64]]:
    """Ranks by what is computed here; int64 of shape (users, 10) by side."""
    described = recommend_baselines.features(found, vectors)
    centered = described - described[learned].mean(axis=0)
    return {
        "random": best(recommend_baselines.chance(found, held, seed)),
        "predicted popularity": best(recommend_baselines.predicted_popularity(found, described, learned, held)),
        "mean profile": best(recommend_baselines.mean_profile(found, described, learned, held)),
        "mean profile, centered": best(recommend_baselines.mean_profile(found, centered, learned, held)),
    }


def _served(
    client: Client,
    found: Movies,
    vectors: NDArray[np.float32],
    learned: NDArray[np.int64],
    held: NDArray[np.int64],
    seed: int,
) -> dict[str, NDArray[np.int64]]:
    """Ranks through the service: all movies in a collection, positives of the movies learned from recorded."""
    name = f"items-{seed}"
    client.create_collection(name, encoder=TEXTS, fields=FIELDS)
    client.upsert(name, found.records(vectors))
    chosen = np.zeros_like(found.positives)
    chosen[learned] = True
    recorded = client.record_interactions(name, found.interactions(chosen))
    if recorded.errors:
        raise SystemExit(f"interactions were refused: {recorded.errors}")
    row_of = {found.ids[row]: place for place, row in enumerate(held.tolist())}
    excluded = [found.ids[row] for row in learned.tolist()]
    judged = np.flatnonzero(found.positives[held].any(axis=0)).tolist()
    ranked: dict[str, NDArray[np.int64]] = {}
    for strategy in STRATEGIES:
        ranked[strategy] = np.full((len(found.users), K), -1, np.int64)
        for user in judged:
            answer = client.recommend(
                name,
                user=found.users[user],
                strategy=strategy,
                excluded_ids=excluded,
                limit=K,
                include_payloads=False,
                min_learned_sequence=recorded.sequence,
                timeout_seconds=LEARNING_SECONDS,
            )
            ranked[strategy][user, : len(answer)] = [row_of[each.id] for each in answer]
    client.delete_collection(name)
    return ranked


def _lightfm(users: int, seeds: int, path: Path) -> _Figures:
    """What LightFM came to, from its raw rows; nothing where there are none."""
    if not path.exists():
        return {}
    figures: list[NDArray[np.float64]] = []
    for row in map(json.loads, path.read_text().splitlines()):
        if "seed" in row and row["seed"] < seeds:
            figures.append(np.full(users, np.nan))
            figures[-1][row["users"]] = row["ndcg"]
    return {"LightFM": figures}


def _list(values: NDArray[np.float64]) -> Sequence[float]:
    rounded: list[float] = values.round(5).tolist()
    return rounded
