"""What reports on transfer say of encoders known to help, to harm, or to have nothing to help with."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import heads_data
from frostline.client import Client, Example, TransferReport
from frostline.server.heads import examples
from frostline.server.heads.fitted import Recipe, TrainingOptions
from frostline.server.heads.orders import MeasureTransfer
from frostline.server.heads.transfer import contents, report
from frostline.server.heads.transfer.measuring import measure
from timing import Rows, Spread, spread

SHUFFLES = 200
_SHUFFLED_ITEMS, _SHUFFLED_CLASSES = 400, 4
_BANKING_SHOTS = 8
_BIRDS = "mobilenet-v2-inat-bird"


def transfer(client: Client, rows: Rows) -> dict[str, Spread]:
    """Prints a verdict each: Banking77 at 8 shots, and product images with an encoder that fits and one of birds."""
    found = {"banking77, 8 shots": banking77(client)}
    for encoder in (heads_data.IMAGES, _BIRDS):
        found[f"fashion articleType, {encoder}"] = fashion(client, encoder)
    for name, said in found.items():
        rows.add({"section": name, "report": json.loads(said.to_json())})
        print(f"{name}: {said.verdict}. {said.reason}")
    return {}


def shuffled(client: Client, rows: Rows) -> dict[str, Spread]:
    """Verdicts on texts whose labels mean nothing; heads are nearest means and no service, to take less time."""
    texts, _, _ = heads_data.banking77_texts()
    vectors = heads_data.embedded(client, heads_data.TEXTS, texts)
    averages: list[float] = []
    positive = 0
    for seed in range(SHUFFLES):
        chance = np.random.default_rng(seed)
        chosen = chance.choice(len(texts), _SHUFFLED_ITEMS, replace=False)
        labels = chance.permutation(np.arange(_SHUFFLED_ITEMS) % _SHUFFLED_CLASSES).astype(np.str_)
        said = _of_nothing([texts[row] for row in chosen], vectors[chosen], labels)
        positive += said.verdict is report.Verdict.POSITIVE
        averages.append(100 * said.average.value)
        rows.add(
            {
                "section": "shuffled",
                "seed": seed,
                "verdict": said.verdict,
                "average": said.average.model_dump(),
                "split": said.split.model_dump(),
            }
        )
    print(f"shuffled labels: POSITIVE in {positive} of {SHUFFLES}")
    return {"mean difference with shuffled labels, points": spread(averages)}


def banking77(client: Client) -> TransferReport:
    """8 texts of each intent, as the first draw of MTEB's protocol has them, judged by its test part."""
    texts, labels, train_count = heads_data.banking77_texts()
    draw = heads_data.mteb_draws(labels, train_count, _BANKING_SHOTS)[0]
    train, test = (
        [Example(text=texts[row], label=str(labels[row])) for row in part.tolist()] for part in (draw.train, draw.test)
    )
    return client.measure_transfer(train, held_out=test, encoder=heads_data.TEXTS)


def fashion(client: Client, encoder: str) -> TransferReport:
    """Product images by article type, the 20 types of at least 20 items, half of each judged."""
    heads_data.add(client, encoder)
    paths, labels = heads_data.fashion_images()
    pictured = [Example(image=path, label=label) for path, label in zip(paths, labels.tolist(), strict=True)]
    return client.measure_transfer(pictured, encoder=encoder)


def _of_nothing(texts: Sequence[str], vectors: NDArray[np.float32], labels: NDArray[np.str_]) -> report.TransferReport:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        examples.save(folder / "examples", examples.check(vectors, labels.tolist()))
        contents.save_texts(folder / "contents", texts)
        order = MeasureTransfer(
            encoder=heads_data.TEXTS,
            examples=folder / "examples",
            contents=folder / "contents",
            options=TrainingOptions(recipe=Recipe.NEAREST_MEAN),
        )
        with threadpool_limits(1):  # as the server has it: more wait for each other
            return measure(order, lambda _step, _done: None)
