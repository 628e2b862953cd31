"""Altered copies, and heads that learn from them."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clouds import clouds, with_copies
from frostline.server.encoders import decoding
from frostline.server.encoders.bundle import Preprocessing
from frostline.server.errors import InvalidInput
from frostline.server.heads.augmentation import copies
from frostline.server.heads.calibration import probabilities, untested_temperature
from frostline.server.heads.fitted import EXACT, Recipe, TrainingOptions
from frostline.server.heads.fitting import check_options, refit, train
from frostline.server.heads.merging import merged
from frostline.server.heads.moments import Moments
from frostline.server.heads.recipes import logistic, perceptron, svm

SMALL = Preprocessing(height=16, width=16, resize_shorter_side=18)
STRENGTHS = {Recipe.RIDGE: 0.1, Recipe.LDA: 0.3, Recipe.NEAREST_MEAN: None, Recipe.AUTO: None}
LONG = " ".join(f"word{place}" for place in range(2_000))


def of_text(text, count=4):
    return copies(text, count, None, 1)


def of_image(data, count=4, how=SMALL, max_pixels=10_000):
    return [decoding.decode(each) for each in copies(data, count, how, max_pixels)]


def slope(width, height):
    """An image whose red tells the column and whose green tells the row of each pixel."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return Image.fromarray(np.stack([columns, rows, np.zeros_like(rows)], axis=2))


def file_of(image, form="PNG"):
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def trained(labelled, recipe, **options):
    options = TrainingOptions(recipe=recipe, strength=STRENGTHS.get(recipe, 1.0), **options)
    return train(labelled, options, lambda _step, _done: None)


@given(text=st.text(alphabet="ab \n", max_size=30), count=st.integers(0, 8))
def test_a_copy_of_a_text_lacks_some_words_and_never_all(text, count):
    words, found = text.split(), of_text(text, count)
    assert len(found) == (count if len(words) > 1 else 0)
    for copy in found:
        rest = iter(words)
        assert all(word in rest for word in copy.split())
        assert 0 < len(copy.split()) < len(words)


def test_one_word_in_ten_is_left_out():
    shares = [len(each.split()) / 2_000 for each in of_text(LONG, 8)]
    assert np.mean(shares) == pytest.approx(0.9, abs=0.01)
    assert np.ptp(shares) > 0


def test_copies_depend_on_nothing_but_what_they_are_of():
    assert of_text(LONG, 8)[:3] == of_text(LONG, 3)
    assert len(set(of_text(LONG, 8))) == 8
    assert of_text(LONG + " more")[0].split()[:50] != of_text(LONG)[0].split()[:50]
    assert of_text("lone \ud800 half")  # which is no UTF-8
    image = file_of(slope(40, 30))
    assert copies(image, 8, SMALL, 10_000)[:2] == copies(image, 2, SMALL, 10_000)
    assert copies(image, 1, SMALL, 10_000) != copies(file_of(slope(40, 31)), 1, SMALL, 10_000)


@given(width=st.integers(1, 200), height=st.integers(1, 200))
def test_a_copy_of_an_image_is_a_large_part_of_it(width, height):
    huge = Preprocessing(height=4_096, width=4_096)
    for copy in of_image(file_of(slope(width, height)), how=huge, max_pixels=40_000):
        red, green, blue = np.asarray(copy).astype(int).transpose(2, 0, 1)
        steps = np.diff(red, axis=1)
        assert (steps == 1).all() or (steps == -1).all()
        assert (np.diff(green, axis=0) == 1).all()
        assert not np.ptp(red, axis=0).any()
        assert not blue.any()
        assert (copy.width + 0.5) * (copy.height + 0.5) >= 0.7 * width * height
        widest = (copy.width + 0.5) / width * height / max(copy.height - 0.5, 0.5)
        narrowest = max(copy.width - 0.5, 0.5) / width * height / (copy.height + 0.5)
        assert widest >= 3 / 4
        assert narrowest <= 4 / 3


def test_half_of_the_copies_are_mirrored_and_crops_lie_anywhere():
    found = [np.asarray(each) for n in range(50) for each in of_image(file_of(slope(60 + n, 50)), how=None)]
    mirrored = [each[0, 0, 0] > each[0, -1, 0] for each in found]
    assert np.mean(mirrored) == pytest.approx(0.5, abs=0.1)
    assert len({int(each[..., 0].min()) for each in found}) > 5
    assert len({int(each[..., 1].min()) for each in found}) > 5


def test_copies_are_no_larger_than_an_encoder_can_tell():
    found = of_image(file_of(slope(200, 100)), max_pixels=20_000)
    assert {min(each.size) for each in found} == {36}
    assert all(each.width > each.height for each in found)


@pytest.mark.parametrize("form", ["JPEG", "GIF", "BMP", "WEBP"])
def test_images_of_every_format_are_altered_and_turned_as_they_say(form):
    assert len(of_image(file_of(slope(20, 30), form))) == 4
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    slope(100, 50).save(turned, "JPEG", exif=exif)
    assert all(each.height > each.width for each in of_image(turned.getvalue()))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no image", "is of another format"),
        (file_of(slope(101, 100)), "above the limit of 10000 pixels"),
        (b"", "empty"),
    ],
)
def test_images_are_refused_as_encoders_refuse_them(data, message):
    with pytest.raises(InvalidInput, match=message):
        of_image(data)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("recipe", [*sorted(EXACT), Recipe.LOGISTIC, Recipe.LINEAR_SVM])
