"""What reports on transfer say of encoders known to help, to harm, or to have nothing to help with."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import heads_data
from frostline.client import Client
from frostline.server.heads import examples
from frostline.server.heads.fitted import Recipe, TrainingOptions
from frostline.server.heads.orders import MeasureTransfer
from frostline.server.heads.transfer import contents
from frostline.server.heads.transfer.measuring import measure
from frostline.server.heads.transfer.report import TransferReport, Verdict
from timing import Rows, Spread, spread

SHUFFLES = 200
_SHUFFLED_ITEMS, _SHUFFLED_CLASSES = 400, 4
_BANKING_SHOTS = 8


def transfer(client: Client, rows: Rows) -> dict[str, Spread]:
    """Prints a report each: Banking77 at 8 shots, and product images with an encoder that fits and one of birds."""
    found = {"banking77, 8 shots": banking77(client)}
    for encoder in (heads_data.IMAGES, "mobilenet-v2-inat-bird"):
        found[f"fashion articleType, {encoder}"] = fashion(client, encoder)
    for name, report in found.items():
        rows.add({"section": name, "report": report.model_dump(mode="json")})
        print(f"{name}: {report.verdict.name}. {report.reason}")
    return {}


def shuffled(client: Client, rows: Rows) -> dict[str, Spread]:
    """Verdicts on texts whose labels mean nothing; heads are nearest means, which take the least time."""
    texts, _, _ = heads_data.banking77_texts()
    vectors = heads_data.embedded(client, heads_data.TEXTS, texts)
    averages: list[float] = []
    positive = 0
    for seed in range(SHUFFLES):
        chance = np.random.default_rng(seed)
        chosen = chance.choice(len(texts), _SHUFFLED_ITEMS, replace=False)
        labels = chance.permutation(np.arange(_SHUFFLED_ITEMS) % _SHUFFLED_CLASSES).astype(np.str_)
        report = reported(
            heads_data.TEXTS, vectors[chosen], labels, [texts[row] for row in chosen], recipe=Recipe.NEAREST_MEAN
        )
        positive += report.verdict is Verdict.POSITIVE
        averages.append(100 * report.average.value)
        rows.add(
            {
                "section": "shuffled",
                "seed": seed,
                "verdict": report.verdict,
                "average": report.average.model_dump(),
                "split": report.split.model_dump(),
            }
        )
    print(f"shuffled labels: POSITIVE in {positive} of {SHUFFLES}")
    return {"mean difference with shuffled labels, points": spread(averages)}


def banking77(client: Client) -> TransferReport:
    """8 texts of each intent, as the first draw of MTEB's protocol has them, judged by its test part."""
    texts, labels, train_count = heads_data.banking77_texts()
    draw = heads_data.mteb_draws(labels, train_count, _BANKING_SHOTS)[0]
    chosen = np.concatenate([draw.train, draw.test])
    vectors = heads_data.embedded(client, heads_data.TEXTS, texts)[chosen]
    return reported(heads_data.TEXTS, vectors, labels[chosen], [texts[row] for row in chosen], len(draw.test))


def fashion(client: Client, encoder: str) -> TransferReport:
    """Product images by article type, the 20 types of at least 20 items, half of each judged; ridge heads."""
    paths, labels = heads_data.fashion_images()
    return reported(encoder, heads_data.embedded(client, encoder, paths), labels, paths, recipe=Recipe.RIDGE)


def reported(
    encoder: str,
    vectors: NDArray[np.float32],
    labels: NDArray[np.str_],
    found: Sequence[str] | Sequence[Path],
    held_out: int = 0,
    recipe: Recipe = Recipe.AUTO,
) -> TransferReport:
    """The report on labelled embeddings, and on the texts or image files that they are of."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        examples.save(folder / "examples", examples.check(vectors, labels.tolist()))
        texts = [each for each in found if isinstance(each, str)]
        if texts:
            contents.save_texts(folder / "contents", texts)
        else:
            contents.save_images(folder / "contents", (Path(each).read_bytes() for each in found))
        order = MeasureTransfer(
            encoder=encoder,
            examples=folder / "examples",
            contents=folder / "contents",
            held_out=held_out,
            options=TrainingOptions(recipe=recipe),
        )
        return measure(order, lambda step, done: print(f"{done:4.0%} {step}", flush=True))
