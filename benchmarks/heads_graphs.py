"""Heads as ONNX graphs: what they compute, and how soon, beside scikit-learn's models of the same weights.

The model of a linear head of whatever recipe is a `LogisticRegression` that is given its weights: the fastest that
scikit-learn has, where its own ridge and nearest centroid have no probabilities, and its calibrated support vector
machine asks several models one after the other.
"""

import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

import heads_data
from frostline.client import Client
from frostline.server.encoders.session import Session
from frostline.server.heads import artifact
from frostline.server.heads.calibration import probabilities
from frostline.server.heads.decision import Linear, Neighbors, Perceptron
from frostline.server.heads.fitted import Fitted
from heads_data import Task
from timing import Rows, Spread, ratios, timed

RECIPES = ("logistic", "ridge", "lda", "nearest_mean", "linear_svm", "nearest_neighbors", "perceptron")
_SHOTS, _TURNS, _ROWS_A_TURN = 20, 20, 50
_HEAD = "measured"


def measure(client: Client, rows: Rows) -> dict[str, Spread]:
    """Trains each recipe on Banking77, 20 of each label, and compares its graph.

    Returns:
        How many times faster than scikit-learn the probabilities of one row are there, by recipe; sides take turns.
    """
    task = heads_data.banking77(client, _SHOTS)
    return {f"{recipe}, times faster": _compare(client, task, recipe, rows) for recipe in RECIPES}


def _compare(client: Client, task: Task, recipe: str, rows: Rows) -> Spread:
    draw = task.draws[0]
    test = task.vectors[draw.test]
    client.train_head(
        _HEAD,
        recipe=recipe,
        encoder=task.encoder,
        vectors=task.vectors[draw.train],
        labels=task.labels[draw.train].tolist(),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "head"
        zipfile.ZipFile(client.export_head(_HEAD, Path(name) / "head.zip")).extractall(folder)
        fitted = artifact.read(folder)
        exported = client.export_head(_HEAD, Path(name) / "head.onnx", format="head-onnx")
        graph = Session(exported, ["probabilities"], "cpu", threads=1)
        scoped = Session(exported, ["probabilities", "scope"], "cpu", threads=1)
    model = _equivalent(fitted)
    expected = probabilities(fitted, test)
    difference = _difference(graph.run({"embeddings": test})[0], expected)
    other = _difference(model.predict_proba(test), expected)
    rows.add({"section": "graph", "recipe": recipe, "split": draw.hash, "difference": difference, "sklearn": other})
    print(f"{recipe}: probabilities differ by {difference:.1e} at most, those of scikit-learn's model by {other:.1e}")
    sides: dict[str, Callable[[NDArray[np.float32]], object]] = {
        "graph": lambda row: graph.run({"embeddings": row}),
        "graph with scope": lambda row: scoped.run({"embeddings": row}),
        "sklearn": model.predict_proba,
    }
    medians: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(_TURNS + 1):
        part = [test[(turn * _ROWS_A_TURN + row) % len(test)][np.newaxis] for row in range(_ROWS_A_TURN)]
        seconds = {side: float(np.median([timed(predict, row) for row in part])) for side, predict in sides.items()}
        rows.add({"section": "one row", "recipe": recipe, "turn": turn, **seconds})
        if turn:  # the first warms them up
            for side, value in seconds.items():
                medians[side].append(value)
    return ratios(medians["sklearn"], medians["graph"])


def _difference(found: NDArray[np.floating[Any]], expected: NDArray[np.float64]) -> float:
    return float(np.abs(found - expected).max())


def _equivalent(fitted: Fitted) -> Any:  # noqa: ANN401 (scikit-learn ships no types)
    """A model of scikit-learn with the weights of a head, its temperature in them."""
    places = np.arange(len(fitted.classes))
    match fitted.decision:
        case Linear(coef, intercept):
            model = LogisticRegression()
            model.coef_, model.intercept_ = coef / fitted.temperature, intercept / fitted.temperature
            model.classes_, model.n_features_in_ = places, coef.shape[1]
        case Perceptron(hidden, hidden_intercept, output, output_intercept):
            model = MLPClassifier(hidden_layer_sizes=(len(hidden),))
            model.coefs_ = [hidden.T.copy(), output.T / fitted.temperature]
            model.intercepts_ = [hidden_intercept, output_intercept / fitted.temperature]
            model.n_layers_, model.n_outputs_, model.out_activation_ = 3, len(places), "softmax"
            model.classes_, model.n_features_in_ = places, hidden.shape[1]
        case Neighbors() as votes:
            # Counts votes as they are: its probabilities are not those of the head, which are smoothed and tempered.
            model = KNeighborsClassifier(votes.neighbors, metric="cosine", algorithm="brute")
            model.fit(votes.vectors, votes.targets)
        case _:
            raise SystemExit(f"no model of scikit-learn is known for {type(fitted.decision).__name__}")
    return model