def test_copies_that_are_alike_change_nothing(recipe, whiten):
    labelled, unseen = clouds(12, 7, 3, 1, described=("d",)), clouds(20, 20, 20, 20, seed=3)
    options = {"abstain_error": 0.3, "coverage": 0.7, "whiten": whiten}
    plain, copied = (trained(each, recipe, **options) for each in (labelled, with_copies(labelled, 2)))
    assert copied.counts.tolist() == plain.counts.tolist() == [12, 7, 3, 1]
    assert copied.held_out_accuracy == plain.held_out_accuracy
    assert copied.train_accuracy == plain.train_accuracy
    assert copied.temperature == pytest.approx(plain.temperature, rel=0.02)
    assert copied.set_quantile == pytest.approx(plain.set_quantile, rel=0.05)
    np.testing.assert_allclose(copied.scope.held_out, plain.scope.held_out, atol=1e-6)
    np.testing.assert_allclose(probabilities(copied, unseen.features), probabilities(plain, unseen.features), atol=0.01)


@pytest.mark.parametrize("fit", [logistic.fit, svm.fit, perceptron.fit])
@pytest.mark.parametrize("balance_classes", [False, True])
def test_examples_with_copies_do_not_outweigh_others(fit, balance_classes):
    alone = clouds(20, 20, dimensions=2, spread=1.5)
    uneven = with_copies(alone, np.where(alone.targets == 0, 8, 0))
    found = [fit(each, 1.0, balance_classes).logits(alone.features) for each in (alone, uneven)]
    np.testing.assert_allclose(*(each[:, 0] - each[:, 1] for each in found), atol=0.2)


@pytest.mark.parametrize("recipe", [*sorted(EXACT), Recipe.AUTO])
def test_what_was_learned_by_heart_is_not_taken_for_known(recipe):
    """A copy of a held-out example that is learned from would tell its label, here where labels are chance."""
    labelled = clouds(80, dimensions=200, spread=3)
    labelled = replace(labelled, targets=np.arange(80) % 2, classes=("a", "b"))
    found = trained(with_copies(labelled, 2, noise=0.001), recipe)
    assert found.train_accuracy > 0.9
    assert found.held_out_accuracy == pytest.approx(0.5, abs=0.2)
    assert min((each.log_loss for each in found.trials), default=1) > 0.65


@pytest.mark.parametrize("recipe", sorted(EXACT))
def test_updates_are_as_exact_with_copies_as_without(recipe):
    everything = with_copies(clouds(20, 30, 10), 2, noise=0.2)
    order = np.random.default_rng(3).permutation(60)
    gone, left = everything.rows(order[:15]), everything.rows(np.sort(order[15:]))
    before = trained(everything, recipe)
    after = refit(left, before, before.moments.minus(Moments.of(gone)), lambda _step, _done: None)
    expected = trained(left, recipe)
    assert after.counts.tolist() == expected.counts.tolist() == left.counts.tolist()
    assert after.moments.counts.tolist() == left.counts.tolist()
    for mine, theirs in ((after.decision.coef, expected.decision.coef), (after.scope.means, expected.scope.means)):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    assert after.held_out_accuracy == expected.held_out_accuracy
    whole = trained(everything.rows(order), recipe)
    np.testing.assert_allclose(whole.decision.coef, before.decision.coef, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": Recipe.NEAREST_NEIGHBORS}, "nearest_neighbors cannot weigh copies"),
        ({"task": "labels"}, "only heads of classes learn from altered copies"),
        ({"task": "value"}, "only heads of classes learn from altered copies"),
    ],
)
def test_what_cannot_learn_from_copies_says_so(options, message):
    with pytest.raises(InvalidInput, match=message):
        check_options(TrainingOptions(augment=1, **options))


def test_copies_say_nothing_of_how_far_a_head_is_to_be_trusted():
    labelled = with_copies(clouds(1, 1, 1, 1, dimensions=4), 3, noise=1.0)
    found = trained(labelled, Recipe.NEAREST_MEAN)
    alone = labelled.alone()
    logits = found.decision.logits(alone.features)
    assert found.temperature == untested_temperature(logits, alone.targets)
    assert found.train_accuracy == (logits.argmax(axis=1) == alone.targets).mean()
    assert found.train_accuracy != (found.decision.logits(labelled.features).argmax(axis=1) == labelled.targets).mean()


def test_copies_do_not_make_the_most_of_all_examples():
    """A merged head is judged by the examples at hand where they are most of what it knows."""
    both = merged([trained(clouds(20, 20, seed=seed), Recipe.RIDGE) for seed in (0, 1)])
    added = with_copies(clouds(5, 5, seed=2), 8, noise=0.1)
    after = refit(added, both, both.moments.plus(Moments.of(added)), lambda _step, _done: None)
    assert after.counts.tolist() == [45, 45]
    assert (after.temperature, after.held_out_accuracy) == (both.temperature, both.held_out_accuracy)
