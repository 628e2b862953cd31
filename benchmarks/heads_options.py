"""What options before the head are worth on Banking77: the same head with and without them, on the same draws.

Strengths are the usual ones, so that nothing is chosen; `adapt_to` is judged on texts with typing errors, and given
other such texts without labels; layers are judged on the first draw and every third test text.
"""

import random

import numpy as np
from numpy.typing import NDArray

import heads_data
from frostline.client import Client, Recipe
from heads_data import Draw, Task
from timing import Rows, Spread, spread

_STRENGTHS: dict[Recipe, float | None] = {"nearest_mean": None, "lda": 0.6, "logistic": 10.0}
_HEAD = "measured"
_TARGETS = 2_000
_FEWEST_LETTERS = 4
_STEP = 3


def measure(client: Client, rows: Rows) -> dict[str, Spread]:
    """Gains in points of accuracy, on the draws."""
    task = heads_data.banking77(client)
    texts, _, train_count = heads_data.banking77_texts()
    wrong = [_mistyped(text, place) for place, text in enumerate(texts)]
    target = heads_data.embedded(client, task.encoder, wrong[:_TARGETS])
    mistyped = heads_data.embedded(client, task.encoder, wrong[train_count:])
    found: dict[str, list[float]] = {}
    for draw in task.draws:
        for recipe in _STRENGTHS:
            plain, whitened = (_trained(client, task, draw, recipe, task.vectors, whiten=on) for on in (False, True))
            found.setdefault(f"whiten, {recipe}", []).append(whitened - plain)
            rows.add({"split": draw.hash, "recipe": recipe, "plain": plain, "whiten": whitened})
        judged = np.concatenate([task.vectors[:train_count], mistyped])
        plain, adapted = (_trained(client, task, draw, "logistic", judged, adapt_to=each) for each in (None, target))
        found.setdefault("adapt_to, logistic, typing errors", []).append(adapted - plain)
        rows.add({"split": draw.hash, "typing errors": plain, "adapt_to": adapted})
    return {name: spread(gains) for name, gains in found.items()} | _layers(client, task, texts, rows)


def _layers(client: Client, task: Task, texts: list[str], rows: Rows) -> dict[str, Spread]:
    draw = task.draws[0]
    layers = next(each.layers for each in client.list_encoders() if each.name == task.encoder)
    judged = draw.test[::_STEP]
    found: dict[str, Spread] = {}
    for layer in layers:
        chosen: NDArray[np.int64] = np.concatenate([draw.train, judged])
        vectors = client.embed([texts[int(row)] for row in chosen], task.encoder, layer=layer.name).vectors
        part = Task(task.name, task.encoder, vectors, task.labels[chosen], [])
        halves = Draw(np.arange(len(draw.train)), np.arange(len(draw.train), len(chosen)))
        accuracy = _trained(client, part, halves, "logistic", vectors, layer=layer.name)
        rows.add({"split": draw.hash, "layer": layer.name, "accuracy": accuracy})
        found[f"layer {layer.name}, accuracy"] = spread([accuracy])
    return found


def _trained(
    client: Client,
    task: Task,
    draw: Draw,
    recipe: Recipe,
    judged: NDArray[np.float32],
    *,
    whiten: bool = False,
    adapt_to: NDArray[np.float32] | None = None,
    layer: str = "",
) -> float:
    """Accuracy on the draw's test rows of `judged`, in %."""
    client.train_head(
        _HEAD,
        encoder=task.encoder,
        layer=layer,
        vectors=task.vectors[draw.train],
        labels=task.labels[draw.train].tolist(),
        recipe=recipe,
        strength=_STRENGTHS[recipe],
        whiten=whiten,
        adapt_to=adapt_to,
    )
    said = np.array([each.label for each in client.predict(_HEAD, judged[draw.test])])
    right: NDArray[np.bool_] = said == task.labels[draw.test]
    return round(100 * float(right.mean()), 3)


def _mistyped(text: str, seed: int) -> str:
    """Two neighboring letters change places within each longer word."""
    dice = random.Random(seed)
    words: list[str] = []
    for word in text.split():
        if len(word) >= _FEWEST_LETTERS:
            at = dice.randrange(1, len(word) - 2)
            word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        words.append(word)
    return " ".join(words)
