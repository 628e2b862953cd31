"""What recommendations are measured on: movies and who liked them, and generated histories of many users.

Nothing is chosen: which movies and users are held out follows from fixed seeds.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import vector_data
from frostline.client import Client, FieldKind, Interaction, Record
from heads_data import FIXTURES, TEXTS, embedded

SEEDS, INNER_SPLITS, FOLDS = 10, 3, 5
HELD_OUT = 0.2
LIKE = "like"
_LIKED, _FEWEST_POSITIVES = 4.0, 5
_FOLDER = FIXTURES / "datasets" / "movielens-latest-small"


@dataclass(frozen=True, eq=False)
class Movies:
    """Movies with at least 5 positives (ratings of 4 and more), those with the most first, and who liked them.

    Attributes:
        ids: n ids of records.
        titles: as MovieLens has them, with the year at the end.
        years: of release; None where the title has none.
        genres: of each movie.
        texts: title, genres, overview where there is one: what is embedded.
        users: m ids.
        positives: bool of shape (n, m).
        times: float64 of shape (n, m), seconds since the epoch, 0 where there is no positive.
    """

    ids: Sequence[str]
    titles: Sequence[str]
    years: Sequence[int | None]
    genres: Sequence[Sequence[str]]
    texts: Sequence[str]
    users: Sequence[str]
    positives: NDArray[np.bool_]
    times: NDArray[np.float64]

    def records(self, vectors: NDArray[np.float32]) -> list[Record]:
        """The movies as records of a collection whose declared fields are `FIELDS`, shuffled.

        Stored with the most liked first, equal scores in the order of storing would tell what is to be guessed.
        """
        described = zip(self.titles, self.years, self.genres, strict=True)
        payloads = [
            {"title": title, "genres": list(genres)} | ({} if year is None else {"year": year})
            for title, year, genres in described
        ]
        order = np.random.default_rng(23).permutation(len(self.ids)).tolist()
        return [Record(self.ids[row], vector=vectors[row], payload=payloads[row]) for row in order]

    def interactions(self, chosen: NDArray[np.bool_]) -> Iterator[Interaction]:
        """The positives that are chosen, the earliest first.

        Args:
            chosen: bool of shape (n, m); what is not positive is passed over.
        """
        rows, columns = np.nonzero(self.positives & chosen)
        for place in np.argsort(self.times[rows, columns], kind="stable").tolist():
            row, column = rows[place], columns[place]
            time = float(self.times[row, column])
            yield Interaction(self.users[column], self.ids[row], time=time, kind=LIKE)

    def genre_tags(self) -> NDArray[np.bool_]:
        """Of shape (n, genres)."""
        names = sorted({name for genres in self.genres for name in genres})
        return np.array([[name in genres for name in names] for genres in self.genres])

    def decade_tags(self) -> NDArray[np.bool_]:
        """Of shape (n, decades); without a tag where there is no year."""
        decades = [-1 if year is None else year // 10 for year in self.years]
        return np.array([[each == decade for decade in sorted({*decades} - {-1})] for each in decades])


FIELDS: Mapping[str, FieldKind] = {"year": "integer", "genres": "keyword"}


def movies() -> Movies:
    """Reads the fixture."""
    overviews = {row["movieId"]: row.get("overview") or "" for row in _lines(_FOLDER / "movies_text.jsonl")}
    ratings = [row for row in _table("ratings.csv") if float(row["rating"]) >= _LIKED]
    counts = Counter(row["movieId"] for row in ratings)
    ordered = sorted(_table("movies.csv"), key=lambda movie: -counts[movie["movieId"]])
    kept = [movie for movie in ordered if counts[movie["movieId"]] >= _FEWEST_POSITIVES]
    row_of = {movie["movieId"]: row for row, movie in enumerate(kept)}
    users = sorted({row["userId"] for row in ratings}, key=int)
    column_of = {user: column for column, user in enumerate(users)}
    times = np.zeros((len(kept), len(users)))
    for rating in ratings:
        if rating["movieId"] in row_of:
            times[row_of[rating["movieId"]], column_of[rating["userId"]]] = float(rating["timestamp"])
    genres = [movie["genres"].split("|") for movie in kept]
    texts = [
        f"{movie['title']}. {', '.join(each)}. {overviews.get(int(movie['movieId']), '')}".strip()
        for movie, each in zip(kept, genres, strict=True)
    ]
    titles = [movie["title"] for movie in kept]
    ids = [f"m{movie['movieId']}" for movie in kept]
    years = [_year(title) for title in titles]
    return Movies(ids, titles, years, genres, texts, [f"u{user}" for user in users], times > 0, times)


def split(seed: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Parts a fifth from the others: rows to learn from and rows held out, both ascending."""
    order = np.random.default_rng(seed).permutation(count)
    held = round(count * HELD_OUT)
    return np.sort(order[held:]), np.sort(order[:held])


