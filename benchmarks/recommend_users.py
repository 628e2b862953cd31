"""New users: what is recommended when nothing is known of them, and after one, three, five and ten likes."""

import numpy as np
from numpy.typing import NDArray

from frostline.client import Client, Strategy
from heads_data import TEXTS
from ranking import K, ndcg
from recommend_data import FIELDS, Movies, movie_vectors, movies, user_folds
from recommend_items import LEARNING_SECONDS
from timing import Rows

KNOWN = (0, 1, 3, 5, 10)
SINGLE = (
    Strategy.POPULAR,
    Strategy.ITEM_NEIGHBORS,
    Strategy.EASE,
    Strategy.FACTORS,
    Strategy.CONTENT,
    Strategy.AVERAGE_VECTOR,
)
_Figures = dict[tuple[int, str], list[float]]  # of each number of likes and strategy: NDCG@10 of users


def measure(client: Client, rows: Rows, seeds: int = 1, *, as_examples: bool = False) -> None:
    """Holds out every user once a seed; the first likes are given, and the rest is looked for among all other movies.

    Args:
        client: of a server without the collections that this makes.
        rows: where raw rows go.
        seeds: how often users are put into five folds.
        as_examples: whether likes are given as examples of somebody unknown, rather than recorded as those of a user.
    """
    found = movies()
    vectors = movie_vectors(client, found)
    figures: _Figures = {}
    for seed in range(seeds):
        for fold, held in enumerate(user_folds(seed, len(found.users))):
            name = f"users-{seed}-{fold}"
            sequence = _learned(client, name, found, vectors, held)
            for known in KNOWN:
                users = [user for user in held.tolist() if found.positives[:, user].sum() > known]
                given = {user: _first(found, user, known) for user in users}
                if not as_examples:
                    _record(client, name, found, given)
                for strategy in (Strategy.AUTO, *SINGLE):
                    ranked = _ranked(client, name, found, given, strategy, sequence, as_examples=as_examples)
                    values = ndcg(ranked, _relevant(found, given))
                    figures.setdefault((known, strategy), []).extend(values.tolist())
                    row = {"seed": seed, "fold": fold, "known": known, "side": strategy}
                    rows.add({**row, "users": users, "ndcg": values.round(5).tolist()})
            client.delete_collection(name)
    say(figures)


def say(figures: _Figures) -> None:
    """Prints NDCG@10 by number of likes, and how far AUTO is from the best single strategy."""
    for known in KNOWN:
        means = {strategy: float(np.mean(figures[known, strategy])) for strategy in (Strategy.AUTO, *SINGLE)}
        best = max(SINGLE, key=lambda strategy: means[strategy])
        shown = "  ".join(f"{strategy} {mean:.4f}" for strategy, mean in means.items())
        print(f"{known:2} likes: {shown}  auto - {best}: {means[Strategy.AUTO] - means[best]:+.4f}")


def _learned(client: Client, name: str, found: Movies, vectors: NDArray[np.float32], held: NDArray[np.int64]) -> int:
    """Makes the collection with the likes of all other users; returns the commit to have learned from."""
    client.create_collection(name, encoder=TEXTS, fields=FIELDS)
    client.upsert(name, found.records(vectors))
    chosen = np.ones_like(found.positives)
    chosen[:, held] = False
    recorded = client.record_interactions(name, found.interactions(chosen))
    if recorded.errors:
        raise SystemExit(f"interactions were refused: {recorded.errors}")
    return recorded.sequence


def _first(found: Movies, user: int, known: int) -> NDArray[np.int64]:
    """Rows of the movies that the user liked first."""
    liked = np.flatnonzero(found.positives[:, user])
    return liked[np.argsort(found.times[liked, user], kind="stable")[:known]]


def _record(client: Client, name: str, found: Movies, given: dict[int, NDArray[np.int64]]) -> None:
    """Records what is given; what was recorded for a smaller number is replaced by the same."""
    chosen = np.zeros_like(found.positives)
    for user, rows in given.items():
        chosen[rows, user] = True
    client.record_interactions(name, found.interactions(chosen))


def _ranked(
    client: Client,
    name: str,
    found: Movies,
    given: dict[int, NDArray[np.int64]],
    strategy: Strategy,
    sequence: int,
    *,
    as_examples: bool,
) -> NDArray[np.int64]:
    """Asks for each user; int64 of shape (users, 10), rows of movies."""
    row_of = {id: row for row, id in enumerate(found.ids)}
    ranked = np.full((len(given), K), -1, np.int64)
    for place, (user, rows) in enumerate(given.items()):
        likes = [found.ids[row] for row in rows.tolist()] if as_examples else []
        answer = client.recommend(
            name,
            user=None if as_examples else found.users[user],
            positives=likes,
            strategy=strategy,
            limit=K,
            include_payloads=False,
            min_learned_sequence=sequence,
            timeout_seconds=LEARNING_SECONDS,
        )
        ranked[place, : len(answer)] = [row_of[each.id] for each in answer]
    return ranked


def _relevant(found: Movies, given: dict[int, NDArray[np.int64]]) -> NDArray[np.bool_]:
    """What is looked for: what the user liked and was not given; of shape (users, movies)."""
    relevant = found.positives.T[list(given)].copy()
    for place, rows in enumerate(given.values()):
        relevant[place, rows] = False
    return relevant
