"""What learning from altered copies is worth: the same `auto` head with and without them, on the same draws."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import heads_data
from frostline.client import Client, Example
from heads_data import Draw, Task
from timing import Rows, Spread, spread

_COPIES = 2
_HEAD = "measured"

Inputs = Sequence[str | Path]
_TASKS: Sequence[tuple[Callable[[Client], Task], Callable[[], Inputs], int]] = (
    (heads_data.banking77, lambda: heads_data.banking77_texts()[0], 3),
    (heads_data.fashion, lambda: heads_data.fashion_images()[0], 5),
    (heads_data.cifar10, lambda: heads_data.cifar10_images()[0], 3),
)
"""What is measured, the inputs that its rows are of, and on how many draws."""


def measure(client: Client, rows: Rows) -> dict[str, Spread]:
    """Gains in points of accuracy, and the time of training over that without copies, embedding included."""
    found: dict[str, Spread] = {}
    for make, inputs, draws in _TASKS:
        task = make(client)
        examples = [_example(one, label) for one, label in zip(inputs(), task.labels.tolist(), strict=True)]
        gains: list[float] = []
        times: list[float] = []
        for draw in task.draws[:draws]:
            plain, seconds = _trained(client, task, draw, examples, 0, rows)
            augmented, longer = _trained(client, task, draw, examples, _COPIES, rows)
            gains.append(augmented - plain)
            times.append(longer / seconds)
        print(f"{task.name}, {_COPIES} copies: mean gain {np.mean(gains):+.2f} points, worst draw {min(gains):+.2f}")
        found |= {f"{task.name}, gain": spread(gains), f"{task.name}, times as long": spread(times)}
    return found


def _trained(
    client: Client, task: Task, draw: Draw, examples: Sequence[Example], copies: int, rows: Rows
) -> tuple[float, float]:
    """Accuracy on the draw's test rows, in %, and seconds of training."""
    begun = time.monotonic()
    head = client.train_head(_HEAD, [examples[int(row)] for row in draw.train], encoder=task.encoder, augment=copies)
    seconds = time.monotonic() - begun
    said = np.array([each.label for each in client.predict(_HEAD, task.vectors[draw.test])])
    right: NDArray[np.bool_] = said == task.labels[draw.test]
    accuracy = round(100 * float(right.mean()), 3)
    version = head.versions[0]
    rows.add(
        {
            "section": task.name,
            "split": draw.hash,
            "augment": copies,
            "accuracy": accuracy,
            "held_out_accuracy": version.held_out_accuracy,
            "recipe": version.recipe,
            "strength": version.strength,
            "seconds": round(seconds, 2),
        }
    )
    return accuracy, seconds


def _example(one: str | Path, label: str) -> Example:
    return Example(text=one, label=label) if isinstance(one, str) else Example(image=one, label=label)