def user_folds(seed: int, count: int) -> list[NDArray[np.int64]]:
    """Parts users into folds, each held out once."""
    return [np.sort(part) for part in np.array_split(np.random.default_rng(seed).permutation(count), FOLDS)]


def write_peer_data(path: Path, found: Movies, vectors: NDArray[np.float32]) -> None:
    """Writes what `peers/lightfm_cold.py` reads."""
    count = len(found.ids)
    outer = np.zeros((SEEDS, count), np.bool_)
    for seed in range(SEEDS):
        outer[seed, split(seed, count)[1]] = True
    learned = split(0, count)[0]
    inner = np.zeros((INNER_SPLITS, count), np.int8)
    for turn in range(INNER_SPLITS):
        for side, rows in enumerate(split(1000 + turn, len(learned)), start=1):
            inner[turn, learned[rows]] = side
    tags = {"genres": found.genre_tags(), "decades": found.decade_tags()}
    arrays = {"positives": found.positives, "embedding": vectors, "outer": outer, "inner": inner} | tags
    np.savez(path, allow_pickle=False, **arrays)


def movie_vectors(client: Client, found: Movies) -> NDArray[np.float32]:
    """Embeds the texts through the service, float32 of shape (n, 384); kept for later runs."""
    return embedded(client, TEXTS, found.texts)


@dataclass(frozen=True, eq=False)
class Histories:
    """What many users did with many items, generated.

    Attributes:
        vectors: float32 of shape (items, 384).
        payloads: a year and genres of each item.
        users: int64 of shape (interactions,), in no order.
        items: int64 of shape (interactions,); no user has the same twice.
    """

    vectors: NDArray[np.float32]
    payloads: Sequence[dict[str, object]]
    users: NDArray[np.int64]
    items: NDArray[np.int64]


def histories(items: int, interactions: int) -> Histories:
    """Generates histories as real ones are: few items have most of the interactions, few users long histories.

    Popularity falls as rank to the power of -0.8, lengths are lognormal with a mean of about 20, and half of what a
    user takes comes from a taste: a hundredth of the items, neighbors on an axis through the vectors.
    """
    data = vector_data.generate(items, queries=1)
    draw = np.random.default_rng(21)
    popularity = np.arange(1.0, items + 1) ** -0.8
    draw.shuffle(popularity)
    along = np.argsort(data.vectors @ draw.standard_normal((data.vectors.shape[1],), np.float32))
    lengths = np.maximum(1, draw.lognormal(2.5, 1.0, interactions // 10)).astype(np.int64)
    lengths = lengths[: np.searchsorted(np.cumsum(lengths), 1.05 * interactions) + 1]  # some are drawn twice
    users = np.repeat(np.arange(len(lengths)), lengths)
    cumulated = np.cumsum(popularity) / popularity.sum()
    chosen = np.minimum(np.searchsorted(cumulated, draw.random(len(users))), items - 1)
    width = max(1, items // 100)
    begins = draw.integers(0, items - width, len(lengths))[users]
    tastes = along[begins + draw.integers(0, width, len(users))]
    # The more popular of two of the taste, so that tastes have favorites too.
    others = along[begins + draw.integers(0, width, len(users))]
    tastes = np.where(popularity[tastes] > popularity[others], tastes, others)
    chosen = np.where(draw.random(len(users)) < 0.5, tastes, chosen)
    pairs = np.unique(users * items + chosen)
    draw.shuffle(pairs)
    pairs = pairs[:interactions]
    payloads = [
        {"year": int(year), "genres": [f"g{genre}" for genre in genres]}
        for year, genres in zip(draw.integers(1950, 2020, items), draw.integers(0, 20, (items, 2)), strict=True)
    ]
    return Histories(data.vectors, payloads, pairs // items, pairs % items)


def _year(title: str) -> int | None:
    found = re.search(r"\((\d{4})", title)
    return int(found.group(1)) if found else None


def _table(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
