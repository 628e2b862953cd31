import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frostline.server.errors import InvalidInput
from frostline.server.heads.transfer import baselines, contents, pictures

TARGETS = np.arange(60) % 3
TRAINING, JUDGED = np.arange(30), np.arange(30, 60)


def picture(look: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(look.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def saved(folder: Path, looks: list[np.ndarray]) -> list[Path]:
    contents.save_images(folder / "contents", map(picture, looks))
    found = contents.load(folder / "contents", len(looks))
    return [each for each in found if isinstance(each, Path)]


@pytest.fixture(scope="module")
def coloured(tmp_path_factory) -> list[Path]:
    """Images of as many colours as classes, with shapes that mean nothing."""
    chance = np.random.default_rng(0)
    shades = np.array([[200, 60, 60], [60, 160, 60], [60, 60, 240]])
    looks = [
        np.clip(shades[target] + chance.normal(0, 40, (8, 8, 1)).repeat(5, 0).repeat(5, 1), 0, 255)
        for target in TARGETS.tolist()
    ]
    return saved(tmp_path_factory.mktemp("coloured"), looks)


@pytest.fixture(scope="module")
def striped(tmp_path_factory) -> list[Path]:
    """Images with stripes of as many directions as classes, of any colour and phase."""
    chance = np.random.default_rng(1)
    rows, columns = np.mgrid[:48, :48]
    directions = [rows, columns, rows + columns]
    looks = [
        np.sin(directions[target] / 3 + chance.uniform(0, 6))[..., np.newaxis] * chance.uniform(40, 80, 3) + 120
        for target in TARGETS.tolist()
    ]
    return saved(tmp_path_factory.mktemp("striped"), looks)


def accuracies(ways) -> list[float]:
    """On what was held out."""
    return [float(np.mean(way.settle(TRAINING).learn(TRAINING) == TARGETS[JUDGED])) for way in ways]


def test_words_tell_texts_apart():
    words = "alpha beta gamma".split()
    chance = np.random.default_rng(0)
    texts = [f"{words[target]} {' '.join(chance.choice(list('pqrstuv'), 5))}" for target in TARGETS.tolist()]
    assert accuracies(baselines.of_texts(texts, TARGETS, JUDGED)) == [1.0]


def test_a_vocabulary_is_learned_from_training_texts_alone():
    # A word that held-out texts have must not be known, or its weight would tell how common it is among them.
    texts = ["one", "two", "one", "two", "three", "three"]
    way = baselines.of_texts(texts, np.array([0, 1, 0, 1, 0, 0]), np.array([4, 5]))[0]
    features = way._represent(np.arange(4), np.array([4, 5]))
    assert [each.shape for each in features] == [(4, 2), (2, 2)]
    assert features[1].nnz == 0


def test_texts_without_words_are_learned_from_too():
    assert accuracies(baselines.of_texts(["!", "?", "☂"] * 20, TARGETS, JUDGED)) == [1.0]


def test_colours_are_seen_by_pixels(coloured):
    gradients, pixels = baselines.of_images(coloured, TARGETS, JUDGED)
    assert accuracies([pixels]) == [1.0]
    settled = [way.settle(TRAINING).accuracy or 0.0 for way in (gradients, pixels)]
    assert settled[0] < settled[1]


def test_shapes_are_seen_by_gradients(striped):
    gradients, pixels = accuracies(baselines.of_images(striped, TARGETS, JUDGED))
    assert gradients == 1.0
    assert pixels < gradients


def test_axes_are_turned_without_changing_distances(striped):
    colours = pictures.features(striped)[1]
    seen, unseen = baselines.of_images(striped, TARGETS, JUDGED)[1]._represent(TRAINING, JUDGED)
    assert seen.shape == unseen.shape == (30, 30)
    centred = colours - colours[TRAINING].mean(axis=0)
    size = float(np.mean(np.sum(centred[TRAINING] ** 2, axis=1)))
    for ours, rows in ((seen, TRAINING), (unseen, JUDGED)):
        assert ours @ seen.T * size == pytest.approx(centred[rows] @ centred[TRAINING].T, rel=1e-3, abs=1e-3 * size)


def test_a_strength_is_chosen_by_training_rows_alone(coloured):
    targets = TARGETS.copy()
    way = baselines.of_images(coloured, targets, JUDGED)[1]
    before = way.settle(TRAINING)
    targets[JUDGED] = 0
    assert way.settle(TRAINING).accuracy == before.accuracy


def test_nothing_is_held_out_of_single_examples():
    way = baselines.of_texts(["red", "green", "blue"] * 20, TARGETS, JUDGED)[0]
    assert way.settle(TRAINING[:3]).accuracy is None


def test_what_is_no_image_is_named(tmp_path, coloured):
    (tmp_path / "broken").write_bytes(b"not an image at all")
    with pytest.raises(InvalidInput, match="example 1: image of 19 bytes"):
        pictures.features([coloured[0], tmp_path / "broken"])
