"""What predicting costs over embedding alone, what training costs, and what searches feel of it."""

import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import heads_data
from frostline.client import Client, LabelledRecords
from heads_data import TEXTS
from timing import Rows, Spread, ratios, spread, timed

_TURNS, _TEXTS_A_TURN = 20, 25
_IDLE_SECONDS, _SEARCH_EVERY_SECONDS = 30.0, 0.01
_COLLECTION, _FIELD, _HEAD = "intents", "intent", "measured"


def end_to_end(client: Client, rows: Rows) -> dict[str, Spread]:
    """One text: encoder and head in one call over the encoder alone, as medians of each turn."""
    task = heads_data.banking77(client)
    learned = task.draws[0].train
    client.train_head(_HEAD, encoder=TEXTS, vectors=task.vectors[learned], labels=task.labels[learned].tolist())
    sides: dict[str, Callable[[str], object]] = {
        "embed": lambda text: client.embed([text], TEXTS),
        "predict": lambda text: client.predict(_HEAD, [text]),
    }
    texts = heads_data.banking77_texts()[0][-(_TURNS + 1) * _TEXTS_A_TURN :]
    medians: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(_TURNS + 1):
        seconds = _one_by_one(sides, texts[turn * _TEXTS_A_TURN :][:_TEXTS_A_TURN])
        rows.add({"section": "one text", "turn": turn, **seconds})
        if turn:  # the first warms both up
            for name, value in seconds.items():
                medians[name].append(value)
    for name, values in medians.items():
        print(f"one text, {name}: {spread([1e3 * value for value in values])} ms")
    return {"one text, predict over embed": ratios(medians["predict"], medians["embed"])}


def _one_by_one(sides: dict[str, Callable[[str], object]], texts: list[str]) -> dict[str, float]:
    """Median seconds of each side, which go first in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for place, text in enumerate(texts):
        for name in list(sides) if place % 2 == 0 else reversed(sides):
            seconds[name].append(timed(sides[name], text))
    return {name: round(float(np.median(values)), 7) for name, values in seconds.items()}


def training(client: Client, target: str, rounds: int, rows: Rows) -> dict[str, Spread]:
    """Training `auto` on all of Banking77 from stored embeddings, over one fit of scikit-learn at C = 10.

    Both have the machine to themselves, but for searches of the same collection, one every 10 ms, while the head is
    trained; their 99th percentile is compared with that of an idle server.
    """
    task = heads_data.banking77(client)
    learned = np.setdiff1d(np.arange(len(task.labels)), task.draws[0].test)
    vectors, labels = task.vectors[learned], task.labels[learned]
    client.create_collection(_COLLECTION, encoder=TEXTS, fields={_FIELD: "keyword"})
    payloads = [{_FIELD: label} for label in labels.tolist()]
    client.upsert_vectors(_COLLECTION, [str(row) for row in learned.tolist()], vectors, payloads)
    queries = task.vectors[task.draws[0].test]
    found: dict[str, list[float]] = {"training over one fit": [], "whole call over one fit": [], "p99 over idle": []}
    for turn in range(rounds):
        fit_seconds, iterations = _fit(vectors, labels)
        idle = _searched(target, queries, partial(time.sleep, _IDLE_SECONDS))
        steps: list[str] = []
        start = time.perf_counter()
        busy = _searched(target, queries, partial(_train, client, steps))
        call_seconds = time.perf_counter() - start
        version = client.get_head(_HEAD).versions[0]
        p99 = {side: float(np.percentile(seconds, 99)) for side, seconds in (("idle", idle), ("busy", busy))}
        seconds = {"fit": fit_seconds, "training": version.train_seconds, "call": call_seconds}
        chosen = {"recipe": version.recipe, "strength": version.strength, "fit_iterations": iterations}
        heard = {"reports": len(steps), "steps": sorted(set(steps)), "searches": [len(idle), len(busy)]}
        rows.add({"section": "training", "turn": turn, "seconds": seconds, "p99_seconds": p99, **chosen, **heard})
        figures = (version.train_seconds / fit_seconds, call_seconds / fit_seconds, p99["busy"] / p99["idle"])
        for values, figure in zip(found.values(), figures, strict=True):
            values.append(figure)
    return {name: spread(values) for name, values in found.items()}


def _train(client: Client, steps: list[str]) -> None:
    client.train_head(
        _HEAD, records=LabelledRecords(_COLLECTION, _FIELD), progress=lambda step, share: steps.append(step)
    )


def _fit(vectors: NDArray[np.float32], labels: NDArray[np.str_]) -> tuple[float, int]:
    """Seconds and iterations of one fit, with scikit-learn's own limit of iterations."""
    model = LogisticRegression(C=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        seconds = timed(model.fit, vectors, labels)
    return seconds, int(model.n_iter_.max())


def _searched(target: str, queries: NDArray[np.float32], work: Callable[[], None]) -> list[float]:
    """Seconds of each search while something is done."""
    done = threading.Event()

    def search() -> list[float]:
        seconds: list[float] = []
        with Client(target) as client:
            once = partial(client.search, _COLLECTION, limit=10, include_payloads=False)
            while not done.wait(_SEARCH_EVERY_SECONDS):
                seconds.append(timed(once, queries[len(seconds) % len(queries)]))
        return seconds

    with ThreadPoolExecutor(1) as pool:
        searches = pool.submit(search)
        try:
            work()
        finally:
            done.set()
        return searches.result()
